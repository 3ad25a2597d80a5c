package transport

import "time"

// moment is a time in Unix nanoseconds, 0 for never. Sessions are many and keep
// several, and a time.Time is three times as large.
type moment int64

func momentOf(t time.Time) moment {
	if t.IsZero() {
		return 0
	}
	return moment(t.UnixNano())
}

// Time is the moment as the rest of the program knows it.
func (m moment) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(m))
}

// IsZero reports whether it is never.
func (m moment) IsZero() bool { return m == 0 }

// Add is d later.
func (m moment) Add(d time.Duration) moment { return m + moment(d) }

// Sub is how much later than another one it is.
func (m moment) Sub(other moment) time.Duration { return time.Duration(m - other) }

// Before reports whether it is earlier than another one.
func (m moment) Before(other moment) bool { return m < other }
