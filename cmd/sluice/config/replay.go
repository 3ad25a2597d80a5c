package config

import (
	"math"
	"time"
)

// Replay is how far back a grant permits reading. Zero means not at all.
type Replay time.Duration

// Unlimited permits reading as far back as Kafka keeps records.
const Unlimited Replay = math.MaxInt64

// ParseReplay parses a duration as ParseDuration does, or "unlimited".
func ParseReplay(text string) (Replay, error) {
	if text == "unlimited" {
		return Unlimited, nil
	}
	d, err := ParseDuration(text)
	return Replay(d), err
}

// String formats the value so that ParseReplay can parse it.
func (r Replay) String() string {
	if r == Unlimited {
		return "unlimited"
	}
	return FormatDuration(time.Duration(r))
}
