package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// backoff is exponential with full jitter: clients that were cut off together
// do not come back together.
type backoff struct {
	least, most time.Duration
	attempts    int
}

// next is how long to wait before the next attempt, beside what the server
// asks for.
func (b *backoff) next() time.Duration {
	limit := b.most
	// Beyond 30 doublings every sensible bound is passed.
	if b.attempts < 30 {
		limit = min(limit, b.least<<b.attempts)
	}
	b.attempts++
	return rand.N(limit + 1)
}

func (b *backoff) reset() { b.attempts = 0 }

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait to reconnect: %w", context.Cause(ctx))
	case <-timer.C:
		return nil
	}
}
