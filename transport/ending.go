package transport

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/record"
	"sluice/transport/wire"
)

// A session ends by four verbs, which only its executor calls:
//
//	close    says why, as an ending has it; nothing is said or taken after it
//	finish   ends the connection behind the last bytes, so that they can be read
//	cut      ends the connection without a word
//	release  gives up all that the session has; finish and cut do it last
//
// Others ask for it with closeSoon and cutSoon. What they may be asked for
// stands in this file, once for each kind of ending.

// ending is why a session is closed, and what its client is told.
type ending struct {
	// fault is what is told, counted and logged; nil where the client itself
	// has closed.
	fault  *wire.Error
	action wire.Action
	// counted is set where the fault has been counted and logged already.
	counted bool
	// closeCode and reason are those of a WebSocket's close frame.
	closeCode int
	reason    string
}

// endByFault is the ending for a fault, as the table of codes has it.
func endByFault(fault *wire.Error) ending {
	info := fault.Code.Info()
	code := info.Close
	if code == 0 {
		code = wire.Internal.Info().Close
	}
	return ending{fault: fault, action: info.Action, closeCode: code, reason: fault.Message}
}

// endByProtocol is the ending of a WebSocket with a close code of RFC 6455's own.
func endByProtocol(closeCode int, reason string) ending {
	return ending{fault: wire.Errorf(wire.BadRequest, "%s", reason), action: wire.Stop, closeCode: closeCode, reason: reason}
}

// endByClient answers a client's close frame with its own code.
func endByClient(closeCode int) ending {
	if closeCode == websocketNoStatus {
		closeCode = wire.CloseFinished
	}
	return ending{closeCode: closeCode}
}

// What time brings.

func endExpired() ending {
	return endByFault(wire.Errorf(wire.TokenExpired, "the token has expired: come back with a new one"))
}

func endDrained(retryAfter time.Duration) ending {
	return endByFault(&wire.Error{
		Code: wire.Draining, Message: "this instance is going away: come back to another one", RetryAfter: retryAfter,
	})
}

func endUnauthenticated() ending {
	return endByFault(wire.Errorf(wire.AuthTimeout, "no credential came in time: send auth as the first message"))
}

func endNoPong() ending {
	return endByFault(wire.Errorf(wire.NoPong, "no sign of life came since the last ping"))
}

// What a client's messages bring.

func endTooLarge(most int) ending {
	return endByFault(wire.Errorf(wire.TooLarge, "the message is larger than %d bytes", most))
}

func endTooManyFaults(most int) ending {
	return endByFault(wire.Errorf(wire.TooManyErrors, "more than %d requests in a minute were at fault", most))
}

// endPanicked is for a session one of whose requests panicked, which notePanic has
// counted.
func endPanicked() ending {
	e := endByFault(wire.Errorf(wire.Internal, "something went wrong here"))
	e.counted = true
	return e
}

func endNotUTF8() ending {
	return endByProtocol(wire.CloseInvalidText, "the message is not UTF-8")
}

func endBadCompression() ending {
	return endByProtocol(wire.CloseProtocolError, "the message is not compressed as RFC 7692 has it")
}

// endWrongType is for a message of the type that the dialect does not have.
func endWrongType(binary bool) ending {
	if binary {
		return endByProtocol(wire.CloseUnsupported, "messages are binary")
	}
	return endByProtocol(wire.CloseUnsupported, "messages are text")
}

// endOfReading chooses how the end of a WebSocket's reading ends the session.
// ok is false where the connection has ended, and there is nobody to tell.
func (s *session) endOfReading(err error) (e ending, ok bool) {
	switch input := s.ws.input; {
	case input.tooLarge:
		return endTooLarge(s.server.limits().MessageBytes), true
	case s.ws.flooded, errors.Is(err, errFlood), errors.Is(err, context.DeadlineExceeded):
		return endByProtocol(wire.CloseFlood, "too many control frames, or a message that takes too long"), true
	case input.closeCode == websocketNoStatus, errors.As(err, new(websocket.CloseError)):
		if !utf8.ValidString(input.closeReason) {
			return endByProtocol(wire.CloseInvalidText, "the reason of the close is not UTF-8"), true
		}
		return endByClient(input.closeCode), true
	case input.closeCode != 0:
		return endByProtocol(input.closeCode, input.closeReason), true
	case isProtocolError(err):
		return endByProtocol(wire.CloseProtocolError, "the frame breaks RFC 6455"), true
	}
	return ending{}, false
}

// subscriptionEnd is why a subscription ends: what a client that converses is
// told, and the fault with which another one's session ends.
type subscriptionEnd struct {
	reason wire.Reason
	fault  *wire.Error
	// withSession has a session that carries nothing else end with it.
	withSession bool
}

// endOf is for a subscription that the hub has ended.
func endOf(sub *subscription) subscriptionEnd {
	ended, reason := wire.ReasonError, sub.Ended()
	switch reason {
	case hub.FilterFailed:
		ended = wire.ReasonFilterFailed
	case hub.StreamChanged:
		ended = wire.ReasonChanged
	case hub.SlowConsumer:
		fault := wire.Errorf(wire.SlowConsumer, "the client has fallen behind what is in memory: come back with the cursor")
		return subscriptionEnd{reason: wire.ReasonSlowConsumer, fault: fault, withSession: true}
	case record.GapRetention:
		ended = wire.ReasonRetention
	case record.GapLogChanged:
		ended = wire.ReasonLogChanged
	case record.GapTruncated:
		ended = wire.ReasonTruncated
	case record.GapUnreadable, record.GapTooLarge, record.GapPolicy:
	}
	return subscriptionEnd{reason: ended, fault: endedFault(reason, sub.Feed().Fault())}
}

func endSuperseded() subscriptionEnd {
	return subscriptionEnd{reason: wire.ReasonSuperseded, fault: faultOf(cursors.ErrSuperseded)}
}

// endSubscription ends a subscription and says why, or the session with it.
func (s *session) endSubscription(sub *subscription, why subscriptionEnd, sc *scratch) {
	alone := len(s.subs) <= 1 && s.inFlight.Load() == 0
	if !s.dialect.converses() || why.withSession && alone {
		s.close(sc, endByFault(why.fault))
		return
	}
	s.send(sc, &wire.Unsubscribed{
		ID:        sub.id,
		Reason:    why.reason,
		Retryable: why.reason.Retryable(),
		Cursor:    sub.Cursor(),
	})
	s.remove(sub)
}

// close says why the session ends.
func (s *session) close(sc *scratch, e ending) {
	if s.closing {
		return
	}
	if e.fault == nil {
		s.sendRaw(sc, wire.AppendClose(nil, e.closeCode, ""))
	} else {
		if !e.counted {
			s.server.noteFault(e.fault, s.address)
		}
		closing := closingOf(e.fault)
		closing.Action = e.action
		switch {
		case s.dialect.converses():
			for _, sub := range s.subs {
				closing.Cursors = append(closing.Cursors, wire.SubscriptionCursor{ID: sub.id, Cursor: sub.Cursor()})
			}
		case len(s.subs) > 0:
			closing.Cursor = s.cursor(sc.now)
		}
		start := len(sc.arena)
		sc.arena = s.dialect.encodeClosing(sc.arena, closing, e.closeCode, e.reason)
		s.write(sc, start)
	}
	s.closing = true
	s.stopReading()
}

// closeSoon has the executor close the session.
func (s *session) closeSoon(e ending) {
	s.post(func(s *session, sc *scratch) { s.close(sc, e) })
}

// finishWait is how long a client has to answer a close.
const finishWait = 2 * time.Second

// finish ends a session whose last bytes have been written.
func (s *session) finish() {
	if s.ws != nil {
		s.ws.input.readLast(time.Now().Add(finishWait))
	}
	s.out.Finish(finishWait)
	s.release()
}

// cut ends the session without a word.
func (s *session) cut() {
	s.out.Abort()
	s.release()
}

// cutSoon cuts the connection, and has the executor do the rest.
func (s *session) cutSoon() {
	s.out.Abort()
	s.post(func(s *session, _ *scratch) { s.release() })
	s.resume()
}

// panicked cuts a session that has panicked, whatever state it is in.
func (s *session) panicked(cause any) {
	defer func() {
		if again := recover(); again != nil {
			s.server.notePanic("the end of a session panicked", again)
		}
	}()
	s.server.notePanic("a session panicked", cause)
	defer s.release()
	s.out.Abort()
}

// release gives up all that the session has.
func (s *session) release() {
	if s.closed {
		return
	}
	s.closed = true
	// What others count on is done even if something of its own panics.
	defer s.forget()
	s.stopReading()
	for _, sub := range s.subs {
		s.drop(sub)
	}
	s.subs, s.backlog = nil, nil
}

// forget takes a session that has ended out of all that knows it.
func (s *session) forget() {
	s.mu.Lock()
	s.inbox = nil
	s.mu.Unlock()
	s.admission.release()
	s.worker.remove(s)
	s.server.sessions.remove(s)
	s.tellEnded()
}

// releaseUnstarted is release for a session that was not started, with its
// connection, in whatever way the request failed. The handler that makes a
// session defers it.
func (s *session) releaseUnstarted() {
	if s.started {
		return
	}
	s.release()
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// drainSoon tells a session when it is to come back elsewhere, and closes it
// then.
func (s *session) drainSoon(after time.Duration) {
	s.post(func(s *session, sc *scratch) {
		if s.closing || !s.closeAt.IsZero() {
			return
		}
		s.closeAt = sc.now.Add(after)
		s.due.Store(0)
		s.send(sc, &wire.Drain{Reconnect: after})
	})
}

// closingOf is what an event stream ends with for a fault.
func closingOf(fault *wire.Error) *wire.Closing {
	closing := &wire.Closing{Code: fault.Code, Action: fault.Code.Info().Action, RetryAfter: fault.RetryAfter}
	if closing.Action != wire.Stop && closing.RetryAfter == 0 {
		closing.RetryAfter = comeBackSoon()
	}
	return closing
}

// comeBackSoon spreads those who come back over some seconds.
func comeBackSoon() time.Duration {
	return 1500*time.Millisecond + rand.N(3*time.Second).Truncate(time.Millisecond)
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
	s.send(sc, fault)
	if fault.Retryable() {
		return
	}
	ws := s.ws
	if sc.now.Sub(ws.errorsSince) >= time.Minute {
		ws.errors, ws.errorsSince = 0, sc.now
	}
	ws.errors++
	if most := s.server.limits().ErrorsPerMinute; most > 0 && ws.errors > most {
		s.close(sc, endTooManyFaults(most))
	}
}
