package transport

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/filter"
	"sluice/hub/ingest"
	"sluice/transport/socket"
	"sluice/transport/wire"
)

// Config is what a Server is made of. All fields without a remark are required.
type Config struct {
	Hub *hub.Hub
	// Workers are those that the hub wakes.
	Workers *Workers
	// Ingest are the steps between what clients publish and Kafka, in this order.
	// Nil for none.
	Ingest []ingest.Step
	// Committer keeps named cursors. Nil for none.
	Committer *cursors.Committer
	Auth      *auth.Authenticator
	// Rows says which records of a stream a principal may read. Nil for all.
	Rows Rows
	// Credentials says which credentials requests may bring, and which origins
	// pages may come from.
	Credentials auth.RequestOptions
	// TrustedProxies are those whose X-Forwarded-For and -Proto count.
	TrustedProxies []netip.Prefix
	Limits         Limits
	Compression    Compression
	// RequestTimeout bounds what a request waits for before it is answered.
	RequestTimeout time.Duration
	// HeaderTimeout bounds how long a request's header takes to come in, and
	// IdleTimeout how long a connection is kept without a request.
	HeaderTimeout, IdleTimeout time.Duration
	// HeaderBytes bounds a request's header.
	HeaderBytes int
	// DrainTimeout bounds the end of the server, and DrainSpread is over how
	// long sessions are told to come back elsewhere.
	DrainTimeout, DrainSpread time.Duration
	// Listener is where clients come in. Admin is where operators do; nil for
	// nowhere. The server closes both.
	Listener, Admin net.Listener
	// Console is the console and the documents, served at / and below but for the
	// protocol's own paths. Nil for nothing.
	Console http.Handler
	// Ready adds reasons not to be ready, by name of the check. Optional.
	Ready map[string]func(context.Context) error
	// Degraded adds checks of what the instance can do without: they are shown
	// beside the others and do not keep clients away. Optional.
	Degraded map[string]func(context.Context) error
	// DegradedStreams says which streams cannot be served, by name, as the last
	// run of Ready has found. It must not block. Optional.
	DegradedStreams func() map[string]error
	// CheckEvery is how often the checks run by themselves, so that each change
	// is logged.
	CheckEvery time.Duration
	// PublishBytes is what publishes in flight take, for the metric. Optional.
	PublishBytes func() int64
	// Registry is where metrics are registered. Nil for one of its own.
	Registry *prometheus.Registry
	Logger   *slog.Logger
	Now      func() time.Time
}

// Rows gives the filter that a record of a stream has to pass for a principal to
// read the record, in whichever way. It is asked when a subscription begins and when
// a session's token is renewed, and must not block; whoever compiles filters keeps
// them. With an error nothing is delivered.
type Rows func(p *auth.Principal, stream string) (filter.Filter, error)

// Server serves clients and operators.
type Server struct {
	config  Config
	logger  *slog.Logger
	now     func() time.Time
	metrics *metrics
	faults  *faultLog
	gate    *gate
	ingest  *ingest.Pipeline
	// conversations are the dialects of WebSockets, the one to speak without an
	// offer last, and broadcasts those of event streams, the usual one first.
	conversations, broadcasts []dialect

	// base is what requests wait in; publishing outlives it, so that what is
	// in flight can be answered.
	base, publishing context.Context
	sessions         *sessionSet
	polls            atomic.Int64 // pages that wait
	inFlight         atomic.Int64 // records being published
	requests         atomic.Int64 // in their handlers
	draining         atomic.Bool
	drained          chan struct{} // closed when draining begins
	drainUntil       atomic.Int64
	tasks            tasks
	newPoller        func() (*socket.Poller, error)
	poller           *socket.Poller // nil where there is none
	readiness        *readiness
}

// New checks a configuration and makes a server of it. It serves in Run.
func New(config Config) (*Server, error) {
	l := config.Limits
	switch {
	case config.Hub == nil || config.Workers == nil || config.Auth == nil || config.Listener == nil || config.Logger == nil || config.Now == nil:
		return nil, errors.New("new server: Hub, Workers, Auth, Listener, Logger and Now are required")
	case l.MessageAssembly <= 0 || l.FirstMessageAuth <= 0 || l.PingEvery <= 0 || l.PongWithin <= 0 || l.KeepAlive <= 0 ||
		l.WriteProgress <= 0 || l.PublishTimeout <= 0:
		return nil, errors.New("new server: the spans in Limits are required")
	case config.RequestTimeout <= 0 || config.HeaderTimeout <= 0 || config.IdleTimeout <= 0 || config.HeaderBytes <= 0 || config.DrainTimeout <= 0 || config.CheckEvery <= 0:
		return nil, errors.New("new server: RequestTimeout, HeaderTimeout, IdleTimeout, HeaderBytes, DrainTimeout and CheckEvery are required")
	}
	if config.Registry == nil {
		config.Registry = prometheus.NewRegistry()
	}
	s := &Server{
		config:   config,
		logger:   config.Logger,
		now:      config.Now,
		faults:   &faultLog{logger: config.Logger, now: config.Now, last: make(map[wire.Code]*faultCount)},
		gate:     newGate(l.SessionsPerAddress, l.SessionsPerPrincipal),
		ingest:   ingest.New(config.Hub, config.Ingest...),
		sessions: newSessionSet(),
		drained:  make(chan struct{}),

		conversations: []dialect{jsonLines{}, jsonMessages{}},
		broadcasts:    []dialect{eventStream{}, jsonStream{}},

		newPoller: socket.NewPoller,
	}
	s.readiness = newReadiness(&config, s.draining.Load)
	s.metrics = newMetrics(config.Registry, config.Hub, s.openSessions, s.gate)
	registerMemory(&config)
	return s, nil
}

// Run serves until the context ends, then drains: it is no longer ready, tells
// sessions to come back elsewhere, spread over DrainSpread, answers what is in
// flight, and returns after DrainTimeout at the latest, with nil. It returns an
// error when it can no longer serve.
func (s *Server) Run(ctx context.Context) error {
	base, endBase := context.WithCancel(context.WithoutCancel(ctx))
	publishing, endPublishing := context.WithCancel(context.WithoutCancel(ctx))
	s.base, s.publishing = base, publishing
	defer endPublishing()
	defer endBase()

	var err error
	if s.poller, err = s.newPoller(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		s.logger.Warn("each connection has a goroutine that waits for it", "error", err)
	}
	failed := make(chan error, 3)
	clients := s.httpServer(base, s.routes())
	var servers sync.WaitGroup
	servers.Go(func() { failed <- clients.Serve(patientListener{s.config.Listener}) })
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
	// What handlers have answered is still being written.
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
	s.tasks.Wait() // the poller may have begun one meanwhile
	return err
}

func (s *Server) httpServer(base context.Context, handler http.Handler) *http.Server {
	return &http.Server{
		Handler:     handler,
		BaseContext: func(net.Listener) context.Context { return base },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			socket.Tune(belowTLS(conn), s.config.Limits.SendBuffer)
			return ctx
		},
		ReadHeaderTimeout: s.config.HeaderTimeout,
		IdleTimeout:       s.config.IdleTimeout,
		MaxHeaderBytes:    s.config.HeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
}

// flushWithin is how long connections have to take the last answers.
const flushWithin = 200 * time.Millisecond

// drain ends all sessions, each in its time, and has requests answered.
func (s *Server) drain() {
	until := monotimeNow().Add(s.config.DrainTimeout)
	s.drainUntil.Store(int64(until))
	s.draining.Store(true)
	close(s.drained)
	all := s.sessions.all()
	s.logger.Info("not ready: the instance drains", "sessions", len(all), "publishes", s.inFlight.Load())
	for _, x := range all {
		x.drainSoon(spread(s.config.DrainSpread))
	}
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for monotimeNow().Before(until) && (s.sessions.len() > 0 || s.inFlight.Load() > 0 || s.requests.Load() > 0) {
		<-poll.C
	}
}

// drainEnd is when draining ends, come what may.
func (s *Server) drainEnd() monotime { return monotime(s.drainUntil.Load()) }

// comeBack is when a client that was sent away is to come back.
func (s *Server) comeBack() time.Duration {
	return comeBackLeast + spread(max(s.config.DrainSpread, time.Second))
}

// comeBackLeast keeps who is sent away from being back at once.
const comeBackLeast = 100 * time.Millisecond

// newSession makes a session for a client. Nothing is delivered to it, and what
// is posted to it waits, until it is started.
func (s *Server) newSession(d dialect, c *client) *session {
	x := &session{
		server:    s,
		worker:    s.config.Workers.next(),
		id:        "s_" + rand.Text(),
		dialect:   d,
		address:   c.address,
		principal: c.principal,
		lastWrite: monotimeNow(),
	}
	// Nobody runs it before start, whatever its subscriptions have already.
	x.state.Store(again)
	return x
}

// attach gives a session the connection that was hijacked for it.
func (s *session) attach(conn net.Conn) {
	if own, ok := s.server.poller.Take(conn, s); ok {
		s.socket, s.conn, s.out = own, own, own
		return
	}
	s.conn, s.out = conn, blockingWriter{conn}
}

// start lets a session be delivered to, and has it count against limits until
// it ends. What it does first comes before all that was posted.
func (s *Server) start(x *session, c *client, first ...command) {
	x.started, x.admission = true, c.handOver()
	x.mu.Lock()
	x.inbox = append(first, x.inbox...)
	x.mu.Unlock()
	s.sessions.add(x)
	x.worker.add(x)
	x.behind.Store(true) // until it shows that it is not
	x.state.Store(queued)
	x.worker.enqueue(x)
	if s.draining.Load() {
		x.drainSoon(spread(s.config.DrainSpread))
	}
}

// openSessions is how many sessions of a protocol are open. A page that waits is
// one.
func (s *Server) openSessions(p protocol) int {
	if p == protocolPage {
		return int(s.polls.Load())
	}
	return s.sessions.count(p)
}

// sessionSet holds the sessions that are open.
type sessionSet struct {
	mu  sync.Mutex
	set map[*session]struct{}
}

func newSessionSet() *sessionSet { return &sessionSet{set: make(map[*session]struct{})} }

func (s *sessionSet) add(x *session) {
	s.mu.Lock()
	s.set[x] = struct{}{}
	s.mu.Unlock()
}

func (s *sessionSet) remove(x *session) {
	s.mu.Lock()
	delete(s.set, x)
	s.mu.Unlock()
}

func (s *sessionSet) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.set)
}

func (s *sessionSet) all() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*session, 0, len(s.set))
	for x := range s.set {
		all = append(all, x)
	}
	return all
}

// count counts the sessions of a protocol.
func (s *sessionSet) count(p protocol) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for x := range s.set {
		if x.dialect.protocol() == p {
			n++
		}
	}
	return n
}
