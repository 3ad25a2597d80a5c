package transport

import (
	"math/rand/v2"
	"time"

	"sluice/transport/wire"
)

// expiryWarning is how long before its end a token is said to end.
const expiryWarning = time.Minute

// onTime does what has become due.
func (s *session) onTime(sc *scratch) {
	now := sc.now
	if int64(now) < s.due.Load() {
		return
	}
	if !s.expiry.IsZero() {
		left := s.expiry.Sub(now)
		if left <= 0 {
			s.close(sc, endExpired())
			return
		}
		if left <= expiryWarning && !s.warned {
			s.warned = true
			s.send(sc, &wire.TokenExpiring{ExpiresIn: left})
		}
	}
	if !s.closeAt.IsZero() && !now.Before(s.closeAt) && (s.inFlight.Load() == 0 || !now.Before(s.server.drainEnd())) {
		s.close(sc, endDrained(s.server.comeBack()))
		return
	}
	s.dialect.onTime(s, sc)
}

// schedule notes when something is due next.
func (s *session) schedule(now monotime) {
	next := earlier(now.Add(time.Minute), s.closeAt)
	if !s.expiry.IsZero() {
		if !s.warned {
			next = earlier(next, s.expiry.Add(-expiryWarning))
		}
		next = earlier(next, s.expiry)
	}
	s.wakeAt(earlier(next, s.dialect.nextDue(s)), now)
}

// jittered is a span, or up to a tenth less, so that what began together does
// not go on together.
func jittered(span time.Duration) time.Duration { return span - rand.N(span/10+1) }
