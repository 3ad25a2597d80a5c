// Package backoff spaces the attempts of an operation that is retried until it
// succeeds.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff waits longer each time, up to a second, with jitter.
type Backoff struct{ next time.Duration }

// first is the wait before the first retry, longest the longest wait between two
// attempts.
const first, longest = 20 * time.Millisecond, time.Second

// New returns a Backoff that has not waited yet.
func New() *Backoff { return &Backoff{next: first} }

// Reset makes the next wait the shortest one.
func (b *Backoff) Reset() { b.next = first }

// Wait waits, and reports false if the context ended first.
func (b *Backoff) Wait(ctx context.Context) bool {
	wait := Jitter(b.next)
	b.next = min(2*b.next, longest)
	return Sleep(ctx, wait)
}

// Sleep waits for d, and reports false if the context ended first.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Jitter returns a random time between half of d and d.
func Jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1) //nolint:gosec // nothing secret depends on it
}
