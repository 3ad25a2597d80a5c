package redisstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/hub/cursors"
)

// TestCheckWrites: the check leaves no lasting data, on every kind of Redis.
func TestCheckWrites(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		for range 2 { // the second time the server has the script
			if err := f.Check(ctx); err != nil {
				t.Fatal(err)
			}
		}
		key := f.config.Prefix + "cursor:{probe-0}"
		lives, err := f.plain.PTTL(ctx, key).Result()
		if err != nil || lives <= 0 || lives > 10*time.Second {
			t.Errorf("what it wrote lives for %v (%v)", lives, err)
		}
	})
}

// TestCheckTellsARedisThatTakesNothing: the check fails on servers that answer a
// ping but accept no writes.
func TestCheckTellsARedisThatTakesNothing(t *testing.T) {
	t.Parallel()
	needsRealRedis(t)
	for name, test := range map[string]struct {
		strike, mend []any
		want         string
	}{
		"out of memory": {
			strike: []any{"config", "set", "maxmemory", "1"},
			mend:   []any{"config", "set", "maxmemory", "0"},
			want:   "OOM",
		},
		"a read-only replica": {
			// Of a primary that does not exist.
			strike: []any{"replicaof", "127.0.0.1", "1"},
			mend:   []any{"replicaof", "no", "one"},
			want:   "READONLY",
		},
		"no right to write": {
			strike: []any{"acl", "setuser", "default", "-@write"},
			mend:   []any{"acl", "setuser", "default", "+@all"},
			want:   "can't run this command",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, err := startServer("--maxmemory-policy", "noeviction")
			if err != nil {
				t.Fatal(err)
			}
			f := newFixture(t, redis.UniversalOptions{Addrs: []string{address}})
			if err := f.Check(ctx); err != nil {
				t.Fatal(err)
			}
			f.mustCommit(t, commitOf(at(oldTopic, 0, 1, 0)))
			if err := f.plain.Do(ctx, test.strike...).Err(); err != nil {
				t.Fatal(err)
			}
			if err := f.plain.Ping(ctx).Err(); err != nil {
				t.Fatalf("it does not even answer to a ping: %v", err)
			}
			if err := f.Check(ctx); !errors.Is(err, cursors.ErrStoreUnavailable) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("it is told as %v, want %s", err, test.want)
			}
			if err := f.Commit(ctx, []cursors.Commit{commitOf(at(oldTopic, 0, 2, 0))})[0].Err; err == nil {
				t.Error("a commit is taken: nothing is wrong here")
			}
			if err := f.plain.Do(ctx, test.mend...).Err(); err != nil {
				t.Fatal(err)
			}
			if err := f.Check(ctx); err != nil {
				t.Errorf("once it takes writes again: %v", err)
			}
		})
	}
}
