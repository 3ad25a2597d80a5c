package transport

import (
	"errors"

	"sluice/hub/cursors"
	"sluice/hub/jsonscan"
	"sluice/hub/upstream"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// handle answers a client's message. It reports whether the message is still in use
// when it returns.
func (s *session) handle(message []byte) (keep bool) {
	s.audited.asks(audit.ActOther, "")
	request, fault := s.dialect.decode(message, s.server.wireLimits())
	if fault != nil {
		if errors.Is(fault, jsonscan.ErrNotUTF8) {
			s.closeSoon(endNotUTF8())
			return false
		}
		if s.who() == nil {
			// The client does not speak the protocol.
			s.closeUnread(endByFault(fault))
			return false
		}
		s.fail(fault)
		return false
	}
	principal := s.who()
	if ended := s.server.ended(principal); ended != nil {
		// Checked here too, because the executor does not check the time while it
		// waits for the socket.
		s.closeSoon(endByFault(ended))
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
	first := s.ws.byQuery
	s.ws.byQuery = false
	switch r := request.(type) {
	case *wire.Auth:
		s.renew(principal, r, first)
	case *wire.Subscribe:
		s.subscribe(principal, r)
	case *wire.SubscribeMany:
		for i := range r.Subscriptions {
			s.subscribe(principal, &r.Subscriptions[i])
		}
	case *wire.Unsubscribe:
		id := r.ID
		s.post(func(s *session, sc *scratch) { s.unsubscribe(sc, id) })
	case *wire.PauseDelivery:
		id := r.ID
		s.post(func(s *session, sc *scratch) { s.pauseDelivery(sc, id) })
	case *wire.ResumeDelivery:
		s.resumeDelivery(principal, r.ID)
	case *wire.Ack:
		s.handleAck(*r)
	case *wire.Publish:
		return s.publish(r)
	case *wire.Ping:
		id := r.ID
		s.post(func(s *session, sc *scratch) {
			if !s.closing {
				s.send(sc, &wire.Pong{ID: id})
			}
		})
	case *wire.Pong:
		// A sign of life, noted when it was read. It acks nothing: it does not
		// say which ping it answers, and a script can send it unasked.
	}
	return false
}

// publish stores the records that a client sends. The message is in use until they
// are stored.
func (s *session) publish(r *wire.Publish) (keep bool) {
	if r.Form != nil {
		if fault := s.form(r); fault != nil {
			s.fail(fault)
			return false
		}
	}
	s.audited.asks(audit.ActPublish, r.Stream)
	if !s.awaitSlot() {
		return false
	}
	p := s.who() // with the rights that are in force after the wait
	allowed, fault := s.server.mayPublish(p, r.Stream)
	if fault == nil {
		fault = s.server.approvePublish(s.server.base, p, r.Stream)
	}
	if fault != nil {
		fault.ID = r.ID
		s.fail(fault)
		return false
	}
	id, batch, stream := r.ID, r.Batch, r.Stream
	from := origin{address: s.address}
	var reply *expected
	s.inFlight.Add(1)
	answer := func(results []upstream.Stored) {
		s.server.audit.published(s, stream, results)
		if reply != nil && results[0].Err == nil {
			s.freeSlot()
			s.await(id, reply, results[0])
			return
		}
		if reply != nil {
			s.forgo(reply)
		}
		s.post(func(s *session, sc *scratch) {
			s.freeSlot() // not before: a session that is drained ends once nothing is in flight
			if s.closing {
				return
			}
			s.send(sc, s.server.answer(id, batch, results))
		})
	}
	if refused := s.holding(stream, len(r.Messages)); refused != nil {
		s.server.notePublishRefused(p, refused)
		answer(refused)
		return false
	}
	if r.ExpectsReply() {
		if reply, fault = s.expect(p, r.Stream, r.ReplyTo); fault != nil {
			s.freeSlot()
			fault.ID = r.ID
			s.fail(fault)
			return false
		}
		from.correlation = reply.correlation
	}
	s.server.publish(p, publisher(p, stream, from, allowed), stream, r.Messages, func(results []upstream.Stored) {
		s.hold(stream, results)
		answer(results)
	})
	return true
}

// form makes the records of a publish that depend on the stream, which is the one that the
// WebSocket was opened with.
func (s *session) form(r *wire.Publish) (fault *wire.Error) {
	if s.ws.stream == "" {
		fault = wire.Errorf(wire.BadRequest, "name the stream to publish to with the parameter stream when you connect")
	} else {
		r.Stream = s.ws.stream
		r.Messages, fault = r.Form(s.server.structured(r.Stream))
	}
	if fault != nil {
		fault.ID = r.ID
	}
	return fault
}

// ponged acks what was written before the ping that a pong frame answers.
func (s *session) ponged(number uint64) {
	if s.closing || number > s.ws.pings {
		return
	}
	for _, sub := range s.subs {
		if !sub.auto || sub.lease == nil {
			continue
		}
		if written, ok := sub.pings.answered(number); ok {
			sub.lease.Ack(written.ack, func(cursors.Committed) {})
		}
	}
}
