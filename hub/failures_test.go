package hub_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// unreadable is a source whose topics exist but cannot be followed, nor be described
// again.
type unreadable struct {
	*hubtest.Topics
	fail func(n int) error

	mu       sync.Mutex
	followed int
}

func (u *unreadable) Follow(context.Context, record.Topic, []record.PartitionOffset, upstream.Sink) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.followed++
	return u.fail(u.followed)
}

func (u *unreadable) times() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.followed
}

// lines collects the lines of a logger and is safe for concurrent use.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// TestATopicThatCannotBeReadIsTriedMoreAndMoreSlowly: the interval between attempts
// also grows if each attempt fails at once, with the same error or with a different
// one each time.
func TestATopicThatCannotBeReadIsTriedMoreAndMoreSlowly(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fail  func(n int) error
		names string // what the log must contain
		lines int    // the maximum in ten minutes
	}{
		"always the same": {func(int) error { return fmt.Errorf("no such log: %w", upstream.ErrSourceUnavailable) }, "no such log", 11},
		"two in turn":     {func(n int) error { return fmt.Errorf("replica %d is away", n%2) }, "replica 1", 22},
		"never the same":  {func(n int) error { return fmt.Errorf("request %d failed", n) }, "request 1 ", 88},
		"said to be another topic, which it is not": {func(int) error { return upstream.ErrLogChanged }, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				topics := hubtest.New()
				topics.Create("orders.v1", 1)
				source := &unreadable{Topics: topics, fail: test.fail}
				var log lines
				h := startHubWith(t, topics, func(s *hub.Stream) { s.Source, s.Backfill = source, 0 },
					func(c *hub.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				r := subscribe(t, h, hub.Request{})
				time.Sleep(10 * time.Minute)
				// The attempts become up to a second apart, with a jitter of one
				// half.
				if n := source.times(); n < 300 || n > 1300 {
					t.Errorf("it was tried %d times in ten minutes", n)
				}
				if n := log.count("stream read failed"); n > test.lines || test.names != "" && log.count(test.names) == 0 {
					t.Errorf("the log has %d lines of it, want %d at most", n, test.lines)
				}
				r.Close()
			})
		})
	}
}
