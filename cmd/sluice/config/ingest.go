package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"

	"sluice/auth"
	"sluice/hub/ingest"
	ingestrules "sluice/hub/ingest/rules"
)

// Ingest says what a stream demands of the records that clients publish.
type Ingest struct {
	Key       string           `koanf:"key" default:"optional" doc:"key of records: optional; required; made of the client's credential by a template, such as {sub} or {tenant}/{sub}, in which any name in braces but sub is a claim; or found in the data by a JSON Pointer, such as /device/id, which requires content: json. With the last two clients need not send the key, and cannot send another one"`
	Kinds     []string         `koanf:"kinds" validate:"unique,dive,oneof=json text bytes tombstone" doc:"kinds of values that clients may publish: json, text (UTF-8), bytes (any), tombstone; if left out, what content says, and tombstones"`
	Max       IngestMax        `koanf:"max" doc:"sizes of the parts of a record; 0 means no limit but limits/message_bytes"`
	Timestamp *IngestTimestamp `koanf:"timestamp" doc:"timestamps that clients may set on records; without this section, none"`
	Headers   *IngestHeaders   `koanf:"headers" doc:"headers of records; without this section clients may set any that is not reserved"`

	MessageIDs IngestMessageIDs `koanf:"message_ids" doc:"message ids of records, each of which is stored once; they require redis"`

	OnInvalid  string `koanf:"on_invalid" default:"reject" validate:"oneof=reject dead_letter" doc:"what happens to a record that breaks a rule or does not match the schema: reject refuses the record with invalid; dead_letter stores it, as it came, in the stream dead_letter, and answers dead_lettered"`
	DeadLetter string `koanf:"dead_letter" doc:"stream for invalid records, with the reason, the violations and the principal in headers; its content is left out or bytes"`
}

// DeadLetter is the value of OnInvalid that keeps invalid records.
const DeadLetter = "dead_letter"

// IngestMax bounds the parts of a record.
type IngestMax struct {
	KeyBytes    Size `koanf:"key_bytes" validate:"omitempty,between=1B..1MiB" doc:"size of the key"`
	ValueBytes  Size `koanf:"value_bytes" validate:"omitempty,between=1B..64MiB" doc:"size of the value"`
	Headers     int  `koanf:"headers" validate:"omitempty,between=1..10000" unit:"headers" doc:"headers that a client may set on a record"`
	HeaderBytes Size `koanf:"header_bytes" validate:"omitempty,between=1B..1MiB" doc:"size of the names and values of these headers together"`
}

// IngestTimestamp bounds the timestamps that clients set.
type IngestTimestamp struct {
	Past   time.Duration `koanf:"past" default:"1h" validate:"between=0s..3650d" doc:"how far in the past a timestamp may be; not further than message.timestamp.before.max.ms of the topic"`
	Future time.Duration `koanf:"future" default:"5m" validate:"between=0s..1h" doc:"how far in the future a timestamp may be; not further than message.timestamp.after.max.ms of the topic"`
}

// IngestHeaders says which headers records may have.
type IngestHeaders struct {
	Allow []string          `koanf:"allow" validate:"unique" doc:"names of headers that clients may set; an asterisk at the end stands for any text, and alone for any header. A valid traceparent is always allowed, and that of an HTTP request is set on records without one. If left out, none"`
	Set   map[string]string `koanf:"set" doc:"headers that the server sets, by name, and clients cannot: templates in which {sub} is the subject of the credential, {address} the client's address, {now} the time (RFC 3339, milliseconds, UTC), and any other name in braces a claim"`
}

// checkIngestHeaders checks the names and templates of headers.
func checkIngestHeaders(level validator.StructLevel) {
	h := level.Current().Interface().(IngestHeaders)
	if _, err := ingestrules.NewHeaders(h.Allow, nil, time.Now); err != nil {
		conflict(level, "allow", "%s", err)
		return
	}
	if _, err := ingestrules.NewHeaders(h.Allow, h.Set, time.Now); err != nil {
		conflict(level, "set", "%s", err)
	}
}

// checkIngest checks what streams demand of records.
func checkIngest(c *Config, f *faults) {
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		stream, path := c.Streams[name], join("streams", name)+"/ingest"
		keys, err := ingestrules.NewKeys(stream.Ingest.Key)
		switch {
		case err != nil:
			f.addOnce(path+"/key", "%s", err)
		case keys.ByData() && !stream.IsJSON():
			f.addOnce(path+"/key", "a key can be found in the data only if that is JSON: set content: json")
		}
		checkDeadLetter(c, name, path, f)
		for i, kind := range stream.Ingest.Kinds {
			if !stream.has(kind) {
				f.addOnce(fmt.Sprintf("%s/kinds/%d", path, i), "subscribers of the stream cannot be shown %s: its content is %s", kind, stream.Content)
			}
		}
	}
}

// checkDeadLetter checks where the invalid records of a stream go. That stream has none of
// its own, so that none goes on from there.
func checkDeadLetter(c *Config, name, path string, f *faults) {
	stream := c.Streams[name]
	in, path := stream.Ingest, path+"/"+DeadLetter
	if in.OnInvalid != DeadLetter {
		if in.DeadLetter != "" && in.OnInvalid == "reject" {
			f.addOnce(path, "has no effect without on_invalid: %s", DeadLetter)
		}
		return
	}
	to, ok := c.Streams[in.DeadLetter]
	switch {
	case in.DeadLetter == "":
		f.addOnce(path, "is missing: the stream for invalid records")
	case !ok:
		f.addOnce(path, "%q is not in streams%s", in.DeadLetter, suggest(in.DeadLetter, slices.Sorted(maps.Keys(c.Streams))))
	case in.DeadLetter == name || to.Topic == stream.Topic && to.Cluster == stream.Cluster:
		f.addOnce(path, "%q is the same topic: invalid records must not be in the stream", in.DeadLetter)
	case to.Ingest.OnInvalid == DeadLetter:
		f.addOnce(path, "%q has on_invalid: %s itself: dead letters do not go on from one stream to another", in.DeadLetter, DeadLetter)
	case to.Content != "" && to.Content != "bytes":
		f.addOnce(path, "%q has content: %s, which invalid records need not be: leave content out there, or set bytes", in.DeadLetter, to.Content)
	case in.DeadLetter == c.Audit.Stream:
		f.addOnce(path, "%q is the stream of audit events", in.DeadLetter)
	case strings.Contains(stream.Topic, auth.TenantPlaceholder) != strings.Contains(to.Topic, auth.TenantPlaceholder):
		f.addOnce(path, "either both topics have %s, or neither: the dead letters of tenants are apart like their records", auth.TenantPlaceholder)
	}
}

// has reports whether all values of a kind can be shown to the subscribers of the stream.
func (s Stream) has(kind string) bool {
	switch {
	case s.IsJSON():
		return kind == "json" || kind == "tombstone"
	case s.Content == "text":
		return kind != "bytes"
	}
	return true
}

// Accepts returns the kinds of values that clients may publish to a stream.
func (s Stream) Accepts() ingestrules.Kinds {
	if len(s.Ingest.Kinds) == 0 {
		return ingestrules.Kinds{JSON: s.IsJSON(), Text: s.Content == "text", Bytes: s.Content == "" || s.Content == "bytes", Tombstones: true}
	}
	has := func(kind string) bool { return slices.Contains(s.Ingest.Kinds, kind) }
	return ingestrules.Kinds{JSON: has("json"), Text: has("text"), Bytes: has("bytes"), Tombstones: has("tombstone")}
}

func isCorrelationHeader(s string) bool {
	return !ingest.ReservedHeader(s) && !strings.EqualFold(s, "traceparent")
}
