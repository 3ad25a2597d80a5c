package transport

import (
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/record"
	"sluice/transport/wire"
)

// subscribe begins a subscription and answers, with `subscribed` or an error.
func (s *session) subscribe(p *auth.Principal, r *wire.Subscribe) {
	ctx, cancel := s.server.waitFor(s.server.base, p)
	defer cancel()
	id := r.ID
	sub, begun, fault := s.server.begin(ctx, s, p, reading{id: id, stream: r.Stream, Reading: r.Reading, auto: r.Ack == wire.AckAuto})
	if fault = s.server.outcome(p, fault); fault != nil {
		if sub != nil {
			sub.abandon()
		}
		fault.ID = id
		s.fail(fault)
		return
	}
	taken := make(chan *wire.Error, 1)
	s.post(func(s *session, sc *scratch) { taken <- s.take(sub, begun, sc) })
	select {
	case fault = <-taken:
	case <-s.ended():
		// Whether the command has run is seen below.
		select {
		case fault = <-taken:
		default:
			sub.abandon()
			return
		}
	}
	if fault != nil {
		sub.abandon()
		fault.ID = id
		s.fail(fault)
	}
}

// take makes a subscription one of the session's and says so.
func (s *session) take(sub *subscription, begun hub.Begun, sc *scratch) *wire.Error {
	if s.closing {
		return wire.Errorf(wire.Draining, "the session is closing")
	}
	if most := s.server.config.Limits.SubscriptionsPerSession; most > 0 && len(s.subs) >= most {
		fault := wire.Errorf(wire.SubscriptionLimit, "a session has at most %d subscriptions", most)
		fault.RetryAfter = time.Second
		return fault
	}
	keys := sub.Feed().Keys()
	for _, other := range s.subs {
		keys += other.Feed().Keys()
		if other.id == sub.id {
			return wire.Errorf(wire.BadRequest, "the id is in use by a subscription")
		}
		if other.Feed() == sub.Feed() {
			fault := wire.Errorf(wire.AlreadySubscribed, "the session has a subscription of this feed")
			fault.SubscriptionID = other.id
			return fault
		}
	}
	if most := s.server.config.Limits.KeysPerSession; most > 0 && keys > most {
		fault := wire.Errorf(wire.SubscriptionLimit, "the filters of a session have at most %d keys together", most)
		fault.RetryAfter = time.Second
		return fault
	}
	s.subs = append(s.subs, sub)
	s.server.metrics.subscriptions.Inc()
	if !s.dialect.converses() {
		return nil
	}
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
		// It was told before the subscription was here.
		s.endSuperseded(sub, sc)
	}
	return nil
}

// abandon gives up a subscription that no session has.
func (sub *subscription) abandon() {
	sub.Close()
	if sub.lease != nil {
		sub.lease.Release()
	}
}

// unsubscribe ends a subscription as its client asked.
func (s *session) unsubscribe(sc *scratch, id string) {
	if s.closing {
		return
	}
	sub := s.find(id)
	if sub == nil {
		fault := wire.Errorf(wire.BadRequest, "there is no subscription of this id")
		fault.ID = id
		s.tellFault(sc, fault)
		return
	}
	s.endSubscription(sub, wire.ReasonRequested, sc)
}

// endSubscription ends a subscription and says why.
func (s *session) endSubscription(sub *subscription, reason wire.Reason, sc *scratch) {
	s.send(sc, &wire.Unsubscribed{
		ID:        sub.id,
		Reason:    reason,
		Retryable: reason == wire.ReasonRequested || reason == wire.ReasonSlowConsumer,
		Cursor:    sub.Cursor(),
	})
	s.remove(sub)
}

// endByGap ends a subscription that was not to go on behind a gap.
func (s *session) endByGap(sub *subscription, reason record.GapReason, sc *scratch) {
	if reason == hub.SlowConsumer {
		s.endSlow(sub, sc)
		return
	}
	if s.dialect.converses() {
		ended := wire.ReasonError
		switch reason {
		case record.GapRetention:
			ended = wire.ReasonRetention
		case record.GapLogChanged:
			ended = wire.ReasonLogChanged
		case record.GapTruncated:
			ended = wire.ReasonTruncated
		case record.GapUnreadable, record.GapTooLarge, record.GapPolicy:
		}
		s.endSubscription(sub, ended, sc)
		return
	}
	s.shut(sc, gapFault(reason))
}

// endSlow ends a subscription that the stream's policy cuts off, and the session
// with it where it carries nothing else.
func (s *session) endSlow(sub *subscription, sc *scratch) {
	if s.dialect.converses() && (len(s.subs) > 1 || s.inFlight.Load() > 0) {
		s.endSubscription(sub, wire.ReasonSlowConsumer, sc)
		return
	}
	s.shut(sc, wire.Errorf(wire.SlowConsumer, "the client has fallen behind what is in memory: come back with the cursor"))
}

// superseded ends the subscription whose named cursor was taken up elsewhere.
// Of one that has yet to be put into the session, take finds out.
func (s *session) superseded(lease *cursors.Lease) {
	s.post(func(s *session, sc *scratch) {
		for _, sub := range s.subs {
			if sub.lease == lease && !s.closing {
				s.endSuperseded(sub, sc)
				return
			}
		}
	})
}

func (s *session) endSuperseded(sub *subscription, sc *scratch) {
	if s.dialect.converses() {
		s.endSubscription(sub, wire.ReasonSuperseded, sc)
		return
	}
	s.shut(sc, faultOf(cursors.ErrSuperseded))
}
