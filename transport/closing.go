package transport

import (
	"slices"
	"time"

	"sluice/auth"
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
// can request are in ending.go, one function for each kind.

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
		Message:   why.message(),
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
		Message:   why.message(),
		Retryable: why.reason.Retryable(),
		Cursor:    s.groupCursor(g, sc.now),
	})
	for _, sub := range members {
		s.remove(sub)
	}
	s.mu.Lock()
	s.groups = slices.DeleteFunc(s.groups, func(other *group) bool { return other == g })
	s.mu.Unlock()
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

// closeUnread is closeSoon for the reader: nothing that the client has sent since is looked at.
func (s *session) closeUnread(e ending) {
	s.over.Store(true)
	s.closeSoon(e)
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
	s.mu.Lock()
	s.subs, s.groups = nil, nil
	s.mu.Unlock()
	s.backlog = nil
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
	s.show()
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

// drainSoon asks a session's client to reconnect after a time, and closes the session
// then, or once its publishes in flight are answered, for which it waits some time more.
func (s *session) drainSoon(after, waits time.Duration) {
	s.post(func(s *session, sc *scratch) {
		again := !s.closeAt.IsZero()
		if s.closing || again && after > 0 {
			// It has a time already, which is not changed: the earliest of several would
			// not be spread over all of the time that sessions are given.
			return
		}
		s.closeAt = earlier(s.closeAt, sc.now.Add(after))
		s.closeBy = earlier(s.closeBy, sc.now.Add(after+waits))
		s.due.Store(0)
		if again {
			return
		}
		s.send(sc, &wire.Drain{Reconnect: after})
	})
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
