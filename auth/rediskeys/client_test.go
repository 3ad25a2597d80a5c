package rediskeys_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"sluice/auth/rediskeys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newClient(t *testing.T, log *slog.Logger) (*rediskeys.Client, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	c, err := rediskeys.New(rediskeys.Config{
		Redis: redis.UniversalOptions{Addrs: []string{server.Addr()}}, Prefix: "t:", Timeout: 2 * time.Second, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, server
}

func TestEntries(t *testing.T) {
	t.Parallel()
	c, server := newClient(t, slog.New(slog.DiscardHandler))
	ctx := t.Context()
	if got, err := c.Entry(ctx, "a"); got != nil || err != nil {
		t.Errorf("no entry: %q, %v", got, err)
	}
	if err := c.AddEntry(ctx, "a", []byte(`{"id":"a"}`), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Entry(ctx, "a"); string(got) != `{"id":"a"}` || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, _ := server.Get("t:apikey:a"); got != `{"id":"a"}` || server.TTL("t:apikey:a") != 0 {
		t.Errorf("redis has %q", got)
	}
	if err := c.AddEntry(ctx, "a", []byte(`{"id":"b"}`), time.Time{}); !errors.Is(err, rediskeys.ErrExists) {
		t.Errorf("twice: %v", err)
	}
	if err := c.AddEntry(ctx, "b", []byte(`{}`), time.Now().Add(time.Hour)); err != nil || server.TTL("t:apikey:b") < 59*time.Minute {
		t.Errorf("with an expiry: %v, %v", err, server.TTL("t:apikey:b"))
	}
	if err := c.AddEntry(ctx, "c", make([]byte, 17<<10), time.Time{}); err == nil {
		t.Error("an entry that is too large was stored")
	}
	_ = server.Set("t:apikey:d", strings.Repeat("x", 1<<20))
	if got, err := c.Entry(ctx, "d"); got != nil || err == nil {
		t.Errorf("an entry that is too large: %d bytes, %v", len(got), err)
	}
	_, _ = server.Lpush("t:apikey:e", "x")
	if got, err := c.Entry(ctx, "e"); got != nil || err == nil {
		t.Errorf("an entry of another type: %q, %v", got, err)
	}
}

func TestOnce(t *testing.T) {
	t.Parallel()
	c, server := newClient(t, slog.New(slog.DiscardHandler))
	for i, want := range []bool{true, false, false} {
		if first, err := c.Once(t.Context(), "p", time.Now().Add(time.Minute)); first != want || err != nil {
			t.Errorf("%d: got %v, %v", i, first, err)
		}
	}
	if left := server.TTL("t:dpop:p"); left < 59*time.Second || left > time.Minute {
		t.Errorf("it is remembered for %v", left)
	}
	server.FastForward(time.Minute)
	if first, err := c.Once(t.Context(), "p", time.Now()); !first || err != nil {
		t.Errorf("later: %v, %v", first, err)
	}
	if server.TTL("t:dpop:p") <= 0 {
		t.Error("a proof is remembered for ever")
	}
}

func TestOutage(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c, server := newClient(t, slog.New(slog.NewTextHandler(&log, nil)))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 5 {
		if _, err := c.Entry(gone, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
	}
	if log.Len() > 0 {
		t.Errorf("callers that give up are an outage: %s", log.String())
	}
	server.Close()
	began := time.Now()
	for range 20 {
		if got, err := c.Entry(t.Context(), "a"); got != nil || err == nil {
			t.Errorf("down: %q, %v", got, err)
		}
		if first, err := c.Once(t.Context(), "a", time.Now().Add(time.Minute)); first || err == nil {
			t.Errorf("down: %v, %v", first, err)
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("20 calls took %v", took)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if first, err := c.Once(t.Context(), "a", time.Now().Add(time.Minute)); err == nil && first {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it does not come back")
		}
	}
	if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "available again") {
		t.Errorf("the log has\n%s", text)
	}
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	good := rediskeys.Config{Redis: redis.UniversalOptions{Addrs: []string{"a:1"}}, Timeout: time.Second, Logger: slog.New(slog.DiscardHandler)}
	for name, change := range map[string]func(*rediskeys.Config){
		"no address": func(c *rediskeys.Config) { c.Redis.Addrs = nil },
		"brace":      func(c *rediskeys.Config) { c.Prefix = "{a}" },
		"no timeout": func(c *rediskeys.Config) { c.Timeout = 0 },
		"no logger":  func(c *rediskeys.Config) { c.Logger = nil },
	} {
		c := good
		change(&c)
		if _, err := rediskeys.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
