package transport

import (
	"context"
	"errors"
	"net/http"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/record"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// The number of named cursors in an answer, about.
const defaultCursors, maxCursors = 100, 500

// maxPrincipalKey bounds the key of a principal that an operator names: more than a tenant, an
// issuer and a subject take, and little enough for the audit, which does not cut it.
const maxPrincipalKey = 4 << 10

// cursorView shows a named cursor to operators. Times are Unix milliseconds.
type cursorView struct {
	Stream string `json:"stream"`
	Name   string `json:"name"`
	// Principal is the key of the principal whose cursor it is, by which it is moved and
	// removed; Subject, Issuer and Tenant are what it is made of.
	Principal string `json:"principal"`
	Subject   string `json:"subject"`
	Issuer    string `json:"issuer"`
	Tenant    string `json:"tenant,omitempty"`
	// StoredAt is when the position was created that is stored.
	StoredAt int64        `json:"stored_at"`
	Position positionView `json:"position"`
	Cursor   string       `json:"cursor"`
	// LagRecords is left out if it is not known.
	LagRecords *int64 `json:"lag_records,omitempty"`
	// Held is set if a subscription of this instance holds the name.
	Held bool `json:"held"`
}

// positionView shows a position.
type positionView struct {
	Partitions []placeView `json:"partitions"`
}

type placeView struct {
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`
}

func (s *Server) cursorViewOf(listed cursors.Listed, owner auth.Owner) cursorView {
	v := cursorView{
		Stream: listed.Stream, Name: listed.Name, Principal: listed.Principal,
		Subject: owner.Subject, Issuer: owner.Issuer, Tenant: owner.Tenant,
		StoredAt: listed.At.UnixMilli(), Cursor: storedCursor(listed.Stream, listed.Stored),
		Position: positionView{Partitions: []placeView{}}, Held: s.config.Committer.Held(listed.Key),
	}
	for _, at := range listed.Position.Offsets {
		v.Position.Partitions = append(v.Position.Partitions, placeView{at.Partition, at.Offset})
	}
	if behind, known := s.config.Hub.Behind(owner.Tenant, listed.Stream, listed.Position); known {
		v.LagRecords = &behind
	}
	return v
}

// handleCursors serves GET /cursors.
func (s *Server) handleCursors(w http.ResponseWriter, r *http.Request, o operator) {
	q, fault := wire.ParseListQuery(r.URL.RawQuery, defaultCursors, maxCursors, "principal", "stream")
	if fault == nil && (s.config.Committer == nil || s.config.CursorLister == nil) {
		fault = errNoNamedCursors()
	}
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	asked := cursors.Listing{Principal: q.Principal, Stream: q.Stream, After: q.After, Limit: q.Limit}
	if o.tenant() != "" {
		asked.KeyPrefix = auth.KeysOf(o.tenant())
	}
	ctx, cancel := s.waitFor(r.Context(), o.principal)
	defer cancel()
	page, err := s.config.CursorLister.List(ctx, asked)
	if errors.Is(err, cursors.ErrBadPage) {
		s.refuse(w, r, wire.Errorf(wire.BadRequest, "after is not the next of an answer: begin without it"))
		return
	}
	if fault := s.outcomeOf(o.principal, err); fault != nil {
		s.refuse(w, r, fault)
		return
	}
	answer := struct {
		Cursors []cursorView `json:"cursors"`
		Next    string       `json:"next,omitempty"`
	}{Cursors: []cursorView{}, Next: page.Next}
	for _, listed := range page.Cursors {
		if owner, ok := auth.OwnerOf(listed.Principal); ok && o.sees(owner.Tenant) {
			answer.Cursors = append(answer.Cursors, s.cursorViewOf(listed, owner))
		}
	}
	s.writeView(w, r, answer)
}

func errNoNamedCursors() *wire.Error {
	return wire.Errorf(wire.BadRequest, "named cursors are not configured on this server")
}

// cursorOf returns the named cursor of a principal that an operator's request is about, and
// whose it is.
func (s *Server) cursorOf(r *http.Request, o operator, principal string) (cursors.Key, auth.Owner, *wire.Error) {
	name := cursors.Key{Principal: principal, Stream: r.PathValue("stream"), Name: r.PathValue("name")}
	owner, ok := auth.OwnerOf(principal)
	switch {
	case s.config.Committer == nil:
		return name, owner, errNoNamedCursors()
	case !ok, len(principal) > maxPrincipalKey:
		return name, owner, wire.Errorf(wire.BadRequest, "principal is not the key of a principal, as in the list of cursors")
	case !wire.ValidCursorName(name.Name):
		return name, owner, wire.Errorf(wire.BadRequest, "the cursor name is not valid")
	case !o.sees(owner.Tenant):
		return name, owner, wire.Errorf(wire.Forbidden, "the cursor is another tenant's")
	}
	return name, owner, nil
}

// handleMoveCursor serves PUT /cursors/{stream}/{name}.
func (s *Server) handleMoveCursor(w http.ResponseWriter, r *http.Request, o operator) {
	fault := plain(r)
	var body []byte
	if fault == nil {
		body, fault = s.operatorsBody(w, r)
	}
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	asked, fault := wire.ParseCursorMove(body)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	name, owner, fault := s.cursorOf(r, o, asked.Principal)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	noteTarget(r, audit.Target{
		Stream: name.Stream, Name: name.Name, Principal: name.Principal, Tenant: owner.Tenant, To: movedTo(asked.From),
	})
	moved, fault := s.moveCursor(r.Context(), o, name, owner, asked.From)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	s.metrics.acts.WithLabelValues(actMoveCursor).Inc()
	s.writeView(w, r, s.cursorViewOf(moved, owner))
}

// movedTo describes where a cursor is moved to; any cursor is `cursor`.
func movedTo(from wire.From) string {
	if from.Kind == wire.StartCursor {
		return "cursor"
	}
	return from.String()
}

// moveCursor moves a named cursor that is stored.
func (s *Server) moveCursor(ctx context.Context, o operator, name cursors.Key, owner auth.Owner, from wire.From) (cursors.Listed, *wire.Error) {
	ctx, cancel := s.waitFor(ctx, o.principal)
	defer cancel()
	_, err := s.config.Committer.Load(ctx, name)
	if errors.Is(err, cursors.ErrNoCursor) {
		return cursors.Listed{}, s.outcome(o.principal, wire.Errorf(wire.CursorLost, "no cursor is stored under this name for this principal, and only one that is stored can be moved"))
	}
	if fault := s.outcomeOf(o.principal, err); fault != nil {
		return cursors.Listed{}, fault
	}
	at, fault := s.positionAt(ctx, owner.Tenant, name.Stream, from)
	if fault = s.outcome(o.principal, fault); fault != nil {
		return cursors.Listed{}, fault
	}
	stored, err := s.config.Committer.Move(ctx, name, at, s.now())
	if fault := s.outcomeOf(o.principal, err); fault != nil {
		return cursors.Listed{}, fault
	}
	return cursors.Listed{Key: name, Stored: stored}, nil
}

// nobody owns a subscription that nothing is delivered to.
type nobody struct{}

// Pump implements hub.Owner.
func (nobody) Pump() {}

// positionAt returns the position of a start in a stream, as a subscription would begin
// there that may go back as far as there are records.
func (s *Server) positionAt(ctx context.Context, tenant, stream string, from wire.From) (record.Position, *wire.Error) {
	if from.Kind == wire.StartUnset || from.Kind == wire.StartLast {
		return record.Position{}, wire.Errorf(wire.BadRequest, "from must be latest, earliest, a time (RFC 3339, or relative like -5m), offset:PARTITION:OFFSET or a cursor")
	}
	start, fault := s.chooseStart(reading{Reading: wire.Reading{From: from}, stream: stream}, nil)
	if fault != nil {
		return record.Position{}, fault
	}
	sub, _, err := s.config.Hub.Subscribe(ctx, hub.Request{Stream: stream, Tenant: tenant, Start: start, Replay: -1, Owner: nobody{}, Principal: "operator"})
	if err != nil {
		return record.Position{}, faultOf(err)
	}
	defer sub.Close()
	return sub.Position().Clone(), nil
}

// handleRemoveCursor serves DELETE /cursors/{stream}/{name}.
func (s *Server) handleRemoveCursor(w http.ResponseWriter, r *http.Request, o operator) {
	principal, fault := wire.ParseCursorOwner(r.URL.RawQuery)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	name, owner, fault := s.cursorOf(r, o, principal)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	noteTarget(r, audit.Target{Stream: name.Stream, Name: name.Name, Principal: name.Principal, Tenant: owner.Tenant})
	ctx, cancel := s.waitFor(r.Context(), o.principal)
	defer cancel()
	_, err := s.config.Committer.Load(ctx, name)
	if err == nil {
		err = s.config.Committer.Remove(ctx, name)
	}
	if errors.Is(err, cursors.ErrNoCursor) {
		err = nil // nothing is stored, which is what was asked for
	}
	if fault := s.outcomeOf(o.principal, err); fault != nil {
		s.refuse(w, r, fault)
		return
	}
	s.metrics.acts.WithLabelValues(actRemoveCursor).Inc()
	w.WriteHeader(http.StatusNoContent)
}
