package transport

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/record"
	"sluice/transport/wire"
)

// Four methods end a session; only its executor calls them:
//
//	close    sends the reason of an ending; nothing is sent or accepted after it
//	finish   ends the connection after the last bytes, so that they can be read
//	cut      ends the connection without sending anything
//	release  gives up all that the session holds; finish and cut call it last
//
// Other goroutines request an end with closeSoon and cutSoon. The endings that they
// can request are in this file, one function for each kind.

// ending is why a session is closed, and what its client is sent.
type ending struct {
	// fault is the fault that is sent, counted and logged; nil if the client itself
	// has closed.
	fault  *wire.Error
	action wire.Action
	// counted is set if the fault has already been counted and logged.
	counted bool
	// closeCode and reason are those of a WebSocket's close frame.
	closeCode int
	reason    string
}

// endByFault returns the ending for a fault, according to the table of codes.
func endByFault(fault *wire.Error) ending {
	info := fault.Code.Info()
	code := info.Close
	if code == 0 {
		code = wire.Internal.Info().Close
	}
	return ending{fault: fault, action: info.Action, closeCode: code, reason: fault.Message}
}

// endByProtocol returns an ending of a WebSocket with a close code that RFC 6455
// defines.
func endByProtocol(closeCode int, reason string) ending {
	return ending{fault: wire.Errorf(wire.BadRequest, "%s", reason), action: wire.Stop, closeCode: closeCode, reason: reason}
}

// endByClient returns the ending that answers a client's close frame with the
// client's own code.
func endByClient(closeCode int) ending {
	if closeCode == websocketNoStatus {
		closeCode = wire.CloseFinished
	}
	return ending{closeCode: closeCode}
}

// Endings by time.

func endExpired() ending {
	return endByFault(wire.Errorf(wire.TokenExpired, "the token has expired: reconnect with a new token"))
}

func endRevoked() ending { return endByFault(faultOf(auth.ErrRevoked)) }

func endDrained(retryAfter time.Duration) ending {
	return endByFault(&wire.Error{
		Code: wire.Draining, Message: "this instance is shutting down: reconnect to another one", RetryAfter: retryAfter,
	})
}

func endUnauthenticated() ending {
	return endByFault(wire.Errorf(wire.AuthTimeout, "no credential was received in time: send auth as the first message"))
}

func endNoPong() ending {
	return endByFault(wire.Errorf(wire.NoPong, "nothing was received since the last ping"))
}

// Endings caused by a client's messages.

func endTooLarge(most int) ending {
	return endByFault(wire.Errorf(wire.TooLarge, "the message is larger than %d bytes", most))
}

func endTooManyFaults(most int) ending {
	return endByFault(wire.Errorf(wire.TooManyErrors, "more than %d requests failed in a minute", most))
}

// endPanicked returns the ending for a session one of whose requests panicked.
// notePanic has already counted the fault.
func endPanicked() ending {
	e := endByFault(wire.Errorf(wire.Internal, "internal server error"))
	e.counted = true
	return e
}

func endNotUTF8() ending {
	return endByProtocol(wire.CloseInvalidText, "the message is not UTF-8")
}

func endBadCompression() ending {
	return endByProtocol(wire.CloseProtocolError, "the compression of the message violates RFC 7692")
}

// endWrongType returns the ending for a message of the type (text or binary) that
// the dialect does not use.
func endWrongType(binary bool) ending {
	if binary {
		return endByProtocol(wire.CloseUnsupported, "messages must be binary")
	}
	return endByProtocol(wire.CloseUnsupported, "messages must be text")
}

// endOfReading chooses how the session ends when the reading of its WebSocket has
// ended with err. ok is false if the connection has ended, so that nothing can be
// sent.
func (s *session) endOfReading(err error) (e ending, ok bool) {
	switch input := s.ws.input; {
	case input.tooLarge:
		return endTooLarge(s.server.limits().MessageBytes), true
	case s.ws.flooded, errors.Is(err, errFlood), errors.Is(err, context.DeadlineExceeded):
		return endByProtocol(wire.CloseFlood, "too many control frames, or a message took too long to arrive"), true
	case input.closeCode == websocketNoStatus, errors.As(err, new(websocket.CloseError)):
		if !utf8.ValidString(input.closeReason) {
			return endByProtocol(wire.CloseInvalidText, "the reason of the close is not UTF-8"), true
		}
		return endByClient(input.closeCode), true
	case input.closeCode != 0:
		return endByProtocol(input.closeCode, input.closeReason), true
	case isProtocolError(err):
		return endByProtocol(wire.CloseProtocolError, "the frame violates RFC 6455"), true
	}
	return ending{}, false
}

// subscriptionEnd is why a subscription ends: the reason that is sent to a client
// that converses, and the fault with which the session of any other client ends.
type subscriptionEnd struct {
	reason wire.Reason
	fault  *wire.Error
	// withSession ends the session with the subscription if the session carries
	// nothing else.
	withSession bool
}

// endOf returns the end of a subscription that the hub has ended.
func endOf(sub *subscription) subscriptionEnd {
	ended, reason := wire.ReasonError, sub.Ended()
	switch reason {
	case hub.FilterFailed:
		ended = wire.ReasonFilterFailed
	case hub.StreamChanged:
		ended = wire.ReasonChanged
	case hub.SlowConsumer:
		fault := wire.Errorf(wire.SlowConsumer, "the client has fallen behind the records in memory: resume from the cursor")
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

// endSubscription ends a subscription and sends the reason, or ends the session with
// it.
func (s *session) endSubscription(sub *subscription, why subscriptionEnd, sc *scratch) {
	if sub.group != nil {
		s.endGroup(sub.group, why, sc)
		return
	}
	alone := len(s.subs) <= 1 && len(s.groups) == 0 && s.inFlight.Load() == 0
	if !s.dialect.converses() || why.withSession && alone {
		s.close(sc, endByFault(why.fault))
		return
	}
	s.server.audit.unsubscribed(s, sub, why.reason)
	s.send(sc, &wire.Unsubscribed{
		ID:        sub.id,
		Reason:    why.reason,
		Retryable: why.reason.Retryable(),
		Cursor:    sub.Cursor(),
	})
	s.remove(sub)
	s.follow() // a pattern may have left out its feed
}

// endGroup ends a subscription by pattern and sends the reason, or ends the session with
// it.
func (s *session) endGroup(g *group, why subscriptionEnd, sc *scratch) {
	members := s.members(g)
	alone := len(members) == len(s.subs) && len(s.groups) == 1 && s.inFlight.Load() == 0
	if !s.dialect.converses() || why.withSession && alone {
		s.close(sc, endByFault(why.fault))
		return
	}
	s.send(sc, &wire.Unsubscribed{
		ID:        g.id,
		Reason:    why.reason,
		Retryable: why.reason.Retryable(),
		Cursor:    s.groupCursor(g, sc.now),
	})
	for _, sub := range members {
		s.remove(sub)
	}
	s.groups = slices.DeleteFunc(s.groups, func(other *group) bool { return other == g })
	s.patterns.Add(-1)
	s.follow() // other groups may have left out its feeds
}

// close sends the reason why the session ends.
func (s *session) close(sc *scratch, e ending) {
	if s.closing {
		return
	}
	s.server.audit.closes(s, e.fault)
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
				if sub.group == nil {
					closing.Cursors = append(closing.Cursors, wire.SubscriptionCursor{ID: sub.id, Cursor: sub.Cursor()})
				}
			}
			for _, g := range s.groups {
				closing.Cursors = append(closing.Cursors, wire.SubscriptionCursor{ID: g.id, Cursor: s.groupCursor(g, sc.now)})
			}
		case len(s.subs)+len(s.groups) > 0:
			closing.Cursor = s.cursor(sc.now)
		}
		start := len(sc.arena)
		sc.arena = s.dialect.encodeClosing(sc.arena, closing, e.closeCode, e.reason)
		s.write(sc, start)
	}
	s.closing = true
	s.stopReading()
}

// closeSoon makes the executor close the session.
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

// cut ends the session without sending anything.
func (s *session) cut() {
	s.out.Abort()
	s.release()
}

// cutSoon aborts the connection and makes the executor release the session.
func (s *session) cutSoon() {
	s.out.Abort()
	s.post(func(s *session, _ *scratch) { s.release() })
	s.resume()
}

// lost ends a session from whose connection nothing more can be read. If that is for
// what the client has sent, TLS tells it so.
func (s *session) lost() {
	if s.tls == nil || !s.tls.owes() || s.state.Load() == stalled {
		s.cutSoon()
		return
	}
	s.post(func(s *session, sc *scratch) {
		sc.sealed, _ = s.tls.seal(sc.sealed[:0], nil, false)
		s.alert(sc.sealed)
	})
}

// alert ends the session with what TLS has to say about the reason, as far as the
// client takes it at once (RFC 8446, section 6.2).
func (s *session) alert(sealed []byte) {
	_, _ = s.out.Try([][]byte{sealed})
	s.cut()
}

// cutOffLate ends those of the sessions that take their last bytes too slowly.
func (s *Server) cutOffLate(sessions []*session) {
	grace := time.NewTimer(expiryGrace)
	defer grace.Stop()
	for _, x := range sessions {
		select {
		case <-x.ended():
		case <-grace.C:
			for _, late := range sessions {
				select {
				case <-late.ended():
				default:
					late.cutSoon()
				}
			}
			return
		}
	}
}

// endIfRevoked ends a session whose credential was revoked while the session began or
// was renewed: the revocation did not find it.
func (s *session) endIfRevoked(p *auth.Principal) {
	if s.server.revoked(p) {
		s.closeSoon(endRevoked())
		s.server.tasks.Go(func() { s.server.cutOffLate([]*session{s}) })
	}
}

// panicked cuts a session that has panicked, whatever its state.
func (s *session) panicked(cause any) {
	defer func() {
		if again := recover(); again != nil {
			s.server.notePanic("closing a session panicked", again)
		}
	}()
	s.server.notePanic("a session panicked", cause)
	defer s.release()
	s.out.Abort()
}

// guarded runs f, which the reader or another goroutine of the session runs. A panic,
// which is a bug in the server, ends only this session.
func (s *session) guarded(f func() bool) (result bool) {
	defer func() {
		if cause := recover(); cause != nil {
			s.server.notePanic("a request panicked", cause)
			s.closeSoon(endPanicked())
			result = true
		}
	}()
	return f()
}

// release gives up all that the session holds.
func (s *session) release() {
	if s.closed {
		return
	}
	s.closed = true
	s.server.audit.released(s)
	// Others depend on forget, so it runs even if something of the session panics.
	defer s.forget()
	s.stopReading()
	for _, sub := range s.subs {
		s.drop(sub)
	}
	s.subs, s.groups, s.backlog = nil, nil, nil
}

// forget removes a session that has ended from everything that refers to it.
func (s *session) forget() {
	s.mu.Lock()
	s.inbox = nil
	s.mu.Unlock()
	s.admission.release()
	s.worker.remove(s)
	s.server.sessions.remove(s)
	s.tellEnded()
}

// releaseUnstarted releases a session that was not started, and closes its
// connection, however the request failed. The handler that creates a session defers
// it.
func (s *session) releaseUnstarted() {
	if s.started {
		return
	}
	s.release()
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// drainSoon asks a session's client to reconnect elsewhere after a time, and closes
// the session then.
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

// closingOf returns the closing message of an event stream for a fault.
func closingOf(fault *wire.Error) *wire.Closing {
	closing := &wire.Closing{Code: fault.Code, Action: fault.Code.Info().Action, RetryAfter: fault.RetryAfter}
	if closing.Action != wire.Stop && closing.RetryAfter == 0 {
		closing.RetryAfter = comeBackSoon()
	}
	return closing
}

// comeBackSoon spreads the clients that reconnect over some seconds.
func comeBackSoon() time.Duration {
	return 1500*time.Millisecond + rand.N(3*time.Second).Truncate(time.Millisecond) //nolint:gosec // nothing secret depends on it
}

// fail sends a fault that does not end the session, unless there were too many.
func (s *session) fail(fault *wire.Error) {
	s.server.audit.failed(s, fault)
	s.post(func(s *session, sc *scratch) {
		if !s.closing {
			s.tellFault(sc, fault)
		}
	})
}

// tellFault sends an error message, and ends the session after too many. Faults that
// can be retried are not the client's mistake and are not counted.
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
