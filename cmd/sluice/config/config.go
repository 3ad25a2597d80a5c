package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// Config is a complete and validated configuration.
type Config struct {
	Listen         string            `koanf:"listen" default:"127.0.0.1:8080" validate:"listen_address" doc:"address for clients, host:port; an empty host is every interface"`
	TLS            *ServerTLS        `koanf:"tls" doc:"serve clients over TLS; without it TLS is left to a proxy"`
	TrustedProxies []netip.Prefix    `koanf:"trusted_proxies" validate:"unique" doc:"networks whose X-Forwarded-For and X-Forwarded-Proto count"`
	Origins        []string          `koanf:"origins" validate:"unique,dive,origin" doc:"web origins, scheme://host[:port], that may use CORS, open a WebSocket and send cookies"`
	Admin          Admin             `koanf:"admin" doc:"the listener for operators"`
	Kafka          Kafka             `koanf:"kafka" doc:"the Kafka cluster, or several by name"`
	Redis          Redis             `koanf:"redis" doc:"one of url, sentinel and cluster; without any there are no named cursors"`
	Auth           Auth              `koanf:"auth" doc:"who may come in"`
	Grants         []Grant           `koanf:"grants" validate:"dive" doc:"who may do what; all that match are joined"`
	Streams        map[string]Stream `koanf:"streams" validate:"required,min=1,dive,keys,stream_name,endkeys" doc:"public names, mapped to topics"`
	Cursors        Cursors           `koanf:"cursors" doc:"named cursors"`
	Drain          Drain             `koanf:"drain" doc:"what happens on SIGTERM"`
	Compression    Compression       `koanf:"compression" doc:"what is compressed, once for all subscribers of a stream, for clients that offer it. Its size tells something of what is encrypted: switch it off where some may publish to a stream in which others' records are secret to them"`
	Log            Log               `koanf:"log" doc:"what is logged, to standard error"`
	Limits         Limits            `koanf:"limits" doc:"0 is no limit"`
}

// ServerTLS is the certificate that the server presents to clients.
type ServerTLS struct {
	CertFile Path `koanf:"cert_file" validate:"required,readable_file" doc:"certificate chain, PEM"`
	KeyFile  Path `koanf:"key_file" validate:"required,readable_file" doc:"private key, PEM"`
}

// Admin is the listener for operators: health, metrics, profiles.
type Admin struct {
	Listen     string        `koanf:"listen" default:"127.0.0.1:8081" validate:"listen_address" doc:"address for operators; it asks for no credentials, so keep it on loopback or in a private network"`
	CheckEvery time.Duration `koanf:"check_every" default:"5s" validate:"between=1s..10m" doc:"how often the checks of /readyz run, also when nobody asks; each change of one of them is a line of the log"`
}

// Stream maps a public name to a topic.
type Stream struct {
	Topic      string        `koanf:"topic" validate:"required,topic_name" doc:"Kafka topic"`
	Cluster    string        `koanf:"cluster" doc:"one of kafka/clusters; left out where there is only one"`
	Content    string        `koanf:"content" validate:"omitempty,oneof=json text bytes" doc:"what the values are; left out, each record is sent as what it is"`
	Partitions int           `koanf:"partitions" validate:"omitempty,between=1..10000" unit:"partitions" doc:"the topic is made with so many at start where it is missing; left out, it is never made"`
	Linger     time.Duration `koanf:"linger" default:"1m" validate:"between=0s..24h" doc:"how long the topic is read on after the last subscriber has left"`
	Backfill   time.Duration `koanf:"backfill" default:"10m" validate:"between=0s..24h" doc:"how far back memory is filled when reading starts, so that those who come back after a restart need no Kafka"`
	Slow       string        `koanf:"slow" default:"catch_up" validate:"oneof=catch_up conflate skip disconnect" doc:"what a subscriber gets that was live and has fallen behind what is in memory: catch_up, all it has missed, from Kafka; conflate, the newest record of each key of that; skip, only what is new; disconnect, its end with slow_consumer and its cursor. What conflate and skip leave out is reported as gaps"`
	LogBytes   Size          `koanf:"log_bytes" validate:"omitempty,between=64KiB..64GiB" doc:"memory for recent records; left out, limits/stream_log"`
}

// Cursors configures how named cursors are kept.
type Cursors struct {
	TTL        time.Duration `koanf:"ttl" default:"30d" validate:"between=1m..3650d" doc:"how long a named cursor is kept after its last ack"`
	FlushEvery time.Duration `koanf:"flush_every" default:"200ms" validate:"between=1ms..1m" doc:"how long acks are gathered before they go to Redis in one round trip"`
}

// Drain configures how the server shuts down on SIGTERM.
type Drain struct {
	Timeout time.Duration `koanf:"timeout" default:"30s" validate:"between=0s..1h" doc:"after this the server ends, whoever is still connected"`
	Spread  time.Duration `koanf:"spread" default:"10s" validate:"between=0s..1h" doc:"sessions are asked to reconnect at times spread over this span; at most drain/timeout"`
}

// Compression configures which responses are compressed.
type Compression struct {
	EventStreams bool `koanf:"event_streams" default:"true" doc:"server-sent events, with gzip, by Accept-Encoding"`
	WebSockets   bool `koanf:"websockets" default:"true" doc:"events on WebSockets, with permessage-deflate (RFC 7692)"`
}

// Log configures what is logged.
type Log struct {
	Level  string `koanf:"level" default:"info" validate:"oneof=debug info warn error" doc:"the least severe that is logged"`
	Format string `koanf:"format" default:"json" validate:"oneof=json text" doc:"one JSON object a line, or text for people"`
}

// Severity returns Level as a slog.Level.
func (l Log) Severity() slog.Level {
	var level slog.Level
	// The level was validated; an unknown one would leave Info.
	_ = level.UnmarshalText([]byte(l.Level))
	return level
}

// Path is the name of a file. It is absolute in a loaded configuration.
type Path string
