package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/bench/load/scenario"
)

// Defaults of how many clients share a process, and a source address.
const (
	clientsPerProcess = 4000
	clientsPerSource  = 2000
)

// options are the options of the command line.
type options struct {
	names []string // of scenarios

	list, short, json                                    bool
	measure, warmUp, settle, kafkaWarmUp                 time.Duration
	only, results, tables, tree, program, peers, profile string
	perProcess                                           int
	url, stream, token, brokers, topic                   string
	kind, dialect, path, send, subprotocol               string
	pids                                                 processes
	connections, rate, bytes, rounds                     int
}

const help = `usage: load [flags] [scenario …]

Without -url it starts a real Kafka and the server of this source tree, runs the
scenarios that are named (all, where none is), and stops what it started. A
scenario is one of those that -list names, or a YAML file.

With -url it measures the server that runs there: the scenarios that are named,
or one made of -kind, -connections, -rate and -bytes. Any server will do that
hands records on as they are: see -dialect, -path, -send.

`

func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	var pids string
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() {
		fmt.Fprint(out, help)
		f.PrintDefaults()
	}
	f.BoolVar(&o.list, "list", false, "list the scenarios")
	f.BoolVar(&o.short, "short", false, "measure each scenario for 5 s, after 2 s to warm up")
	f.BoolVar(&o.json, "json", false, "print JSON instead of Markdown tables")
	f.StringVar(&o.results, "results", "", "also write the results to this file, as JSON")
	f.StringVar(&o.tables, "tables", "", "also put the tables between the markers of these Markdown files, comma-separated")
	f.DurationVar(&o.measure, "measure", 0, "how long each scenario is measured, instead of what it says")
	f.DurationVar(&o.warmUp, "warm-up", 0, "how long records flow before each measurement, instead of what the scenario says")
	f.DurationVar(&o.settle, "settle", 3*time.Second, "how long nothing is done before memory is read")
	f.DurationVar(&o.kafkaWarmUp, "kafka-warm-up", 8*time.Second, "for how long Kafka is used before the first scenario")
	f.StringVar(&o.only, "only", "", "of the scenarios, run those whose name contains this")
	f.IntVar(&o.perProcess, "clients-per-process", clientsPerProcess, "how many clients a client process has at most")
	f.IntVar(&o.rounds, "rounds", 1, "how often each scenario is measured, where the peer bare is too in turn with it")
	f.StringVar(&o.tree, "tree", ".", "the source tree to build the server from")
	f.StringVar(&o.program, "program", "", "the server's program, instead of building one")
	f.StringVar(&o.subprotocol, "subprotocol", "sluice.v1.json", "the WebSocket subprotocol to offer")
	f.StringVar(&o.peers, "peers", "", "also measure these servers, comma-separated, or all: "+strings.Join(peerNames(), ", "))
	f.StringVar(&o.profile, "profile", "", "keep profiles of the server's processor time while it is measured in this folder, for go tool pprof")
	f.StringVar(&o.url, "url", "", "measure the server at this http:// address instead of starting one")
	f.StringVar(&pids, "pid", "", "with -url: the server's process ids, comma-separated, for its processor time and memory; their descendants count too")
	f.StringVar(&o.brokers, "brokers", "", "with -url: Kafka to produce to, host:port, comma-separated")
	f.StringVar(&o.stream, "stream", "load", "with -url: the stream to subscribe to; {n} in it is the stream's number")
	f.StringVar(&o.topic, "topic", "load", "with -url: the topic behind the stream, likewise")
	f.StringVar(&o.token, "token", "", "with -url: a bearer token")
	f.StringVar(&o.dialect, "dialect", dialectSluice, "with -url: sluice; plain (each message is a record); or nats")
	f.StringVar(&o.path, "path", "", "with -url: what clients ask for, where the dialect does not say; {stream}, {key} and {client} are filled in")
	f.StringVar(&o.send, "send", "", "with -url: what a WebSocket sends first, a message a line, likewise")
	f.StringVar(&o.kind, "kind", scenario.WebSocket, "with -url: ws or sse")
	f.IntVar(&o.connections, "connections", 1000, "with -url: how many clients")
	f.IntVar(&o.rate, "rate", 100, "with -url: records a second; 0 holds idle connections")
	f.IntVar(&o.bytes, "bytes", 200, "with -url: size of a record's value")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.names = f.Args()
	if o.short {
		o.measure, o.warmUp = 5*time.Second, 2*time.Second
	}
	for _, text := range strings.FieldsFunc(pids, func(r rune) bool { return r == ',' }) {
		pid, err := strconv.Atoi(text)
		if err != nil || pid < 1 {
			return o, fmt.Errorf("-pid %q: process ids are needed", pids)
		}
		o.pids = append(o.pids, pid)
	}
	return o, o.check()
}

func (o options) check() error {
	switch {
	case !slices.Contains(kinds, o.kind):
		return fmt.Errorf("-kind %q: ws or sse is needed", o.kind)
	case !slices.Contains([]string{dialectSluice, dialectPlain, dialectNATS}, o.dialect):
		return fmt.Errorf("-dialect %q: sluice, plain or nats is needed", o.dialect)
	case o.perProcess < 1:
		return fmt.Errorf("-clients-per-process is %d: at least 1 is needed", o.perProcess)
	case o.rounds < 1:
		return fmt.Errorf("-rounds is %d: at least 1 is needed", o.rounds)
	case o.url != "" && o.peers != "":
		return errors.New("-peers goes without -url")
	case o.profile != "" && (o.url != "" || o.peers != ""):
		return errors.New("-profile goes without -url and -peers")
	case o.url != "" && o.brokers == "" && (o.rate > 0 || len(o.names) > 0):
		return errors.New("-brokers is needed with -url and records")
	}
	if o.url != "" && len(o.names) == 0 {
		return o.scenario().Check()
	}
	return nil
}

// scenario returns the scenario described by flags.
func (o options) scenario() scenario.Scenario {
	s := scenario.Scenario{
		Name: o.kind, Title: o.kind, Streams: 1, Partitions: 1, Keys: 60, RecordBytes: o.bytes, Rate: o.rate,
		Clients: []scenario.Group{{Kind: o.kind, Count: o.connections}},
		WarmUp:  o.warmUp, Measure: o.measure,
	}
	if s.WarmUp == 0 {
		s.WarmUp = 3 * time.Second
	}
	if s.Measure == 0 {
		s.Measure = 20 * time.Second
	}
	return s
}
