package transport

import (
	"errors"

	"sluice/auth"
	"sluice/hub"
	"sluice/transport/wire"
)

// RightsChanged gives all sessions the rights that are in force now. It must be called
// after grants or issuers have been replaced. What a client may no longer read is not
// delivered any more: its subscription ends before the next record, or the session does
// where the dialect has no message for the end of a subscription. RightsChanged returns
// once every session has been told; it waits for Kafka where a replay becomes shorter.
func (s *Server) RightsChanged() {
	for _, x := range s.sessions.all() {
		x.refresh()
	}
}

// refresh gives the session the rights that are in force, if its own were replaced. A
// session calls it when it has become visible to RightsChanged, or has got another
// principal: the rights that it was given before that may be older.
func (s *session) refresh() {
	for {
		p := s.who()
		if p == nil || s.server.config.Auth.InForce(p) {
			return
		}
		now, err := s.server.config.Auth.Refresh(p)
		if err != nil {
			s.closeSoon(endByFault(withdrawn(err)))
			return
		}
		ctx, cancel := s.server.requestContext()
		bounds, err := s.narrower(ctx, p, now)
		cancel()
		if err != nil {
			s.closeSoon(endByFault(faultOf(err)))
			return
		}
		if s.assume(p, now, bounds) {
			return
		}
		// The session was renewed meanwhile.
	}
}

// withdrawn is the fault of a principal whose credential is not accepted any more.
func withdrawn(err error) *wire.Error {
	if !errors.Is(err, auth.ErrUnauthenticated) {
		return faultOf(err)
	}
	return &wire.Error{Code: wire.Revoked, Message: "the credential is no longer accepted: reconnect with a new one", Cause: err}
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
			if !s.closing {
				s.applyRights(now, bounds, sc)
			}
		})
	}
	return same
}

// applyRights ends the subscriptions that a principal may not keep, and bounds replays
// that may not go back as far as before.
func (s *session) applyRights(p *auth.Principal, bounds map[string]hub.Bound, sc *scratch) {
	for _, sub := range append([]*subscription(nil), s.subs...) {
		if s.closing {
			return
		}
		if reason := s.server.mayKeep(p, sub.Stream(), sub.rows); reason != "" {
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

func faultOfRights(reason wire.Reason) *wire.Error {
	if reason == wire.ReasonRightsChanged {
		return wire.Errorf(wire.RightsChanged, "the rights to the stream have changed: resume from the cursor")
	}
	return wire.Errorf(wire.Forbidden, "the principal may no longer subscribe to the stream")
}
