package transport

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"sluice/auth"
)

// answerPart is how much of an answer a client has to take within
// write_progress. It is small, as what lies between two writes cannot be seen.
const answerPart = 4 << 10

// answer is the ResponseWriter of a request. It bounds how long a client may
// take nothing of what is written: a handler that waits for a client that does
// not read would keep its goroutine, and the answer, for ever.
//
// Its deadline stands from the start of a write on until the next one, so that
// it covers what the HTTP server flushes behind the handler, too. On HTTP/2 a
// deadline ends the stream whether or not something is being written, so that
// none is set before the first write.
type answer struct {
	http.ResponseWriter
	control  *http.ResponseController
	server   *Server
	request  *http.Request
	progress time.Duration
	until    time.Time // nothing is written later; zero for no bound
}

func (s *Server) newAnswer(w http.ResponseWriter, r *http.Request) *answer {
	a := &answer{
		ResponseWriter: w, control: http.NewResponseController(w),
		server: s, request: r, progress: s.config.Limits.WriteProgress,
	}
	if r.ProtoMajor == 1 {
		// The server itself writes before the handler does: 100 Continue.
		_ = a.control.SetWriteDeadline(time.Now().Add(a.progress))
	}
	return a
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// endsWith has what is written end with the token of the principal that it is
// for, however slowly the client takes it.
func endsWith(w http.ResponseWriter, p *auth.Principal) {
	if a, ok := w.(*answer); ok && !p.ExpiresAt().IsZero() {
		a.until = p.ExpiresAt().Add(expiryGrace)
	}
}

// unbounded is the ResponseWriter below an answer.
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

// bound sets by when what is written next must have been taken. Failing to is no
// fault: then there is no connection to wait for.
func (a *answer) bound() {
	deadline, _ := writeBy(a.progress, a.until)
	_ = a.control.SetWriteDeadline(deadline)
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	body = append(bytes.TrimRight(body, "\n"), '\n')
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // JSON, and said to be
}

// writeBy is by when something must have been taken, and whether that is the
// last time for all of it.
func writeBy(progress time.Duration, until time.Time) (deadline time.Time, last bool) {
	deadline = time.Now().Add(progress)
	if !until.IsZero() && until.Before(deadline) {
		return until, true
	}
	return deadline, false
}
