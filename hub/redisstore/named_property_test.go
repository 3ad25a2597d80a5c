package redisstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"sluice/hub/record"
	"sluice/hub/redisstore"
)

// inBubbles checks a property in a new synctest bubble each time, so that the
// same happens each time: a bubble's time advances when all its goroutines are
// blocked.
func inBubbles(t *testing.T, property func(*rapid.T)) {
	rapid.Check(t, func(r *rapid.T) {
		var ended any
		synctest.Test(t, func(*testing.T) {
			// Rapid ends a check in a way that works only in the goroutine in
			// which the check began.
			defer func() { ended = recover() }()
			property(r)
		})
		// Rapid identifies a failure by its lines and its message, and shrinks
		// the case while they stay the same.
		if failed, ok := ended.(failure); ok {
			r.Log(failed.detail)
			r.Fatal(failed.what)
		}
		if ended != nil {
			panic(ended)
		}
	})
}

// undatedStore returns a store on a Redis outside the bubble, whose clock is a
// different one: its connections have no deadlines.
func undatedStore(addr string) *redisstore.Store {
	store, err := redisstore.New(redisstore.Config{
		Redis: redis.UniversalOptions{Addrs: []string{addr}, Dialer: func(context.Context, string, string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", addr)
			return undated{conn}, err
		}},
		Prefix: "property:", TTL: time.Hour, Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	return store
}

type undated struct{ net.Conn }

func (undated) SetDeadline(time.Time) error      { return nil }
func (undated) SetReadDeadline(time.Time) error  { return nil }
func (undated) SetWriteDeadline(time.Time) error { return nil }

// TestNamedCursors: whatever happens to a log, and whichever client acks, no
// record of the present log is skipped, and no ack is lost in a log to which
// nothing has happened.
func TestNamedCursors(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	round := 0
	inBubbles(t, func(t *rapid.T) {
		round++
		store := undatedStore(server.Addr())
		defer store.Close()
		w := newWorld(store, fmt.Sprint("n", round))
		defer w.end()
		w.settle = func() {
			time.Sleep(5 * time.Second) // of the bubble's time: all retries are done
			synctest.Wait()
		}
		w.settle()
		var clients []*client
		defer func() {
			for _, c := range clients {
				c.close()
			}
		}()
		some := func(t *rapid.T) *client {
			if len(clients) == 0 {
				t.Skip("nobody is there")
			}
			return clients[rapid.IntRange(0, len(clients)-1).Draw(t, "client")]
		}
		partition := rapid.IntRange(0, partitions-1)
		// said returns a cursor with the offsets seen since, as a client sends
		// it, for what was delivered.
		said := func(t *rapid.T, c *client) string {
			if len(c.cursors) == 0 {
				t.Skip("no cursor")
			}
			text := c.cursors[rapid.IntRange(0, len(c.cursors)-1).Draw(t, "cursor")]
			if rapid.Bool().Draw(t, "exact") {
				return text
			}
			newest, err := record.ParseCursor(c.cursors[len(c.cursors)-1])
			if err != nil {
				panic(err)
			}
			at, _ := newest.Position("orders")
			p := partition.Draw(t, "partition")
			return fmt.Sprintf("%s~%d:%d", text, p, at.Offset(int32(p), 0))
		}
		check := func(*rapid.T) {
			if len(w.fault) > 0 {
				panic(w.fault[0])
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				w.append(partition.Draw(t, "partition"), rapid.IntRange(1, 12).Draw(t, "records"))
			},
			"truncate": func(t *rapid.T) {
				p := partition.Draw(t, "partition")
				if len(w.log[p]) == 0 {
					t.Skip("it is empty")
				}
				w.truncate(p, rapid.IntRange(0, len(w.log[p])-1).Draw(t, "to"))
				if rapid.Bool().Draw(t, "grows") {
					w.append(p, rapid.IntRange(1, 12).Draw(t, "records"))
				}
			},
			"elect":  func(t *rapid.T) { w.topics.Elect("orders.v1", int32(partition.Draw(t, "partition"))) },
			"frugal": func(t *rapid.T) { w.topics.Frugal(rapid.Bool().Draw(t, "frugal")) },
			"recreate": func(t *rapid.T) {
				if rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
					t.Skip("not this time")
				}
				w.recreate()
			},
			"open": func(t *rapid.T) {
				if len(clients) == 3 {
					t.Skip("enough")
				}
				reset := rapid.IntRange(0, 5).Draw(t, "reset") == 0
				c := w.open(reset, rapid.IntRange(0, 2).Draw(t, "look") == 0)
				if reset && c.lease != nil {
					clear(w.sure)
				}
				clients = append(clients, c)
			},
			"close": func(t *rapid.T) {
				c := some(t)
				c.close()
				for i := range clients {
					if clients[i] == c {
						clients = append(clients[:i], clients[i+1:]...)
						break
					}
				}
			},
			"read":    func(t *rapid.T) { some(t).read(rapid.IntRange(1, 10).Draw(t, "records")) },
			"read on": func(t *rapid.T) { some(t).read(-1) },
			"ack": func(t *rapid.T) {
				c := some(t)
				if c.lease == nil {
					t.Skip("it has no name")
				}
				if len(c.older) > 0 && rapid.IntRange(0, 3).Draw(t, "older") == 0 {
					c.ack(c.older[rapid.IntRange(0, len(c.older)-1).Draw(t, "which")], false)
					return
				}
				c.ack(said(t, c), c.current())
			},
			"put": func(t *rapid.T) {
				c := some(t)
				reset := rapid.IntRange(0, 4).Draw(t, "reset") == 0
				if rapid.IntRange(0, 3).Draw(t, "beyond") == 0 && len(c.cursors) > 0 {
					p := partition.Draw(t, "partition")
					w.put(fmt.Sprintf("%s~%d:%d", c.cursors[0], p, len(w.log[p])+rapid.IntRange(1, 20).Draw(t, "more")), reset, false)
					return
				}
				w.put(said(t, c), reset, c.current())
			},
			"late":   func(t *rapid.T) { w.store.setHold(rapid.Bool().Draw(t, "hold")) },
			"arrive": func(t *rapid.T) { w.store.arrive(rapid.IntRange(0, 9).Draw(t, "which")); clear(w.sure) },
			"resume": func(t *rapid.T) {
				c := w.open(false, true)
				c.read(-1)
				c.close()
				w.complete()
				check(t)
			},
			"": check,
		})
	})
}
