package app

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"sluice/cmd/sluice/config"
	"sluice/cmd/sluice/embedded"
	"sluice/hub"
)

// newTestApp makes an app upon the Kafka and Redis at these addresses.
func newTestApp(t *testing.T, broker, redis string) *App {
	t.Helper()
	c, err := config.Load(config.Options{Environ: []string{}, Text: fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
redis: {url: "redis://%s"}
grants: [{anonymous: true, subscribe: ["*"]}]
streams:
  made: {topic: made.at.start, partitions: 3}
  left: {topic: left.alone}
drain: {timeout: 1s, spread: 0s}
`, broker, redis)})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAppMakesTopicsAndStops(t *testing.T) {
	t.Parallel()
	servers, err := embedded.Start(embedded.Config{PartitionBytes: 1 << 20, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	a := newTestApp(t, servers.Brokers[0], servers.RedisAddr)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()

	source := a.clusters[config.DefaultCluster].source
	deadline := time.Now().Add(10 * time.Second)
	for {
		topic, err := source.Topic(t.Context(), "made.at.start")
		if err == nil && topic.Partitions == 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the topic was not made: %+v, %v", topic, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if topic, err := source.Topic(t.Context(), "left.alone"); !errors.Is(err, hub.ErrUnknownTopic) {
		t.Errorf("a topic without partitions was made: %+v, %v", topic, err)
	}
	if err := a.cursors.store.Check(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A server starts without Kafka and Redis, and ends in order without them.
func TestAppStopsWithoutServers(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, "127.0.0.1:1", "127.0.0.1:1")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	select {
	case err := <-ended:
		t.Fatalf("it ended by itself: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
