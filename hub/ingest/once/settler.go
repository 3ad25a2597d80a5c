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
	// maxWithdrawn is up to how many those are added that are withdrawn. While the store is away
	// each claim that fails is one, however many there are, and mostly nothing was claimed: they
	// leave room for what became of records.
	maxWithdrawn = maxWaiting / 2
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
	had := len(s.queue)
	for _, one := range all {
		if n := len(s.queue); n < maxWithdrawn || n < maxWaiting && one.Fate != Withdrawn {
			s.queue = append(s.queue, one)
		}
	}
	dropped := len(all) - (len(s.queue) - had)
	s.mu.Unlock()
	s.stats.dropped.Add(uint64(dropped))
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
