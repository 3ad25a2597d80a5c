package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"sluice/auth"
	"sluice/hub/filter"
	"sluice/hub/upstream"
	"sluice/transport/wire"
)

// handlePublish serves POST /v1/streams/{stream}/records.
func (s *Server) handlePublish(w http.ResponseWriter, r *http.Request) {
	// A request that waits for a reply counts as a session.
	to, unclear := wire.ParseReplyTo(r.URL.RawQuery)
	enter := s.identify
	if to.ExpectsReply() {
		enter = s.admit
	}
	c := enter(r)
	defer c.leave()
	s.require(c)
	var allowed filter.Filter
	if c.fault == nil {
		allowed, c.fault = s.mayPublish(c.principal, r.PathValue("stream"))
	}
	if c.fault == nil {
		c.fault = s.approvePublish(r.Context(), c.principal, r.PathValue("stream"))
	}
	if c.fault == nil {
		c.fault = unclear
	}
	if c.fault != nil {
		s.refuse(w, r, c.fault)
		return
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "Ce-") {
			s.refuse(w, r, wire.Errorf(wire.BadRequest, "CloudEvents (headers that begin with ce-) are not supported by this server yet"))
			return
		}
	}
	body, fault := s.readBody(w, r, c.principal)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	messages, batch, fault := wire.ParseHTTPPublish(wire.HTTPPublish{
		ContentType:    r.Header.Get("Content-Type"),
		IdempotencyKey: strings.Join(r.Header.Values("Idempotency-Key"), ","),
		RawQuery:       r.URL.RawQuery,
		Body:           body,
	}, s.wireLimits())
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	from := origin{address: s.addressOf(r), traceParent: strings.Join(r.Header.Values("Traceparent"), ",")}
	reply, fault := s.expectFor(r, c.principal, to, messages, batch)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	if reply != nil {
		defer reply.release()
		from.correlation = reply.correlation
	}
	stored := make(chan []upstream.Stored, 1)
	by := publisher(c.principal, r.PathValue("stream"), from, allowed)
	s.publish(c.principal, by, r.PathValue("stream"), messages, func(results []upstream.Stored) { stored <- results })
	// Wait even if the client has left: publish bounds the time.
	results := <-stored
	s.audit.posted(r, results)
	s.tellQuotas(w.Header(), r.PathValue("stream"), &by)
	if why := noneSent(results); why != nil {
		s.refuse(w, r, faultOf(why))
		return
	}
	if reply != nil && results[0].Err == nil {
		s.answerWithReply(w, r, reply, results[0])
		return
	}
	switch m := s.answer("", batch, results).(type) {
	case *wire.Error:
		s.refuse(w, r, m)
	case *wire.Published:
		writeJSON(w, http.StatusOK, m.AppendBody(nil))
	case *wire.DeadLetter:
		writeJSON(w, http.StatusAccepted, m.AppendBody(nil))
	case *wire.PublishedBatch:
		writeJSON(w, m.Status(), m.AppendBody(nil))
	}
}

// onceIn returns the value of a header that must not be repeated, because its lines
// cannot be told apart. If it is, the first value is returned beside the fault.
func onceIn(h http.Header, name string) (string, *wire.Error) {
	values := h.Values(name)
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return values[0], wire.Errorf(wire.BadRequest, "duplicate header %s", name)
}

// checkBodyHeader refuses a body that is encoded, or whose type is ambiguous.
func checkBodyHeader(h http.Header) *wire.Error {
	for _, coding := range listOf(h, "Content-Encoding") {
		if !strings.EqualFold(coding, "identity") {
			return wire.Errorf(wire.BadRequest, "the body has a content encoding, which is not supported: send the body without one")
		}
	}
	_, twice := onceIn(h, "Content-Type")
	return twice
}

// readBody reads the body of a principal's request within the limits, and before the
// principal's token expires. Nil is nobody's request.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, p *auth.Principal) ([]byte, *wire.Error) {
	if fault := checkBodyHeader(r.Header); fault != nil {
		return nil, fault
	}
	most := int64(s.limits().MessageBytes)
	if most <= 0 {
		most = 1 << 30
	}
	if r.ContentLength > most {
		return nil, wire.Errorf(wire.TooLarge, "the body is larger than %d bytes", most)
	}
	// counted has set the read deadline of the body. The token may expire sooner.
	if p == nil {
		// The request has no credential whose end would bound it.
	} else if by := p.ExpiresAt(); !by.IsZero() && by.Before(s.now().Add(s.limits().MessageAssembly)) {
		_ = http.NewResponseController(w).SetReadDeadline(by)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var tooLarge *http.MaxBytesError
	if fault := s.ended(p); fault != nil {
		return nil, fault
	}
	switch {
	case errors.As(err, &tooLarge):
		return nil, wire.Errorf(wire.TooLarge, "the body is larger than %d bytes", most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, wire.Errorf(wire.BadRequest, "the body took longer than %s", s.limits().MessageAssembly)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), err != nil && r.ProtoMajor > 1:
		return nil, &wire.Error{Code: wire.BadRequest, Message: "the body ends early", Cause: fmt.Errorf("%w: %w", errClientLeft, err)}
	case err != nil:
		return nil, &wire.Error{Code: wire.BadRequest, Message: "the body could not be read", Cause: err}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, nil
}
