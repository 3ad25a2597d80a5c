package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/bench/stack"
)

// What all tests share is made when the first test needs it, and lasts until the
// process ends.
var shared struct {
	dir    string
	binary func() (string, error)
	// one has a single broker; three is for tests that make brokers fail.
	one, three func() (*stack.Stack, error)
	// breaking holds the names of the tests that use three.
	breaking sync.Map
}

// long makes faults last as long as in production, where the tests are short
// otherwise: minutes instead of seconds, and a million records.
var long = flag.Bool("long", false, "let faults last for minutes, and replay a million records")

// lasting returns how long a fault is to last.
func lasting(short, inLife time.Duration) time.Duration {
	if *long {
		return inLife
	}
	return short
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "sluice-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	shared.dir = dir
	shared.binary = sync.OnceValues(func() (string, error) {
		return stack.Build(context.Background(), dir, os.Getenv("SLUICE_E2E_RACE") != "")
	})
	var mu sync.Mutex
	var running []*stack.Stack
	start := func(options stack.Options) func() (*stack.Stack, error) {
		return sync.OnceValues(func() (*stack.Stack, error) {
			options.Redis = stack.RedisOptions{Mode: stack.RedisSingle}
			options.Packages = []string{"kcat"}
			servers, err := stack.Start(context.Background(), options)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				running = append(running, servers)
			}
			return servers, err
		})
	}
	shared.one = start(stack.Options{Brokers: 1, SASL: true, HeapMiB: 600})
	shared.three = start(stack.Options{Brokers: 3, Racks: true, BrokerConfig: map[string]string{"log.cleaner.backoff.ms": "500"}})
	defer func() {
		for _, servers := range running {
			if err := servers.Close(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
	}()
	return m.Run()
}

// servers returns the Kafka and Redis that tests share: one broker, or three for a
// test that has called threeBrokers.
func servers(t *testing.T) *stack.Stack {
	t.Helper()
	if testing.Short() {
		t.Skip("left out: -short starts no servers")
	}
	start := shared.one
	test, _, _ := strings.Cut(t.Name(), "/")
	if _, ok := shared.breaking.Load(test); ok {
		start = shared.three
	}
	started, err := start()
	stack.Check(t, err)
	return started
}

// threeBrokers makes a test, with its subtests, use three brokers, with each topic
// on all of them. The test may make them fail and must leave them repaired.
func threeBrokers(t *testing.T) *stack.Stack {
	t.Helper()
	shared.breaking.Store(t.Name(), nil)
	return servers(t)
}

// topic creates a topic for one test.
func topic(t *testing.T, name string, partitions int) {
	t.Helper()
	if err := servers(t).CreateTopic(t.Context(), name, partitions, nil); err != nil {
		t.Fatal(err)
	}
}

// within returns a context that ends a test that hangs: after several times what it
// may take, because a busy machine is not a fault of the server.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*d)
	t.Cleanup(cancel)
	return ctx
}
