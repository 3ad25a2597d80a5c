package transport

import (
	"time"

	"sluice/hub"
)

// lag measures how long feeds that were woken wait until a worker has delivered them, by
// following one feed at a time. It is guarded by the worker's lock.
type lag struct {
	feed  *hub.Feed // the one that is followed, nil for none
	since monotime  // when it was woken
	taken bool      // the worker has taken it: what it delivers from now on counts
	last  time.Duration
	at    monotime // when last was measured
}

// lagLasts is how long a measurement counts: if no feed was woken since, nothing waits.
const lagLasts = 500 * time.Millisecond

// woken notes a feed that was woken.
func (l *lag) woken(f *hub.Feed) {
	if l.feed == nil {
		l.feed, l.since, l.taken = f, monotimeNow(), false
	}
}

// take notes that the worker has taken a feed that was woken.
func (l *lag) take(f *hub.Feed) { l.taken = l.taken || l.feed == f }

// delivered notes that a feed was delivered.
func (l *lag) delivered(f *hub.Feed) {
	if !l.taken || l.feed != f {
		return
	}
	l.at = monotimeNow()
	l.last = l.at.Sub(l.since)
	l.feed, l.taken = nil, false
}

// now returns how long feeds wait at a time.
func (l *lag) now(now monotime) time.Duration {
	waits := time.Duration(0)
	if l.feed != nil {
		waits = now.Sub(l.since)
	}
	if now.Sub(l.at) < lagLasts {
		waits = max(waits, l.last)
	}
	return waits
}
