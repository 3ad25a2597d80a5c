package transport

import (
	"sluice/auth"
	"sluice/hub"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// subscribe begins a subscription and answers with `subscribed` or an error.
func (s *session) subscribe(p *auth.Principal, r *wire.Subscribe) {
	s.audited.asks(audit.ActSubscribe, r.Stream)
	id := r.ID
	known, fault := s.server.knownCursor(r.LastEventID)
	pattern := wire.IsPattern(r.Stream)
	if fault == nil && known != nil && !pattern {
		if _, ok := known.Position(r.Stream); !ok {
			fault = wire.Errorf(wire.BadCursor, "the cursor belongs to other streams")
		}
	}
	if fault != nil {
		fault.ID = id
		s.fail(fault)
		return
	}
	asked := reading{id: id, stream: r.Stream, Reading: r.Reading, auto: r.Ack == wire.AckAuto, known: known}
	if pattern {
		s.subscribeAll(p, asked)
		return
	}
	ctx, cancel := s.server.waitFor(s.server.base, p)
	defer cancel()
	sub, begun, fault := s.server.begin(ctx, s, p, asked)
	if fault == nil && sub.claim != nil {
		if !s.do(func(s *session, _ *scratch) { fault = s.admits(p, sub) }) {
			sub.release()
			return
		}
		if fault == nil {
			begun, fault = s.server.claim(ctx, sub)
		}
	}
	if fault = s.server.outcome(p, fault); fault != nil {
		if sub != nil {
			sub.release()
		}
		fault.ID = id
		s.fail(fault)
		return
	}
	taken := make(chan *wire.Error, 1)
	s.post(func(s *session, sc *scratch) { taken <- s.take(p, sub, begun, sc) })
	select {
	case fault = <-taken:
	case <-s.ended():
		// The command may have run all the same.
		select {
		case fault = <-taken:
		default:
			sub.release()
			return
		}
	}
	if fault != nil {
		sub.release()
		fault.ID = id
		s.fail(fault)
	}
}

// admits returns why a subscription that has begun for a principal cannot be added to the
// session, nil if it can.
func (s *session) admits(p *auth.Principal, sub *subscription) *wire.Error {
	if s.closing {
		return wire.Errorf(wire.Draining, "the session is closing")
	}
	// The rights may have changed while the subscription began.
	if now := s.who(); now != p {
		if reason := s.server.mayLose(p, now, sub.Stream(), sub.rows, sub.Replays()); reason != "" {
			return faultOfRights(reason)
		}
	}
	if most := s.server.limits().SubscriptionsPerSession; most > 0 && s.load() >= most {
		return s.overLimit(wire.Errorf(wire.SubscriptionLimit, "a session has at most %d subscriptions", most), false)
	}
	if s.findGroup(sub.id) != nil {
		return wire.Errorf(wire.BadRequest, "another subscription has this id")
	}
	values, evaluated := sub.Feed().Indexed(), 0
	if sub.evaluated {
		evaluated = 1
	}
	for _, other := range s.subs {
		values += other.Feed().Indexed()
		if other.evaluated {
			evaluated++
		}
		if other.id == sub.id {
			return wire.Errorf(wire.BadRequest, "another subscription has this id")
		}
		if other.Feed().Is(sub.Feed()) {
			fault := wire.Errorf(wire.AlreadySubscribed, "the session already has a subscription to this feed")
			fault.SubscriptionID = other.id
			return fault
		}
	}
	if most := s.server.limits().KeysPerSession; most > 0 && values > most {
		fault := wire.Errorf(wire.SubscriptionLimit, "the filters of a session have at most %d keys and field values together", most)
		return s.overLimit(fault, sub.Feed().Indexed() > most)
	}
	if most := s.server.limits().FiltersPerSession; most > 0 && sub.evaluated && evaluated > most {
		fault := wire.Errorf(wire.SubscriptionLimit, "a session has at most %d subscriptions with filters that no index serves", most)
		return s.overLimit(fault, false)
	}
	return nil
}

// take adds a subscription to the session and sends `subscribed`.
func (s *session) take(p *auth.Principal, sub *subscription, begun hub.Begun, sc *scratch) *wire.Error {
	if fault := s.admits(p, sub); fault != nil {
		return fault
	}
	s.mu.Lock()
	s.subs = append(s.subs, sub)
	s.mu.Unlock()
	s.server.metrics.subscriptions.Inc()
	if !s.dialect.converses() {
		return nil
	}
	s.server.audit.subscribed(s, sub)
	cursor := sub.Cursor()
	feed := ""
	if sub.Feed().Filtered() {
		feed = sub.Feed().Name()
	}
	s.send(sc, &wire.Subscribed{
		ID:        sub.id,
		Stream:    sub.Stream(),
		Feed:      feed,
		Start:     string(begun.Kind),
		Short:     begun.Short,
		Recovered: begun.Recovered,
		Cursor:    cursor,
	})
	sub.know(cursor, sc.now)
	if sub.lease != nil && sub.lease.Superseded() {
		// The lease was superseded before the subscription was in the session.
		s.endSubscription(sub, endTaken(sub.lease), sc)
	}
	return nil
}

// unsubscribe ends a subscription at its client's request.
func (s *session) unsubscribe(sc *scratch, id string) {
	if s.closing {
		return
	}
	if g := s.findGroup(id); g != nil {
		s.endGroup(g, subscriptionEnd{reason: wire.ReasonRequested}, sc)
		return
	}
	sub := s.find(id)
	if sub == nil {
		fault := wire.Errorf(wire.BadRequest, "no subscription has this id")
		fault.ID = id
		s.server.audit.failedAt(s, audit.ActUnsubscribe, "", fault)
		s.tellFault(sc, fault)
		return
	}
	s.endSubscription(sub, subscriptionEnd{reason: wire.ReasonRequested}, sc)
}
