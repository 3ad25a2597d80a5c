package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// backoff is exponential with full jitter, so that clients that were disconnected
// together do not reconnect together.
type backoff struct {
	least, most time.Duration
	attempts    int
}

// backoff returns the backoff of the configuration.
func (c *Client) backoff() backoff {
	return backoff{least: c.config.MinBackoff, most: c.config.MaxBackoff}
}

// next returns how long to wait before the next attempt, in addition to the wait
// that the server asks for.
func (b *backoff) next() time.Duration {
	limit := b.most
	// After 30 doublings every sensible bound is exceeded.
	if b.attempts < 30 {
		limit = min(limit, b.least<<b.attempts)
	}
	b.attempts++
	return rand.N(limit + 1) //nolint:gosec // nothing secret depends on it
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
