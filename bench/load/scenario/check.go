package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Check reports everything that is wrong with a scenario.
func (s Scenario) Check() error {
	f := &faults{scenario: s.Name}
	s.checkRecords(f)
	s.checkPublishing(f)
	s.checkServer(f)
	f.bounds("clients", s.Connections(), 1, maxClients)
	for _, g := range s.Clients {
		s.checkGroup(f, g)
	}
	s.checkCombination(f)
	if s.Vary != nil {
		if err := s.Vary.check(); err != nil {
			f.add("%v", err)
		}
	}
	if s.WarmUp < 0 || s.Measure <= 0 {
		f.add("warm_up and measure must not be negative")
	}
	return errors.Join(f.errs...)
}

// faults collects what is wrong with a scenario.
type faults struct {
	scenario string
	errs     []error
}

func (f *faults) add(format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf("%w %s: %s", ErrInvalid, f.scenario, fmt.Sprintf(format, args...)))
}

func (f *faults) bounds(name string, value, least, most int) {
	if value < least || value > most {
		f.add("%s is %d, and must be %d to %d", name, value, least, most)
	}
}

// checkRecords checks the streams and the records in them.
func (s Scenario) checkRecords(f *faults) {
	f.bounds("streams", s.Streams, 1, maxStreams)
	f.bounds("partitions", s.Partitions, 1, maxPartitions)
	if s.Streams*s.Partitions > 10_000 {
		f.add("%d partitions in all: 10000 are the most", s.Streams*s.Partitions)
	}
	f.bounds("keys", s.Keys, 1, maxKeys)
	if s.Keys%s.Streams != 0 {
		f.add("%d keys cannot be shared out evenly to %d streams", s.Keys, s.Streams)
	}
	f.bounds("record_bytes", s.RecordBytes, 1, maxRecord)
	f.bounds("rate", s.Rate, 0, 10_000_000)
	f.bounds("burst", s.Burst, 0, 100_000_000)
	f.bounds("away_rate", s.AwayRate, 0, 10_000_000)
}

// checkPublishing checks what clients publish.
func (s Scenario) checkPublishing(f *faults) {
	f.bounds("publish", s.Publish, 0, 1_000_000)
	if s.Publish > 0 {
		f.bounds("batch", s.Batch, 1, maxBatch)
	}
	if _, ok := SchemaOf(s.Schema); !ok {
		f.add("schema %q: %s is needed", s.Schema, strings.Join(schemaNames(), ", "))
	}
	if s.Schema != "" && !s.Reading {
		f.add("schema %s: only readings match it", s.Schema)
	}
	if (s.Batch > 1 || s.Schema != "") && s.Publish == 0 {
		f.add("batch and schema need clients that publish")
	}
}

// checkServer checks how the server runs.
func (s Scenario) checkServer(f *faults) {
	f.bounds("cores", s.Cores, 0, 1024)
	f.bounds("log_bytes", s.LogBytes, 0, 1<<36)
	if !slices.Contains([]string{TLSNone, TLSServer, TLSNginx}, s.TLS) {
		f.add("tls %q: server, nginx or none is needed", s.TLS)
	}
}

// checkGroup checks a group of clients.
func (s Scenario) checkGroup(f *faults, g Group) {
	if s.Publish > 0 && !slices.Contains(publishers, g.Kind) {
		f.add("kind %q: clients that publish are ws, http or lines", g.Kind)
	}
	if s.Publish == 0 && !slices.Contains([]string{WebSocket, SSE}, g.Kind) {
		f.add("kind %q: ws or sse is needed", g.Kind)
	}
	if s.Publish > 0 && g.Filter != FilterNone {
		f.add("clients that publish have no filter")
	}
	if !slices.Contains(filters, g.Filter) {
		f.add("filter %q: none, key, field, cel or hostile is needed", g.Filter)
	}
	if g.Filter != FilterNone && s.Streams > 1 {
		f.add("filter %s goes with one stream only", g.Filter)
	}
	if g.Count < 0 {
		f.add("a group has %d clients", g.Count)
	}
}

// checkCombination checks what befalls the clients, and what goes together.
func (s Scenario) checkCombination(f *faults) {
	f.bounds("stalled", s.Stalled, 0, maxClients)
	f.bounds("returning", s.Returning, 0, maxClients)
	if s.Away < 0 || s.Returning > 0 && s.Away == 0 {
		f.add("away is %v: those who return have to be away for a while", s.Away)
	}
	exclusive := 0
	for _, set := range []bool{s.Burst > 0, s.Stalled > 0, s.Storm, s.Returning > 0, s.Hostile()} {
		if set {
			exclusive++
		}
	}
	if exclusive > 1 || s.Burst > 0 && s.Rate > 0 {
		f.add("only one of rate and burst, and of burst, stalled, storm, returning and hostile filters, can be had")
	}
	if (s.Stalled > 0 || s.Storm || s.Returning > 0 || s.Hostile()) && s.Rate == 0 {
		f.add("stalled, storm, returning and hostile filters need a rate")
	}
	if s.Hostile() && s.Clients[0].Filter == FilterHostile {
		f.add("hostile clients come after others")
	}
	if s.BesideBare() && !s.SuitsBare() {
		f.add("a target is relative to bare, which has no filters, stalled, storm, returning and TLS")
	}
}
