package transport

import (
	"errors"
	"net/http"
	"runtime/debug"
	"sluice/transport/wire"
	"strconv"
)

// errClientLeft is the cause of a fault of which nobody is left to be told.
var errClientLeft = errors.New("the client has left")

// noteFault counts a fault and writes it down.
func (s *Server) noteFault(fault *wire.Error, address string) {
	s.metrics.fault(fault.Code)
	s.faults.note(fault, address)
}

// noteRefusal is noteFault for a request. What became of it when its client has
// left, whether Kafka was waited for or a body, is nobody's fault.
func (s *Server) noteRefusal(r *http.Request, fault *wire.Error) {
	if r.Context().Err() == nil && !errors.Is(fault, errClientLeft) {
		s.noteFault(fault, s.addressOf(r))
	}
}

// refuse answers a request with a fault.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, fault *wire.Error) {
	s.noteRefusal(r, fault)
	writeProblem(w, fault.Status(), fault)
}

// writeProblem writes a problem body (RFC 9457).
func writeProblem(w http.ResponseWriter, status int, fault *wire.Error) {
	h := w.Header()
	h.Set("Content-Type", wire.ProblemType)
	h.Set("Cache-Control", "no-store")
	if after := fault.RetryAfterSeconds(); after > 0 {
		h.Set("Retry-After", strconv.Itoa(after))
	}
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(status)
	_, _ = w.Write(fault.AppendProblem(nil)) //nolint:gosec // JSON, and said to be
}

// notePanic writes down a fault of ours, with where it was.
func (s *Server) notePanic(what string, cause any) {
	s.metrics.fault(wire.Internal)
	s.logger.Error(what, "panic", cause, "stack", string(debug.Stack()))
}

// noteCutOff counts a connection that could not be written to, and writes down
// those that were cut off.
func (s *Server) noteCutOff(err error, address string) {
	s.metrics.cutOff(err)
	if errors.Is(err, errNoProgress) {
		s.faults.note(&wire.Error{
			Code: wire.SlowConsumer, Message: "cut off without a word, as the socket took nothing for too long", Cause: err,
		}, address)
	}
}
