package transport

import (
	"context"

	"sluice/auth"
	"sluice/transport/wire"
)

// unapproved returns the session's subscriptions that a principal may not keep. It
// must not be called by the session's executor.
func (s *session) unapproved(ctx context.Context, p *auth.Principal) (map[*subscription]bool, *wire.Error) {
	if s.server.config.Approve == nil {
		return nil, nil
	}
	type one struct {
		sub   *subscription
		asked Asked
	}
	listed := make(chan []one, 1)
	s.post(func(s *session, _ *scratch) {
		var all []one
		for _, sub := range s.subs {
			if sub.asked != nil {
				all = append(all, one{sub, *sub.asked})
			}
		}
		listed <- all
	})
	var all []one
	select {
	case all = <-listed:
	case <-s.ended():
		return nil, nil
	}
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
			return nil, fault
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
