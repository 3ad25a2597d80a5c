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
	"sluice/transport/compress"
	"sluice/transport/wire"
)

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

// bodyCoding returns the content coding of a body, "" for none. A coding that is not known,
// or a body that is encoded twice, is answered with the codings that are accepted (RFC 9110,
// section 15.5.16).
func bodyCoding(w http.ResponseWriter, r *http.Request) (coding string, fault *wire.Error) {
	for _, name := range listOf(r.Header, "Content-Encoding") {
		switch name = strings.ToLower(name); {
		case name == "identity":
			continue
		case name == "x-gzip":
			name = compress.CodingGzip // RFC 9110, section 8.4.1.3
		case name != compress.CodingGzip && name != compress.CodingZstd, coding != "":
			return "", wrongCoding(w, "the content encoding is not supported: send the body with "+compress.Codings+" or without one, and encoded once")
		}
		coding = name
	}
	return coding, nil
}

// wrongCoding returns the fault of a body with a content coding that is not accepted.
func wrongCoding(w http.ResponseWriter, message string) *wire.Error {
	w.Header().Set("Accept-Encoding", compress.Codings)
	return &wire.Error{Code: wire.BadRequest, HTTPStatus: http.StatusUnsupportedMediaType, Message: message}
}

// mostBody is the bound of a body if no limit is configured.
const mostBody = 1 << 30

// bodyLimit returns how large a body may be.
func (s *Server) bodyLimit() int {
	if most := s.limits().MessageBytes; most > 0 {
		return most
	}
	return mostBody
}

// readInflated is readBody for a body that may be compressed.
func (s *Server) readInflated(w http.ResponseWriter, r *http.Request, p *auth.Principal) ([]byte, *wire.Error) {
	coding, fault := bodyCoding(w, r)
	if fault != nil {
		return nil, fault
	}
	body, fault := s.readPlain(w, r, p)
	if fault != nil || coding == "" {
		return body, fault
	}
	most := s.bodyLimit()
	body, err := compress.InflateBody(coding, body, most)
	switch {
	case errors.Is(err, compress.ErrTooLarge):
		return nil, wire.Errorf(wire.TooLarge, "the body is larger than %d bytes once it is decompressed (limit message_bytes)", most)
	case err != nil:
		return nil, &wire.Error{Code: wire.BadRequest, Message: "the body is not " + coding + ", which its content encoding says", Cause: err}
	}
	return body, s.ended(p)
}

// readBody reads the body of a principal's request within the limits, and before the
// principal's token expires. Nil is nobody's request.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, p *auth.Principal) ([]byte, *wire.Error) {
	if coding, fault := bodyCoding(w, r); coding != "" || fault != nil {
		w.Header().Set("Accept-Encoding", "identity")
		return nil, &wire.Error{
			Code: wire.BadRequest, HTTPStatus: http.StatusUnsupportedMediaType,
			Message: "the body has a content encoding, which this request cannot have: send the body without one",
		}
	}
	return s.readPlain(w, r, p)
}

// readPlain reads a body as it was sent.
func (s *Server) readPlain(w http.ResponseWriter, r *http.Request, p *auth.Principal) ([]byte, *wire.Error) {
	if _, twice := onceIn(r.Header, "Content-Type"); twice != nil {
		return nil, twice
	}
	most := int64(s.bodyLimit())
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
