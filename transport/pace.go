package transport

import (
	"slices"
	"sync/atomic"
	"time"

	"sluice/hub/upstream"
)

// Bounds of the time after which a client should try again.
const (
	leastRetry = 5 * time.Millisecond
	mostRetry  = time.Second
)

// pace is how fast records are stored, from which clients that are refused because too many
// are in flight are told when to try again.
type pace struct {
	mean atomic.Int64 // nanoseconds from a publish to its answer, the latest count most
	last atomic.Int64 // monotime of the last answer, or since when one is awaited
}

// awaits notes that a publish is in flight, and was none before.
func (p *pace) awaits(now monotime) { p.last.Store(int64(now)) }

// answered notes that a publish was answered. Those that were refused say nothing about
// how long others take.
func (p *pace) answered(results []upstream.Stored, took time.Duration, now monotime) {
	if !slices.ContainsFunc(results, func(r upstream.Stored) bool { return r.Err == nil }) {
		return
	}
	mean := p.mean.Load()
	// A value that is lost to another goroutine does not matter.
	p.mean.Store(mean + (int64(took)-mean)/8)
	p.last.Store(int64(now))
}

// retryAfter returns when a publish is likely to be answered, so that another can be in
// flight: as long as publishes take, or, if none was answered for longer than that, as
// long as none was.
func (p *pace) retryAfter(now monotime) time.Duration {
	wait := max(time.Duration(p.mean.Load()), now.Sub(monotime(p.last.Load())))
	return min(max(wait, leastRetry), mostRetry)
}
