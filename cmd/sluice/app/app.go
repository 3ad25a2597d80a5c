package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"sluice/auth"
	"sluice/cmd/sluice/config"
	"sluice/hub/kafkalog"
)

// stopGrace is what stopping may take beyond drain/timeout.
const stopGrace = 5 * time.Second

// Options are what a configuration does not say.
type Options struct {
	// Logger is where the parts log. Nil is nowhere.
	Logger *slog.Logger
	// Version is what the server says it is.
	Version string
}

// App is one instance of Sluice.
type App struct {
	config   *config.Config
	logger   *slog.Logger
	clusters map[string]*kafkalog.Cluster
	auth     *auth.Authenticator
}

// New makes the parts that a configuration asks for.
func New(c *config.Config, options Options) (*App, error) {
	logger := options.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	a := &App{config: c, logger: logger, clusters: make(map[string]*kafkalog.Cluster)}
	var err error
	if a.auth, err = newAuthenticator(c, logger.With("component", "auth")); err != nil {
		return nil, err
	}
	all := c.Kafka.All()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if a.clusters[name], err = newCluster(all[name]); err != nil {
			return nil, fmt.Errorf("kafka cluster %s: %w", name, err)
		}
	}
	if c.Redis.Configured() {
		if _, err := redisOptions(c.Redis); err != nil {
			return nil, fmt.Errorf("redis: %w", err)
		}
	}
	return a, nil
}

// Run serves until the context ends, and returns nil once everything has
// stopped in order. It must be called at most once.
func (a *App) Run(ctx context.Context) error {
	l := &lifecycle{logger: a.logger, grace: a.config.Drain.Timeout + stopGrace}
	for _, cluster := range a.clusters {
		defer cluster.Close()
	}
	l.add(part{name: "auth", run: a.auth.Run})
	return l.run(ctx)
}
