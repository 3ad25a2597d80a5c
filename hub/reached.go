package hub

import (
	"sync"
	"sync/atomic"
)

// reached is how far the filters of some feeds, or of one, have been evaluated.
type reached struct {
	// upTo is the mark up to which the feeds have been given their matches.
	upTo atomic.Pointer[mark]

	mu sync.Mutex
	// waiting are the feeds of subscriptions that wait until all entries have been
	// evaluated, whatever the result.
	waiting map[waiter]struct{}
}

// waiter is a feed.
type waiter interface{ notify() }

// await makes a feed wait.
func (r *reached) await(f waiter) {
	r.mu.Lock()
	if r.waiting == nil {
		r.waiting = make(map[waiter]struct{})
	}
	r.waiting[f] = struct{}{}
	r.mu.Unlock()
}

// leave removes a feed from those that wait.
func (r *reached) leave(f waiter) {
	r.mu.Lock()
	delete(r.waiting, f)
	r.mu.Unlock()
}

// release appends to dst the feeds that have waited, which are to be notified.
func (r *reached) release(dst []waiter) []waiter {
	r.mu.Lock()
	for f := range r.waiting {
		dst = append(dst, f)
	}
	clear(r.waiting)
	r.mu.Unlock()
	return dst
}
