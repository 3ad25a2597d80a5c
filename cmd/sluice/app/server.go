package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/auth"
	"sluice/cmd/sluice/certificates"
	"sluice/cmd/sluice/config"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/filter/expr"
	"sluice/hub/ingest"
	"sluice/hub/ingest/once"
	"sluice/hub/ingest/quota"
	"sluice/hub/redisstore"
	"sluice/transport"
	"sluice/transport/audit"
	"sluice/transport/rights"
	"sluice/web"
)

// never is the duration for a time limit that is disabled.
const never = 10 * 365 * 24 * time.Hour

// span returns a time limit for code that needs one, even if it is disabled.
func span(d time.Duration) time.Duration { return cmp.Or(d, never) }

// front has the listeners for clients and operators, and the hub.
type front struct {
	config    *config.Config
	auth      *auth.Authenticator
	verifiers *verifiers
	shared    *sharedAuth
	committer *cursors.Committer
	store     *redisstore.Store // nil without Redis
	clusters  map[string]*cluster
	acls      *kafkaACLs // nil if rights do not come from ACLs
	options   Options
	logger    *slog.Logger

	filters     *expr.Language
	rights      *rights.Rights
	workers     *transport.Workers
	hub         *hub.Hub
	schemas     *schemas // those that are in force when the instance starts
	registries  *registries
	ingest      *ingest.Pipeline
	once        *once.Guard // nil without Redis
	quotas      *quota.Quotas
	modes       *contentModes
	audit       *audit.Recorder      // nil for none
	presences   map[string]*presence // by cluster
	credentials auth.RequestOptions
	certs       *certificates.Source // nil without TLS
	server      *transport.Server
	registry    *prometheus.Registry // of the metrics
	up          chan struct{}        // closed when there is the server
}

// prepare makes everything that needs no socket.
func (f *front) prepare(streams []hub.Stream) error {
	origins, err := auth.NewOrigins(f.config.Origins)
	if err != nil {
		return err
	}
	if f.options.LoopbackOrigins {
		origins = origins.WithLoopback()
	}
	f.credentials = auth.RequestOptions{Origins: origins, AccessTokenInQuery: f.config.Auth.AccessTokenInQuery}
	allow(f.config, &f.credentials)
	if f.certs, err = newCertificates(f.config.TLS, f.logger.With("component", "certificates")); err != nil {
		return err
	}
	f.rights = rights.New(f.filters)
	f.rights.SetEncrypted(f.config.EncryptedPaths())
	if f.workers, err = transport.NewWorkers(min(runtime.GOMAXPROCS(0), transport.MaxWorkers)); err != nil {
		return err
	}
	f.hub, err = hub.New(hub.Config{
		Streams: streams,
		Shards:  f.workers.Len(),
		Wake:    f.workers.Wake,
		Pace:    f.workers.Pace,
		Logger:  f.logger.With("component", "hub"),
		Now:     time.Now,
		Limits:  hubLimits(f.config.Limits),
	})
	if err != nil {
		return err
	}
	if f.once, err = newMessageIDs(f.config, f.store, f.hub, f.logger); err != nil {
		return err
	}
	f.ingest = newIngest(f.config, f.schemas, f.hub, f.once, f.quotas)
	f.modes = newContentModes(f.config.Streams)
	f.presences = newPresences(f.config, f.clusters, f.hub)
	f.audit, err = newAudit(f.config, f.hub, f.options.Version, f.logger)
	return err
}

// parts returns the hub, the certificates and the server. The server drains first.
func (f *front) parts() []part {
	parts := append(auditParts(f.audit), part{name: "hub", run: f.hub.Run})
	if f.certs != nil {
		parts = append(parts, part{name: "certificates", run: f.certs.Run})
	}
	return append(parts, part{name: "server", start: f.listen, run: f.serve})
}

// listen opens both sockets, so that a port in use makes the start fail.
func (f *front) listen(ctx context.Context) error {
	var sockets net.ListenConfig
	clients, err := sockets.Listen(ctx, "tcp", f.config.Listen)
	if err != nil {
		return fmt.Errorf("open client listener: %w", err)
	}
	admin, err := sockets.Listen(ctx, "tcp", f.config.Admin.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("open admin listener: %w", err), clients.Close())
	}
	address := clients.Addr()
	f.logger.Info("listening", "clients", address.String(), "admin", admin.Addr().String(), "tls", f.certs != nil)
	if f.server, err = f.newServer(clients, admin); err != nil {
		return errors.Join(err, clients.Close(), admin.Close())
	}
	if f.acls != nil {
		f.acls.onChange(f.server.RightsChanged)
	}
	f.verifiers.onChange(f.server.RightsChanged)
	close(f.up)
	if f.options.Listening != nil {
		f.options.Listening(address)
	}
	return nil
}

func (f *front) serve(ctx context.Context) error { return f.server.Run(ctx) }

func (f *front) newServer(clients, admin net.Listener) (*transport.Server, error) {
	f.registry = prometheus.NewRegistry()
	made := transport.Config{
		Hub:            f.hub,
		Ingest:         f.ingest,
		Structured:     f.modes.of,
		Rights:         f.rights,
		Filters:        f.filters,
		Workers:        f.workers,
		Committer:      f.committer,
		Auth:           f.auth,
		Credentials:    f.credentials,
		Forwarded:      f.verifiers.forwards(),
		Approve:        f.verifiers.approve(),
		TrustedProxies: f.config.TrustedProxies,
		Limits:         limits(f.config.Limits),
		Compression:    transport.Compression{EventStreams: f.config.Compression.EventStreams, WebSockets: f.config.Compression.WebSockets},
		RequestTimeout: span(f.config.Limits.RequestWait),
		HeaderTimeout:  span(f.config.Limits.RequestHeader),
		IdleTimeout:    span(f.config.Limits.IdleConnection),
		HeaderBytes:    cmp.Or(int(f.config.Limits.RequestHeaderBytes), math.MaxInt32),
		DrainTimeout:   max(f.config.Drain.Timeout, time.Millisecond),
		DrainSpread:    f.config.Drain.Spread,
		Listener:       clients,
		TLS:            f.tls(),
		Admin:          admin,
		Console:        web.Handler(),
		Minter:         f.options.Development.minter(),
		Instance:       instance(),
		Version:        cmp.Or(f.options.Version, "unknown"),
		Ready:          f.checks(),
		Degraded:       f.without,
		CheckEvery:     f.config.Admin.CheckEvery,

		CorrelationHeader: f.config.Replies.Header,
		Quotas:            f.quotas,
		PublishBytes:      f.publishBytes,
		Audit:             f.audit,
		DegradedStreams:   f.degraded,
		Logger:            f.logger.With("component", "transport"),
		FaultLevel:        f.options.FaultLevel,
		Now:               time.Now,
		AdminHosts:        f.config.Admin.Hosts,
		Registry:          f.registry,
	}
	if f.once != nil {
		f.registry.MustRegister(messageIDMetrics{f.once})
	}
	f.registry.MustRegister(unavailablePartitions(f.clusters))
	if m := f.verifiers.webhookMetrics; m != nil {
		f.registry.MustRegister(m)
	}
	f.registry.MustRegister(f.registries)
	if f.store != nil {
		made.CursorLister = f.store
	}
	f.shared.transport(&made, f.config.Auth.Cookie)
	return transport.New(made)
}

// tls returns the TLS configuration of the listener for clients, nil for none.
func (f *front) tls() *tls.Config {
	if f.certs == nil {
		return nil
	}
	return f.certs.TLS()
}

// publishBytes returns the memory of publishes in flight, over all clusters.
func (f *front) publishBytes() (bytes int64) {
	for _, cluster := range f.clusters {
		bytes += cluster.producer.Bytes()
	}
	return bytes
}

// checks returns the checks that decide whether clients should be sent to this
// instance. Redis is not among them: live delivery works without it.
func (f *front) checks() map[string]func(context.Context) error {
	checks := map[string]func(context.Context) error{
		"issuers": func(context.Context) error { return f.auth.Ready() },
	}
	for name, p := range f.presences {
		checks["kafka "+name] = p.check
		if tokens := p.cluster.tokens; tokens != nil {
			checks["token for kafka "+name] = tokens.Ready
		}
	}
	if f.acls != nil {
		checks["kafka ACLs"] = f.acls.ready
	}
	return checks
}

// degraded returns the streams that cannot be served although their cluster answers.
func (f *front) degraded() map[string]error {
	failed := make(map[string]error)
	for _, p := range f.presences {
		maps.Copy(failed, p.degraded())
	}
	return failed
}

// without returns checks of what this instance can do without for a while.
func (f *front) without() map[string]func(context.Context) error {
	checks := make(map[string]func(context.Context) error)
	for name, cluster := range f.clusters {
		if cluster.tokens != nil {
			checks["renewal of the token for kafka "+name] = cluster.tokens.Renewed
		}
	}
	if f.store != nil {
		checks["redis"] = f.store.Check
	}
	if f.shared.store != nil {
		checks["revocations"] = f.shared.store.Check
	}
	if f.acls != nil {
		checks["refresh of kafka ACLs"] = f.acls.degraded
	}
	for name, r := range f.registries.now() {
		checks["schema registry "+name] = r.Check
	}
	if f.certs != nil {
		checks["certificates"] = f.certs.Check
	}
	if hook := f.verifiers.webhook; hook != nil {
		checks["webhook"] = hook.Check
	}
	return checks
}

// hubLimits converts the limits for package hub.
func hubLimits(l config.Limits) hub.Limits {
	return hub.Limits{
		LogMemory:           int(l.LogMemory),
		ReplaysPerPrincipal: l.ReplaysPerPrincipal,
		ReplaysPerInstance:  l.ReplaysPerInstance,
		ReplaysPerTenant:    l.ReplaysPerTenant,
		TenantStreams:       l.TenantStreams,
		LateMemory:          int(l.LateMemory),
		LateBytesPerSecond:  int(l.LateBytesPerSecond),
		ResumeWindow:        l.ResumeWindow,
		FilterLag:           l.FilterLag,
		StoredWithin:        l.StoredWait,
		StartTimeout:        span(l.SubscribeWait),
	}
}

// limits converts the limits for package transport.
func limits(l config.Limits) transport.Limits {
	return transport.Limits{
		MessageBytes:            int(l.MessageBytes),
		InflatedPerSecond:       int(l.InflatedPerSecond),
		InflateRatio:            l.InflateRatio,
		InflateMemory:           int(l.InflateMemory),
		MessageAssembly:         span(l.MessageAssembly),
		ControlFramesPerSecond:  l.ControlFramesPerSecond,
		ErrorsPerMinute:         l.ErrorsPerMinute,
		CursorBytes:             int(l.CursorBytes),
		JSONDepth:               l.JSONDepth,
		JSONKeys:                l.JSONKeys,
		BatchRecords:            l.BatchRecords,
		FirstMessageAuth:        span(l.FirstMessageAuth),
		PingEvery:               span(l.PingEvery),
		PongWithin:              span(l.PongWithin),
		KeepAlive:               span(l.KeepAlive),
		WriteProgress:           span(l.WriteProgress),
		SessionsPerPrincipal:    l.SessionsPerPrincipal,
		SessionsPerAddress:      l.SessionsPerAddress,
		SessionsPerTenant:       l.SessionsPerTenant,
		TenantMetrics:           l.TenantMetrics,
		HandshakesPerAddress:    l.HandshakesPerAddress,
		SubscriptionsPerSession: l.SubscriptionsPerSession,
		StreamsPerPattern:       l.StreamsPerPattern,
		KeysPerSession:          l.KeysPerSession,
		FiltersPerSession:       l.FiltersPerSession,
		ResumeWindow:            l.ResumeWindow,
		PageCache:               l.PageCache,
		PageBytes:               int(l.PageBytes),
		PageMemory:              int(l.PageMemory),
		PublishesPerSession:     l.PublishesPerSession,
		RepliesPerSession:       l.RepliesPerSession,
		PublishesPerTenant:      l.PublishesPerTenant,
		PublishTimeout:          span(l.PublishTimeout),
		ShedAfter:               l.ShedAfter,
		RecordBytes:             int(l.RecordBytes),
		SendBuffer:              int(l.SendBuffer),
		ReclaimAfter:            l.ReclaimAfter,
	}
}
