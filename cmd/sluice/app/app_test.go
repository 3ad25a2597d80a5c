package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sluice/cmd/sluice/config"
	"sluice/hub/upstream"
)

// newTestApp makes an app for the Kafka and Redis at these addresses.
func newTestApp(t *testing.T, broker, redis string) *App {
	t.Helper()
	return newTestAppThatLogs(t, broker, redis, nil)
}

func newTestAppThatLogs(t *testing.T, broker, redis string, logger *slog.Logger) *App {
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
	a, err := New(c, Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAppMakesTopicsAndStops(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	a := newTestApp(t, servers.Brokers[0], servers.RedisAddr)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()

	source := a.clusters[config.DefaultCluster].source
	deadline := time.Now().Add(time.Minute)
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
	if topic, err := source.Topic(t.Context(), "left.alone"); !errors.Is(err, upstream.ErrUnknownTopic) {
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

// lineReader delivers the log line by line.
type lineReader chan string

func (r lineReader) Write(b []byte) (int, error) {
	select {
	case r <- string(b):
	default: // no longer read
	}
	return len(b), nil
}

// A server must start without Kafka and Redis, and stop in order without them. With
// no client connected, the failed checks must be logged.
func TestAppWithoutServers(t *testing.T) {
	t.Parallel()
	lines := make(lineReader, 1000)
	a := newTestAppThatLogs(t, "127.0.0.1:1", "127.0.0.1:1", slog.New(slog.NewTextHandler(lines, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	wanted := map[string]string{
		`check="kafka default"`: `msg="not ready: a required check fails"`,
		"check=redis":           `msg="degraded: an optional check fails"`,
	}
	late := time.After(30 * time.Second)
	for len(wanted) > 0 {
		select {
		case line := <-lines:
			for check, message := range wanted {
				if strings.Contains(line, check) {
					delete(wanted, check)
					if !strings.Contains(line, message) || !strings.Contains(line, "127.0.0.1:1") {
						t.Errorf("the log has %s, want %s and the address", line, message)
					}
				}
			}
		case err := <-ended:
			t.Fatalf("the server ended by itself: %v", err)
		case <-late:
			t.Fatalf("the log does not tell of %v", wanted)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
