package kafkalog

import "time"

// missingFor is how long metadata must report that a topic is missing before it is
// believed: brokers learn of a topic that was just created at different times.
const missingFor = 3 * time.Second

// Absence records how long and how often metadata has reported that a topic does
// not exist. Brokers learn of a new topic at different times, and a broker that
// was cut off has old metadata, so the report is believed only after some time.
// The zero value has seen no report. It is not safe for concurrent use.
type Absence struct {
	since time.Time
	times int
}

// Note records what metadata reports, and reports whether it is now certain that
// the topic does not exist.
func (a *Absence) Note(missing bool, now time.Time) bool {
	if !missing {
		*a = Absence{}
		return false
	}
	if a.times == 0 {
		a.since = now
	}
	a.times++
	return a.Certain(now)
}

// Certain reports whether it is certain that the topic does not exist.
func (a *Absence) Certain(now time.Time) bool {
	return a.times >= 3 && now.Sub(a.since) >= missingFor
}
