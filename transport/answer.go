package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"sluice/auth"
)

// answerPart is how much of an answer a client has to accept within write_progress: 26
// kbit/s by default. Less would let clients hold their answers in memory for long, more
// would cut off slow networks, as progress within a write cannot be observed.
const answerPart = 32 << 10

// answer is the ResponseWriter of a request. It bounds how long a client may accept
// nothing of what is written: a handler that waits for a client that does not read
// would keep its goroutine, and the answer, forever.
//
// A deadline is valid from the start of a write until the next write, so that it
// also covers what the HTTP server flushes after the handler has returned. On HTTP/2
// a deadline ends the stream whether or not something is being written, so none is
// set before the first write.
type answer struct {
	http.ResponseWriter
	control  *http.ResponseController
	server   *Server
	request  *http.Request
	progress time.Duration
	until    time.Time // nothing is written after this time; zero for no bound
	// principal is whose records the answer has; nothing is written once its token was
	// revoked. Nil for nobody's.
	principal *auth.Principal
}

func (s *Server) newAnswer(w http.ResponseWriter, r *http.Request) *answer {
	a := &answer{
		ResponseWriter: w, control: http.NewResponseController(w),
		server: s, request: r, progress: s.limits().WriteProgress,
	}
	if r.ProtoMajor == 1 {
		// The HTTP server itself writes 100 Continue before the handler writes.
		_ = a.control.SetWriteDeadline(time.Now().Add(a.progress))
	}
	return a
}

// Unwrap implements the interface that http.ResponseController looks for.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// endsWith bounds all writes to w by the expiry of p's token, plus expiryGrace,
// however slowly the client accepts them, and by the revocation of the token.
func endsWith(w http.ResponseWriter, p *auth.Principal) {
	a, ok := w.(*answer)
	if !ok {
		return
	}
	a.principal = p
	endsBy(w, p)
}

// endsBy is endsWith without the revocation.
func endsBy(w http.ResponseWriter, p *auth.Principal) {
	if a, ok := w.(*answer); ok && !p.ExpiresAt().IsZero() {
		a.until = p.ExpiresAt().Add(expiryGrace)
	}
}

// unbounded returns the ResponseWriter that an answer wraps.
func unbounded(w http.ResponseWriter) http.ResponseWriter {
	if a, ok := w.(*answer); ok {
		return a.ResponseWriter
	}
	return w
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	a.bound()
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (written int, err error) {
	for {
		part := p[:min(len(p), answerPart)]
		p = p[len(part):]
		if a.server.revoked(a.principal) {
			return written, auth.ErrRevoked // the rest of the body is missing, which ends the connection
		}
		a.bound()
		n, err := a.ResponseWriter.Write(part)
		written += n
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = errNoProgress
			}
			a.server.noteCutOff(err, a.server.addressOf(a.request))
			return written, err
		}
		if len(p) == 0 {
			return written, nil
		}
	}
}

// bound sets the deadline of the next write. A failure to set it is ignored: then
// there is no connection to wait for.
func (a *answer) bound() {
	deadline, _ := writeBy(a.progress, a.until)
	_ = a.control.SetWriteDeadline(deadline)
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Cache-Control", "no-store")
	writeBody(w, status, body)
}

// writeView answers with JSON that describes something.
func (s *Server) writeView(w http.ResponseWriter, r *http.Request, view any) {
	body, err := json.Marshal(view)
	if err != nil {
		s.refuse(w, r, faultOf(err))
		return
	}
	writeJSON(w, http.StatusOK, body)
}

// writeBody answers with JSON.
func writeBody(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	body = append(bytes.TrimRight(body, "\n"), '\n')
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // JSON, and said to be
}

// writeBy returns the deadline of a write, and whether it is the final one for all
// writes.
func writeBy(progress time.Duration, until time.Time) (deadline time.Time, last bool) {
	deadline = time.Now().Add(progress)
	if !until.IsZero() && until.Before(deadline) {
		return until, true
	}
	return deadline, false
}
