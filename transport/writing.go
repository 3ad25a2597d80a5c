package transport

import (
	"time"
)

// shortWrite is up to how many bytes it is cheaper to copy several buffers
// together than to have the kernel gather them.
const shortWrite = 2 << 10

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
		n, err := s.out.try(bufs)
		s.server.metrics.bytes(s.kind, n)
		if err != nil {
			s.out.abort()
			s.end()
			return stepClosed
		}
		if n < size {
			s.keep(bufs, n, size, sc.now)
			s.scheduleRetry()
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
func (s *session) keep(bufs [][]byte, n, size int, now time.Time) {
	s.stuckFrom, s.stuckAt = now, now
	s.pending = make([]byte, 0, size-n)
	for _, b := range bufs {
		if n >= len(b) {
			n -= len(b)
			continue
		}
		s.pending = append(s.pending, b[n:]...)
		n = 0
	}
}

// retry writes what is pending on a socket, as far as it takes it. One that has
// taken nothing for too long is cut off.
func (s *session) retry(sc *scratch) stepResult {
	sc.first[0] = s.pending
	n, err := s.out.try(sc.first[:])
	s.server.metrics.bytes(s.kind, n)
	if n > 0 {
		s.stuckAt = sc.now
		s.heard.Store(sc.now.UnixNano())
	}
	if s.pending = s.pending[n:]; len(s.pending) > 0 {
		if err == nil && !sc.now.Before(s.giveUpAt()) {
			err = errNoProgress
		}
		if err == nil {
			s.scheduleRetry()
			return stepBlocked
		}
		s.server.noteCutOff(err, s.address)
		s.out.abort()
		s.end()
		return stepClosed
	}
	s.pending = nil
	if s.closing {
		s.finish()
		return stepClosed
	}
	return stepIdle
}

// giveUpAt is when a client that has taken no more until then is cut off.
func (s *session) giveUpAt() time.Time {
	by := s.stuckAt.Add(s.server.config.Limits.WriteProgress)
	if last := s.lastMoment(); !last.IsZero() && last.Before(by) {
		return last
	}
	return by
}

func (s *session) scheduleRetry() { s.due.Store(s.giveUpAt().UnixNano()) }

// drain runs the session in a goroutine of its own, which may wait for the
// connection, until it has nothing left. It is for connections that cannot be
// written to without waiting.
func (s *session) drain() {
	sc, ok := scratches.Get().(*scratch)
	if !ok {
		return
	}
	defer scratches.Put(sc)
	for {
		if len(s.pending) > 0 {
			n := len(s.pending)
			if err := s.out.write(s.pending, s.server.config.Limits.WriteProgress, s.lastMoment()); err != nil {
				s.server.noteCutOff(err, s.address)
				s.out.abort()
				s.end()
				return
			}
			s.heard.Store(s.server.now().UnixNano())
			s.server.metrics.bytes(s.kind, n)
			s.pending = nil
			if s.closing {
				s.finish()
				return
			}
		}
		switch s.safeStep(sc) {
		case stepIdle:
			if s.state.CompareAndSwap(running, idle) {
				return
			}
			s.state.Store(running)
		case stepClosed:
			return
		case stepMore, stepBlocked:
		}
	}
}

// expiryGrace is how long what was written before a token's end may still be on
// its way to a slow client.
const expiryGrace = 3 * time.Second

// lastMoment is by when a client must have taken what is pending, zero for
// whenever it does: slow is no fault, but nothing trickles on behind the end of
// a token or a close.
func (s *session) lastMoment() time.Time {
	if s.closing {
		return s.stuckFrom.Add(s.server.config.Limits.WriteProgress)
	}
	if s.expiry.IsZero() {
		return time.Time{}
	}
	return s.expiry.Add(expiryGrace)
}

// finishWait is how long a client has to answer a close.
const finishWait = 2 * time.Second

// finish ends a session whose last bytes have been written.
func (s *session) finish() {
	if s.ws != nil {
		s.ws.input.readLast(time.Now().Add(finishWait))
	}
	s.out.finish(finishWait)
	s.end()
}
