package transport

import (
	"math/rand/v2"
	"time"

	"sluice/transport/wire"
)

// expiryWarning is how long before a token's expiry the client is warned, at most: it is warned
// when a fifth of the token's time is left. A client that renews tokens of a short life when it
// is warned would have to renew them all the time.
const (
	expiryWarning = time.Minute
	expiryShare   = 5
)

// expireAt sets when the session's token expires, the zero time for never.
func (s *session) expireAt(t time.Time, now monotime) {
	s.expiry, s.warnAt = monotimeOf(t), 0
	if !s.expiry.IsZero() {
		s.warnAt = s.expiry.Add(-min(expiryWarning, s.expiry.Sub(now)/expiryShare))
	}
}

// onTime does the work that has become due.
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
		if !s.warnAt.IsZero() && !now.Before(s.warnAt) {
			s.warnAt = 0
			s.send(sc, &wire.TokenExpiring{ExpiresIn: left})
		}
	}
	if !s.closeAt.IsZero() && !now.Before(s.closeAt) && (s.inFlight.Load() == 0 || !now.Before(s.closeLatest())) {
		s.close(sc, s.endDrained())
		return
	}
	s.dialect.onTime(s, sc)
}

// closeLatest is when a session that is drained is closed even if publishes are in flight.
func (s *session) closeLatest() monotime {
	if s.server.draining.Load() {
		return earlier(s.closeBy, s.server.drainEnd())
	}
	return s.closeBy
}

// schedule records when work is due next.
func (s *session) schedule(now monotime) {
	next := earlier(now.Add(time.Minute), s.closeAt)
	if !s.expiry.IsZero() {
		next = earlier(earlier(next, s.warnAt), s.expiry)
	}
	s.wakeAt(earlier(next, s.dialect.nextDue(s)), now)
}

// jittered returns span, reduced by up to a tenth, so that sessions that began
// together do not stay in step.
func jittered(span time.Duration) time.Duration { return span - rand.N(span/10+1) } //nolint:gosec // nothing secret depends on it
