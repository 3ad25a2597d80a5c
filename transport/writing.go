package transport

import "time"

// shortWrite is the size up to which copying several buffers together is cheaper
// than having the kernel gather them.
const shortWrite = 2 << 10

// waitedLeast is the least time of a write that had to wait for the peer. A write
// that the system's own buffers accept at once is no sign of life.
const waitedLeast = 10 * time.Millisecond

// flush writes what was gathered, as far as the socket accepts it at once.
func (s *session) flush(sc *scratch) stepResult {
	size := 0
	for _, b := range sc.batch.Bufs {
		size += len(b)
	}
	if s.tls != nil {
		done := s.flushSealed(sc, size)
		if done == stepBlocked {
			s.scheduleRetry(sc.now)
		}
		return done
	}
	if size > 0 {
		s.lastWrite = sc.now
		bufs := sc.batch.Bufs
		if len(bufs) > 1 && size <= shortWrite {
			sc.short = sc.short[:0]
			for _, b := range bufs {
				sc.short = append(sc.short, b...)
			}
			sc.first[0] = sc.short
			bufs = sc.first[:]
		}
		n, err := s.out.Try(bufs)
		s.sent(n)
		if err != nil {
			s.cut()
			return stepClosed
		}
		if n < size {
			if !s.rewindTo(sc, n) {
				s.keep(bufs, n, size, sc.now)
			}
			s.scheduleRetry(sc.now)
			return stepBlocked
		}
	}
	if s.closing {
		s.finish()
		return stepClosed
	}
	return stepIdle
}

// keep stores what is left to be written.
func (s *session) keep(bufs [][]byte, n, size int, now monotime) {
	left := make([]byte, 0, size-n)
	for _, b := range bufs {
		if n >= len(b) {
			n -= len(b)
			continue
		}
		left = append(left, b[n:]...)
		n = 0
	}
	s.backlog = &backlog{bytes: left, since: now, moved: now}
}

// retry writes the backlog to a socket, as far as the socket accepts it. A
// connection that has accepted nothing for too long is cut off.
func (s *session) retry(sc *scratch) stepResult {
	b := s.backlog
	sc.first[0] = b.bytes
	n, err := s.out.Try(sc.first[:])
	if s.tls == nil { // sealed bytes were counted before they were sealed
		s.sent(n)
	}
	if n > 0 {
		b.moved = sc.now
		s.lastSign.Store(int64(sc.now))
	}
	if b.bytes = b.bytes[n:]; len(b.bytes) > 0 {
		if err == nil && !sc.now.Before(s.giveUpAt()) {
			err = errNoProgress
		}
		if err == nil {
			s.scheduleRetry(sc.now)
			return stepBlocked
		}
		s.server.noteCutOff(err, s.address)
		s.cut()
		return stepClosed
	}
	s.backlog = nil
	if s.closing {
		s.finish()
		return stepClosed
	}
	// Timed work has been waiting too.
	s.due.Store(0)
	return stepIdle
}

// giveUpAt is when a client that accepts no more data until then is cut off.
func (s *session) giveUpAt() monotime {
	by := s.backlog.moved.Add(s.server.limits().WriteProgress)
	if last := s.writeDeadline(); !last.IsZero() && last.Before(by) {
		return last
	}
	return by
}

func (s *session) scheduleRetry(now monotime) { s.wakeAt(s.giveUpAt(), now) }

// writeDeadline is the time by which a client must have accepted the backlog, zero
// for no deadline: being slow is no fault, but no data may trickle to the client
// long after its token's expiry or after a close.
func (s *session) writeDeadline() monotime {
	if s.closing {
		return s.backlog.since.Add(s.server.limits().WriteProgress)
	}
	if s.expiry.IsZero() {
		return 0
	}
	return s.expiry.Add(expiryGrace)
}
