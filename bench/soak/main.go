// Soak compresses a week of clients into minutes: it runs one instance of Sluice
// on real Kafka and Redis, and has clients of all kinds come and go in rounds,
// with streams, keys, names of cursors, tokens and codings that rotate. At the
// end of each round, with all clients gone and all streams at rest, it compares
// what the instance still has with what it says that it has:
//
//   - live heap, after collection, with the sum of what its metrics account for;
//   - goroutines and descriptors with what it had after the first round;
//   - sessions, admissions, subscriptions and late readers with none;
//   - Redis' keys with the names of cursors that were taken and not deleted.
//
// Nothing in it judges how fast the machine is.
//
//	go run ./bench/soak -time 30m -seed 7
//
// The seed, which is printed, decides what the clients are like; not how their
// threads run.
//
// The files: stage.go is what runs; visits.go and visits_*.go are what clients do;
// measure.go is what the instance has; run.go is the whole, with what is allowed.
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
