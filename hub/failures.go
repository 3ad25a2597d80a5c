package hub

import "time"

const (
	// sayAgain is how long a failure that goes on is not logged again.
	sayAgain = time.Minute
	// distinctFailures bounds the failures that are logged within that time.
	distinctFailures = 8
)

// failures decides which failures of something that is tried again and again
// are worth a line of the log: each distinct one once in a while, and never
// more than a few of them.
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
