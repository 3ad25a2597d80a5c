package config

import "time"

// Limits bound what clients can use. Zero means no limit.
type Limits struct {
	MessageBytes            Size          `koanf:"message_bytes" default:"64KiB" validate:"omitempty,between=1KiB..64MiB" doc:"size of an inbound message or body"`
	InflatedPerSecond       Size          `koanf:"inflated_per_second" default:"4MiB" validate:"omitempty,between=64KiB..1GiB" doc:"decompressed size of the compressed messages of a session per second; further messages wait"`
	MessageAssembly         time.Duration `koanf:"message_assembly" default:"10s" validate:"omitempty,between=100ms..10m" doc:"how long a message or body may take to arrive"`
	ControlFramesPerSecond  int           `koanf:"control_frames_per_second" default:"10" validate:"omitempty,between=1..10000" unit:"frames" doc:"WebSocket control frames from a client per second"`
	ErrorsPerMinute         int           `koanf:"errors_per_minute" default:"60" validate:"omitempty,between=1..100000" unit:"requests" doc:"failed requests of a session per minute, not counting retryable errors; above the limit the session is closed with too_many_errors"`
	CursorBytes             Size          `koanf:"cursor_bytes" default:"4KiB" validate:"omitempty,between=256B..64KiB" doc:"length of a cursor; use named cursors if cursors get longer"`
	JSONDepth               int           `koanf:"json_depth" default:"32" validate:"omitempty,between=4..1000" unit:"levels" doc:"nesting of inbound JSON"`
	JSONKeys                int           `koanf:"json_keys" default:"1000" validate:"omitempty,between=16..1000000" unit:"keys" doc:"keys in an inbound message"`
	FirstMessageAuth        time.Duration `koanf:"first_message_auth" default:"5s" validate:"omitempty,between=100ms..1m" doc:"how long a WebSocket without credentials may take to authenticate"`
	PingEvery               time.Duration `koanf:"ping_every" default:"25s" validate:"omitempty,between=1s..1h" doc:"how often a quiet session is pinged"`
	PongWithin              time.Duration `koanf:"pong_within" default:"10s" validate:"omitempty,between=1s..10m" doc:"how long the answer to a ping may take"`
	KeepAlive               time.Duration `koanf:"keep_alive" default:"15s" validate:"omitempty,between=1s..10m" doc:"how long an event stream may be quiet before a keep-alive is sent"`
	RequestHeader           time.Duration `koanf:"request_header" default:"10s" validate:"omitempty,between=100ms..1m" doc:"how long the header of a request may take to arrive"`
	RequestHeaderBytes      Size          `koanf:"request_header_bytes" default:"32KiB" validate:"omitempty,between=4KiB..1MiB" doc:"size of the header of a request"`
	RequestWait             time.Duration `koanf:"request_wait" default:"15s" validate:"omitempty,between=100ms..10m" doc:"how long a request may wait for an issuer's keys and for Redis"`
	SubscribeWait           time.Duration `koanf:"subscribe_wait" default:"10s" validate:"omitempty,between=100ms..10m" doc:"how long the start of a subscription may wait for Kafka; then the error is overloaded"`
	IdleConnection          time.Duration `koanf:"idle_connection" default:"2m" validate:"omitempty,between=1s..1h" doc:"how long an HTTP connection without requests is kept open"`
	WriteProgress           time.Duration `koanf:"write_progress" default:"10s" validate:"omitempty,between=1s..10m" doc:"a connection whose socket accepts no data for this time is closed"`
	SessionsPerPrincipal    int           `koanf:"sessions_per_principal" default:"20" validate:"omitempty,between=1..1000000" unit:"sessions" doc:"sessions of a principal on this instance; anonymous sessions are not counted"`
	SessionsPerAddress      int           `koanf:"sessions_per_address" default:"100" validate:"omitempty,between=1..1000000" unit:"sessions" doc:"sessions from one client address, or IPv6 /64, determined with trusted_proxies"`
	SessionsPerTenant       int           `koanf:"sessions_per_tenant" default:"0" validate:"omitempty,between=1..10000000" unit:"sessions" doc:"sessions of a tenant on this instance, including anonymous ones at the tenant's host"`
	HandshakesPerAddress    int           `koanf:"handshakes_per_address" default:"50" validate:"omitempty,between=1..100000" unit:"handshakes" doc:"TLS handshakes from one client address, or IPv6 /64, per second, and as many new sessions; in addition to sessions_per_address at once, so that all sessions of an address can come back together. Without sessions_per_address there is no limit"`
	SubscriptionsPerSession int           `koanf:"subscriptions_per_session" default:"100" validate:"omitempty,between=1..100000" unit:"subscriptions" doc:"open subscriptions of a session; a subscription by pattern counts as many as it has streams"`
	StreamsPerPattern       int           `koanf:"streams_per_pattern" default:"100" validate:"between=1..1000" unit:"streams" doc:"streams of a subscription by pattern, such as market.*; each of them also counts for subscriptions_per_session"`
	KeysPerSession          int           `koanf:"keys_per_session" default:"2000" validate:"omitempty,between=1..1000000" unit:"keys" doc:"keys and field values in all filters of a session together; each uses memory"`
	FilterBytes             Size          `koanf:"filter_bytes" default:"4KiB" validate:"between=64B..64KiB" doc:"length of a filter in CEL, of clients and of grants; not 0"`
	FilterCost              int           `koanf:"filter_cost" default:"1000" validate:"between=10..1000000" unit:"cost units" doc:"cost of evaluating a filter on one record, in the units of CEL: about one for each value that is looked up, each operation, and each ten bytes of text that an operation reads; some 50 ns. A filter that exceeds it ends its subscription with filter_failed. Not 0"`
	FiltersPerSession       int           `koanf:"filters_per_session" default:"20" validate:"omitempty,between=1..100000" unit:"filters" doc:"subscriptions of a session whose filters have to be evaluated on each record, because no index serves them"`
	FiltersCached           int           `koanf:"filters_cached" default:"4096" validate:"between=16..1000000" unit:"filters" doc:"compiled filters that are kept for the next client with the same one; one takes about 2 KB. Not 0"`
	ReplaysPerPrincipal     int           `koanf:"replays_per_principal" default:"4" validate:"omitempty,between=1..10000" unit:"replays" doc:"replays of a principal that read from Kafka at the same time, and as many searches for last:N; further replays wait. Records already in memory are not counted"`
	ReplaysPerInstance      int           `koanf:"replays_per_instance" default:"64" validate:"omitempty,between=1..10000" unit:"replays" doc:"replays of all clients that read from Kafka at the same time, and as many searches for last:N; further replays wait. Records already in memory are not counted"`
	ReplaysPerTenant        int           `koanf:"replays_per_tenant" default:"0" validate:"omitempty,between=1..10000" unit:"replays" doc:"replays of a tenant that read from Kafka at the same time, and as many searches for last:N; further replays wait. Without it, tenants have turns alike"`
	LateMemory              Size          `koanf:"late_memory" default:"128MiB" validate:"omitempty,between=1MiB..1TiB" doc:"memory for records read from Kafka for subscribers that are behind a stream's log, shared by all of them"`
	LateBytesPerSecond      Size          `koanf:"late_bytes_per_second" default:"256MiB" validate:"omitempty,between=64KiB..1TiB" doc:"rate at which records are read from Kafka for subscribers that are behind a stream's log, so that live delivery is not slowed down"`
	ResumeWindow            time.Duration `koanf:"resume_window" default:"10m" validate:"omitempty,between=1s..30d" doc:"how old records may be that are resumed from a cursor without a grant to replay; 0 means that resuming always requires such a grant"`
	PageCache               time.Duration `koanf:"page_cache" default:"1m" validate:"omitempty,between=1s..30d" doc:"how long caches, such as a proxy or CDN, may keep a full page of history that was requested without a credential from a cursor or offsets; then they ask whether it has changed. 0 means never"`
	PublishesPerSession     int           `koanf:"publishes_per_session" default:"64" validate:"omitempty,between=1..100000" unit:"publishes" doc:"publishes of a session in flight; above the limit the error is rate_limited"`
	PublishesPerTenant      int           `koanf:"publishes_per_tenant" default:"0" validate:"omitempty,between=1..1000000" unit:"publishes" doc:"publishes of all clients of a tenant in flight on this instance; above the limit the error is rate_limited"`
	PublishTimeout          time.Duration `koanf:"publish_timeout" default:"10s" validate:"omitempty,between=100ms..10m" doc:"time after which a publish fails with publish_unavailable or publish_unknown"`
	PublishMemory           Size          `koanf:"publish_memory" default:"32MiB" validate:"omitempty,between=1MiB..16GiB" doc:"memory for all publishes in flight; several clusters get equal shares"`
	RecordBytes             Size          `koanf:"record_bytes" default:"1MiB" validate:"omitempty,between=1KiB..64MiB" doc:"size of a record to a subscriber; a larger record is reported as a gap"`
	SendBuffer              Size          `koanf:"send_buffer" default:"64KiB" validate:"omitempty,between=4KiB..16MiB" doc:"SO_SNDBUF of a client's socket; TCP_NOTSENT_LOWAT is a quarter of the size. 0 keeps the system's values"`
	ReclaimAfter            int           `koanf:"reclaim_after" default:"500" validate:"omitempty,between=1..1000000" unit:"sessions" doc:"after this many new sessions, once no more arrive, memory that was used only to connect is returned to the system, which costs one garbage collection; 0 means never"`
	StreamLog               Size          `koanf:"stream_log" default:"64MiB" validate:"omitempty,between=64KiB..64GiB" doc:"memory for recent records of a stream"`
	TenantStreams           int           `koanf:"tenant_streams" default:"10000" validate:"between=1..1000000" unit:"streams" doc:"streams of tenants that are in use, or were lately, on this instance; above the limit the error is overloaded. Not 0"`
	TenantMetrics           int           `koanf:"tenant_metrics" default:"1000" validate:"omitempty,between=1..100000" unit:"tenants" doc:"tenants with metrics of their own, those with sessions first; 0 means no metrics by tenant"`
	LogMemory               Size          `koanf:"log_memory" default:"512MiB" validate:"omitempty,between=1MiB..1TiB" doc:"memory for recent records of all streams together; memory is taken from idle streams first"`
}
