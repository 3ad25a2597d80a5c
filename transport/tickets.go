package transport

import (
	"encoding/json"
	"net/http"

	"sluice/auth"
	"sluice/transport/wire"
)

// handleTickets serves POST /v1/tickets.
func (s *Server) handleTickets(w http.ResponseWriter, r *http.Request) {
	c := s.identifyPlain(r)
	switch {
	case c.fault != nil:
	case s.config.Tickets == nil:
		c.fault = wire.Errorf(wire.BadRequest, "tickets are not enabled on this server: set auth/tickets in the configuration")
	case r.ContentLength != 0:
		c.fault = wire.Errorf(wire.BadRequest, "a request for a ticket has no body")
	case c.principal.Anonymous():
		c.fault = wire.Errorf(wire.Unauthenticated, "a ticket stands for a credential, and the request has none")
	case c.credential.Scheme == auth.SchemeTicket:
		// Otherwise a ticket that was stolen once could be renewed for as long as the
		// token lives.
		c.fault = wire.Errorf(wire.Forbidden, "a ticket cannot be exchanged for another one")
	}
	if c.fault != nil {
		s.refuse(w, r, c.fault)
		return
	}
	ctx, cancel := s.waitFor(r.Context(), c.principal)
	defer cancel()
	ticket, lives, err := s.config.Tickets.Issue(ctx, c.principal)
	if fault := s.outcomeOf(c.principal, err); fault != nil {
		s.refuse(w, r, fault)
		return
	}
	body, err := json.Marshal(struct {
		Ticket  string `json:"ticket"`
		Expires int64  `json:"expires_in_ms"`
	}{ticket.Reveal(), lives.Milliseconds()})
	if err != nil {
		s.refuse(w, r, faultOf(err))
		return
	}
	writeJSON(w, http.StatusOK, body)
}
