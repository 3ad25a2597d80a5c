package transport

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hub"
)

// Workers are the workers that deliver; each has a share of the sessions. They are
// created before the hub, which wakes them, and run as long as the server does.
type Workers struct {
	all  []*worker
	turn atomic.Uint64
}

// MaxWorkers is the maximum number of workers: one for each of the hub's shards.
const MaxWorkers = 64

// NewWorkers returns n workers.
func NewWorkers(n int) (*Workers, error) {
	if n < 1 || n > MaxWorkers {
		return nil, fmt.Errorf("new workers: %d: must be 1 to %d", n, MaxWorkers)
	}
	w := &Workers{}
	for shard := range n {
		w.all = append(w.all, newWorker(shard))
	}
	return w, nil
}

// Len returns the number of workers, which is the hub's Shards.
func (w *Workers) Len() int { return len(w.all) }

// Wake is the hub's Wake.
func (w *Workers) Wake(shard int, f *hub.Feed) { w.all[shard].wakeFeed(f) }

// Pace is the hub's Pace: it returns when all workers have delivered what they were
// woken for in a lane. A slow client delays no worker.
func (w *Workers) Pace(lane *hub.Lane) {
	for _, worker := range w.all {
		worker.settle(lane)
	}
}

// Lag returns how long new records wait for the slowest worker. A slow client does not
// count: no worker waits for it.
func (w *Workers) Lag() time.Duration {
	now, slowest := monotimeNow(), time.Duration(0)
	for _, worker := range w.all {
		worker.mu.Lock()
		slowest = max(slowest, worker.lag.now(now))
		worker.mu.Unlock()
	}
	return slowest
}

func (w *Workers) start(ctx context.Context, tasks *sync.WaitGroup) {
	for _, worker := range w.all {
		tasks.Go(func() { worker.run(ctx) })
	}
}

// next returns the worker of the next new session.
func (w *Workers) next() *worker { return w.all[w.turn.Add(1)%uint64(len(w.all))] }

// spread returns a random time up to d.
func spread(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d).Truncate(time.Millisecond) //nolint:gosec // nothing secret depends on it
}
