package app

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"sluice/cmd/sluice/config"
	"sluice/cmd/sluice/embedded"
)

// startedApp is an app that runs until the test ends, or until stop.
type startedApp struct {
	*App
	address string // of its listener, without a scheme
	// stop ends the app, which must not fail; later calls do nothing.
	stop func()
}

// run starts an app and waits until it listens.
func run(t *testing.T, c *config.Config, o Options) *startedApp {
	t.Helper()
	listening := make(chan net.Addr, 1)
	o.Listening = func(at net.Addr) { listening <- at }
	a, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the app ended with %v", err)
		}
	})
	t.Cleanup(stop)
	select {
	case at := <-listening:
		return &startedApp{a, at.String(), stop}
	case err := <-ended:
		ended <- nil
		t.Fatalf("the app does not listen: %v", err)
	}
	return nil
}

// embed starts embedded Kafka and Redis for a test.
func embed(t *testing.T) *embedded.Embedded {
	t.Helper()
	e, err := embedded.Start(embedded.Config{PartitionBytes: 1 << 20, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// load loads a configuration from its text. Where the text has the default of a time after which Kafka
// or Redis counts as away, a slow machine is given longer.
func load(t *testing.T, format string, args ...any) *config.Config {
	t.Helper()
	c, err := config.Load(config.Options{Environ: []string{}, Text: fmt.Sprintf(format, args...)})
	if err != nil {
		t.Fatal(err)
	}
	longer := func(is *time.Duration, usual time.Duration) {
		if *is == usual {
			*is = time.Minute
		}
	}
	longer(&c.Limits.PublishTimeout, 10*time.Second)
	longer(&c.Redis.Timeout, time.Second)
	longer(&c.Kafka.Produce.FailAfter, 2*time.Second)
	for name, cluster := range c.Kafka.Clusters {
		longer(&cluster.Produce.FailAfter, 2*time.Second)
		c.Kafka.Clusters[name] = cluster
	}
	return c
}
