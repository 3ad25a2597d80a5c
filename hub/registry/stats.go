package registry

import "sync/atomic"

// Outcome is how a request ended.
type Outcome string

// The outcomes.
const (
	// OK: the answer is a schema.
	OK Outcome = "ok"
	// Missing: there is no such subject, version or schema.
	Missing Outcome = "missing"
	// Refused: the credential is not accepted, or does not suffice.
	Refused Outcome = "refused"
	// Invalid: the answer is not one of a schema registry.
	Invalid Outcome = "invalid"
	// Away: there was no answer in time, or one that says that there is none for now.
	Away Outcome = "away"
)

// Outcomes are all outcomes.
var Outcomes = [...]Outcome{OK, Missing, Refused, Invalid, Away}

// requests counts requests by outcome.
type requests [len(Outcomes)]atomic.Uint64

func (r *requests) add(o Outcome) {
	for i := range Outcomes {
		if Outcomes[i] == o {
			r[i].Add(1)
		}
	}
}

// Stats is what is counted of a registry.
type Stats struct {
	// Requests are the requests so far by outcome, in the order of Outcomes.
	Requests [len(Outcomes)]uint64
	// Current, Stale and Unknown count the subjects: those whose last request succeeded,
	// those that have a schema in force since an earlier one, and those without a schema.
	Current, Stale, Unknown int
	// Known, Unusable and Awaited count the schemas by whose ids values were written.
	Known, Unusable, Awaited int
}
