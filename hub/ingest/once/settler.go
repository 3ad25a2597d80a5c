package once

import (
	"context"
	"sync"
	"time"

	"sluice/hub/backoff"
)

const (
	// maxWaiting bounds what waits to be written, some 300 bytes each.
	maxWaiting = 50_000
	// settledAtOnce bounds what is written with one call.
	settledAtOnce = 512
	// lastSettled is how long is spent on the rest when Run ends.
	lastSettled = 2 * time.Second
)

// settler writes what became of claims. What cannot be written is tried again until it is of no
// use any more.
type settler struct {
	store Store
	now   func() time.Time
	stats *stats

	wake chan struct{}

	mu    sync.Mutex
	queue []Settlement
}

func newSettler(store Store, now func() time.Time, stats *stats) *settler {
	return &settler{store: store, now: now, stats: stats, wake: make(chan struct{}, 1)}
}

// add queues settlements. It does not block.
func (s *settler) add(all ...Settlement) {
	s.mu.Lock()
	room := min(maxWaiting-len(s.queue), len(all))
	s.queue = append(s.queue, all[:room]...)
	s.mu.Unlock()
	s.stats.dropped.Add(uint64(len(all) - room))
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *settler) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}

// run writes what is queued until the context ends, and then the rest.
func (s *settler) run(ctx context.Context) {
	retry := backoff.New()
	for ctx.Err() == nil {
		switch {
		case !s.flush(ctx):
			retry.Wait(ctx)
		case s.waiting() == 0:
			retry.Reset()
			select {
			case <-ctx.Done():
			case <-s.wake:
			}
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSettled)
	defer cancel()
	for s.waiting() > 0 && s.flush(last) {
	}
}

// flush writes some of the queue, and reports whether it could be written. What could not is
// queued again, behind what came meanwhile.
func (s *settler) flush(ctx context.Context) bool {
	s.mu.Lock()
	n := min(len(s.queue), settledAtOnce)
	batch := append([]Settlement(nil), s.queue[:n]...)
	s.queue = append(s.queue[:0], s.queue[n:]...)
	s.mu.Unlock()
	if n == 0 {
		return true
	}
	now := s.now()
	var again []Settlement
	for i, err := range s.store.Settle(ctx, batch) {
		switch {
		case err == nil:
		case now.Before(batch[i].Until):
			again = append(again, batch[i])
		default:
			s.stats.dropped.Add(1)
		}
	}
	if len(again) > 0 {
		s.add(again...)
	}
	return len(again) == 0
}
