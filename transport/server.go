package transport

import (
	"context"
	"crypto/tls"
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
	"sluice/hub/filter/expr"
	"sluice/hub/ingest"
	"sluice/transport/audit"
	"sluice/transport/socket"
	"sluice/transport/wire"
)

// comeBackLeast keeps a client that was sent away from returning immediately.
const comeBackLeast = 100 * time.Millisecond

// Config is the configuration of a Server. All fields without a remark are required.
type Config struct {
	Hub *hub.Hub
	// Workers are the workers that the hub wakes.
	Workers *Workers
	// Ingest is what published records pass through on their way to Kafka. Nil for a
	// pipeline without steps.
	Ingest *ingest.Pipeline
	// Structured reports whether CloudEvents that are published to a stream are stored in
	// the structured content mode of the Kafka protocol binding, and not in the binary one.
	// It must not block. Nil for none.
	Structured func(stream string) bool
	// Committer stores named cursors. Nil for none.
	Committer *cursors.Committer
	// CursorLister lists the named cursors for operators. Nil for none.
	CursorLister cursors.Lister
	Auth         *auth.Authenticator
	// Rights tells which records of a stream a principal may read and publish. Nil for
	// all.
	Rights Rights
	// Filters compiles the filters of clients. Nil refuses them.
	Filters Filters
	// Approve decides about what the grants allow. Nil approves.
	Approve Approve
	// Credentials configures which credentials requests may carry, and which origins
	// pages may connect from.
	Credentials auth.RequestOptions
	// Tickets makes tickets; Credentials.Tickets has them accepted. Nil for none.
	Tickets Tickets
	// Cookie is the SameSite attribute of the cookie that pages can have set. 0 for no
	// such cookie.
	Cookie http.SameSite
	// Revocations makes the other instances put revocations in force. Nil if there are
	// none.
	Revocations RevocationStore
	// Forwarded reads what TrustedProxies say about clients. Nil ignores it.
	Forwarded Forwarded
	// TrustedProxies are the proxies whose X-Forwarded-For and X-Forwarded-Proto are
	// trusted.
	TrustedProxies []netip.Prefix
	// Limits are the limits in force at first; see Server.SetLimits.
	Limits      Limits
	Compression Compression
	// RequestTimeout bounds how long a request may wait before it is answered.
	RequestTimeout time.Duration
	// HeaderTimeout bounds how long a request's header may take to arrive, and
	// IdleTimeout how long a connection is kept without a request.
	HeaderTimeout, IdleTimeout time.Duration
	// HeaderBytes bounds the size of a request's header.
	HeaderBytes int
	// DrainTimeout bounds the shutdown of the server. DrainSpread is the span over
	// which sessions are asked to reconnect elsewhere.
	DrainTimeout, DrainSpread time.Duration
	// Listener accepts clients. Admin accepts operators; nil for no admin listener.
	// The server closes both.
	Listener, Admin net.Listener
	// AdminHosts are the names of the admin listener, besides localhost and IP
	// addresses, under which it changes state.
	AdminHosts []string
	// TLS is the configuration for clients; nil for none. Operators are served
	// without TLS.
	TLS *tls.Config
	// Minter makes tokens for whoever asks, for development. Nil for none.
	Minter Minter
	// Instance and Version are what operators are told of the instance.
	Instance, Version string
	// Console serves the console and the documents at / and below, except for the
	// protocol's own paths. Nil for nothing.
	Console http.Handler
	// Ready adds readiness checks, by name: the instance is not ready while one of
	// them fails. Optional.
	Ready map[string]func(context.Context) error
	// CorrelationHeader is the header that a record and its reply have in common, as
	// Ingest sets it. Empty if clients cannot wait for replies.
	CorrelationHeader string
	// Degraded returns checks of dependencies that the instance can do without, which
	// can be others each time: their failures are reported beside the others and do not
	// keep clients away. Optional.
	Degraded func() map[string]func(context.Context) error
	// DegradedStreams returns the streams that cannot be served, by name, as found
	// by the last run of Ready. It must not block. Optional.
	DegradedStreams func() map[string]error
	// CheckEvery is how often the checks run by themselves, so that each change is
	// logged.
	CheckEvery time.Duration
	// Quotas tells clients what they have left. Nil for nothing.
	Quotas Quotas
	// PublishBytes returns the memory that publishes in flight take, for the metric.
	// Optional.
	PublishBytes func() int64
	// Audit records what clients and operators do, and is run by the caller. Nil for
	// nothing.
	Audit *audit.Recorder
	// Registry is where metrics are registered. Nil for a new registry.
	Registry *prometheus.Registry
	Logger   *slog.Logger
	// FaultLevel is the level at which faults of clients are logged.
	FaultLevel slog.Level
	Now        func() time.Time
}

// Rights tells which records of the streams that a principal may read or publish it has
// a right to, by every interface. It is asked when a subscription begins, when the
// rights of a session change, and at each publish. It must not block; the
// implementation caches compiled filters. If it returns an error, nothing is delivered
// or stored.
type Rights interface {
	// Rows returns what a principal may read. Every client may go back to what was
	// written within the resume window.
	Rows(p *auth.Principal, stream string, resume time.Duration) (hub.Rows, error)
	// Publishes returns which records a principal may publish.
	Publishes(p *auth.Principal, stream string) (filter.Filter, error)
}

// Filters compiles the texts of clients' filters, within a memory of which each client has a
// share. It is an *expr.Language, whose errors filtering.go and faults.go know, and is called
// by many goroutines at once.
type Filters interface {
	Compile(text string) (filter.Filter, error)
	// Use compiles a filter that a client, given by its principal's key, has in use until
	// release.
	Use(ctx context.Context, text, client string) (f filter.Filter, release func(), err error)
	Stats() expr.Stats
}

// Quotas tells what publishers have left. The quotas themselves are a step of the pipeline.
// It is a quota.Quotas.
type Quotas interface {
	// Left returns what a publisher has left in a stream of the quotas that are its own. It
	// must not block.
	Left(stream string, by *ingest.Publisher) []ingest.Allowance
}

// Tickets makes single-use tickets. It is an auth/redisauth.Tickets, whose errors
// faults.go knows.
type Tickets interface {
	Issue(ctx context.Context, p *auth.Principal) (ticket auth.Secret, lives time.Duration, err error)
}

// Minter makes tokens for development: of an issuer that the server trusts, for everybody
// who asks.
type Minter interface {
	// Mint makes a token with claims, which may contain `sub`, of a lifetime. A token for an
	// admin has what a grant gives the right to operate for. The text of an error is for
	// whoever asks.
	Mint(claims map[string]any, admin bool, lives time.Duration) (auth.Secret, error)
}

// RevocationStore makes the other instances put a revocation in force. It is an
// auth/redisauth.Revocations. An error that is auth.ErrStoreUnavailable means that it
// will try again.
type RevocationStore interface {
	Save(ctx context.Context, r auth.Revocation) error
}

// Approve decides about what the grants allow, by any interface: about a subscription
// when it begins and when its session's token is renewed, and about every publish.
// It may wait for the network as long as its context lives. An error refuses;
// auth.ErrRightsUnavailable tells the client to try again.
type Approve func(ctx context.Context, asked Asked) error

// Asked is what a client asks for.
type Asked struct {
	Principal *auth.Principal
	Action    auth.Action
	Stream    string
	// From and the fields below it are what a subscription asks for, in the form of the
	// protocol, except that any cursor is `cursor`.
	From       string
	CursorName string
	Reset      bool
	Keys       []string
	KeyPrefix  string
	Headers    [][2]string // names and values
	Filter     string
}

// Forwarded reads the headers in which proxies say who their clients are. Both methods
// may be called at any time.
type Forwarded interface {
	// Sent reports whether a request has one of the headers.
	Sent(h http.Header) bool
	// Read returns what the headers say. The error is auth.ErrUnauthenticated, or
	// auth.ErrAmbiguousCredentials for a header that is there twice.
	Read(h http.Header) (*auth.Proxied, error)
}

// Server serves clients and operators.
type Server struct {
	config  Config
	inForce atomic.Pointer[Limits] // never changed, but replaced
	logger  *slog.Logger
	now     func() time.Time
	metrics *metrics
	faults  *faultLog
	gate    *gate
	tenants *tenants
	// openings and handshakes limit how fast sessions are opened, and TLS handshakes
	// begun, from one address.
	openings, handshakes *arrivals
	ingest               *ingest.Pipeline
	takers               chan struct{} // handlers that look through records
	pages                *clientMemory
	windows              *clientMemory // of compressed bodies whose records are being published
	// conversations are the dialects of WebSockets; the last one is used when the
	// client offers none. broadcasts are the dialects of event streams, the default
	// first.
	conversations, broadcasts []dialect

	// base is the context in which requests wait. publishing outlives it, so that
	// publishes in flight can be answered.
	base, publishing context.Context
	sessions         *sessionSet
	pending          pendingSet
	polls            atomic.Int64 // long-polling page requests
	intakes          atomic.Int64 // bodies whose records are being published as they arrive
	awaited          atomic.Int64 // replies that are waited for
	inFlight         atomic.Int64 // records being published
	pace             pace
	requests         atomic.Int64 // requests in their handlers
	draining         atomic.Bool
	drained          chan struct{} // closed when draining begins
	drainUntil       atomic.Int64
	tasks            tasks
	audit            auditor
	newPoller        func() (*socket.Poller, error)
	poller           *socket.Poller // nil if the system has none
	readiness        *readiness
	started          time.Time
}

// drainEnd is the deadline of draining.
func (s *Server) drainEnd() monotime { return monotime(s.drainUntil.Load()) }

// comeBack returns how long a client that is sent away should wait before it
// reconnects.
func (s *Server) comeBack() time.Duration {
	return comeBackLeast + spread(max(s.config.DrainSpread, time.Second))
}

// revoked reports whether a principal's credential is revoked.
func (s *Server) revoked(p *auth.Principal) bool { return s.config.Auth.Revocations().Revoked(p) }

// structured reports in which content mode CloudEvents for a stream are stored.
func (s *Server) structured(stream string) bool {
	return s.config.Structured != nil && s.config.Structured(stream)
}

func (s *Server) wireLimits() wire.Limits {
	return wire.Limits{
		MessageBytes: s.limits().MessageBytes,
		Depth:        s.limits().JSONDepth,
		Keys:         s.limits().JSONKeys,
		Records:      s.limits().BatchRecords,
	}
}

// limits returns the limits in force, which must not be changed or kept.
func (s *Server) limits() *Limits { return s.inForce.Load() }

// SetLimits replaces the limits in force, at any time, unless it returns an error. A
// limit counts from the next time that it is asked for: sessions and subscriptions
// that exceed a smaller one go on, and an open session keeps how often it is pinged
// and how large its compressed messages may be.
func (s *Server) SetLimits(l Limits) error {
	if err := l.check(); err != nil {
		return err
	}
	s.inForce.Store(&l)
	return nil
}

// checkCursor refuses a subscription whose cursor would be too long for the client
// to send.
func (s *Server) checkCursor(cursor string) *wire.Error {
	if most := s.limits().CursorBytes; most > 0 && len(cursor) > most {
		return wire.Errorf(wire.BadRequest, "the cursor would be longer than %d bytes: use a named cursor, or fewer streams in one request", most)
	}
	return nil
}
