package hub

import (
	"context"
	"slices"
	"sync"
)

// replays lets only so many subscriptions read from Kafka at once, in all and
// for one principal. The others wait their turn, first come first served among
// those whose principal has room. 0 is no bound.
type replays struct {
	total, each int

	mu      sync.Mutex
	running int
	of      map[string]int
	waiting []*replayTurn
}

type replayTurn struct {
	principal string
	granted   chan struct{}
}

func newReplays(total, each int) *replays {
	return &replays{total: total, each: each, of: make(map[string]int)}
}

// acquire waits for a turn; the function that it returns ends it.
func (r *replays) acquire(ctx context.Context, principal string) (release func(), err error) {
	turn := &replayTurn{principal: principal, granted: make(chan struct{})}
	r.mu.Lock()
	r.waiting = append(r.waiting, turn)
	r.grant()
	r.mu.Unlock()
	release = sync.OnceFunc(func() { r.release(principal) })
	select {
	case <-turn.granted:
		return release, nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.waiting, turn); i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
		return nil, ctx.Err()
	}
	// It was granted at the same moment.
	return release, nil
}

func (r *replays) release(principal string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	if r.of[principal]--; r.of[principal] == 0 {
		delete(r.of, principal)
	}
	r.grant()
}

// grant gives turns to those in front that may have one. The caller holds the
// lock.
func (r *replays) grant() {
	kept := r.waiting[:0]
	for _, turn := range r.waiting {
		if r.total > 0 && r.running >= r.total || r.each > 0 && r.of[turn.principal] >= r.each {
			kept = append(kept, turn)
			continue
		}
		r.running++
		r.of[turn.principal]++
		close(turn.granted)
	}
	clear(r.waiting[len(kept):])
	r.waiting = kept
}
