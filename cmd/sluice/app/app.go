package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"sluice/auth"
	"sluice/cmd/sluice/config"
)

// stopGrace is how long stopping may take in addition to drain/timeout and audit/drain.
const stopGrace = 5 * time.Second

// Options are settings that are not part of a configuration.
type Options struct {
	// Logger receives the log of all parts. Nil discards it.
	Logger *slog.Logger
	// Version is the version that the server reports.
	Version string
	// FaultLevel is the level at which faults of clients are logged.
	FaultLevel slog.Level
	// LoopbackOrigins lets in pages from loopback, in addition to the configured origins.
	LoopbackOrigins bool
	// Development is what a server for development has beside its configuration. Nil for
	// none.
	Development *Development
	// Listening is called with the address for clients once it accepts connections.
	// Optional.
	Listening func(net.Addr)
}

// App is one instance of Sluice.
type App struct {
	config *config.Config
	logger *slog.Logger
	auth   *auth.Authenticator
	// verifiers are kinds of credentials that auth asks.
	verifiers *verifiers
	shared    *sharedAuth
	clusters  map[string]*cluster
	acls      *kafkaACLs // nil if rights do not come from ACLs
	// encryption and schemas are guarded by reloading once the instance runs.
	encryption *encryption
	schemas    *schemas
	registries *registries
	cursors    *namedCursors
	front      *front
	topics     *topicMaker

	reloading sync.Mutex
	inForce   *config.Config // guarded by reloading
}

// New makes the parts that the configuration needs.
func New(c *config.Config, options Options) (*App, error) {
	logger := options.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	a := &App{config: c, inForce: c, logger: logger}
	var err error
	if a.shared, err = newSharedAuth(c, logger.With("component", "auth")); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	filters, err := newFilters(c)
	if err != nil {
		return nil, err
	}
	if a.verifiers, err = newVerifiers(c, filters, logger); err != nil {
		return nil, err
	}
	if a.clusters, err = newClusters(c, logger); err != nil {
		return nil, err
	}
	if a.acls, err = newKafkaACLs(c, a.clusters, logger); err != nil {
		return nil, err
	}
	if a.auth, err = newAuthenticator(c, options.Development, filters, a.verifiers, a.shared, a.acls, logger.With("component", "auth")); err != nil {
		return nil, err
	}
	if a.encryption, err = newEncryption(c, nil); err != nil {
		return nil, err
	}
	if a.registries, err = newRegistries(c, logger); err != nil {
		return nil, err
	}
	if a.schemas, err = newSchemas(c, a.registries.now(), nil); err != nil {
		return nil, err
	}
	if a.cursors, err = newCursors(c, logger); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	a.front = &front{config: c, up: make(chan struct{}), auth: a.auth, filters: filters, verifiers: a.verifiers, shared: a.shared, clusters: a.clusters, acls: a.acls, schemas: a.schemas, registries: a.registries, options: options, logger: logger}
	if a.cursors != nil {
		a.front.committer, a.front.store = a.cursors.committer, a.cursors.store
	}
	if a.front.quotas, err = newQuotas(c, a.front.store, logger); err != nil {
		return nil, err
	}
	a.topics = newTopicMaker(c.Streams, a.clusters, logger.With("component", "topics"))
	if err := a.front.prepare(newStreams(c, a.clusters, a.encryption, a.registries.now())); err != nil {
		return nil, err
	}
	return a, nil
}

// Run serves until the context ends, and returns nil once everything has stopped in
// order. It must be called at most once.
func (a *App) Run(ctx context.Context) error {
	l := &lifecycle{logger: a.logger, grace: a.config.Drain.Timeout + auditDrain(a.config) + stopGrace}
	l.add(a.verifiers.parts...)
	l.add(part{name: "keys of issuers", run: a.auth.Run}, part{name: "keysets", start: a.encryption.open})
	for _, name := range slices.Sorted(maps.Keys(a.clusters)) {
		l.add(a.clusters[name].parts()...)
	}
	l.add(a.registries.parts()...)
	l.add(a.acls.parts()...)
	l.add(a.cursors.parts()...)
	l.add(messageIDParts(a.front.once, a.front.store, a.logger)...)
	l.add(part{name: "quotas", run: a.front.quotas.Run})
	l.add(a.shared.parts()...)
	l.add(part{name: "topics", run: a.topics.run})
	l.add(a.front.parts()...)
	return l.run(ctx)
}
