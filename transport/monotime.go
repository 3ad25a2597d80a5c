package transport

import "time"

// monotime is a monotonic time in nanoseconds, 0 for never. Sessions are many and
// keep several, and a time.Time is three times as large. It advances evenly even if
// the system's clock is set: the intervals of pings, heartbeats and time limits do
// not change.
type monotime int64

// began is the origin of monotonic times. It contains a reading of the monotonic
// clock.
var began = time.Now()

// monotimeNow returns the current time.
func monotimeNow() monotime { return monotime(began.UnixNano()) + monotime(time.Since(began)) }

// monotimeOf returns when the system's clock will show t, zero for never.
func monotimeOf(t time.Time) monotime {
	if t.IsZero() {
		return 0
	}
	return monotimeNow().Add(time.Until(t))
}

// Time returns what the system's clock shows at m.
func (m monotime) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Now().Add(m.Sub(monotimeNow()))
}

// IsZero reports whether m is never.
func (m monotime) IsZero() bool { return m == 0 }

// Add returns the time d later than m.
func (m monotime) Add(d time.Duration) monotime { return m + monotime(d) }

// Sub returns how much later m is than other.
func (m monotime) Sub(other monotime) time.Duration { return time.Duration(m - other) }

// Before reports whether m is earlier than other.
func (m monotime) Before(other monotime) bool { return m < other }
