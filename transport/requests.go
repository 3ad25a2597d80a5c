package transport

import (
	"context"
	"errors"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/transport/wire"
)

// handle answers a client's message. It reports whether the message is still in
// use when it returns.
func (s *session) handle(message []byte) (keep bool) {
	request, fault := wire.ParseRequest(message, s.server.wireLimits())
	if fault != nil {
		if errors.Is(fault, hub.ErrNotUTF8) {
			s.post(func(s *session, sc *scratch) {
				s.shutWith(sc, wire.BadRequest, wire.CloseInvalidText, "the message is not UTF-8")
			})
			return false
		}
		if s.who() == nil {
			// Whoever it is, it does not speak the protocol.
			s.post(func(s *session, sc *scratch) { s.shut(sc, fault) })
			return false
		}
		s.fail(fault)
		return false
	}
	principal := s.who()
	if ended := s.server.ended(principal); ended != nil {
		// Also while the executor waits for the socket and sees no clock.
		s.post(func(s *session, sc *scratch) { s.shut(sc, ended) })
		return false
	}
	if principal == nil {
		if first, ok := request.(*wire.Auth); ok {
			s.authenticate(first)
			return false
		}
		if principal = s.enterAnonymously(); principal == nil {
			return false
		}
	}
	switch r := request.(type) {
	case *wire.Auth:
		s.renew(principal, r)
	case *wire.Subscribe:
		s.subscribe(principal, r)
	case *wire.SubscribeMany:
		for i := range r.Subscriptions {
			s.subscribe(principal, &r.Subscriptions[i])
		}
	case *wire.Unsubscribe:
		id := r.ID
		s.post(func(s *session, sc *scratch) { s.unsubscribe(sc, id) })
	case *wire.Ack:
		s.handleAck(*r)
	case *wire.Publish:
		return s.publish(principal, r)
	case *wire.Ping:
		id := r.ID
		s.post(func(s *session, sc *scratch) {
			if !s.closing {
				s.send(sc, "", &wire.Pong{ID: id})
			}
		})
	case *wire.Pong:
		// A sign of life, noted when it was read. It acks nothing: it does not
		// say which ping it answers, and a script can send it unasked.
	}
	return false
}

// fail tells the client of a fault that does not end the session, unless there
// were too many.
func (s *session) fail(fault *wire.Error) {
	s.post(func(s *session, sc *scratch) {
		if !s.closing {
			s.tellFault(sc, fault)
		}
	})
}

// tellFault sends an error message, and ends the session when there were too
// many. What can be tried again is not the client's mistake, and not counted.
func (s *session) tellFault(sc *scratch, fault *wire.Error) {
	s.server.noteFault(fault, s.address)
	s.send(sc, "", fault)
	if fault.Retryable() {
		return
	}
	ws := s.ws
	if sc.now.Sub(ws.errorsSince) >= time.Minute {
		ws.errors, ws.errorsSince = 0, sc.now
	}
	ws.errors++
	if most := s.server.config.Limits.ErrorsPerMinute; most > 0 && ws.errors > most {
		s.shut(sc, wire.Errorf(wire.TooManyErrors, "more than %d requests in a minute were at fault", most))
	}
}

// enterAnonymously makes the client of a session an anonymous one where grants
// allow that, or ends the session.
func (s *session) enterAnonymously() *auth.Principal {
	p, err := s.server.config.Auth.Anonymous(networkOf(s.address))
	if err != nil {
		fault := wire.Errorf(wire.Unauthenticated, "authenticate first: send auth with a token")
		s.post(func(s *session, sc *scratch) { s.shut(sc, fault) })
		return nil
	}
	return s.enter(p)
}

// enter makes a principal the session's, within the limits.
func (s *session) enter(p *auth.Principal) *auth.Principal {
	if fault := s.admission.identified(p); fault != nil {
		s.post(func(s *session, sc *scratch) { s.shut(sc, fault) })
		return nil
	}
	s.mu.Lock()
	s.principal = p
	gone := s.gone
	s.mu.Unlock()
	if gone {
		return nil
	}
	s.welcome(p)
	return p
}

// authenticate handles the first message of a session without a credential.
func (s *session) authenticate(r *wire.Auth) {
	ctx, cancel := s.server.requestContext()
	defer cancel()
	p, err := s.server.config.Auth.Bearer(ctx, string(r.Token))
	if err != nil {
		fault := faultOf(err)
		fault.ID = r.ID
		s.post(func(s *session, sc *scratch) {
			s.send(sc, "", fault)
			s.shut(sc, fault)
		})
		return
	}
	s.enter(p)
}

// renew lets the session go on under a new token.
func (s *session) renew(current *auth.Principal, r *wire.Auth) {
	ctx, cancel := s.server.requestContext()
	defer cancel()
	id := r.ID
	p, err := s.server.config.Auth.Renew(ctx, current, string(r.Token))
	if err != nil {
		fault := faultOf(err)
		fault.ID = id
		s.fail(fault)
		return
	}
	bounds, err := s.narrower(ctx, current, p)
	if err != nil {
		// The new rights hold for all that the session has, or not at all.
		fault := faultOf(err)
		fault.ID = id
		s.fail(fault)
		return
	}
	s.mu.Lock()
	s.principal = p
	s.mu.Unlock()
	s.post(func(s *session, sc *scratch) {
		if s.closing {
			return
		}
		s.expiry, s.warned = momentOf(p.ExpiresAt()), false
		left := time.Duration(0)
		if !s.expiry.IsZero() {
			left = s.expiry.Sub(sc.now)
		}
		s.send(sc, "", &wire.Authenticated{ID: id, ExpiresIn: left})
		for _, sub := range append([]*subscription(nil), s.subs...) {
			if !p.May(auth.Subscribe, sub.Stream()) {
				s.endSubscription(sub, wire.ReasonForbidden, sc)
			} else if bound, ok := bounds[sub.Stream()]; ok {
				sub.Narrow(bound)
			}
		}
	})
}

// narrower finds how far back the streams may be read, which the session replays,
// where a new token gives less than the current one.
func (s *session) narrower(ctx context.Context, current, p *auth.Principal) (map[string]hub.Bound, error) {
	replayed := make(chan []string, 1)
	s.post(func(s *session, _ *scratch) {
		var streams []string
		for _, sub := range s.subs {
			if sub.Replays() {
				streams = append(streams, sub.Stream())
			}
		}
		replayed <- streams
	})
	var streams []string
	select {
	case streams = <-replayed:
	case <-s.ended():
	}
	bounds := make(map[string]hub.Bound)
	for _, stream := range streams {
		span := s.server.replay(p, stream)
		was := s.server.replay(current, stream)
		if _, done := bounds[stream]; done || span < 0 || was >= 0 && was <= span || !p.May(auth.Subscribe, stream) {
			continue
		}
		bound, err := s.server.config.Hub.Bound(ctx, stream, span)
		if err != nil {
			return nil, err
		}
		bounds[stream] = bound
	}
	return bounds, nil
}

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
	if s.kind != kindWebSocket {
		return nil
	}
	cursor := sub.Cursor()
	feed := ""
	if sub.Feed().Filtered() {
		feed = sub.Feed().Name()
	}
	s.send(sc, "", &wire.Subscribed{
		ID:        sub.id,
		Stream:    sub.Stream(),
		Feed:      feed,
		Start:     string(begun.Kind),
		Short:     begun.Short,
		Recovered: begun.Recovered,
		Cursor:    cursor,
	})
	sub.know(cursor, sc.now)
	if sub.holding != nil && sub.holding.Superseded() {
		// It was told before the subscription was here.
		s.endSuperseded(sub, sc)
	}
	return nil
}

// abandon gives up a subscription that no session has.
func (sub *subscription) abandon() {
	sub.Close()
	if sub.holding != nil {
		sub.holding.Release()
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
	s.send(sc, "", &wire.Unsubscribed{
		ID:        sub.id,
		Reason:    reason,
		Retryable: reason == wire.ReasonRequested || reason == wire.ReasonSlowConsumer,
		Cursor:    sub.Cursor(),
	})
	s.remove(sub)
}

// endByGap ends a subscription that was not to go on behind a gap.
func (s *session) endByGap(sub *subscription, reason hub.GapReason, sc *scratch) {
	if reason == hub.SlowConsumer {
		s.endSlow(sub, sc)
		return
	}
	if s.kind == kindWebSocket {
		ended := wire.ReasonError
		switch reason {
		case hub.GapRetention:
			ended = wire.ReasonRetention
		case hub.GapLogChanged:
			ended = wire.ReasonLogChanged
		case hub.GapTruncated:
			ended = wire.ReasonTruncated
		case hub.GapUnreadable, hub.GapTooLarge, hub.GapPolicy:
		}
		s.endSubscription(sub, ended, sc)
		return
	}
	s.shut(sc, gapFault(reason))
}

// endSlow ends a subscription that the stream's policy cuts off, and the session
// with it where it carries nothing else.
func (s *session) endSlow(sub *subscription, sc *scratch) {
	if s.kind == kindWebSocket && (len(s.subs) > 1 || s.inFlight.Load() > 0) {
		s.endSubscription(sub, wire.ReasonSlowConsumer, sc)
		return
	}
	s.shut(sc, wire.Errorf(wire.SlowConsumer, "the client has fallen behind what is in memory: come back with the cursor"))
}

// superseded ends the subscription whose named cursor was taken up elsewhere.
// Of one that has yet to be put into the session, take finds out.
func (s *session) superseded(holding *hub.Holding) {
	s.post(func(s *session, sc *scratch) {
		for _, sub := range s.subs {
			if sub.holding == holding && !s.closing {
				s.endSuperseded(sub, sc)
				return
			}
		}
	})
}

func (s *session) endSuperseded(sub *subscription, sc *scratch) {
	if s.kind == kindWebSocket {
		s.endSubscription(sub, wire.ReasonSuperseded, sc)
		return
	}
	s.shut(sc, faultOf(hub.ErrSuperseded))
}

// handleAck moves a named cursor and answers when it is stored.
func (s *session) handleAck(r wire.Ack) {
	c, err := hub.ParseCursor(r.Cursor)
	if err != nil {
		fault := faultOf(err)
		fault.ID = r.ID
		s.fail(fault)
		return
	}
	s.post(func(s *session, sc *scratch) {
		if s.closing {
			return
		}
		sub, ack, fault := s.acceptAck(r.ID, c)
		if fault != nil {
			fault.ID = r.ID
			s.tellFault(sc, fault)
			return
		}
		stream := sub.Stream()
		sub.holding.Ack(ack, func(done hub.Committed) {
			s.post(func(s *session, sc *scratch) { s.answerAck(sc, r.ID, stream, done) })
		})
	})
}

// answerAck tells what is stored behind an ack.
func (s *session) answerAck(sc *scratch, id, stream string, done hub.Committed) {
	if s.closing {
		return
	}
	if done.Err == nil {
		s.send(sc, "", &wire.Acked{ID: id, Cursor: storedCursor(stream, done.Position, done.At)})
		return
	}
	fault := faultOf(done.Err)
	fault.ID = id
	if errors.Is(done.Err, hub.ErrSuperseded) {
		// The subscription ends, too. It is no mistake of the client.
		s.server.noteFault(fault, s.address)
		s.send(sc, "", fault)
		return
	}
	s.tellFault(sc, fault)
}

// acceptAck finds the subscription and the position that an ack means, which
// must not be ahead of what was sent.
func (s *session) acceptAck(id string, c hub.Cursor) (*subscription, hub.Ack, *wire.Error) {
	sub := s.find(id)
	switch {
	case sub == nil:
		return nil, hub.Ack{}, wire.Errorf(wire.BadRequest, "there is no subscription of this id")
	case sub.holding == nil:
		return nil, hub.Ack{}, wire.Errorf(wire.BadRequest, "the subscription has no cursor_name to ack under")
	}
	at, ok := c.Position(sub.Stream())
	if !ok {
		return nil, hub.Ack{}, wire.Errorf(wire.BadCursor, "the cursor is of another stream")
	}
	ack, err := sub.Ack(at, c.At)
	if err != nil {
		return nil, hub.Ack{}, wire.Errorf(wire.BadCursor, "the cursor is ahead of what was sent")
	}
	return sub, ack, nil
}

// publish stores what a client sends. The message is in use until it is.
func (s *session) publish(p *auth.Principal, r *wire.Publish) (keep bool) {
	if fault := s.server.mayPublish(p, r.Stream); fault != nil {
		fault.ID = r.ID
		s.fail(fault)
		return false
	}
	most := s.server.config.Limits.PublishesPerSession
	if n := s.inFlight.Add(1); most > 0 && int(n) > most {
		s.inFlight.Add(-1)
		fault := wire.Errorf(wire.RateLimited, "more than %d publishes are in flight", most)
		fault.ID, fault.RetryAfter = r.ID, time.Second
		s.fail(fault)
		return false
	}
	id, batch := r.ID, r.Batch
	s.server.publish(p, r.Stream, r.Messages, func(results []hub.Stored) {
		s.inFlight.Add(-1)
		s.post(func(s *session, sc *scratch) {
			if s.closing {
				return
			}
			s.send(sc, "", s.server.answer(id, batch, results))
		})
	})
	return true
}

// requestContext bounds what one request may wait for.
func (s *Server) requestContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.base, s.config.RequestTimeout)
}
