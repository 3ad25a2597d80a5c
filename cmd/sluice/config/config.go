package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// Config is a complete and validated configuration.
type Config struct {
	Listen         string            `koanf:"listen" default:"127.0.0.1:8080" validate:"listen_address" doc:"address for clients, host:port; an empty host means all interfaces"`
	TLS            *ServerTLS        `koanf:"tls" doc:"serve clients over TLS; without this section, use a proxy for TLS"`
	TrustedProxies []netip.Prefix    `koanf:"trusted_proxies" validate:"unique" doc:"networks of proxies whose X-Forwarded-For and X-Forwarded-Proto headers, and those of auth/forwarded, are trusted"`
	Origins        []string          `koanf:"origins" validate:"unique,dive,origin" doc:"web origins, scheme://host[:port], that are allowed to use CORS, open WebSockets and send cookies"`
	Admin          Admin             `koanf:"admin" doc:"listener for operators"`
	Kafka          Kafka             `koanf:"kafka" doc:"the Kafka cluster, or several clusters by name"`
	Redis          Redis             `koanf:"redis" doc:"the Redis that stores named cursors, message ids, tickets and revocations, and API keys and used proofs where auth says so: one of url, sentinel and cluster; without redis, named cursors, message ids and tickets are unavailable, and a revocation is in force on one instance only"`
	Auth           Auth              `koanf:"auth" doc:"accepted credentials"`
	Grants         []Grant           `koanf:"grants" validate:"dive" doc:"rights of clients; a client has the rights of all grants that match"`
	Tenants        *Tenants          `koanf:"tenants" doc:"tenants whose streams, named cursors, quotas and metrics are apart: the topics of streams may have {tenant} in their names"`
	Encryption     Encryption        `koanf:"encryption" doc:"keys of what is encrypted in records"`
	Streams        map[string]Stream `koanf:"streams" validate:"required,min=1,dive,keys,stream_name,endkeys" doc:"streams by public name, each mapped to a Kafka topic"`
	Replies        Replies           `koanf:"replies" doc:"replies to records, for which clients can wait"`
	MessageIDs     MessageIDs        `koanf:"message_ids" doc:"how records with a message id are stored once, in all streams; see streams/NAME/ingest/message_ids"`
	Quotas         Quotas            `koanf:"quotas" doc:"what clients may publish; above it the error is rate_limited, and says when to try again"`
	Cursors        Cursors           `koanf:"cursors" doc:"named cursors"`
	Drain          Drain             `koanf:"drain" doc:"shutdown on SIGTERM or SIGINT"`
	Compression    Compression       `koanf:"compression" doc:"compression of events for clients that offer it; events are compressed once for all subscribers of a stream. The compressed size reveals something about encrypted content: disable compression if clients can publish to a stream that contains records of others that must stay secret from them"`
	Log            Log               `koanf:"log" doc:"logging to standard error"`
	Audit          Audit             `koanf:"audit" doc:"record of who did what: sessions, refusals, rights used, administrative acts. Nothing is recorded without log or stream"`
	Limits         Limits            `koanf:"limits" doc:"limits for clients and for memory; 0 means no limit"`

	Registries map[string]Registry `koanf:"registries" validate:"dive,keys,registry_name,endkeys" doc:"schema registries by name, with the REST interface of Confluent's, that schemas of streams name"`
}

// Admin is the listener for operators: health, metrics, profiles.
type Admin struct {
	Listen     string        `koanf:"listen" default:"127.0.0.1:8081" validate:"listen_address" doc:"address for operators; requires no credentials, so use loopback or a private network"`
	Hosts      []string      `koanf:"hosts" validate:"unique,dive,host_name" doc:"names under which operators and Prometheus reach the listener, besides IP addresses and names without dots, such as localhost. Pages could make a browser use any other name, and are refused except for /livez and /readyz"`
	CheckEvery time.Duration `koanf:"check_every" default:"5s" validate:"between=1s..10m" doc:"interval of the checks of /readyz, which also run without requests; each change of a check is logged"`
}

// Stream maps a public name to a topic.
type Stream struct {
	Topic       string        `koanf:"topic" validate:"required,topic_name" doc:"Kafka topic; {tenant} in its name stands for the tenant of a client, so that each tenant has a stream of this name of its own"`
	Cluster     string        `koanf:"cluster" doc:"name of a cluster in kafka/clusters; can be left out if there is only one"`
	Content     string        `koanf:"content" validate:"omitempty,oneof=json text bytes json_schema avro protobuf auto" doc:"type of the values; if left out, detected for each record. json_schema is JSON that is stored after the id of a schema of a registry, as serializers of Confluent's write it, and shown without. avro and protobuf are Avro and Protobuf that are stored in this way, and auto any of them, by the id; they need registry in schema, and are JSON for clients that publish and subscribe"`
	Schema      *Schema       `koanf:"schema" doc:"what the values match that clients publish; requires content: json, json_schema, avro, protobuf or auto. A value that does not match is refused with invalid, or kept as a dead letter"`
	Partitions  int           `koanf:"partitions" validate:"omitempty,between=1..10000" unit:"partitions" doc:"number of partitions with which a missing topic is created at start; if left out, the topic is never created"`
	Linger      time.Duration `koanf:"linger" default:"1m" validate:"between=0s..24h" doc:"how long reading of the topic continues after the last subscriber has left"`
	Backfill    time.Duration `koanf:"backfill" default:"10m" validate:"between=0s..24h" doc:"how far back memory is filled when reading starts, so that clients that reconnect after a restart are served from memory"`
	Slow        string        `koanf:"slow" default:"catch_up" validate:"oneof=catch_up conflate skip disconnect" doc:"what happens to a live subscriber that falls behind the records in memory: catch_up delivers all missed records from Kafka; conflate delivers the newest missed record of each key; skip continues with new records; disconnect ends the subscription with slow_consumer and its cursor. Records left out by conflate and skip are reported as gaps"`
	Decrypt     *Decrypt      `koanf:"decrypt" doc:"what producers have encrypted in the records, which is decrypted for clients with the right"`
	LogBytes    Size          `koanf:"log_bytes" validate:"omitempty,between=64KiB..64GiB" doc:"memory for recent records; if left out, limits/stream_log"`
	Quotas      Scopes        `koanf:"quotas" doc:"quotas of this stream, each instead of the one in the section quotas; clients have them beside those for other streams"`
	CloudEvents string        `koanf:"cloudevents" default:"binary" validate:"oneof=binary structured" doc:"how CloudEvents that clients publish are stored, in the content modes of the Kafka protocol binding: binary, the attributes in headers (ce_id and others) and the data as the value; structured, the event in JSON as the value"`
	Ingest      Ingest        `koanf:"ingest" doc:"what the stream demands of records that clients publish; a record that breaks a rule is refused with invalid"`
}

// Replies configures how replies to records are found.
type Replies struct {
	Header string `koanf:"header" default:"correlation-id" validate:"header_name,correlation_header" doc:"header that the server sets in a record whose reply is waited for, and that the reply must have with the same value"`
}

// Structured is the value of Stream.CloudEvents that stores events in JSON.
const Structured = "structured"

// IsJSON reports whether all values are shown as JSON.
func (s Stream) IsJSON() bool { return s.Content == "json" || s.Framed() }

// Framed reports whether values are stored after the id of a schema.
func (s Stream) Framed() bool { return s.Content == "json_schema" || s.DecodedByID() }

// DecodedByID reports whether values are shown as the schemas say whose ids they have.
func (s Stream) DecodedByID() bool {
	return s.Content == "avro" || s.Content == "protobuf" || s.Content == "auto"
}

// Cursors configures how named cursors are kept.
type Cursors struct {
	TTL          time.Duration `koanf:"ttl" default:"30d" validate:"between=1m..3650d" doc:"how long a named cursor is kept after its last ack"`
	PerPrincipal int           `koanf:"per_principal" default:"10000" validate:"omitempty,between=1..100000000" unit:"names" doc:"named cursors of a principal; a new name above the limit is refused with cursor_limit. A name counts until ttl after it was last subscribed with or moved by PUT. 0 means no limit"`
	FlushEvery   time.Duration `koanf:"flush_every" default:"200ms" validate:"between=1ms..1m" doc:"how long acks are collected before they are written to Redis in one round trip"`
}

// Drain configures how the server shuts down on SIGTERM.
type Drain struct {
	Timeout time.Duration `koanf:"timeout" default:"30s" validate:"between=0s..1h" doc:"time after which the server ends even if clients are still connected"`
	Spread  time.Duration `koanf:"spread" default:"10s" validate:"between=0s..1h" doc:"sessions are asked to reconnect at times spread over this duration; at most drain/timeout"`
}

// Compression configures which responses are compressed.
type Compression struct {
	EventStreams bool `koanf:"event_streams" default:"true" doc:"server-sent events, with gzip, negotiated by Accept-Encoding"`
	WebSockets   bool `koanf:"websockets" default:"true" doc:"events on WebSockets, with permessage-deflate (RFC 7692)"`
}

// Log configures what is logged.
type Log struct {
	Level  string `koanf:"level" default:"info" validate:"oneof=debug info warn error" doc:"lowest level that is logged"`
	Format string `koanf:"format" default:"json" validate:"oneof=json text" doc:"json: one object per line; text: for people to read"`
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
