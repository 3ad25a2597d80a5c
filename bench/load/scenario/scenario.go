// Package scenario describes what a load run does and what is expected of it.
//
// A scenario is a YAML file, either built in (Names lists them) or a user's own;
// Find returns either. It has streams, records, clients, what is varied, and
// targets, each a comparison such as "p99_ms <= bare * 1.2". The package knows
// nothing of sockets, servers or Kafka.
//
// The files: scenario.go has the types and their defaults, check.go their checks;
// load.go reads files; target.go parses comparisons and evaluates them; vary.go makes
// the runs of a scenario that varies something; schemas.go lists the schemas that
// values can have, and values.go makes values.
package scenario

import (
	"errors"
	"slices"
	"time"
)

// Kinds of connections.
const (
	WebSocket = "ws"
	SSE       = "sse"
	// HTTP publishes batches as JSON, Lines as a body of NDJSON.
	HTTP  = "http"
	Lines = "lines"
)

// publishers are the kinds of connections that can publish.
var publishers = []string{WebSocket, HTTP, Lines}

// Where TLS ends.
const (
	// TLSNone is no TLS.
	TLSNone = ""
	// TLSServer is TLS of the server itself.
	TLSServer = "server"
	// TLSNginx is an nginx that ends TLS in front of the server.
	TLSNginx = "nginx"
)

// Filters of a group of clients.
const (
	// FilterNone selects all records of the stream.
	FilterNone = ""
	// FilterKey selects the records of one key: client i has key i, modulo the
	// number of keys.
	FilterKey = "key"
	// FilterField selects the same records by an equality on a field of the value,
	// which a server can find by index.
	FilterField = "field"
	// FilterCEL selects the same records by an expression that no index serves.
	FilterCEL = "cel"
	// FilterHostile selects no record, and costs just under the default of
	// limits/filter_cost on each.
	FilterHostile = "hostile"
)

// filters are the filters that a group can have.
var filters = []string{FilterNone, FilterKey, FilterField, FilterCEL, FilterHostile}

// Upper bounds that keep a mistyped file from overloading the machine.
const (
	maxClients    = 200_000
	maxStreams    = 1000
	maxPartitions = 1000
	maxKeys       = 100_000
	maxRecord     = 1 << 20
	maxBatch      = 1000
)

// ErrInvalid is wrapped by every error about the contents of a scenario.
var ErrInvalid = errors.New("invalid scenario")

// Scenario is one measurement.
type Scenario struct {
	// Name is the name of the file, without its extension.
	Name string `yaml:"-" json:"name"`
	// Title is the title in tables.
	Title string `yaml:"title" json:"title"`
	// Streams is the number of streams, 1 by default, and Partitions the number of
	// partitions of each, 6 by default. Clients are distributed over the streams in
	// turn.
	Streams    int `yaml:"streams" json:"streams"`
	Partitions int `yaml:"partitions" json:"partitions"`
	// Keys is the number of keys of the records of all streams, used in turn; 60 by
	// default. A key has one partition.
	Keys int `yaml:"keys" json:"keys"`
	// RecordBytes is the size of a value, 200 by default.
	RecordBytes int `yaml:"record_bytes" json:"record_bytes"`
	// Rate is in records per second over all streams. 0 without a Burst holds idle
	// connections.
	Rate int `yaml:"rate" json:"rate,omitempty"`
	// Burst is how many records are written as fast as Kafka accepts them, in place
	// of a rate. The measurement ends when they have been delivered.
	Burst int `yaml:"burst" json:"burst,omitempty"`
	// Linger is how long the writer waits for more records before it sends a batch;
	// 0 by default. It is part of the latency, and of that of the floor.
	Linger time.Duration `yaml:"linger" json:"linger_ns,omitempty"`
	// Clients are opened in this order.
	Clients []Group `yaml:"clients" json:"clients"`
	// TLS is where the TLS of the clients ends: "server", "nginx" for one in front of
	// the server and accounted for with it, or empty for no TLS.
	TLS string `yaml:"tls" json:"tls,omitempty"`
	// Stalled is how many clients subscribe and then never read. They connect after
	// a measurement without them, which targets call "before".
	Stalled int `yaml:"stalled" json:"stalled,omitempty"`
	// Storm cuts all connections in the middle of the measurement; all clients come
	// back at once, from their last positions.
	Storm bool `yaml:"storm" json:"storm,omitempty"`
	// Returning is how many more WebSockets, each with a whole stream, disconnect
	// for the duration Away and come back at once, from their last positions, when
	// the measurement begins. Targets call "before" what was measured before they
	// disconnected, and after they had caught up. AwayRate is the rate in between,
	// Rate by default.
	Returning int           `yaml:"returning" json:"returning,omitempty"`
	Away      time.Duration `yaml:"away" json:"away_ns,omitempty"`
	AwayRate  int           `yaml:"away_rate" json:"away_rate,omitempty"`
	// Cores is how many processors the server may use at once (GOMAXPROCS); 0 means
	// all.
	Cores int `yaml:"cores" json:"cores,omitempty"`
	// LogBytes is how much of each stream the server keeps in memory, in bytes; 0
	// means the server's default.
	LogBytes int `yaml:"log_bytes" json:"log_bytes,omitempty"`
	// Publish is the rate, in records per second, at which the clients publish
	// together, and Batch how many records a publish has, 1 by default. A publish of
	// one record is not a batch.
	Publish int `yaml:"publish" json:"publish,omitempty"`
	Batch   int `yaml:"batch" json:"batch,omitempty"`
	// Reading makes each value the reading of a device, an object of 20 fields, in
	// place of one of RecordBytes.
	Reading bool `yaml:"reading" json:"reading,omitempty"`
	// Schema is the name of one of Schemas that values are validated against, empty
	// for none.
	Schema string `yaml:"schema" json:"schema,omitempty"`
	// Memory measures the server's memory before and after the clients connect, with
	// time to become idle. It is always measured if no records flow.
	Memory bool `yaml:"memory" json:"memory,omitempty"`
	// WarmUp is how long records flow before they count, 3 s by default, and Measure
	// for how long they count, 5 s by default.
	WarmUp  time.Duration `yaml:"warm_up" json:"warm_up_ns"`
	Measure time.Duration `yaml:"measure" json:"measure_ns"`
	// Vary repeats the measurement for each value of one number.
	Vary *Vary `yaml:"vary" json:"vary,omitempty"`
	// Targets are the expectations, see Target.
	Targets []Target `yaml:"targets" json:"targets,omitempty"`
}

// Group is a number of identical clients.
type Group struct {
	// Kind is ws or sse, and for clients that publish ws, http or lines.
	Kind string `yaml:"kind" json:"kind"`
	// Count is the number of clients.
	Count int `yaml:"count" json:"count"`
	// Filter is empty, or "key", "field", "cel" or "hostile". Hostile clients connect
	// after a measurement without them, which targets call "before".
	Filter string `yaml:"filter" json:"filter,omitempty"`
}

// Filters returns how many clients have a filter.
func (s Scenario) Filters() int {
	n := 0
	for _, g := range s.Clients {
		if g.Filter != FilterNone {
			n += g.Count
		}
	}
	return n
}

// Hostile reports whether a group's filter is hostile.
func (s Scenario) Hostile() bool {
	return slices.ContainsFunc(s.Clients, func(g Group) bool { return g.Filter == FilterHostile })
}

// Connections returns how many clients read.
func (s Scenario) Connections() int {
	n := 0
	for _, g := range s.Clients {
		n += g.Count
	}
	return n
}

// Flows reports whether records are written or published.
func (s Scenario) Flows() bool { return s.Rate > 0 || s.Burst > 0 || s.Publish > 0 }

// BesideBare reports whether the peer bare is measured too, because a target is
// relative to it.
func (s Scenario) BesideBare() bool {
	return slices.ContainsFunc(s.Targets, func(t Target) bool { return t.Of == OfBare })
}

// SuitsBare reports whether the peer bare supports the scenario: clients publish; or
// records flow to clients that read a whole stream and stay connected.
func (s Scenario) SuitsBare() bool {
	if s.Publish > 0 {
		return s.TLS == TLSNone
	}
	return s.Rate+s.Burst > 0 && s.TLS == TLSNone && s.Stalled == 0 && !s.Storm && s.Returning == 0 &&
		!slices.ContainsFunc(s.Clients, func(g Group) bool { return g.Filter != FilterNone })
}

func (s *Scenario) defaults() {
	preset := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	preset(&s.Streams, 1)
	preset(&s.Partitions, 6)
	preset(&s.Keys, max(60, s.Streams*s.Partitions))
	preset(&s.RecordBytes, 200)
	if s.Publish > 0 {
		preset(&s.Batch, 1)
	}
	if s.WarmUp == 0 {
		s.WarmUp = 3 * time.Second
	}
	if s.Measure == 0 {
		s.Measure = 5 * time.Second
	}
	if s.Title == "" {
		s.Title = s.Name
	}
}
