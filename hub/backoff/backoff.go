// Package backoff spaces attempts at something that is tried until it works.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff waits longer each time, up to a second, with jitter.
type Backoff struct{ next time.Duration }

// first is the time before the first attempt that is made again, longest the most
// between two.
const first, longest = 20 * time.Millisecond, time.Second

// New makes a backoff that has not waited yet.
func New() *Backoff { return &Backoff{next: first} }

// Reset begins again with the shortest time.
func (b *Backoff) Reset() { b.next = first }

// Wait waits, and reports false when the context has ended.
func (b *Backoff) Wait(ctx context.Context) bool {
	t := time.NewTimer(Jitter(b.next))
	defer t.Stop()
	b.next = min(2*b.next, longest)
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Jitter is a random time between half of d and d.
func Jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}
