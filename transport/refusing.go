package transport

import (
	"errors"
	"net/http"
	"runtime/debug"
	"strconv"

	"sluice/transport/wire"
)

// errClientLeft is the cause of a fault that can be sent to nobody, because the
// client has left.
var errClientLeft = errors.New("the client has left")

// noteFault counts and logs a fault.
func (s *Server) noteFault(fault *wire.Error, address string) {
	s.metrics.fault(fault.Code)
	s.faults.note(fault, address)
}

// noteRefusal is noteFault for a request. If the client has left, the outcome of its
// request, whether it waited for Kafka or for a body, is no fault.
func (s *Server) noteRefusal(r *http.Request, fault *wire.Error) {
	if r.Context().Err() == nil && !errors.Is(fault, errClientLeft) {
		s.noteFault(fault, s.addressOf(r))
		s.audit.refused(r, fault)
	}
}

// refuse answers a request with a fault.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, fault *wire.Error) {
	s.challenge(w, r, fault)
	writeProblem(w, fault.Status(), fault)
}

// challenge counts and logs the fault that a request is answered with, and adds its
// challenges to the answer.
func (s *Server) challenge(w http.ResponseWriter, r *http.Request, fault *wire.Error) {
	s.noteRefusal(r, fault)
	if fault.Status() == http.StatusUnauthorized {
		for _, challenge := range challenges(r, fault, s.config.Credentials.DPoPAlgorithms) {
			w.Header().Add("WWW-Authenticate", challenge)
		}
	}
}

// writeProblem writes a problem body (RFC 9457).
func writeProblem(w http.ResponseWriter, status int, fault *wire.Error) {
	writeFault(w, status, fault, wire.ProblemType, fault.AppendProblem(nil))
}

// writeFault writes a fault as a body of a media type.
func writeFault(w http.ResponseWriter, status int, fault *wire.Error, mediaType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", "no-store")
	if after := fault.RetryAfterSeconds(); after > 0 {
		h.Set("Retry-After", strconv.Itoa(after))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // JSON, and said to be
}

// notePanic counts and logs a panic, which is a bug in the server, with its stack.
func (s *Server) notePanic(what string, cause any) {
	s.metrics.fault(wire.Internal)
	s.logger.Error(what, "panic", cause, "stack", string(debug.Stack()))
}

// noteCutOff counts a connection that could not be written to, and logs those that
// were cut off.
func (s *Server) noteCutOff(err error, address string) {
	s.metrics.cutOff(err)
	if errors.Is(err, errNoProgress) {
		s.faults.note(&wire.Error{
			Code: wire.SlowConsumer, Message: "connection closed without a message: the socket accepted no data for too long", Cause: err,
		}, address)
	}
}
