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

// Workers deliver: each has a share of the sessions. They are made before the
// hub, which wakes them, and run as long as the server does.
type Workers struct {
	all  []*worker
	turn atomic.Uint64
}

// MaxWorkers is how many workers there can be: one for each of the hub's shards.
const MaxWorkers = 64

// NewWorkers makes n workers.
func NewWorkers(n int) (*Workers, error) {
	if n < 1 || n > MaxWorkers {
		return nil, fmt.Errorf("new workers: %d: give 1 to %d", n, MaxWorkers)
	}
	w := &Workers{}
	for shard := range n {
		w.all = append(w.all, newWorker(shard))
	}
	return w, nil
}

// Len is how many there are: the hub's Shards.
func (w *Workers) Len() int { return len(w.all) }

// Wake is the hub's Wake.
func (w *Workers) Wake(shard int, f *hub.Feed) { w.all[shard].wakeFeed(f) }

// Pace is the hub's Pace: it returns when all have delivered what they were
// woken for before. A client that is slow holds nobody up.
func (w *Workers) Pace() {
	for _, worker := range w.all {
		worker.settle()
	}
}

func (w *Workers) start(ctx context.Context, tasks *sync.WaitGroup) {
	for _, worker := range w.all {
		tasks.Go(func() { worker.run(ctx) })
	}
}

// next is whose turn it is to have a new session.
func (w *Workers) next() *worker { return w.all[w.turn.Add(1)%uint64(len(w.all))] }

// spread is any time up to d.
func spread(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d).Truncate(time.Millisecond)
}
