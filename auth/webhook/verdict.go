package webhook

import (
	"crypto/sha256"
	"errors"
	"time"

	"sluice/auth"
)

// digest identifies a question: the SHA-256 sum of the whole body.
type digest [sha256.Size]byte

// verdict is an answer of the service. The zero value is no.
type verdict struct {
	identity *auth.Identity // of a credential
	allowed  bool
}

func (v verdict) yes() bool { return v.allowed || v.identity != nil }

// parser reads the body of an answer with the status 200.
type parser func(body []byte, now time.Time) (verdict, error)

// flight is a question that is being asked, for all callers that wait for the answer.
type flight struct {
	done       chan struct{}
	generation int // of the cache when the question was asked
	// Set before done is closed.
	answer verdict
	err    error
}

// errAway marks failures that are the service's, as opposed to those of one answer.
// They open the circuit breaker.
var errAway = errors.New("the webhook does not answer")
