package transport

import (
	"context"
	"time"

	"sluice/auth"
	"sluice/hub/record"
	"sluice/transport/wire"
)

// subscribeAll begins a subscription by pattern and answers with `subscribed` or an
// error.
func (s *session) subscribeAll(p *auth.Principal, r reading) {
	ctx, cancel := s.server.waitFor(s.server.base, p)
	defer cancel()
	g, members, fault := s.server.beginGroup(ctx, s, p, r)
	if fault == nil && r.CursorName != "" {
		if !s.do(func(s *session, _ *scratch) {
			members = s.stillAllowed(p, members)
			members, fault = s.admitsGroup(g, members)
		}) {
			releaseAll(members)
			return
		}
		if fault == nil {
			fault = firstOf(s.server.claimAll(ctx, members))
		}
	}
	if fault = s.server.outcome(p, fault); fault == nil {
		ran := s.do(func(s *session, sc *scratch) {
			members = s.stillAllowed(p, members)
			if fault = s.takeGroup(g, members, sc); fault == nil && s.who() != p {
				s.follow()
			}
		})
		if ran && fault == nil {
			return
		}
	}
	releaseAll(members)
	if fault != nil {
		fault.ID = r.id
		s.fail(fault)
	}
}

// beginGroup begins the subscriptions of a pattern. Streams that the principal may not
// read do not exist for it, so a pattern that matches none that it may read is no fault:
// the group waits for streams.
func (s *Server) beginGroup(ctx context.Context, to *session, p *auth.Principal, r reading) (*group, []begunMember, *wire.Error) {
	g, since, fault := s.newGroup(p, r)
	if fault != nil {
		return nil, nil, fault
	}
	streams, replaced := s.config.Hub.Names(p.Tenant())
	g.replaced, g.looked = replaced, s.now().Truncate(time.Millisecond)
	var readings []reading
	known := make(map[string]bool)
	for _, stream := range streams {
		name := stream.Name
		if !g.includes(p, name) {
			continue
		}
		known[name] = true
		if !to.dialect.converses() && to.has(g, name) {
			continue // the session, which has not started, delivers it already
		}
		readings = append(readings, g.readingOf(name, since))
	}
	if most := s.limits().StreamsPerPattern; most > 0 && len(readings) > most {
		fault := wire.Errorf(wire.SubscriptionLimit, "the pattern matches more than %d streams: use a narrower one", most)
		fault.Final = true
		return nil, nil, fault
	}
	g.keep(known)
	members, faults := s.beginMembers(ctx, to, p, readings)
	for _, fault := range faults {
		switch {
		case fault == nil || fault.Code == wire.UnknownStream: // removed meanwhile
		case fault.Code == wire.Forbidden:
			// Refused by Config.Approve: the stream does not exist for the principal.
		case fault.Code == wire.TopicMissing:
			// There is nothing to read, and the other streams do not have to wait for
			// an operator.
			to.lacks.Store(true)
		default:
			releaseAll(members)
			return nil, nil, fault
		}
	}
	return g, members, nil
}

// newGroup checks what a client asks to read of all streams that match, and returns
// the time at which streams begin that the client's cursor does not have.
func (s *Server) newGroup(p *auth.Principal, r reading) (g *group, since time.Time, fault *wire.Error) {
	pattern, err := auth.NewPattern(r.stream)
	switch {
	case err != nil:
		// The error of auth repeats what the client has sent.
		return nil, since, wire.Errorf(wire.BadRequest, "the pattern in stream is not valid: it has spaces, control characters or too many asterisks")
	case r.From.Kind == wire.StartOffset:
		return nil, since, wire.Errorf(wire.BadRequest, "from: offset: is for one stream, not for a pattern")
	case r.CursorName != "" && p.Anonymous():
		return nil, since, wire.Errorf(wire.Forbidden, "named cursors require authentication")
	case r.CursorName != "" && r.From.Kind == wire.StartUnset:
		return nil, since, wire.Errorf(wire.BadRequest, "a pattern with cursor_name requires from: streams for which nothing is stored start there")
	}
	if fault := s.checkFilter(r.Reading); fault != nil {
		return nil, since, fault // even if there is no stream yet
	}
	g = &group{id: r.id, text: r.stream, pattern: pattern, asked: r.Reading, auto: r.auto, look: r.look}
	cursor := r.known
	if cursor == nil && r.From.Kind == wire.StartCursor {
		c, fault := s.parseCursor(r.From.Cursor)
		if fault != nil {
			return nil, since, fault
		}
		cursor = &c
	}
	if cursor == nil {
		return g, since, nil
	}
	for _, at := range cursor.Streams {
		g.apart = append(g.apart, apart{StreamPosition: at, yields: r.known == nil})
	}
	if r.From.Kind == wire.StartCursor {
		g.asked.From = wire.From{}
	}
	g.resumes = true
	return g, cursor.At, nil
}

// readingOf returns what is read of a stream that is not a member. since is where a
// stream begins for which the client says nothing else; zero for the tip.
func (g *group) readingOf(stream string, since time.Time) reading {
	r := reading{Reading: g.asked, id: g.id, stream: stream, auto: g.auto, look: g.look}
	if i := g.apartFrom(stream); i >= 0 {
		at := record.Cursor{At: since, Streams: []record.StreamPosition{g.apart[i].StreamPosition}}
		if g.apart[i].yields {
			r.From = wire.From{Kind: wire.StartCursor, Cursor: at.String()}
		} else {
			r.known = &at
		}
		return r
	}
	if r.From.Kind == wire.StartUnset || r.From.Kind == wire.StartLatest {
		r.From = wire.From{Kind: wire.StartLatest}
		if !since.IsZero() {
			r.From = wire.From{Kind: wire.StartTime, Time: since}
		}
	}
	return r
}
