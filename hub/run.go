package hub

import (
	"context"
	"errors"
	"fmt"

	"sluice/hub/filter"
)

// New creates a hub. It reads nothing before Run and the first subscription.
func New(config Config) (*Hub, error) {
	switch {
	case config.Shards < 1 || config.Shards > 64:
		return nil, fmt.Errorf("new hub: %d shards: give 1 to 64", config.Shards)
	case config.Wake == nil || config.Logger == nil || config.Now == nil || config.StartTimeout <= 0:
		return nil, errors.New("new hub: Wake, Logger, Now and StartTimeout are required")
	}
	h := &Hub{
		config:  config,
		now:     config.Now,
		streams: make(map[string]*stream),

		newestBytes: newestBytes,
		digest:      func(f filter.Filter) string { return f.Digest() },
		started:     make(chan struct{}),
	}
	h.blocks = &blockPool{
		hub:    h,
		most:   config.LateMemory,
		budget: budget{perSecond: config.LateBytesPerSecond, now: config.Now},
		turns:  newReplays(config.ReplaysPerInstance, config.ReplaysPerPrincipal),
	}
	h.searches = newSearches(config.ReplaysPerInstance, config.ReplaysPerPrincipal)
	for _, s := range config.Streams {
		if s.Name == "" || s.Topic == "" || s.Source == nil || s.LogBytes <= 0 || !s.Content.Valid() || !s.Slow.Valid() {
			return nil, fmt.Errorf("new hub: stream %q: Name, Topic, Source and LogBytes are required, Content and Slow ones that there are", s.Name)
		}
		if h.streams[s.Name] != nil {
			return nil, fmt.Errorf("new hub: stream %q is there twice", s.Name)
		}
		h.streams[s.Name] = &stream{
			Stream:  s,
			hub:     h,
			encoder: newEncoder(s.Name, s.Content, s.RecordBytes),
			logger:  config.Logger.With("stream", s.Name),
		}
	}
	return h, nil
}

// Run runs the hub until the context ends, and returns when all goroutines that it
// started have ended.
func (h *Hub) Run(ctx context.Context) error {
	h.mu.Lock()
	if h.ctx != nil {
		h.mu.Unlock()
		return errors.New("run hub: it runs already")
	}
	h.ctx = ctx
	close(h.started)
	if h.config.ResumeWindow > 0 {
		for _, st := range h.streams {
			h.tasks.Go(func() { st.watchTips(ctx) })
		}
	}
	h.mu.Unlock()
	<-ctx.Done()
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.tasks.Wait()
	return nil
}
