package redisstore_test

import (
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"sluice/hub/cursors"
)

// TestEviction: a Redis that deletes keys to make room says so, with its policy.
func TestEviction(t *testing.T) {
	t.Parallel()
	needsRealRedis(t)
	for want, options := range map[string][]string{
		"allkeys-lru": {"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"},
		"":            {"--maxmemory", "100mb", "--maxmemory-policy", "noeviction"},
	} {
		address, err := startServer(options...)
		if err != nil {
			t.Fatal(err)
		}
		f := newFixture(t, redis.UniversalOptions{Addrs: []string{address}})
		if got, err := f.Eviction(ctx); err != nil || got != want {
			t.Errorf("%v: got %q, %v", options, got, err)
		}
		if err := f.plain.ConfigSet(ctx, "maxmemory", "0").Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Eviction(ctx); err != nil || got != "" {
			t.Errorf("%v, without a bound: got %q, %v", options, got, err)
		}
		if err := f.plain.Do(ctx, "acl", "setuser", "default", "-info").Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Eviction(ctx); err != nil || got != "" {
			t.Errorf("%v, without the right to ask: got %q, %v", options, got, err)
		}
	}
	away := newFixture(t, redis.UniversalOptions{Addrs: []string{"127.0.0.1:1"}})
	if _, err := away.Eviction(ctx); !errors.Is(err, cursors.ErrStoreUnavailable) {
		t.Errorf("away: %v", err)
	}
}
