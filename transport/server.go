package transport

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
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

// comeBackLeast keeps who is sent away from being back at once.
const comeBackLeast = 100 * time.Millisecond

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

// drainEnd is when draining ends, come what may.
func (s *Server) drainEnd() monotime { return monotime(s.drainUntil.Load()) }

// comeBack is when a client that was sent away is to come back.
func (s *Server) comeBack() time.Duration {
	return comeBackLeast + spread(max(s.config.DrainSpread, time.Second))
}

func (s *Server) wireLimits() wire.Limits {
	return wire.Limits{
		MessageBytes: s.config.Limits.MessageBytes,
		Depth:        s.config.Limits.JSONDepth,
		Keys:         s.config.Limits.JSONKeys,
	}
}
