package transport

import (
	"encoding/json"
	"errors"
	"net/http"

	"sluice/auth"
	"sluice/hub/cursors"
	"sluice/hub/record"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// cursorRequest returns the principal of a request and the named cursor that it asks
// for. reset is only allowed in a PUT.
func (s *Server) cursorRequest(r *http.Request) (p *auth.Principal, cursor cursors.Key, reset bool, fault *wire.Error) {
	reset, fault = wire.ParsePlainQuery(r.URL.RawQuery, r.Method == http.MethodPut)
	c := s.identify(r)
	s.require(c)
	stream, name := r.PathValue("stream"), r.PathValue("name")
	switch {
	case c.fault != nil:
		return nil, cursors.Key{}, false, c.fault
	case fault != nil:
		return nil, cursors.Key{}, false, fault
	case s.config.Committer == nil:
		return nil, cursors.Key{}, false, wire.Errorf(wire.BadRequest, "named cursors are not configured on this server")
	case c.principal.Anonymous():
		return nil, cursors.Key{}, false, wire.Errorf(wire.Forbidden, "named cursors require authentication")
	case !wire.ValidCursorName(name):
		return nil, cursors.Key{}, false, wire.Errorf(wire.BadRequest, "the cursor name is not valid")
	}
	if fault := s.maySubscribe(c.principal, stream); fault != nil {
		return nil, cursors.Key{}, false, fault
	}
	ctx, cancel := s.waitFor(r.Context(), c.principal)
	defer cancel()
	_, fault = s.approveReading(ctx, c.principal, reading{
		Reading: wire.Reading{From: wire.From{Kind: wire.StartCursor}, CursorName: name, Reset: reset}, stream: stream,
	})
	if fault = s.outcome(c.principal, fault); fault != nil {
		return nil, cursors.Key{}, false, fault
	}
	return c.principal, cursors.Key{Principal: c.principal.Key(), Stream: stream, Name: name}, reset, nil
}

// handleGetCursor serves GET /v1/cursors/{stream}/{name}.
func (s *Server) handleGetCursor(w http.ResponseWriter, r *http.Request) {
	p, name, _, fault := s.cursorRequest(r)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	ctx, cancel := s.waitFor(r.Context(), p)
	defer cancel()
	stored, err := s.config.Committer.Load(ctx, name)
	if fault := s.outcomeOf(p, err); fault != nil {
		s.refuse(w, r, fault)
		return
	}
	s.audit.cursorActed(r, audit.TypeCursorRead, name.Stream, name.Name, false)
	s.writeCursor(w, storedCursor(name.Stream, stored))
}

// handlePutCursor serves PUT /v1/cursors/{stream}/{name}, an ack.
func (s *Server) handlePutCursor(w http.ResponseWriter, r *http.Request) {
	p, name, reset, fault := s.cursorRequest(r)
	var body []byte
	if fault == nil {
		body, fault = s.readBody(w, r, p)
	}
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	text, fault := wire.ParseCursorBody(body, s.wireLimits())
	var c record.Cursor
	if fault == nil {
		c, fault = s.parseCursor(text)
	}
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	stored, fault := s.setCursor(p, name, c, reset)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	s.audit.cursorActed(r, audit.TypeCursorMoved, name.Stream, name.Name, reset)
	s.writeCursor(w, storedCursor(name.Stream, stored.Stored))
}

// setAttempts bounds how often setCursor stores a position, as another one may be stored
// each time in the meantime.
const setAttempts = 3

// setCursor moves a named cursor to the position that a client sends, and returns
// what is stored then.
func (s *Server) setCursor(p *auth.Principal, name cursors.Key, c record.Cursor, reset bool) (cursors.Committed, *wire.Error) {
	ctx, cancel := s.waitFor(s.base, p)
	defer cancel()
	asked, ok := c.Stream(name.Stream)
	if !ok {
		return cursors.Committed{}, wire.Errorf(wire.BadCursor, "the cursor belongs to another stream")
	}
	at, err := s.config.Hub.Vouch(ctx, p.Tenant(), asked)
	if errors.Is(err, record.ErrBadCursor) {
		return cursors.Committed{}, wire.Errorf(wire.BadCursor, "the cursor is ahead of the stream's end")
	}
	if fault := s.outcomeOf(p, err); fault != nil {
		return cursors.Committed{}, fault
	}
	for try := 1; ; try++ {
		stored := make(chan cursors.Committed, 1)
		s.config.Committer.Set(name, at, c.At, asked.Lease, reset, func(done cursors.Committed) { stored <- done })
		var done cursors.Committed
		select {
		case done = <-stored:
		case <-ctx.Done():
			done.Err = ctx.Err()
		}
		if done.Fence == 0 { // it is stored as it is
			done.Fence = asked.Lease
		}
		fault := s.outcomeOf(p, done.Err)
		if fault != nil && fault.Code == wire.CursorMoved {
			fault.Message = "an operator has moved the named cursor since this position was read from it: go on from the cursor that is stored, or store this one with reset=true"
		}
		if fault != nil || reset || try == setAttempts {
			return done, fault
		}
		// What is stored may have a later epoch, and not be further.
		again, moves, err := s.config.Hub.Redate(ctx, p.Tenant(), record.StreamPosition{Stream: name.Stream, Position: at}, done.Position)
		if fault := s.outcomeOf(p, err); fault != nil {
			return cursors.Committed{}, fault
		}
		if !moves {
			return done, nil
		}
		at = again
	}
}

// handleDeleteCursor serves DELETE /v1/cursors/{stream}/{name}.
func (s *Server) handleDeleteCursor(w http.ResponseWriter, r *http.Request) {
	p, name, _, fault := s.cursorRequest(r)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	ctx, cancel := s.waitFor(r.Context(), p)
	defer cancel()
	if fault := s.outcomeOf(p, s.config.Committer.Delete(ctx, name)); fault != nil {
		s.refuse(w, r, fault)
		return
	}
	s.audit.cursorActed(r, audit.TypeCursorDeleted, name.Stream, name.Name, false)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) writeCursor(w http.ResponseWriter, cursor string) {
	body, err := json.Marshal(struct {
		Cursor string `json:"cursor"`
	}{cursor})
	if err != nil {
		body = []byte("{}")
	}
	writeJSON(w, http.StatusOK, body)
}
