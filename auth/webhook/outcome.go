package webhook

import (
	"errors"

	"github.com/sony/gobreaker/v2"
)

// Outcome is what came of a question.
type Outcome string

// The outcomes. Those from Yes to Away are of requests; the others are of questions for
// which no request was made.
const (
	// Yes and No are answers of the service.
	Yes Outcome = "yes"
	No  Outcome = "no"
	// Invalid: the answer means nothing.
	Invalid Outcome = "invalid"
	// Away: the service did not answer in time, or said that it cannot.
	Away Outcome = "away"
	// Cached: there was an answer to an equal question.
	Cached Outcome = "cached"
	// Shared: an equal question was being asked.
	Shared Outcome = "shared"
	// Busy: as many requests were in flight as are allowed.
	Busy Outcome = "busy"
	// Broken: the service has failed, and is not asked for a while.
	Broken Outcome = "broken"
)

// Requested reports whether a request was made.
func (o Outcome) Requested() bool { return o == Yes || o == No || o == Invalid || o == Away }

// Outcomes returns all outcomes.
func Outcomes() []Outcome { return []Outcome{Yes, No, Invalid, Away, Cached, Shared, Busy, Broken} }

// outcomeOf returns the outcome of a question that was to be asked.
func outcomeOf(answer verdict, err error) Outcome {
	switch {
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		return Broken
	case errors.Is(err, errAway):
		return Away
	case err != nil:
		return Invalid
	case answer.yes():
		return Yes
	default:
		return No
	}
}
