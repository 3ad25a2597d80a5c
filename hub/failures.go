package hub

import "time"

const (
	// sayAgain is the minimum time between two log lines for the same failure.
	sayAgain = time.Minute
	// distinctFailures bounds the number of failures logged within that time.
	distinctFailures = 8
)

// failures decides which failures of a repeated attempt are logged: each distinct
// one once per sayAgain, and no more than distinctFailures of them.
type failures struct {
	logged map[string]time.Time
}

// isNew reports whether a failure is to be logged now.
func (f *failures) isNew(err error, now time.Time) bool {
	for text, at := range f.logged {
		if now.Sub(at) >= sayAgain {
			delete(f.logged, text)
		}
	}
	text := err.Error()
	if _, ok := f.logged[text]; ok || len(f.logged) == distinctFailures {
		return false
	}
	if f.logged == nil {
		f.logged = make(map[string]time.Time)
	}
	f.logged[text] = now
	return true
}
