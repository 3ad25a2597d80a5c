package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"

	"sluice/hub/filter"
	"sluice/hub/share"
)

// New creates a hub. It reads nothing before Run and the first subscription.
func New(config Config) (*Hub, error) {
	switch {
	case config.Shards < 1 || config.Shards > 64:
		return nil, fmt.Errorf("new hub: %d shards: must be 1 to 64", config.Shards)
	case config.Wake == nil || config.Logger == nil || config.Now == nil:
		return nil, errors.New("new hub: Wake, Logger and Now are required")
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	h := &Hub{
		config: config,
		now:    config.Now,

		newestBytes: newestBytes,
		digest:      func(f filter.Filter) string { return f.Digest(secret) },
		started:     make(chan struct{}),
	}
	h.blocks = &blockPool{hub: h, budget: budget{limits: h.limits, now: config.Now}}
	h.blocks.turns = newReplays(h.limits, h.blocks.mayBegin)
	h.searches = share.NewSlots(boundsOf(h.limits))
	h.turns = newTurns(evaluators(), config.Now)
	h.config.Streams, h.config.Limits = nil, Limits{} // those in force count
	if err := h.SetLimits(config.Limits); err != nil {
		return nil, fmt.Errorf("new hub: %w", err)
	}
	if err := h.SetStreams(config.Streams); err != nil {
		return nil, fmt.Errorf("new hub: %w", err)
	}
	return h, nil
}

// Run runs the hub until the context ends, and returns when all goroutines that it
// started have ended.
func (h *Hub) Run(ctx context.Context) error {
	h.mu.Lock()
	if h.ctx != nil {
		h.mu.Unlock()
		return errors.New("run hub: the hub is already running")
	}
	h.ctx = ctx
	close(h.started)
	h.watchAll(slices.Collect(maps.Values(h.streams())))
	for range cap(h.turns.ready) {
		h.tasks.Go(func() { h.turns.run(ctx) })
	}
	h.mu.Unlock()
	<-ctx.Done()
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.tasks.Wait()
	return nil
}
