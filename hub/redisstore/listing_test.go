package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	redisserver "github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"sluice/hub/cursors"
	"sluice/hub/redisstore"
)

// listed returns all pages of a listing, and how many there were.
func (f fixture) listed(t *testing.T, asked cursors.Listing) (found map[cursors.Key]cursors.Listed, pages int) {
	t.Helper()
	found = make(map[cursors.Key]cursors.Listed)
	for {
		page, err := f.List(ctx, asked)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Cursors {
			found[c.Key] = c
		}
		if strings.Contains(page.Next, ":") {
			t.Fatalf("%s tells operators, also those of one tenant, where Redis is", page.Next)
		}
		if pages++; page.Next == "" {
			return found, pages
		}
		if asked.After = page.Next; pages > 10_000 {
			t.Fatal("the pages do not end")
		}
	}
}

// TestList: every cursor that is stored is found, by page, with its position, and nothing
// else that is in Redis.
func TestList(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		const principals, each = 30, 10
		var commits []cursors.Commit
		for p := range principals {
			for n := range each {
				c := commitOf(at(oldTopic, 0, int64(p*each+n), 0))
				tenant := ""
				if p%3 == 0 {
					tenant = "tenant:a:"
				}
				c.Key = cursors.Key{Principal: fmt.Sprintf("%suser:https%%3A%%2F%%2Fid:u*[%d]?", tenant, p), Stream: []string{"orders", "orders.eu"}[n%2], Name: fmt.Sprintf("n%d", n)}
				commits = append(commits, c)
			}
		}
		f.mustCommit(t, commits...)
		// What is not to be found: a name that was taken only, and what others have stored.
		taken := cursors.Key{Principal: "user:i:taken", Stream: "orders", Name: "n"}
		if _, err := f.Take(ctx, taken); !errors.Is(err, cursors.ErrNoCursor) {
			t.Fatal(err)
		}
		if err := f.plain.HSet(ctx, f.config.Prefix+"cursor:{damaged}", "topic", "x").Err(); err != nil {
			t.Fatal(err)
		}
		other := newFixture(t, f.config.Redis)
		other.mustCommit(t, commitOf(at(oldTopic, 0, 1, 0)))

		all, pages := f.listed(t, cursors.Listing{Limit: 7})
		if len(all) != principals*each {
			t.Errorf("%d of %d are found, on %d pages", len(all), principals*each, pages)
		}
		for i, c := range commits {
			got := all[c.Key]
			if got.Position.Offset(0, -1) != int64(i) || !got.At.Equal(noon) {
				t.Fatalf("%v is at %v of %v", c.Key, got.Position, got.At)
			}
		}
		for name, c := range map[string]struct {
			asked cursors.Listing
			want  int
		}{
			"a stream":               {cursors.Listing{Stream: "orders"}, principals * each / 2},
			"one that has its name":  {cursors.Listing{Stream: "order"}, 0},
			"a pattern is a name":    {cursors.Listing{Stream: "orders*"}, 0},
			"a principal":            {cursors.Listing{Principal: commits[0].Principal}, each},
			"a principal, a pattern": {cursors.Listing{Principal: "*"}, 0},
			"a tenant":               {cursors.Listing{KeyPrefix: "tenant:a:"}, principals / 3 * each},
			"another":                {cursors.Listing{KeyPrefix: "tenant:b:"}, 0},
			"a principal elsewhere":  {cursors.Listing{KeyPrefix: "tenant:a:", Principal: commits[each].Principal}, 0},
		} {
			c.asked.Limit = 50
			if got, _ := f.listed(t, c.asked); len(got) != c.want {
				t.Errorf("%s: %d are found, want %d", name, len(got), c.want)
			}
		}
		for _, after := range []string{"x", "x/", "/y", "127.0.0.1:1/-1", "/7", "x/7", "0123456789abcdef/007", "0123456789abcdef/18446744073709551616"} {
			if _, err := f.List(ctx, cursors.Listing{After: after, Limit: 1}); !errors.Is(err, cursors.ErrBadPage) {
				t.Errorf("after %q: got %v", after, err)
			}
		}
	})
}

// TestListAfterAnything: whatever an operator sends in place of what an answer had, Redis is not
// said to be unavailable.
func TestListAfterAnything(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		f.mustCommit(t, commitOf(at(oldTopic, 0, 1, 0)))
		for _, after := range []string{"0", "1", "7", "9223372036854775807", "9223372036854775808", "18446744073709551615"} {
			for _, node := range []string{"0000000000000000", "0123456789abcdef", "ffffffffffffffff"} {
				_, err := f.List(ctx, cursors.Listing{After: node + "/" + after, Limit: 1})
				if err != nil && !errors.Is(err, cursors.ErrBadPage) {
					t.Errorf("after %s of %s: %v", after, node, err)
				}
			}
		}
	})
}

// TestListWithoutRedis: it fails soon, like everything else.
func TestListWithoutRedis(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	f := newFixture(t, redis.UniversalOptions{Addrs: []string{server.Addr()}})
	for range 5 { // what is asked for badly says nothing about Redis
		if _, err := f.List(ctx, cursors.Listing{After: "x", Limit: 1}); errors.Is(err, cursors.ErrStoreUnavailable) {
			t.Fatalf("got %v", err)
		}
	}
	if _, err := f.List(ctx, cursors.Listing{Limit: 1}); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if _, err := f.List(ctx, cursors.Listing{Limit: 1}); !errors.Is(err, cursors.ErrStoreUnavailable) {
		t.Errorf("got %v", err)
	}
}

var _ cursors.Lister = (*redisstore.Store)(nil)

// TestListOfASlowRedis: a page ends before the call would fail: a listing that takes long is
// not taken for a Redis that is unavailable, of which acks would suffer.
func TestListOfASlowRedis(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	f := newFixture(t, redis.UniversalOptions{Addrs: []string{server.Addr()}})
	f.config.Timeout = 4 * time.Second
	store := open(t, f.config)
	server.Server().SetPreHook(func(c *redisserver.Peer, command string, _ ...string) bool {
		if command != "SCAN" {
			return false
		}
		time.Sleep(250 * time.Millisecond)
		c.Block(func(w *redisserver.Writer) { // many keys of others, and no end
			w.WriteLen(2)
			w.WriteBulk("7")
			w.WriteLen(0)
		})
		return true
	})
	page, err := store.List(ctx, cursors.Listing{Limit: 1})
	if err != nil || page.Next == "" {
		t.Errorf("got %+v, %v", page, err)
	}
}
