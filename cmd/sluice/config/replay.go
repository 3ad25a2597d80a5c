package config

import (
	"math"
	"time"
)

// Replay is how far back a grant lets its holders read. Zero is not at all.
type Replay time.Duration

// Unlimited lets them read as far back as Kafka keeps.
const Unlimited Replay = math.MaxInt64

// ParseReplay reads a span as ParseDuration does, or "unlimited".
func ParseReplay(text string) (Replay, error) {
	if text == "unlimited" {
		return Unlimited, nil
	}
	d, err := ParseDuration(text)
	return Replay(d), err
}

// String writes it so that ParseReplay reads it back.
func (r Replay) String() string {
	if r == Unlimited {
		return "unlimited"
	}
	return FormatDuration(time.Duration(r))
}
