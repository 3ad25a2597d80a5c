package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Check reports everything that is wrong with a scenario.
func (s Scenario) Check() error {
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w %s: %s", ErrInvalid, s.Name, fmt.Sprintf(format, args...)))
	}
	bounds := func(name string, value, least, most int) {
		if value < least || value > most {
			wrong("%s is %d, and must be %d to %d", name, value, least, most)
		}
	}
	bounds("streams", s.Streams, 1, maxStreams)
	bounds("partitions", s.Partitions, 1, maxPartitions)
	bounds("keys", s.Keys, 1, maxKeys)
	bounds("record_bytes", s.RecordBytes, 1, maxRecord)
	bounds("rate", s.Rate, 0, 10_000_000)
	bounds("burst", s.Burst, 0, 100_000_000)
	bounds("stalled", s.Stalled, 0, maxClients)
	bounds("returning", s.Returning, 0, maxClients)
	if s.Away < 0 || s.Returning > 0 && s.Away == 0 {
		wrong("away is %v: those who return have to be away for a while", s.Away)
	}
	bounds("away_rate", s.AwayRate, 0, 10_000_000)
	bounds("cores", s.Cores, 0, 1024)
	bounds("log_bytes", s.LogBytes, 0, 1<<36)
	bounds("publish", s.Publish, 0, 1_000_000)
	if s.Publish > 0 {
		bounds("batch", s.Batch, 1, maxBatch)
	}
	if _, ok := SchemaOf(s.Schema); !ok {
		wrong("schema %q: %s is needed", s.Schema, strings.Join(schemaNames(), ", "))
	}
	if s.Schema != "" && !s.Reading {
		wrong("schema %s: only readings match it", s.Schema)
	}
	if (s.Batch > 1 || s.Schema != "") && s.Publish == 0 {
		wrong("batch and schema need clients that publish")
	}
	bounds("clients", s.Connections(), 1, maxClients)
	if !slices.Contains([]string{TLSNone, TLSServer, TLSNginx}, s.TLS) {
		wrong("tls %q: server, nginx or none is needed", s.TLS)
	}
	if s.Streams*s.Partitions > 10_000 {
		wrong("%d partitions in all: 10000 are the most", s.Streams*s.Partitions)
	}
	for _, g := range s.Clients {
		if s.Publish > 0 && !slices.Contains(publishers, g.Kind) {
			wrong("kind %q: clients that publish are ws, http or lines", g.Kind)
		}
		if s.Publish == 0 && !slices.Contains([]string{WebSocket, SSE}, g.Kind) {
			wrong("kind %q: ws or sse is needed", g.Kind)
		}
		if s.Publish > 0 && g.Filter != FilterNone {
			wrong("clients that publish have no filter")
		}
		if !slices.Contains(filters, g.Filter) {
			wrong("filter %q: none, key, field, cel or hostile is needed", g.Filter)
		}
		if g.Filter != FilterNone && s.Streams > 1 {
			wrong("filter %s goes with one stream only", g.Filter)
		}
		if g.Count < 0 {
			wrong("a group has %d clients", g.Count)
		}
	}
	if s.Keys%s.Streams != 0 {
		wrong("%d keys cannot be shared out evenly to %d streams", s.Keys, s.Streams)
	}
	exclusive := 0
	for _, set := range []bool{s.Burst > 0, s.Stalled > 0, s.Storm, s.Returning > 0, s.Hostile()} {
		if set {
			exclusive++
		}
	}
	if exclusive > 1 || s.Burst > 0 && s.Rate > 0 {
		wrong("only one of rate and burst, and of burst, stalled, storm, returning and hostile filters, can be had")
	}
	if (s.Stalled > 0 || s.Storm || s.Returning > 0 || s.Hostile()) && s.Rate == 0 {
		wrong("stalled, storm, returning and hostile filters need a rate")
	}
	if s.Hostile() && s.Clients[0].Filter == FilterHostile {
		wrong("hostile clients come after others")
	}
	if s.BesideBare() && !s.SuitsBare() {
		wrong("a target is relative to bare, which has no filters, stalled, storm, returning and TLS")
	}
	if s.Vary != nil {
		if err := s.Vary.check(); err != nil {
			wrong("%v", err)
		}
	}
	if s.WarmUp < 0 || s.Measure <= 0 {
		wrong("warm_up and measure must not be negative")
	}
	return errors.Join(errs...)
}
