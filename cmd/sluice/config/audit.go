package config

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

// Audit configures where it is recorded who did what.
type Audit struct {
	Log        bool          `koanf:"log" default:"false" doc:"write audit events to the log, at level info, with component audit"`
	Stream     string        `koanf:"stream" validate:"omitempty,stream_name" doc:"stream in which audit events are stored as CloudEvents; must be in streams. Only the server writes to the stream, and only grants that name the stream, without *, allow reading it"`
	Source     string        `koanf:"source" validate:"omitempty,max=256,uri_reference" doc:"source of the CloudEvents, a URI reference; if left out, /sluice/ and the name of the host"`
	TokenIDs   string        `koanf:"token_ids" default:"plain" validate:"oneof=plain digest none" doc:"how the id of a token (jti) is recorded: plain, so that the token can be revoked by the id; digest, a part of the SHA-256 sum; none"`
	Queue      int           `koanf:"queue" default:"10000" validate:"between=100..1000000" unit:"events" doc:"audit events that wait to be written to the log, and as many that wait to be stored in the stream; above the limit events are lost and counted"`
	QueueBytes Size          `koanf:"queue_bytes" default:"8MiB" validate:"between=64KiB..1GiB" doc:"memory for audit events that wait to be written to the log, and as much for those that wait to be stored in the stream"`
	SumEvery   time.Duration `koanf:"sum_every" default:"1m" validate:"between=1s..1h" doc:"how long records published with HTTP requests are counted before the number becomes an audit event, for each principal, address and stream"`
	Drain      time.Duration `koanf:"drain" default:"3s" validate:"between=0s..1m" doc:"how long audit events that wait may take to be stored when the server ends, after drain/timeout"`
}

// Enabled reports whether anything is recorded.
func (a *Audit) Enabled() bool { return a.Log || a.Stream != "" }

// checkAudit checks the audit against the rest of the configuration. Nothing but the
// server may write to the stream, and nothing but a grant that names it may open it: a
// second stream of the same topic would be a way around that.
func checkAudit(c *Config, f *faults) {
	if c.Audit.Log && c.Log.Severity() > slog.LevelInfo {
		f.addOnce("audit/log", "has no effect with log/level %s: audit events are logged at level info", c.Log.Level)
	}
	name := c.Audit.Stream
	if name == "" {
		return
	}
	names := slices.Sorted(maps.Keys(c.Streams))
	stream, ok := c.Streams[name]
	if !ok {
		f.addOnce("audit/stream", "%q is not in streams%s", name, suggest(name, names))
		return
	}
	for _, other := range names {
		if c.Streams[other].Topic == stream.Topic && c.Streams[other].Cluster == stream.Cluster && other != name {
			f.addOnce(join("streams", other)+"/topic", "%q is the topic of audit/stream, which has no other stream", stream.Topic)
		}
	}
	for i, g := range c.Grants {
		if at := slices.Index(g.Publish, name); at >= 0 {
			f.addOnce(fmt.Sprintf("grants/%d/publish/%d", i, at), "%q is audit/stream: only the server writes to it", name)
		}
	}
}

// auditWarnings returns warnings about the audit.
func (c *Config) auditWarnings() []string {
	for _, g := range c.Grants {
		if name := c.Audit.Stream; name != "" && g.Anonymous && slices.Contains(g.Subscribe, name) {
			return []string{"a grant allows all clients to read " + name + ", the stream of audit/stream: it contains the names, addresses and token ids of clients"}
		}
	}
	return nil
}

// isURIReference reports whether a text can be the source of a CloudEvent.
func isURIReference(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) })
}
