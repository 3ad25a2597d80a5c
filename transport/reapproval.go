package transport

import (
	"context"
	"sync"
	"sync/atomic"

	"sluice/auth"
	"sluice/transport/wire"
)

// reaskAtOnce is how many sessions are asked about at the same time.
const reaskAtOnce = 4

// Reapprove asks Config.Approve about all subscriptions again. Those that are refused now
// end; where there is no answer, they go on. Reapprove returns at once, and ends within the
// time of Run.
func (s *Server) Reapprove() {
	if s.config.Approve == nil {
		return
	}
	s.tasks.Go(func() {
		var (
			sessions = make(chan *session)
			asking   sync.WaitGroup
			open     atomic.Int64
		)
		for range reaskAtOnce {
			asking.Go(func() {
				for x := range sessions {
					// A panic, which is a bug in the server, ends only the session.
					x.guarded(func() bool {
						if !x.reapprove() {
							open.Add(1)
						}
						return false
					})
				}
			})
		}
		for _, x := range s.sessions.all() {
			if s.base.Err() != nil {
				break
			}
			sessions <- x
		}
		close(sessions)
		asking.Wait()
		if n := open.Load(); n > 0 {
			s.logger.Warn("there was no answer about the subscriptions of some sessions, which go on as before", "sessions", n)
		}
	})
}

// reapprove ends the subscriptions that the session may not keep, and reports whether all
// could be asked about.
func (s *session) reapprove() bool {
	p := s.who()
	if p == nil {
		return true
	}
	ctx, cancel := s.server.waitFor(s.server.base, p)
	defer cancel()
	refused, fault := s.unapproved(ctx, p)
	s.post(func(s *session, sc *scratch) {
		if s.who() == p && !s.closing { // a renewal asks by itself
			s.endRefused(refused, sc)
		}
	})
	return fault == nil
}

// unapproved returns the session's subscriptions that a principal may not keep, and with
// a fault those of them that are known.
func (s *session) unapproved(ctx context.Context, p *auth.Principal) (map[*subscription]bool, *wire.Error) {
	if s.server.config.Approve == nil {
		return nil, nil
	}
	type one struct {
		sub   *subscription
		asked Asked
	}
	var all []one
	s.mu.Lock() // the executor is not asked: it waits for as long as the client does not read
	for _, sub := range s.subs {
		if sub.asked != nil {
			all = append(all, one{sub, *sub.asked})
		}
	}
	s.mu.Unlock()
	refused := make(map[*subscription]bool)
	for _, each := range all {
		if !p.May(auth.Subscribe, each.asked.Stream) {
			continue // ends anyway
		}
		each.asked.Principal = p
		switch fault := s.server.approve(ctx, each.asked); {
		case fault == nil:
		case fault.Code == wire.Forbidden:
			refused[each.sub] = true
		default:
			return refused, fault
		}
	}
	return refused, nil
}

// endRefused ends the subscriptions that the session may not keep. A stream of a pattern
// leaves it.
func (s *session) endRefused(refused map[*subscription]bool, sc *scratch) {
	if len(refused) == 0 {
		return
	}
	for _, g := range s.groups {
		var gone []string
		for _, sub := range s.members(g) {
			if refused[sub] {
				s.leave(sub)
				gone = append(gone, sub.Stream())
			}
		}
		if len(gone) > 0 {
			s.tellStreams(g, nil, gone, sc)
			s.groupCaughtUp(g, sc)
		}
	}
	for _, sub := range append([]*subscription(nil), s.subs...) {
		if refused[sub] && !s.closing {
			s.endSubscription(sub, endOfRights(wire.ReasonForbidden), sc)
		}
	}
}
