package config

import "time"

// Limits bound what clients can use. Zero means no limit.
type Limits struct {
	MessageBytes            Size          `koanf:"message_bytes" default:"64KiB" validate:"omitempty,between=1KiB..64MiB" doc:"inbound message or body"`
	InflatedPerSecond       Size          `koanf:"inflated_per_second" default:"4MiB" validate:"omitempty,between=64KiB..1GiB" doc:"what the compressed messages of a session may decompress to in a second; the next one waits. 0 bounds nothing"`
	MessageAssembly         time.Duration `koanf:"message_assembly" default:"10s" validate:"omitempty,between=100ms..10m" doc:"how long a message or body may take to arrive"`
	ControlFramesPerSecond  int           `koanf:"control_frames_per_second" default:"10" validate:"omitempty,between=1..10000" unit:"frames" doc:"WebSocket control frames from a client"`
	ErrorsPerMinute         int           `koanf:"errors_per_minute" default:"60" validate:"omitempty,between=1..100000" unit:"requests" doc:"requests of a session that are at fault; past it the session is closed with too_many_errors"`
	CursorBytes             Size          `koanf:"cursor_bytes" default:"4KiB" validate:"omitempty,between=256B..64KiB" doc:"a cursor's text; a larger one needs a named cursor"`
	JSONDepth               int           `koanf:"json_depth" default:"32" validate:"omitempty,between=4..1000" unit:"levels" doc:"nesting of inbound JSON"`
	JSONKeys                int           `koanf:"json_keys" default:"1000" validate:"omitempty,between=16..1000000" unit:"keys" doc:"keys in an inbound message"`
	FirstMessageAuth        time.Duration `koanf:"first_message_auth" default:"5s" validate:"omitempty,between=100ms..1m" doc:"how long a WebSocket without credentials may wait before it says who it is"`
	PingEvery               time.Duration `koanf:"ping_every" default:"25s" validate:"omitempty,between=1s..1h" doc:"how often a quiet session is pinged"`
	PongWithin              time.Duration `koanf:"pong_within" default:"10s" validate:"omitempty,between=1s..10m" doc:"how long the answer to a ping may take"`
	KeepAlive               time.Duration `koanf:"keep_alive" default:"15s" validate:"omitempty,between=1s..10m" doc:"how long an event stream may be quiet"`
	RequestHeader           time.Duration `koanf:"request_header" default:"10s" validate:"omitempty,between=100ms..1m" doc:"how long the header of a request may take to arrive"`
	RequestHeaderBytes      Size          `koanf:"request_header_bytes" default:"32KiB" validate:"omitempty,between=4KiB..1MiB" doc:"header of a request"`
	RequestWait             time.Duration `koanf:"request_wait" default:"15s" validate:"omitempty,between=100ms..10m" doc:"how long a request waits for an issuer's keys and for Redis"`
	SubscribeWait           time.Duration `koanf:"subscribe_wait" default:"10s" validate:"omitempty,between=100ms..10m" doc:"how long a subscription waits for Kafka to begin; then overloaded"`
	IdleConnection          time.Duration `koanf:"idle_connection" default:"2m" validate:"omitempty,between=1s..1h" doc:"how long an HTTP connection is kept without a request"`
	WriteProgress           time.Duration `koanf:"write_progress" default:"10s" validate:"omitempty,between=1s..10m" doc:"a socket that takes nothing for so long is cut off"`
	SessionsPerPrincipal    int           `koanf:"sessions_per_principal" default:"20" validate:"omitempty,between=1..1000000" unit:"sessions" doc:"on this instance; anonymous ones are not counted here"`
	SessionsPerAddress      int           `koanf:"sessions_per_address" default:"100" validate:"omitempty,between=1..1000000" unit:"sessions" doc:"from one client address, or IPv6 /64, as found by trusted_proxies"`
	SubscriptionsPerSession int           `koanf:"subscriptions_per_session" default:"100" validate:"omitempty,between=1..100000" unit:"subscriptions" doc:"at a time"`
	KeysPerSession          int           `koanf:"keys_per_session" default:"2000" validate:"omitempty,between=1..1000000" unit:"keys" doc:"that all filters of a session name together; each is remembered"`
	ReplaysPerPrincipal     int           `koanf:"replays_per_principal" default:"4" validate:"omitempty,between=1..10000" unit:"replays" doc:"read from Kafka at once, and as many searches for last:N; the others wait their turn. What others have had read needs none"`
	ReplaysPerInstance      int           `koanf:"replays_per_instance" default:"64" validate:"omitempty,between=1..10000" unit:"replays" doc:"read from Kafka at once, and as many searches for last:N; the others wait their turn. What others have had read needs none"`
	LateMemory              Size          `koanf:"late_memory" default:"128MiB" validate:"omitempty,between=1MiB..1TiB" doc:"records read from Kafka for subscribers that are behind a stream's log, shared by all of them"`
	LateBytesPerSecond      Size          `koanf:"late_bytes_per_second" default:"256MiB" validate:"omitempty,between=64KiB..1TiB" doc:"how fast records are read from Kafka for them, so that live delivery is left alone"`
	ResumeWindow            time.Duration `koanf:"resume_window" default:"10m" validate:"omitempty,between=1s..30d" doc:"for how long what was written may be resumed from a cursor without a grant to replay"`
	PublishesPerSession     int           `koanf:"publishes_per_session" default:"64" validate:"omitempty,between=1..100000" unit:"publishes" doc:"in flight; past it rate_limited"`
	PublishTimeout          time.Duration `koanf:"publish_timeout" default:"10s" validate:"omitempty,between=100ms..10m" doc:"after this a publish is answered as unavailable or unknown"`
	PublishMemory           Size          `koanf:"publish_memory" default:"32MiB" validate:"omitempty,between=1MiB..16GiB" doc:"what all publishes in flight may take"`
	RecordBytes             Size          `koanf:"record_bytes" default:"1MiB" validate:"omitempty,between=1KiB..64MiB" doc:"a record to a subscriber; a larger one is a gap"`
	SendBuffer              Size          `koanf:"send_buffer" default:"64KiB" validate:"omitempty,between=4KiB..16MiB" doc:"SO_SNDBUF of a client's socket; TCP_NOTSENT_LOWAT is a quarter of it. 0 leaves both to the system"`
	ReclaimAfter            int           `koanf:"reclaim_after" default:"500" validate:"omitempty,between=1..1000000" unit:"sessions" doc:"once so many more have come in and no more come, the memory that they took only for that is given back to the system, which costs one collection; 0 is never"`
	StreamLog               Size          `koanf:"stream_log" default:"64MiB" validate:"omitempty,between=64KiB..64GiB" doc:"recent records of a stream in memory"`
	LogMemory               Size          `koanf:"log_memory" default:"512MiB" validate:"omitempty,between=1MiB..1TiB" doc:"recent records of all streams together; idle streams give first"`
}
