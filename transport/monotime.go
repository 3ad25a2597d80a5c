package transport

import "time"

// monotime is a monotonic time in nanoseconds, 0 for never. Sessions are many and
// keep several, and a time.Time is three times as large. It goes on evenly, also
// when somebody sets the system's clock: pings, heartbeats and time limits are as
// far apart as ever.
type monotime int64

// began is what monotonic times count from, with a reading of the monotonic clock.
var began = time.Now()

// monotimeNow is now.
func monotimeNow() monotime { return monotime(began.UnixNano()) + monotime(time.Since(began)) }

// monotimeOf is when the system's clock will show a time, zero for never.
func monotimeOf(t time.Time) monotime {
	if t.IsZero() {
		return 0
	}
	return monotimeNow().Add(time.Until(t))
}

// Time is what the system's clock shows at that time.
func (m monotime) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Now().Add(m.Sub(monotimeNow()))
}

// IsZero reports whether it is never.
func (m monotime) IsZero() bool { return m == 0 }

// Add is d later.
func (m monotime) Add(d time.Duration) monotime { return m + monotime(d) }

// Sub is how much later than another one it is.
func (m monotime) Sub(other monotime) time.Duration { return time.Duration(m - other) }

// Before reports whether it is earlier than another one.
func (m monotime) Before(other monotime) bool { return m < other }
