package transport

import (
	"context"
	"errors"
	"math"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/transport/wire"
)

// deliveredTo is the receiver of what is read.
type deliveredTo struct {
	owner    hub.Owner
	shard    int
	labelled bool
	// superseded is called when another subscription takes the named cursor, which
	// can happen before this subscription has begun.
	superseded func(*cursors.Lease)
}

// beginFor checks the rights, finds the start position, and begins a subscription. It
// only looks at the named cursor: the subscription has a claim to it, which ends the
// subscription that holds the name, and so comes after all that can refuse the request.
func (s *Server) beginFor(ctx context.Context, to deliveredTo, p *auth.Principal, r reading) (*subscription, hub.Begun, *wire.Error) {
	if fault := s.maySubscribe(p, r.stream); fault != nil {
		return nil, hub.Begun{}, fault
	}
	rows, err := s.rows(p, r.stream)
	if err != nil {
		return nil, hub.Begun{}, faultOf(err)
	}
	asked, released, fault := s.filterOf(ctx, p, r.Reading)
	if fault != nil {
		return nil, hub.Begun{}, fault
	}
	defer func() {
		if released != nil {
			released() // as no subscription has it
		}
	}()
	approved, fault := s.approveReading(ctx, p, r)
	if fault != nil {
		return nil, hub.Begun{}, fault
	}
	named, fault := s.namedPosition(ctx, p, r)
	if fault != nil {
		return nil, hub.Begun{}, fault
	}
	start, fault := s.chooseStart(r, named)
	if fault == nil {
		fault = goesOn(start, named)
	}
	if fault != nil {
		return nil, hub.Begun{}, fault
	}
	if named != nil {
		// What is read from here on is read since a move, also where a page begins anew. By the
		// time of its cursor, which at the end of a quiet stream is that of the last record, it
		// would be from before, and a client of pages would begin anew for ever.
		start.Lease = max(start.Lease, named.Fence)
	}
	takes := r.CursorName != "" && !r.look
	request := hub.Request{
		Stream:      r.stream,
		Keys:        r.Keys,
		Filter:      asked.And(r.only),
		Start:       start,
		Replay:      s.replay(p, r.stream),
		Tenant:      p.Tenant(),
		Principal:   p.Key(),
		Anew:        takes && r.Reset,
		FailOnGap:   r.OnGap == wire.OnGapFail,
		AfterStored: r.afterStored,
		Labelled:    to.labelled,
		Owner:       to.owner,
		Shard:       to.shard,
	}
	if rows != nil {
		request.Rows = *rows
	}
	sub, begun, err := s.config.Hub.Subscribe(ctx, request)
	if err != nil {
		return nil, hub.Begun{}, beginFault(err, rows)
	}
	began := &subscription{
		Subscription: sub, id: r.id, rows: rows, asked: approved, which: whichOf(r.Reading, takes), auto: r.auto && takes, evaluated: evaluated(asked, rows),
		unfilter: released,
	}
	released = nil
	began.began = s.audit.begins(r.Reading, start, begun)
	if takes {
		began.claim = &claim{of: p, reading: r, request: request, begun: begun, at: named, superseded: to.superseded}
		// A lease of the length of the one that it gets: its cursors are checked before.
		sub.Under(s.now().UnixMicro() | math.MaxInt32)
	}
	if r.CursorName == "" {
		if fault := s.checkCursor(sub.Cursor()); fault != nil {
			began.release()
			return nil, hub.Begun{}, fault
		}
	}
	return began, begun, nil
}

// beginFault is the fault of a subscription that the hub refuses. How far a partition
// reaches tells of records that a principal may not see.
func beginFault(err error, rows *hub.Rows) *wire.Error {
	var offset *hub.OffsetError
	if errors.As(err, &offset) && offset.Partitions == 0 && hidesRows(rows) {
		return &wire.Error{Code: wire.BadRequest, Message: "a partition ends before the offset that is named for it in from", Cause: err}
	}
	return faultOf(err)
}

// evaluated reports whether the filter of a client has to be evaluated on each record.
func evaluated(asked filter.Filter, rows *hub.Rows) bool {
	if rows != nil {
		asked = filter.Redacted(asked, rows.Redaction)
	}
	return asked.HasPredicates()
}

// namedPosition returns what is stored under the name that is to be read from, nil for
// nothing.
func (s *Server) namedPosition(ctx context.Context, p *auth.Principal, r reading) (*cursors.Stored, *wire.Error) {
	switch {
	case r.CursorName == "":
		return nil, nil
	case s.config.Committer == nil:
		return nil, wire.Errorf(wire.BadRequest, "named cursors are not configured on this server")
	case p.Anonymous():
		return nil, wire.Errorf(wire.Forbidden, "named cursors require authentication")
	}
	stored, err := s.config.Committer.Load(ctx, r.name(p))
	switch {
	case err == nil:
		return &stored, nil
	case errors.Is(err, cursors.ErrNoCursor):
		return nil, nil
	}
	return nil, faultOf(err)
}

// goesOn returns a fault if reading would begin at a position of the client's own that is from
// before an operator has moved what is stored under the name, nil for nothing: what the client
// acks then would undo the move.
func goesOn(start hub.Start, named *cursors.Stored) *wire.Error {
	if start.Kind == hub.StartCursor && named != nil && named.Predates(start.Lease, start.At) {
		return faultOf(cursors.ErrMoved)
	}
	return nil
}

// chooseStart chooses the start position. The position that the client itself sends takes
// precedence over the named cursor, and the named cursor over from.
func (s *Server) chooseStart(r reading, named *cursors.Stored) (hub.Start, *wire.Error) {
	if at, ok := r.resumes(); ok {
		return hub.Start{Kind: hub.StartCursor, Position: at.Position, At: r.known.At, Lease: at.Lease}, nil
	}
	if named != nil && !r.Reset {
		return hub.Start{Kind: hub.StartNamed, Position: named.Position, Lease: named.Fence}, nil
	}
	from := r.starts()
	switch from.Kind {
	case wire.StartLatest:
		return hub.Start{Kind: hub.StartLatest}, nil
	case wire.StartEarliest:
		return hub.Start{Kind: hub.StartEarliest}, nil
	case wire.StartTime, wire.StartAgo:
		return hub.Start{Kind: hub.StartTime, Time: from.At(s.now())}, nil
	case wire.StartLast:
		return hub.Start{Kind: hub.StartLast, Last: from.N}, nil
	case wire.StartOffset:
		return hub.Start{Kind: hub.StartOffset, Position: record.Position{Offsets: from.Offsets}}, nil
	case wire.StartCursor:
		c, fault := s.parseCursor(from.Cursor)
		if fault != nil {
			return hub.Start{}, fault
		}
		at, ok := c.Stream(r.stream)
		if !ok {
			return hub.Start{}, wire.Errorf(wire.BadCursor, "the cursor belongs to other streams")
		}
		return hub.Start{Kind: hub.StartCursor, Position: at.Position, At: c.At, Lease: at.Lease}, nil
	case wire.StartUnset:
	}
	return hub.Start{}, faultOf(cursors.ErrNoCursor)
}

// parseCursor parses a cursor that a client sends.
func (s *Server) parseCursor(text string) (record.Cursor, *wire.Error) {
	if most := s.limits().CursorBytes; most > 0 && len(text) > most {
		return record.Cursor{}, wire.Errorf(wire.CursorTooLarge, "the cursor is longer than %d bytes: send what the server has sent, without what follows a tilde, or use a named cursor", most)
	}
	c, err := record.ParseCursor(text)
	if err != nil {
		return record.Cursor{}, faultOf(err)
	}
	return c, nil
}

// knownCursor returns the cursor in a client's Last-Event-ID, or nil.
func (s *Server) knownCursor(lastEventID string) (*record.Cursor, *wire.Error) {
	if lastEventID == "" {
		return nil, nil
	}
	c, fault := s.parseCursor(lastEventID)
	if fault != nil {
		return nil, fault
	}
	return &c, nil
}

// keepAlive returns how long a stream may send nothing.
func (s *Server) keepAlive(asked time.Duration) time.Duration {
	if asked > 0 {
		return asked
	}
	return s.limits().KeepAlive
}
