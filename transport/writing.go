package transport

import (
	"time"
)

// shortWrite is up to how many bytes it is cheaper to copy several buffers
// together than to have the kernel gather them.
const shortWrite = 2 << 10

// waitedLeast is how long a write takes at least that had to wait for the peer.
// What the system's own buffers take at once is no sign of life.
const waitedLeast = 10 * time.Millisecond

// flush writes what was gathered, as far as the socket takes it at once.
func (s *session) flush(sc *scratch) stepResult {
	size := 0
	for _, b := range sc.batch.Bufs {
		size += len(b)
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
		s.server.metrics.bytes(s.dialect.protocol(), n)
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

// keep remembers what is left to be written.
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

// retry writes what is pending on a socket, as far as it takes it. One that has
// taken nothing for too long is cut off.
func (s *session) retry(sc *scratch) stepResult {
	b := s.backlog
	sc.first[0] = b.bytes
	n, err := s.out.Try(sc.first[:])
	s.server.metrics.bytes(s.dialect.protocol(), n)
	if n > 0 {
		b.moved = sc.now
		s.heard.Store(int64(sc.now))
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
	// What time brings has waited too.
	s.due.Store(0)
	return stepIdle
}

// giveUpAt is when a client that has taken no more until then is cut off.
func (s *session) giveUpAt() monotime {
	by := s.backlog.moved.Add(s.server.config.Limits.WriteProgress)
	if last := s.writeDeadline(); !last.IsZero() && last.Before(by) {
		return last
	}
	return by
}

func (s *session) scheduleRetry(now monotime) { s.wakeAt(s.giveUpAt(), now) }

// writeDeadline is by when a client must have taken what is pending, zero for
// whenever it does: slow is no fault, but nothing trickles on behind the end of
// a token or a close.
func (s *session) writeDeadline() monotime {
	if s.closing {
		return s.backlog.since.Add(s.server.config.Limits.WriteProgress)
	}
	if s.expiry.IsZero() {
		return 0
	}
	return s.expiry.Add(expiryGrace)
}
