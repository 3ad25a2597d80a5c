// Command page measures the JavaScript client beside a browser's EventSource and the client
// centrifuge of the npm registry, in the same page, with the same events at the same rate. They
// come from one program, which speaks the protocol of each client, so that no server is part of
// the figures.
//
//	go run ./bench/page -tables web/docs/javascript.md
//
// Measured are: the memory after each 100,000 of a million events, after garbage collection; the
// events a second that a client takes when they come as fast as it takes them; the processor time
// of the page's process for an event, at a rate; the time from the first call to the first event;
// and the size of the client. Each client parses every event and hands it to a function that counts.
//
// On Debian, as root, it installs what is missing: Chromium, Node.js, and centrifuge.
//
// The files: main.go is the command line; source.go sends the events, dialects.go in the
// protocols; clients.js runs the clients, in a page by chromium.go, and in Node.js by node.go; size.go
// is their size, and table.go the table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"sluice/bench/stack"
)

// within bounds the time of a run.
const within = 30 * time.Minute

// options are those of the command line.
type options struct {
	events, step, rate, rounds int
	lasting                    time.Duration
	tables                     string
}

func main() {
	var o options
	flag.IntVar(&o.events, "events", 1_000_000, "how many events each client is sent as fast as it takes them")
	flag.IntVar(&o.step, "step", 100_000, "after how many of them its memory is measured")
	flag.IntVar(&o.rate, "rate", 2000, "events a second for the processor time of an event; a multiple of 100")
	flag.DurationVar(&o.lasting, "time", 10*time.Second, "how long events are sent at that rate")
	flag.IntVar(&o.rounds, "rounds", 3, "how often processor time is measured, and a tenth of how often the time to the first event; the median counts")
	flag.StringVar(&o.tables, "tables", "", "also put the table between the markers of this Markdown file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be stopped
	}
}

func run(ctx context.Context, o options, out io.Writer) error {
	if o.step < 10 || o.step%10 != 0 || o.events%o.step != 0 || o.rate < 100 || o.rate%100 != 0 || o.rounds < 1 {
		return errors.New("-events must be a multiple of -step, that of 10, -rate of 100, and -rounds at least 1")
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := stack.Install(ctx, "chromium"); err != nil {
		return fmt.Errorf("prepare the run: %w", err)
	}
	s, err := newSource(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	rows, err := measure(ctx, s, o)
	if err != nil {
		return err
	}
	text := table(o, rows)
	if _, err := io.WriteString(out, text); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	if o.tables == "" {
		return nil
	}
	return into(o.tables, text)
}

// row is what was measured of a client.
type row struct {
	name       string
	size       int           // in gzip
	first      time.Duration // to the first event
	cpu        time.Duration // of the page's process for an event, at the rate
	page, node taken
	notForNode bool
	slow       bool // is sent a tenth of the events
}

func measure(ctx context.Context, s *source, o options) ([]row, error) {
	rows := []row{
		{name: "sluice.js, WebSocket with lines", size: s.sizes["sluice.js"]},
		{name: "sluice.js, WebSocket", size: s.sizes["sluice.js"], slow: true},
		{name: "sluice.js, event stream", size: s.sizes["sluice.js"]},
		{name: "EventSource of the browser", notForNode: true},
		{name: "centrifuge 5.7.4", size: s.sizes["centrifuge.js"]},
	}
	p, err := open(ctx, s.URL)
	if err != nil {
		return nil, err
	}
	defer p.close()
	s.begin(1, 1, 0)
	for i := range rows {
		r := &rows[i]
		if r.first, err = p.first(i, o.rounds*10); err != nil {
			return nil, fmt.Errorf("%s: first event: %w", r.name, err)
		}
	}
	// In turn, so that what else the machine does is shared.
	cpu := make([][]time.Duration, len(rows))
	for range o.rounds {
		for i := range rows {
			used, err := p.atRate(s, i, o)
			if err != nil {
				return nil, fmt.Errorf("%s: at a rate: %w", rows[i].name, err)
			}
			cpu[i] = append(cpu[i], used)
		}
	}
	for i := range rows {
		r := &rows[i]
		r.cpu = median(cpu[i])
		total, step := o.events, o.step
		if r.slow {
			total, step = total/10, step/10
		}
		s.begin(total, step, 0)
		if r.page, err = p.whole(s, i); err != nil {
			return nil, fmt.Errorf("%s: all events: %w", r.name, err)
		}
		if r.notForNode {
			continue
		}
		s.begin(total, step, 0)
		if r.node, err = inNode(ctx, s, i); err != nil {
			return nil, fmt.Errorf("%s: in Node.js: %w", r.name, err)
		}
	}
	return rows, nil
}
