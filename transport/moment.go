package transport

import "time"

// moment is a time in nanoseconds, 0 for never. Sessions are many and keep
// several, and a time.Time is three times as large. Moments go on evenly, also
// when somebody sets the system's clock: pings, heartbeats and time limits are
// as far apart as ever.
type moment int64

// began is what moments count from, with a reading of the monotonic clock.
var began = time.Now()

// thisMoment is now.
func thisMoment() moment { return moment(began.UnixNano()) + moment(time.Since(began)) }

// momentOf is when the system's clock will show a time, zero for never.
func momentOf(t time.Time) moment {
	if t.IsZero() {
		return 0
	}
	return thisMoment().Add(time.Until(t))
}

// Time is what the system's clock shows at the moment.
func (m moment) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Now().Add(m.Sub(thisMoment()))
}

// IsZero reports whether it is never.
func (m moment) IsZero() bool { return m == 0 }

// Add is d later.
func (m moment) Add(d time.Duration) moment { return m + moment(d) }

// Sub is how much later than another one it is.
func (m moment) Sub(other moment) time.Duration { return time.Duration(m - other) }

// Before reports whether it is earlier than another one.
func (m moment) Before(other moment) bool { return m < other }
