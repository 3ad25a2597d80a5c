package transport_test

import (
	"fmt"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/record"
)

// storedAt returns the offset that is stored for a principal's named cursor, or -1.
func (in *instance) storedAt(name string) int64 {
	in.store.mu.Lock()
	defer in.store.mu.Unlock()
	for key, at := range in.store.at {
		if key.Name == name {
			return at.Position.Offset(0, -1)
		}
	}
	return -1
}

// offsetOf returns the offset of a cursor in partition 0 of orders.
func offsetOf(t *testing.T, cursor string) int64 {
	t.Helper()
	c, err := record.ParseCursor(cursor)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := c.Position("orders")
	return at.Offset(0, -1)
}

func TestManualAcks(t *testing.T) {
	t.Parallel()
	inBubble(t, options{}, testManualAcks)
}

func testManualAcks(t *testing.T, in *instance) {
	key := token(t, "u", "live", time.Hour)
	in.publish("orders", 0, 0, 10)
	c := in.dial("", key)
	c.send(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n"}`)
	c.fails("a", "cursor_lost")
	c.send(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n","from":"earliest","ack":"manual"}`)
	begin := c.until("subscribed").str("cursor")
	c.until("caught_up")
	c.send(`{"type":"ack","id":"a","cursor":"%s~0:11"}`, begin) // ahead of what was sent
	c.fails("a", "bad_cursor")
	c.send(`{"type":"ack","id":"a","cursor":"%s~7:1"}`, begin) // no such partition
	c.fails("a", "bad_cursor")
	news := in.dial("?stream=public.news", key)
	c.send(`{"type":"ack","id":"a","cursor":"%s"}`, news.until("subscribed").str("cursor"))
	c.fails("a", "bad_cursor")
	if at := in.storedAt("n"); at != -1 {
		t.Fatalf("stored at %d", at)
	}
	c.send(`{"type":"ack","id":"a","cursor":"%s~0:7"}`, begin)
	if m := c.until("acked"); m.str("id") != "a" || offsetOf(t, m.str("cursor")) != 7 || in.storedAt("n") != 7 {
		t.Errorf("got %v, stored at %d", m, in.storedAt("n"))
	}
	c.send(`{"type":"ack","id":"a","cursor":"%s~0:3"}`, begin) // an ack never moves the cursor back
	if m := c.until("acked"); offsetOf(t, m.str("cursor")) != 7 {
		t.Errorf("an older ack is answered %v, not with what is stored", m)
	}
	if at := in.storedAt("n"); at != 7 {
		t.Errorf("stored at %d", at)
	}
	// When another session takes the cursor, the subscription continues there and
	// ends here.
	d := in.dial("", key)
	d.send(`{"type":"subscribe","id":"b","stream":"orders","cursor_name":"n"}`)
	if m := d.until("subscribed"); m.str("start") != "named" {
		t.Errorf("got %v", m)
	}
	if m := d.until("event"); m["offset"] != 7.0 {
		t.Errorf("got %v", m)
	}
	if m := c.until("unsubscribed"); m.str("id") != "a" || m.str("reason") != "superseded" || m["retryable"] != false {
		t.Errorf("got %v", m)
	}
	in.publish("orders", 0, 10, 11)
	c.quiet("event", 50*time.Millisecond)
	c.send(`{"type":"ack","id":"a","cursor":"%s~0:8"}`, begin)
	c.fails("a", "bad_request")
	// Another principal's name is another name.
	e := in.dial("", token(t, "v", "live", time.Hour))
	e.send(`{"type":"subscribe","id":"b","stream":"orders","cursor_name":"n"}`)
	e.fails("b", "cursor_lost")
	// A reset ignores the stored cursor.
	d.send(`{"type":"unsubscribe","id":"b"}`)
	d.until("unsubscribed")
	d.send(`{"type":"subscribe","id":"b","stream":"orders","cursor_name":"n","reset":true,"from":"earliest"}`)
	if m := d.until("event"); m["offset"] != 0.0 {
		t.Errorf("got %v", m)
	}
}

// TestAutomaticAcksFollowPongs: with automatic acks a pong frame acks what was
// written before its ping. No other frame, and no message, acks anything.
func TestAutomaticAcksFollowPongs(t *testing.T) {
	t.Parallel()
	inBubble(t, options{}, testAutomaticAcks)
}

func testAutomaticAcks(t *testing.T, in *instance) {
	in.publish("orders", 0, 0, 5)
	c := in.raw(t, "", token(t, "u", "live", time.Hour))
	c.say(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n","from":"earliest","ack":"auto"}`)
	c.until("caught_up")
	c.put(frame(fin|pongFrame, ""), frame(fin|pongFrame, "1")) // before any ping
	c.until("ping")
	in.publish("orders", 0, 5, 8)
	for range 3 {
		c.until("event")
	}
	c.put(frame(fin|pongFrame, ""), frame(fin|pongFrame, "77")) // unasked
	c.say(`{"type":"ping"}`)
	c.until("pong")
	c.say(`{"type":"pong"}`) // as a script can send, which may have read nothing
	time.Sleep(time.Second)
	if at := in.storedAt("n"); at != -1 {
		t.Fatalf("stored at %d before the pong", at)
	}
	c.put(frame(fin|pongFrame, string(c.pings[len(c.pings)-1])))
	in.storedBecomes("n", 5)
	c.until("ping")
	c.say(`{"type":"pong"}`)
	time.Sleep(time.Second)
	if at := in.storedAt("n"); at != 5 {
		t.Fatalf("stored at %d after a message", at)
	}
}

// TestLatePongsAck: however late pongs come, each acks what was written before its
// ping, and none moves the cursor back.
func TestLatePongsAck(t *testing.T) {
	t.Parallel()
	for late := range 8 {
		t.Run(fmt.Sprintf("by %d pings", late), func(t *testing.T) {
			t.Parallel()
			inBubble(t, options{}, func(t *testing.T, in *instance) {
				c := in.raw(t, "?ping=1s", token(t, "u", "live", time.Hour))
				c.say(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n","from":"earliest","ack":"auto"}`)
				c.until("caught_up")
				stored, moved := int64(-1), 0
				for n := range 40 {
					in.publish("orders", 0, n, n+1)
					c.until("event")
					c.until("ping") // number n+1, after n+1 records
					if n < late {
						continue
					}
					c.put(frame(fin|pongFrame, string(c.pings[n-late])))
					time.Sleep(100 * time.Millisecond)
					at := in.storedAt("n")
					if at < stored || at > int64(n-late+1) {
						t.Fatalf("stored at %d after the pong of %d records, and at %d before", at, n-late+1, stored)
					}
					if at > stored {
						stored, moved = at, moved+1
					}
				}
				if moved < 10 {
					t.Errorf("the cursor moved %d times in 40 pongs", moved)
				}
			})
		})
	}
}

func (in *instance) storedBecomes(name string, want int64) {
	in.t.Helper()
	for range 2000 {
		if in.storedAt(name) == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	in.t.Fatalf("%s is stored at %d, want %d", name, in.storedAt(name), want)
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	c := in.dial("", token(t, "u", "live", time.Hour))
	c.send(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n","from":"latest"}`)
	cursor := c.until("subscribed").str("cursor")
	c.until("caught_up")
	in.store.setAway(true)
	c.send(`{"type":"ack","id":"a","cursor":"%s"}`, cursor)
	if m := c.fails("a", "overloaded"); m["retryable"] != true || m["retry_after_ms"] == nil {
		t.Errorf("got %v", m)
	}
	c.send(`{"type":"subscribe","id":"b","stream":"orders","key":["k"],"cursor_name":"m","from":"latest"}`)
	c.fails("b", "overloaded")
	// Live delivery and cursors that clients keep still work.
	in.publish("orders", 0, 0, 1)
	c.until("event")
	c.send(`{"type":"subscribe","id":"b","stream":"orders","key":["k0"],"from":"%s"}`, cursor)
	c.until("subscribed")
	c.until("event")
	in.store.setAway(false)
	c.send(`{"type":"ack","id":"a","cursor":"%s"}`, cursor)
	c.until("acked")
}

func TestKafkaAway(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	key := token(t, "u", "live", time.Hour)
	c := in.dial("?stream=orders", key)
	c.until("caught_up")
	in.topics.Away(true)
	if m := c.until("status"); m["live"] != false || m["since"] == nil || m.str("stream") != "orders" {
		t.Errorf("got %v", m)
	}
	c.send(`{"type":"subscribe","id":"n","stream":"public.news"}`)
	if m := c.fails("n", "overloaded"); m["retryable"] != true || m["retry_after_ms"] == nil {
		t.Errorf("got %v", m)
	}
	// A client that connects now is sent the status.
	d := in.dial("?stream=orders", key)
	if m := d.until("status"); m["live"] != false {
		t.Errorf("got %v", m)
	}
	in.topics.Away(false)
	in.publish("orders", 0, 0, 1)
	if m := c.until("status"); m["live"] != true {
		t.Errorf("got %v", m)
	}
	c.until("event")
}

// noLongerRead waits until a stream is no longer read from Kafka, after its last
// subscriber has left.
func (in *instance) noLongerRead(stream string) {
	in.t.Helper()
	in.eventually(stream+" is no longer read", func() bool { return in.metric(`sluice_stream_live{stream="`+stream+`"}`) < 0 })
}

func TestGaps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		happens func(in *instance)
		reason  string
	}{
		"retention": {func(in *instance) {
			in.publish("orders", 0, 0, 10)
			in.topics.Expire("orders", 0, 5)
		}, "retention"},
		"made again": {func(in *instance) {
			in.topics.Create("orders", 2)
			in.publish("orders", 0, 0, 10)
		}, "log_changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := start(t, options{stream: func(s *hub.Stream) { s.Backfill = 0 }})
			s := in.dial("", token(t, "u", "live", time.Hour))
			begin := s.cursor("x", "orders")
			s.send(`{"type":"subscribe","id":"other","stream":"public.news"}`)
			s.until("caught_up")
			in.noLongerRead("orders")
			c.happens(in)
			s.send(`{"type":"subscribe","id":"a","stream":"orders","key":["k0","k1","k2"],"from":"%s","on_gap":"fail"}`, begin)
			s.until("subscribed")
			for {
				m := s.next()
				if kind := m.str("type"); kind == "event" && m["partition"] == 0.0 || kind == "gap" {
					t.Fatalf("got %v", m)
				} else if kind == "unsubscribed" {
					if m.str("id") != "a" || m.str("reason") != c.reason {
						t.Errorf("got %v", m)
					}
					break
				}
			}
			s.send(`{"type":"subscribe","id":"a","stream":"orders","from":"%s"}`, begin)
			for {
				m := s.next()
				if m.str("type") == "event" {
					t.Fatalf("%v before the gap", m)
				} else if m.str("type") == "gap" {
					if m.str("reason") != c.reason || m["from"] != 0.0 || c.reason == "retention" && m["to"] != 5.0 {
						t.Errorf("got %v", m)
					}
					break
				}
			}
			s.until("event")
			in.publish("public.news", 0, 0, 1)
			for s.until("event").str("stream") != "public.news" {
			}
		})
	}
}

// TestResumeWithWhatWasSeen: a client that resumes with the position it has seen
// receives nothing twice.
func TestResumeWithWhatWasSeen(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	in.publish("orders", 0, 0, 20)
	in.publish("orders", 1, 0, 20)
	c := in.dial("?stream=orders&from=earliest", token(t, "u", "live", time.Hour))
	begin := c.until("subscribed").str("cursor")
	seen := map[float64]float64{}
	for range 23 {
		m := c.until("event")
		seen[m["partition"].(float64)] = m["offset"].(float64) + 1
	}
	d := in.dial(fmt.Sprintf("?stream=orders&from=%s~0:%v,1:%v", begin, seen[0], seen[1]), token(t, "u", "live", time.Hour))
	if m := d.until("subscribed"); m["recovered"] != true || m.str("start") != "cursor" {
		t.Errorf("got %v", m)
	}
	for range 17 {
		m := d.until("event")
		p := m["partition"].(float64)
		if m["offset"] != seen[p] {
			t.Fatalf("got %v, want offset %v", m, seen[p])
		}
		seen[p]++
	}
	d.until("caught_up")
}
