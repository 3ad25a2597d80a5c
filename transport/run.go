package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/hub/ingest"
	"sluice/transport/socket"
)

// flushWithin is how long connections have to take the last answers.
const flushWithin = 200 * time.Millisecond

// New checks a configuration and returns a server for it. The server serves in Run.
func New(config Config) (*Server, error) {
	switch {
	case config.Hub == nil || config.Workers == nil || config.Auth == nil || config.Listener == nil || config.Logger == nil || config.Now == nil:
		return nil, errors.New("new server: Hub, Workers, Auth, Listener, Logger and Now are required")
	case config.RequestTimeout <= 0 || config.HeaderTimeout <= 0 || config.IdleTimeout <= 0 || config.HeaderBytes <= 0 || config.DrainTimeout <= 0 || config.CheckEvery <= 0:
		return nil, errors.New("new server: RequestTimeout, HeaderTimeout, IdleTimeout, HeaderBytes, DrainTimeout and CheckEvery are required")
	}
	if config.Ingest == nil {
		config.Ingest = ingest.New(config.Hub, nil, []ingest.Step{ingest.Correlated{Header: config.CorrelationHeader}})
	}
	if config.Registry == nil {
		config.Registry = prometheus.NewRegistry()
	}
	s := &Server{
		config:   config,
		logger:   config.Logger,
		now:      config.Now,
		faults:   newFaultLog(config.Logger, config.FaultLevel, config.Now),
		ingest:   config.Ingest,
		sessions: newSessionSet(),
		drained:  make(chan struct{}),
		started:  config.Now(),

		conversations: []dialect{jsonLines{}, cloudEventMessages{}, jsonMessages{}},
		broadcasts:    []dialect{eventStream{}, jsonStream{}, cloudEventStream{}},

		newPoller: socket.NewPoller,
	}
	if err := s.SetLimits(config.Limits); err != nil {
		return nil, fmt.Errorf("new server: %w", err)
	}
	s.config.Limits = Limits{} // those in force count
	s.audit = newAuditor(config.Audit, config.Hub, s.addressOf, config.Now)
	s.gate = newGate(s.limits)
	s.takers = takers()
	s.pages, s.windows = newPageMemory(s.limits), newWindowMemory(s.limits)
	s.tenants = newTenants(s.limits, s.gate.ofTenant)
	s.openings, s.handshakes = newArrivals(s.limits), newArrivals(s.limits)
	s.sessions.follower = follower{tasks: &s.tasks, update: s.safelyBringUpToDate}
	s.readiness = newReadiness(&config, s.draining.Load)
	s.metrics = newMetrics(config.Registry, config.Hub, s.openSessions, s.gate, config.Auth.HasTenants())
	registerMemory(&config, s.pages, s.windows, s.awaited.Load)
	config.Registry.MustRegister(s.tenants)
	config.Auth.Revocations().Watch(s.endRevoked)
	if config.Audit != nil {
		config.Registry.MustRegister(config.Audit)
	}
	return s, nil
}

// Run serves until the context ends and then drains: the server is no longer ready,
// asks sessions to reconnect elsewhere, spread over DrainSpread, and answers
// requests and publishes in flight. It returns nil after DrainTimeout at the latest.
// Run returns an error when it can no longer serve.
func (s *Server) Run(ctx context.Context) error {
	base, endBase := context.WithCancel(context.WithoutCancel(ctx))
	publishing, endPublishing := context.WithCancel(context.WithoutCancel(ctx))
	s.base, s.publishing = base, publishing
	defer endPublishing()
	defer endBase()

	var err error
	if s.poller, err = s.newPoller(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		s.logger.Warn("socket polling unavailable; using one goroutine per connection", "error", err)
	}
	failed := make(chan error, 3)
	clients := s.httpServer(base, s.routes())
	var servers sync.WaitGroup
	servers.Go(func() { failed <- clients.Serve(s.clients()) })
	var admin *http.Server
	if s.config.Admin != nil {
		admin = s.httpServer(base, s.adminRoutes())
		servers.Go(func() { failed <- admin.Serve(s.config.Admin) })
	}
	var workers sync.WaitGroup
	working, endWorkers := context.WithCancel(context.WithoutCancel(ctx))
	s.config.Workers.start(working, &workers)
	workers.Go(func() { s.reclaim(working) })
	watching, endWatch := context.WithCancel(working)
	workers.Go(func() { s.readiness.watch(watching, s.config.CheckEvery) })
	workers.Go(func() { s.watchStreams(watching) })
	if s.poller != nil {
		workers.Go(func() {
			if err := s.poller.Run(); err != nil {
				failed <- err
			}
		})
	}

	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
		err = fmt.Errorf("serve: %w", err)
	}

	endWatch()
	s.drain()
	// The HTTP servers may still be writing what handlers have answered.
	flushed, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	_ = clients.Shutdown(flushed)
	cancel()
	endBase()
	_ = clients.Close()
	if admin != nil {
		_ = admin.Close()
	}
	servers.Wait()
	for _, x := range s.sessions.all() {
		x.cutSoon()
		<-x.ended()
	}
	s.tasks.Wait()
	endWorkers()
	if s.poller != nil {
		s.poller.Close()
	}
	workers.Wait()
	s.tasks.Wait() // the poller may have started one meanwhile
	return err
}

func (s *Server) httpServer(base context.Context, handler http.Handler) *http.Server {
	return &http.Server{
		Handler:     handler,
		BaseContext: func(net.Listener) context.Context { return base },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			socket.Tune(belowTLS(conn), s.limits().SendBuffer)
			return ctx
		},
		ReadHeaderTimeout: s.config.HeaderTimeout,
		IdleTimeout:       s.config.IdleTimeout,
		MaxHeaderBytes:    s.config.HeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
}

// drain ends all sessions, each at its time, and waits for requests to be answered.
func (s *Server) drain() {
	until := monotimeNow().Add(s.config.DrainTimeout)
	s.drainUntil.Store(int64(until))
	s.draining.Store(true)
	close(s.drained)
	all := s.sessions.all()
	s.logger.Info("not ready: the instance is draining", "sessions", len(all), "publishes", s.inFlight.Load())
	for _, x := range all {
		x.drainSoon(spread(s.config.DrainSpread), s.config.DrainTimeout)
	}
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for monotimeNow().Before(until) && (s.sessions.len() > 0 || s.inFlight.Load() > 0 || s.requests.Load() > 0) {
		<-poll.C
	}
}
