package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"sluice/bench/stack"
)

// options are the command line's.
type options struct {
	short, json bool
	measure     time.Duration
	warmUp      time.Duration
	settle      time.Duration
	idle        int
	only        string

	url, stream, token, brokers, topic, kind string
	pid, connections, rate, bytes            int
}

func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.SetOutput(out)
	f.BoolVar(&o.short, "short", false, "measure each scenario for 5 s and with fewer idle connections")
	f.BoolVar(&o.json, "json", false, "print JSON instead of a Markdown table")
	f.DurationVar(&o.measure, "measure", 20*time.Second, "how long each scenario is measured")
	f.DurationVar(&o.warmUp, "warm-up", 3*time.Second, "how long records flow before each measurement")
	f.DurationVar(&o.settle, "settle", settle, "how long nothing is done before memory is read")
	f.IntVar(&o.idle, "idle", 5000, "idle connections for the memory scenarios")
	f.StringVar(&o.only, "only", "", "run only the scenarios whose name contains this")
	f.StringVar(&o.url, "url", "", "measure the server at this http:// address instead of starting one")
	f.IntVar(&o.pid, "pid", 0, "with -url: the server's process id, for its processor time and memory")
	f.StringVar(&o.stream, "stream", streamName, "with -url: the stream to subscribe to")
	f.StringVar(&o.token, "token", "", "with -url: a bearer token")
	f.StringVar(&o.brokers, "brokers", "", "with -url: Kafka to produce to, host:port, comma-separated")
	f.StringVar(&o.topic, "topic", streamName, "with -url: the topic behind the stream")
	f.StringVar(&o.kind, "kind", kindWebSocket, "with -url: ws or sse")
	f.IntVar(&o.connections, "connections", 1000, "with -url: how many clients")
	f.IntVar(&o.rate, "rate", 100, "with -url: records a second; 0 holds idle connections")
	f.IntVar(&o.bytes, "bytes", 200, "with -url: size of a record's value")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.kind != kindWebSocket && o.kind != kindSSE {
		return o, fmt.Errorf("-kind %q: ws or sse is needed", o.kind)
	}
	if o.url != "" && o.rate > 0 && o.brokers == "" {
		return o, errors.New("-brokers is needed with -url and a rate")
	}
	if o.short {
		o.measure, o.idle = 5*time.Second, min(o.idle, 2000)
	}
	return o, nil
}

// runLoad is the main process.
func runLoad(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parseOptions(args, progress)
	if err != nil {
		return err
	}
	results, err := o.run(ctx, progress)
	// What was measured before something failed is worth printing.
	switch {
	case len(results) == 0:
	case o.json:
		err = errors.Join(err, writeJSON(out, results))
	default:
		err = errors.Join(err, writeTable(out, results))
	}
	return err
}

func (o options) run(ctx context.Context, progress io.Writer) ([]result, error) {
	if o.url == "" {
		return o.runAll(ctx, progress)
	}
	base, err := url.Parse(o.url)
	if err != nil || base.Scheme != "http" {
		return nil, fmt.Errorf("-url %q: an http:// address is needed", o.url)
	}
	s := scenario{
		Name: o.kind, Kind: o.kind, Connections: o.connections, Rate: o.rate, RecordBytes: o.bytes,
		WarmUp: o.warmUp, Measure: o.measure,
	}
	res, err := s.measure(ctx, place{
		Target:     target{Address: base.Host, Stream: o.stream, Token: o.token},
		PID:        o.pid,
		Brokers:    strings.Split(o.brokers, ","),
		Topic:      o.topic,
		SourcesPer: connectionsPerSource,
		Settle:     o.settle,
	})
	return []result{res}, err
}

// connectionsPerSource is how many connections share a source address.
const connectionsPerSource = 2000

// runAll starts everything that is needed.
func (o options) runAll(ctx context.Context, progress io.Writer) (results []result, err error) {
	dir, err := os.MkdirTemp("", "sluice-load-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fmt.Fprintln(progress, "load: building the server")
	program, err := buildServer(ctx, dir)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(progress, "load: starting Kafka")
	kafka, err := stack.Start(ctx, stack.Options{Brokers: 1, Steady: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, kafka.Close()) }()
	for i, s := range scenarios(o.warmUp, o.measure, o.idle) {
		if !strings.Contains(s.Name, o.only) {
			continue
		}
		fmt.Fprintf(progress, "load: %s, %d connections\n", s.Name, s.Connections)
		res, err := s.measureOwn(ctx, kafka, program, i, o.settle)
		if err != nil {
			return results, fmt.Errorf("measure %s: %w", s.Name, err)
		}
		results = append(results, res)
	}
	return results, nil
}
