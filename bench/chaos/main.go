// Chaos runs three instances behind a balancer, with three Kafka brokers and Redis,
// writers and subscribers of all kinds, and for a while kills, pauses, stops and
// empties the servers. At the end everything is repaired, all subscribers drain, and
// package check compares what subscribers received, and publishers were answered,
// with what a plain Kafka client reads.
//
//	go run ./bench/chaos -time 10m -seed 7 -bootstrap one
//
// With -bootstrap one, each instance is configured with a single broker, each with
// another one, so that a fault of a broker affects the only one that an instance was
// configured with. Brokers are also made to elect a leader that lacks records which
// Kafka had confirmed (an unclean election). That affects a topic of its own, and
// only this topic may lose records: its subscribers must have everything that is
// left, and must receive a "truncated" gap for records that they had and that are
// not.
//
// Half of the publishers give their records message ids, and send those that may be stored
// again until they know, sometimes without waiting for the answer, and sometimes another
// record under the same id. In the log there must be one record under each id at most. Redis
// keeps what it has when it is killed, and keeps the message ids when it is emptied: nothing
// could be stored once without them.
//
// The seed, which is printed, determines the faults and their times, and the
// properties of the clients, but not the scheduling of threads. The run fails on any
// anomaly except duplicates that the protocol allows, and on a fault whose effect
// could not be verified.
//
// The files: schedule.go is the schedule of faults; stage.go the servers; crowd.go
// and writers.go the clients; unclean.go is the topic that loses records, with its
// clients and its fault; storm.go and strike_*.go inject faults and verify their
// effect; run.go is the whole run and its results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	c := config{say: func(format string, args ...any) { fmt.Printf(format+"\n", args...) }}
	flag.DurationVar(&c.whole, "time", time.Minute, "how long faults strike")
	flag.Uint64Var(&c.seed, "seed", 0, "what decides what strikes when; 0 draws one")
	flag.IntVar(&c.clients, "clients", 200, "subscribers")
	flag.IntVar(&c.rate, "rate", 300, "records a second")
	flag.StringVar(&c.bootstrap, "bootstrap", bootstrapAll, "what instances are told of the brokers: "+bootstrapAll+" of them, or "+bootstrapOne+", each another")
	flag.StringVar(&c.logs, "logs", filepath.Join(os.TempDir(), "sluice-chaos"), "where the servers' logs are kept if something is wrong")
	dry := flag.Bool("plan", false, "only print what is to strike when")
	flag.Parse()
	if c.bootstrap != bootstrapAll && c.bootstrap != bootstrapOne {
		fmt.Fprintf(os.Stderr, "chaos: -bootstrap is %s or %s, not %q\n", bootstrapAll, bootstrapOne, c.bootstrap)
		os.Exit(2)
	}
	if c.seed == 0 {
		c.seed = rand.Uint64N(1_000_000) + 1
	}
	if *dry {
		for _, f := range plan(c.seed, c.whole) {
			c.say("%s", f)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c); err != nil {
		if !errors.Is(err, errAnomalies) {
			fmt.Fprintln(os.Stderr, "chaos:", err)
		}
		stop()
		os.Exit(1) //nolint:gocritic // what was deferred has been done
	}
}
