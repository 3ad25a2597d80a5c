package transport

import (
	"slices"

	"sluice/auth"
	"sluice/hub"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// pauseDelivery pauses a subscription at its client's request.
func (s *session) pauseDelivery(sc *scratch, id string) {
	if s.closing {
		return
	}
	g, subs := s.named(id)
	if len(subs) == 0 && g == nil {
		s.tellUnknown(sc, id)
		return
	}
	for _, sub := range subs {
		s.pause(sub, sc.now)
	}
	if g != nil {
		g.paused = true
		s.send(sc, &wire.Paused{ID: id, Cursor: s.groupCursor(g, sc.now)})
		s.knowGroup(g, sc.now)
		return
	}
	cursor := subs[0].Cursor()
	s.send(sc, &wire.Paused{ID: id, Cursor: cursor})
	subs[0].know(cursor, sc.now)
}

// resumeDelivery continues a subscription at its client's request. Where it was paused for
// longer than its principal may read back, Kafka is asked how far that is now: a pause is
// no way around it. The reader of the session calls it.
func (s *session) resumeDelivery(p *auth.Principal, id string) {
	for {
		bounds, fault := s.boundsOfPaused(p, id)
		if fault != nil {
			fault.ID = id
			s.fail(fault)
			return
		}
		var now *auth.Principal
		if !s.do(func(s *session, sc *scratch) {
			if now = s.who(); now == p {
				s.goOn(sc, id, bounds)
			}
		}) || now == p {
			return
		}
		p = now // its rights were replaced meanwhile
	}
}

// boundsOfPaused returns how far back the streams of a subscription may be read, of those
// that were paused for longer than that.
func (s *session) boundsOfPaused(p *auth.Principal, id string) (map[string]hub.Bound, *wire.Error) {
	var long []string
	if !s.do(func(s *session, sc *scratch) {
		_, subs := s.named(id)
		for _, sub := range subs {
			span := s.server.replay(p, sub.Stream())
			if sub.Paused() && span >= 0 && sc.now.Sub(sub.pausedAt) > span {
				long = append(long, sub.Stream())
			}
		}
	}) || len(long) == 0 {
		return nil, nil
	}
	ctx, cancel := s.server.requestContext()
	defer cancel()
	bounds, err := s.server.bounds(ctx, p, long)
	if err != nil {
		return nil, faultOf(err)
	}
	return bounds, nil
}

// goOn continues a subscription within bounds, and answers the request.
func (s *session) goOn(sc *scratch, id string, bounds map[string]hub.Bound) {
	if s.closing {
		return
	}
	g, subs := s.named(id)
	if len(subs) == 0 && g == nil {
		s.tellUnknown(sc, id)
		return
	}
	var gone []string
	for _, sub := range subs {
		switch bound, ok := bounds[sub.Stream()]; {
		case sub.outlasted(sc.now) && g == nil:
			s.endSubscription(sub, endOfRights(wire.ReasonRightsChanged), sc)
			return
		case sub.outlasted(sc.now):
			s.leave(sub)
			gone = append(gone, sub.Stream())
		case ok:
			s.unpause(sub, &bound)
		default:
			s.unpause(sub, nil)
		}
	}
	if g == nil {
		s.send(sc, &wire.Resumed{ID: id, Cursor: subs[0].Cursor()})
		return
	}
	g.paused = false
	s.send(sc, &wire.Resumed{ID: id, Cursor: s.groupCursor(g, sc.now)})
	if len(gone) > 0 {
		s.tellStreams(g, nil, gone, sc)
		s.follow() // they begin anew
	}
}

// outlasted reports whether a subscription was paused for longer than its principal may
// read back, where that depends on the record: which records it may have is then to be
// determined anew.
func (sub *subscription) outlasted(now monotime) bool {
	if !sub.Paused() || sub.rows == nil {
		return false
	}
	return slices.ContainsFunc(sub.rows.Spans, func(span hub.Span) bool {
		return span.Replay >= 0 && now.Sub(sub.pausedAt) > span.Replay
	})
}

// named returns the subscription with an id: its group, if it is one by pattern, and the
// subscriptions to its streams.
func (s *session) named(id string) (*group, []*subscription) {
	if g := s.findGroup(id); g != nil {
		return g, s.members(g)
	}
	if sub := s.find(id); sub != nil {
		return nil, []*subscription{sub}
	}
	return nil, nil
}

// tellUnknown answers a request about a subscription that the session does not have.
func (s *session) tellUnknown(sc *scratch, id string) {
	fault := wire.Errorf(wire.BadRequest, "no subscription has this id")
	fault.ID = id
	s.server.audit.failedAt(s, audit.ActOther, "", fault)
	s.tellFault(sc, fault)
}
