package transport

import (
	"context"
	"errors"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/transport/wire"
)

// reading is what a client asks to read of one stream.
type reading struct {
	wire.Reading
	id     string
	stream string
	auto   bool // pongs ack
	// known is the position that the client itself sends. It takes precedence over
	// everything else.
	known *record.Cursor
	// unset is the start if the client names none; the zero value is the tip.
	unset hub.Start
	// look loads the named cursor without taking it.
	look bool
}

// deliveredTo is the receiver of what is read.
type deliveredTo struct {
	owner    hub.Owner
	shard    int
	labelled bool
	// superseded is called when another subscription takes the named cursor, which
	// can happen before this subscription has begun.
	superseded func(*cursors.Lease)
}

// beginFor checks the rights, finds the start position, and begins a subscription.
func (s *Server) beginFor(ctx context.Context, to deliveredTo, p *auth.Principal, r reading) (*subscription, hub.Begun, *wire.Error) {
	if fault := s.maySubscribe(p, r.stream); fault != nil {
		return nil, hub.Begun{}, fault
	}
	rows, err := s.rows(p, r.stream)
	if err != nil {
		return nil, hub.Begun{}, faultOf(err)
	}
	asked, fault := s.filterOf(r.Reading)
	if fault != nil {
		return nil, hub.Begun{}, fault
	}
	approved, fault := s.approveReading(ctx, p, r.stream, r.Reading, r.known != nil)
	if fault != nil {
		return nil, hub.Begun{}, fault
	}
	start, lease, fault := s.startOf(ctx, to, p, r)
	if fault != nil {
		return nil, hub.Begun{}, fault
	}
	request := hub.Request{
		Stream:    r.stream,
		Keys:      r.Keys,
		Filter:    asked,
		Start:     start,
		Replay:    s.replay(p, r.stream),
		Tenant:    p.Tenant(),
		Principal: p.Key(),
		Anew:      lease != nil && r.Reset,
		FailOnGap: r.OnGap == wire.OnGapFail,
		Labelled:  to.labelled,
		Owner:     to.owner,
		Shard:     to.shard,
	}
	if rows != nil {
		request.Rows = *rows
	}
	sub, begun, err := s.config.Hub.Subscribe(ctx, request)
	if err != nil {
		if lease != nil {
			lease.Release()
		}
		return nil, hub.Begun{}, faultOf(err)
	}
	began := &subscription{
		Subscription: sub, id: r.id, rows: rows, asked: approved, lease: lease, auto: r.auto && lease != nil, evaluated: evaluated(asked, rows),
	}
	began.began = s.audit.begins(r.Reading, start, begun)
	if lease != nil && len(begun.Cut) > 0 {
		if err := lease.Cut(ctx, sub.Position().Topic, begun.Cut, s.now()); err != nil {
			began.release()
			return nil, hub.Begun{}, faultOf(err)
		}
	}
	if r.CursorName == "" {
		if fault := s.checkCursor(sub.Cursor()); fault != nil {
			began.release()
			return nil, hub.Begun{}, fault
		}
	}
	return began, begun, nil
}

// evaluated reports whether the filter of a client has to be evaluated on each record.
func evaluated(asked filter.Filter, rows *hub.Rows) bool {
	if rows != nil {
		asked = filter.Redacted(asked, rows.Redaction)
	}
	return asked.HasPredicates()
}

// replay returns how far back a principal may read a stream, negative for as far as
// there are records.
func (s *Server) replay(p *auth.Principal, stream string) time.Duration {
	span := p.Replay(stream)
	if span == auth.ReplayUnlimited {
		return -1
	}
	return max(span, s.limits().ResumeWindow)
}

// startOf finds the start position. The position that the client itself sends takes
// precedence over the named cursor, and the named cursor over from.
func (s *Server) startOf(ctx context.Context, to deliveredTo, p *auth.Principal, r reading) (hub.Start, *cursors.Lease, *wire.Error) {
	var (
		named *record.Position
		lease *cursors.Lease
	)
	if r.CursorName != "" {
		if s.config.Committer == nil {
			return hub.Start{}, nil, wire.Errorf(wire.BadRequest, "named cursors are not configured on this server")
		}
		if p.Anonymous() {
			return hub.Start{}, nil, wire.Errorf(wire.Forbidden, "named cursors require authentication")
		}
		name := cursors.Key{Principal: p.Key(), Stream: r.stream, Name: r.CursorName}
		at, err := record.Position{}, error(nil)
		if r.look {
			at, _, err = s.config.Committer.Load(ctx, name)
		} else {
			at, lease, err = s.config.Committer.Take(ctx, name, to.superseded)
		}
		switch {
		case err == nil:
			named = &at
		case !errors.Is(err, cursors.ErrNoCursor):
			return hub.Start{}, nil, faultOf(err)
		}
	}
	start, fault := s.chooseStart(r, named)
	if fault != nil && lease != nil {
		lease.Release()
		lease = nil
	}
	return start, lease, fault
}

func (s *Server) chooseStart(r reading, named *record.Position) (hub.Start, *wire.Error) {
	if r.known != nil {
		if at, ok := r.known.Position(r.stream); ok {
			return hub.Start{Kind: hub.StartCursor, Position: at, At: r.known.At}, nil
		}
	}
	if named != nil && !r.Reset {
		return hub.Start{Kind: hub.StartNamed, Position: *named}, nil
	}
	switch r.From.Kind {
	case wire.StartLatest:
		return hub.Start{Kind: hub.StartLatest}, nil
	case wire.StartEarliest:
		return hub.Start{Kind: hub.StartEarliest}, nil
	case wire.StartTime, wire.StartAgo:
		return hub.Start{Kind: hub.StartTime, Time: r.From.At(s.now())}, nil
	case wire.StartLast:
		return hub.Start{Kind: hub.StartLast, Last: r.From.N}, nil
	case wire.StartOffset:
		return hub.Start{Kind: hub.StartOffset, Position: record.Position{Offsets: r.From.Offsets}}, nil
	case wire.StartCursor:
		c, fault := s.parseCursor(r.From.Cursor)
		if fault != nil {
			return hub.Start{}, fault
		}
		at, ok := c.Position(r.stream)
		if !ok {
			return hub.Start{}, wire.Errorf(wire.BadCursor, "the cursor belongs to other streams")
		}
		return hub.Start{Kind: hub.StartCursor, Position: at, At: c.At}, nil
	case wire.StartUnset:
	}
	if r.CursorName != "" && !r.Reset {
		return hub.Start{}, faultOf(cursors.ErrNoCursor)
	}
	if r.unset.Kind == "" {
		return hub.Start{Kind: hub.StartLatest}, nil
	}
	return r.unset, nil
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
