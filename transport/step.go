package transport

import (
	"sluice/hub"
	"sluice/transport/wire"
)

// stepBytes is how many bytes of events a session writes before other sessions have
// their turn. Together with control events, at most 64 KiB lie between two ids of an
// event stream, except for an event that is larger.
const stepBytes = 60 << 10

// step does everything that can be done without waiting.
func (s *session) step(sc *scratch) stepResult {
	if s.closed {
		return stepClosed
	}
	sc.reset()
	sc.now = monotimeNow()
	sc.hasID = true

	if s.backlog != nil {
		s.show()
		if done := s.retry(sc); done != stepIdle {
			s.fallsBehind(true)
			return done
		}
	}
	s.runCommands(sc)
	if s.closed {
		return stepClosed
	}
	if !s.closing {
		s.onTime(sc)
	}
	more := false
	if !s.closing {
		more = s.gather(sc)
	}
	s.show()
	s.dialect.afterStep(s, sc)
	if s.shares != nil {
		s.countCompressed(sc)
		s.compress(sc)
	}
	done := s.flush(sc)
	s.fallsBehind(more || done == stepBlocked || !s.inStep())
	s.server.metrics.delivered(s.dialect.protocol(), sc.batch.Records, sc.batch.Gaps)
	s.tenant.delivered(sc.batch.Records, sc.batch.Gaps)
	if n := sc.batch.Records; n > 0 {
		s.delivered.records.Add(uint64(n))
	}
	if n := sc.batch.Gaps; n > 0 {
		s.delivered.gaps.Add(uint64(n))
	}
	if done != stepIdle {
		return done
	}
	s.schedule(sc.now)
	if more {
		return stepMore
	}
	return stepIdle
}

// fallsBehind records whether the session has to catch up.
func (s *session) fallsBehind(is bool) {
	if s.behind.Load() != is {
		s.behind.Store(is)
	}
}

// inStep reports whether all subscriptions that are not paused are in step with their
// logs.
func (s *session) inStep() bool {
	for _, sub := range s.subs {
		if !sub.Paused() && !sub.InStep() {
			return false
		}
	}
	return true
}

// safeStep is step for executors: a panic, which is a bug in the server, ends only
// the session at hand.
func (s *session) safeStep(sc *scratch) (result stepResult) {
	defer func() {
		if cause := recover(); cause != nil {
			s.panicked(cause)
			result = stepClosed
		}
	}()
	return s.step(sc)
}

// runCommands runs the commands in the inbox.
func (s *session) runCommands(sc *scratch) {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = nil
	tell(s.waiters.room)
	s.mu.Unlock()
	for _, c := range inbox {
		if s.closed {
			return
		}
		c(s, sc)
	}
}

// gather collects what the subscriptions have to deliver, and reports whether there
// is more than was taken.
func (s *session) gather(sc *scratch) (more bool) {
	for i, n := 0, len(s.subs); i < n; i++ {
		if s.closing {
			return false
		}
		sub := s.subs[(s.turn+i)%len(s.subs)]
		room := s.stepBytes() - sc.batch.Bytes
		if room <= 0 {
			s.turn++
			return true
		}
		before, size, records, gaps := len(sc.batch.Bufs), sc.batch.Bytes, sc.batch.Records+sc.batch.Gaps, sc.batch.Gaps
		from := sub.Bookmark()
		if s.next(sub, sc, room) {
			more = true
		}
		if len(sc.batch.Bufs) > before {
			if sc.hasID = sc.endsWithID(); sc.hasID {
				s.needsID = false
			}
			sc.given = given{sub: sub, from: from, first: before, end: len(sc.batch.Bufs), records: records - gaps, gaps: gaps}
			s.putInFront(sc, before, sc.batch.Bytes-size)
		}
		if sc.batch.Records+sc.batch.Gaps > records {
			sub.delivered = true
		}
		// A gap can invalidate the client's cursor (log_changed, truncated), and
		// with it the position that the client would report. Send a new one soon.
		if sc.batch.Gaps > gaps {
			sub.sentAt = 0
		}
		s.accompany(sub, sc)
		if len(s.subs) < n {
			// The subscription has ended and the following ones have moved up:
			// gather again.
			return len(s.subs) > 0
		}
	}
	if more {
		// Another subscription is first next time, as what did not fit may be larger
		// than the rest of a batch.
		s.turn++
	}
	return more
}

// stepBytes is how many bytes of events the session writes in a step.
func (s *session) stepBytes() int {
	if s.shares != nil {
		return compressedStep
	}
	return stepBytes
}

// next calls Next, or NextCompressed, of one of the session's subscriptions.
func (s *session) next(sub *subscription, sc *scratch, room int) (more bool) {
	if s.shares == nil {
		return sub.Next(&sc.batch, s.dialect.format(), room)
	}
	return sub.NextCompressed(&sc.batch, s.shares.codec, &s.shares.window, room)
}

// accompany sends the control events that follow a subscription's events.
func (s *session) accompany(sub *subscription, sc *scratch) {
	if status, changed := sub.StatusChange(); changed {
		sc.given.sub = nil
		s.send(sc, &wire.Status{Stream: sub.Stream(), Live: status.Live, Since: status.Since})
	}
	if sub.Ended() != "" {
		sc.given.sub = nil
		if sub.group != nil && sub.Ended() == hub.StreamChanged {
			s.memberChanged(sub, sc)
			return
		}
		s.endSubscription(sub, endOf(sub), sc)
		return
	}
	caughtUp := sub.CaughtUp()
	if caughtUp && sub.group != nil {
		sub.caught = true
		if s.groupCaughtUp(sub.group, sc) {
			return
		}
		caughtUp = false
	}
	if caughtUp {
		sc.given.sub = nil
		cursor := s.cursorOf(sub, sc)
		caught := &wire.CaughtUp{Cursor: cursor}
		if s.dialect.converses() {
			caught.ID = sub.id
		}
		s.send(sc, caught)
		sub.know(cursor, sc.now)
		return
	}
	s.dialect.afterEvents(s, sub, sc)
}
