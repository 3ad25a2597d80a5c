package transport

import (
	"context"
	"sync"

	"sluice/auth"
	"sluice/hub"
	"sluice/transport/wire"
)

// RightsChanged gives all sessions the rights that are in force now. It must be called
// after grants, issuers or what a Keeper knows have been replaced. What a client may no longer read is not
// delivered any more: its subscription ends before the next record, or the session does
// where the dialect has no message for the end of a subscription. RightsChanged returns
// once every session has been told; it waits for Kafka where a replay becomes shorter, for
// all such sessions at the same time, and no longer than a request may wait.
func (s *Server) RightsChanged() {
	var asking sync.WaitGroup
	for _, x := range s.sessions.all() {
		if !x.refreshed(false) {
			// The hub bounds how many questions Kafka has at once, and asks equal ones once. An
			// answer that does not come holds up no session that needs another one, or none.
			asking.Go(func() { x.refreshed(true) })
		}
	}
	asking.Wait()
}

// refresh gives the session the rights that are in force, if its own were replaced. A
// session calls it when it has become visible to RightsChanged, or has got another
// principal: the rights that it was given before that may be older.
func (s *session) refresh() { s.refreshed(true) }

// refreshed reports false, and does nothing, if Kafka is to be asked and may not be.
func (s *session) refreshed(ask bool) bool {
	for {
		p := s.who()
		if p == nil || s.server.config.Auth.InForce(p) {
			return true
		}
		now, err := s.server.config.Auth.Refresh(p)
		if err != nil {
			s.closeSoon(endByFault(withdrawn(err)))
			return true
		}
		if !ask && len(s.shorter(p, now)) > 0 {
			return false
		}
		ctx, cancel := s.server.requestContext()
		bounds, err := s.narrower(ctx, p, now)
		cancel()
		if err != nil {
			s.closeSoon(endByFault(faultOf(err)))
			return true
		}
		if s.assume(p, now, bounds) {
			return true
		}
		// The session was renewed meanwhile.
	}
}

// narrower returns how far back the streams that the session replays may be read,
// where a new token allows less than the current one.
func (s *session) narrower(ctx context.Context, current, p *auth.Principal) (map[string]hub.Bound, error) {
	return s.server.bounds(ctx, p, s.shorter(current, p))
}

// shorter returns the streams whose replays a new token allows less far back than the current
// one.
func (s *session) shorter(current, p *auth.Principal) (less []string) {
	for _, stream := range s.replayed() {
		if s.server.replaysLess(current, p, stream) && p.May(auth.Subscribe, stream) {
			less = append(less, stream)
		}
	}
	return less
}

// replayed returns the streams that the session replays. It does not ask the executor, which
// waits for as long as the client does not read.
func (s *session) replayed() (streams []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		if sub.Replays() {
			streams = append(streams, sub.Stream())
		}
	}
	return streams
}

// bounds asks Kafka how far back a principal may read some streams.
func (s *Server) bounds(ctx context.Context, p *auth.Principal, streams []string) (map[string]hub.Bound, error) {
	bounds := make(map[string]hub.Bound)
	for _, stream := range streams {
		if _, done := bounds[stream]; done {
			continue
		}
		bound, err := s.config.Hub.Bound(ctx, p.Tenant(), stream, s.replay(p, stream))
		if err != nil {
			return nil, err
		}
		bounds[stream] = bound
	}
	return bounds, nil
}

// assume replaces the session's principal, unless the principal is another one than was.
func (s *session) assume(was, now *auth.Principal, bounds map[string]hub.Bound) bool {
	s.mu.Lock()
	same := s.principal == was
	if same {
		s.principal = now
	}
	s.mu.Unlock()
	if same {
		s.post(func(s *session, sc *scratch) {
			if s.closing {
				return
			}
			if end := now.ExpiresAt(); !end.Equal(was.ExpiresAt()) {
				s.expireAt(end, sc.now)
			}
			s.applyRights(was, now, bounds, sc)
		})
	}
	return same
}

// applyRights ends the subscriptions that a principal may not keep, and bounds replays
// that may not go back as far as before.
func (s *session) applyRights(was, p *auth.Principal, bounds map[string]hub.Bound, sc *scratch) {
	s.withdraw(was, p, bounds, sc)
	for _, sub := range append([]*subscription(nil), s.subs...) {
		if s.closing {
			return
		}
		reason := wire.Reason("")
		if sub.group == nil {
			reason = s.loses(was, p, sub, bounds)
		}
		if reason != "" {
			s.endSubscription(sub, endOfRights(reason), sc)
		} else if bound, ok := bounds[sub.Stream()]; ok {
			sub.Narrow(bound)
		}
	}
}

// endOfRights returns the end of a subscription that the principal may not keep.
func endOfRights(reason wire.Reason) subscriptionEnd {
	return subscriptionEnd{reason: reason, fault: faultOfRights(reason)}
}
