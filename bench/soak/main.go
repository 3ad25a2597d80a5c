// Soak compresses a week of clients into minutes: it runs one instance of Sluice
// with real Kafka and Redis, and has clients of all kinds connect and disconnect in
// rounds, with changing streams, keys, cursor names, tokens and codings. At the end
// of each round, with all clients disconnected and all streams idle, it compares the
// resources that the instance holds with those that it reports:
//
//   - the live heap, after garbage collection, with the sum that its metrics account
//     for;
//   - goroutines and descriptors with their number after the first round;
//   - sessions, admissions, subscriptions and late subscriptions with zero;
//   - the keys in Redis with the cursor names that were taken and not deleted.
//
// Nothing in it depends on the speed of the machine.
//
//	go run ./bench/soak -time 30m -seed 7
//
// The seed, which is printed, determines the properties of the clients, but not the
// scheduling of threads.
//
// The files: stage.go is the servers; visits.go and visits_*.go are the actions of
// clients; measure.go is what the instance holds; run.go is the whole run, with the
// limits.
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
	flag.DurationVar(&c.whole, "time", time.Minute, "how long clients come and go")
	flag.DurationVar(&c.round, "round", 15*time.Second, "how long a round of clients lasts")
	flag.Uint64Var(&c.seed, "seed", 0, "what decides what clients are like; 0 draws one")
	flag.IntVar(&c.clients, "clients", 60, "clients at once")
	flag.StringVar(&c.logs, "logs", filepath.Join(os.TempDir(), "sluice-soak"), "where the logs, and a profile of the heap, are kept if something is wrong")
	flag.Parse()
	if c.seed == 0 {
		c.seed = rand.Uint64N(1_000_000) + 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c); err != nil {
		if !errors.Is(err, errHeld) {
			fmt.Fprintln(os.Stderr, "soak:", err)
		}
		stop()
		os.Exit(1) //nolint:gocritic // what was deferred has been done
	}
}
