package once

import (
	"context"
	"fmt"
)

// Guard stores records with message ids once. It is safe for concurrent use.
type Guard struct {
	config    Config
	settler   *settler
	lookbacks *lookbacks
	stats     stats
}

// New returns a Guard.
func New(config Config) (*Guard, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("guard message ids: %w", err)
	}
	g := &Guard{config: config}
	g.settler = newSettler(config.Store, config.Now, &g.stats)
	g.lookbacks = newLookbacks(&g.config, &g.stats)
	return g, nil
}

// Run writes what became of claims until the context ends, and then the rest.
func (g *Guard) Run(ctx context.Context) error {
	g.settler.run(ctx)
	return nil
}

// Stats returns what was counted.
func (g *Guard) Stats() Stats {
	return Stats{
		Found: g.stats.found.Load(), Absent: g.stats.absent.Load(), Unknown: g.stats.unknown.Load(),
		Scanned: g.stats.scanned.Load(), Dropped: g.stats.dropped.Load(), Waiting: g.settler.waiting(),
	}
}
