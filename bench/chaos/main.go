// Chaos runs three instances behind a balancer, with three Kafka brokers and
// Redis, writers and subscribers of all kinds, and lets them be killed, paused,
// stopped and emptied for a while. At the end all is mended, everything drains,
// and package check compares what subscribers received, and publishers were
// answered, with what a plain Kafka client reads.
//
//	go run ./bench/chaos -time 10m -seed 7 -bootstrap one
//
// With -bootstrap one, each instance is told of one broker only, each of another
// one, so that whatever strikes a broker strikes the only one that an instance
// was told of. Brokers are also made to elect a leader that lacks records which
// Kafka had confirmed (an unclean election). That strikes a topic of its own,
// which alone may lose records: its subscribers must have everything that is
// left, and be told "truncated" of whatever they had that is not.
//
// The seed, which is printed, decides what strikes when, and what the clients
// are like; not how their threads run. The run fails on any anomaly but
// duplicates that the protocol allows, and on a fault that could not be shown to
// have struck.
//
// The files: schedule.go is what strikes when; stage.go what runs; crowd.go and
// writers.go its clients; unclean.go is the topic that loses records, with its
// clients and its strike; storm.go and strike_*.go let faults strike, and show
// that they did; run.go is the whole, and what comes out.
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
