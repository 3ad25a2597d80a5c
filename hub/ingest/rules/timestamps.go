package rules

import (
	"context"
	"fmt"
	"time"

	"sluice/hub/ingest"
)

// Timestamps is a step for the timestamps that clients set. A record without one gets that
// of the server.
type Timestamps struct {
	// Allowed lets clients set timestamps, which are at most Past before the server's time
	// and Future after it.
	Allowed      bool
	Past, Future time.Duration
	Now          func() time.Time
}

// Check implements ingest.Step.
func (s Timestamps) Check(_ context.Context, b *ingest.Batch) {
	for i := range b.Len() {
		if at := b.Message(i).Timestamp; b.Pending(i) && at > 0 {
			if reason := s.refuses(time.UnixMilli(at)); reason != "" {
				b.Settle(i, ingest.Rejected(ingest.Invalid(reason)))
			}
		}
	}
}

// Settled implements ingest.Step.
func (Timestamps) Settled(*ingest.Batch) {}

func (s Timestamps) refuses(at time.Time) string {
	now := s.Now()
	switch {
	case !s.Allowed:
		return "the stream takes no timestamps from clients: leave ts out"
	case at.Before(now.Add(-s.Past)):
		return fmt.Sprintf("the time in ts is more than %v in the past, which is what the stream allows", s.Past)
	case at.After(now.Add(s.Future)):
		return fmt.Sprintf("the time in ts is more than %v in the future, which is what the stream allows", s.Future)
	}
	return ""
}
