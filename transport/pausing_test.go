package transport_test

import (
	"testing"
	"time"

	"sluice/hub"
	"sluice/transport"
)

// paused pauses a subscription and returns its cursor.
func (s *socket) paused(id string) string {
	s.t.Helper()
	s.send(`{"type":"pause","id":%q}`, id)
	m := s.until("paused")
	if m.str("id") != id || m.str("cursor") == "" {
		s.t.Errorf("got %v", m)
	}
	return m.str("cursor")
}

// rests expects no event for a while, in which it answers pings.
func (s *socket) rests(d time.Duration) {
	s.t.Helper()
	for ; d > 0; d -= 20 * time.Second {
		s.quiet("event", min(d, 20*time.Second))
	}
}

func (s *socket) resumed(id string) string {
	s.t.Helper()
	s.send(`{"type":"resume","id":%q}`, id)
	m := s.until("resumed")
	if m.str("id") != id || m.str("cursor") == "" {
		s.t.Errorf("got %v", m)
	}
	return m.str("cursor")
}

// TestPause: a paused subscription delivers nothing and loses nothing; another one of the
// session goes on.
func TestPause(t *testing.T) {
	t.Parallel()
	inBubble(t, options{limits: func(l *transport.Limits) { l.SubscriptionsPerSession = 2 }}, func(t *testing.T, in *instance) {
		c := in.dial("", token(t, "u", "live", time.Hour))
		c.send(`{"type":"subscribe","id":"all","stream":"orders"}`)
		c.until("caught_up")
		c.send(`{"type":"subscribe","id":"some","stream":"orders","key":["k1"]}`)
		c.until("caught_up")
		at := c.paused("all")
		if again := c.paused("all"); offsetOf(t, again) != offsetOf(t, at) {
			t.Errorf("paused at %s, and again at %s", at, again)
		}
		in.publish("orders", 0, 0, 6) // the keys are k0 k1 k2 k0 k1 k2
		for _, want := range []float64{1, 4} {
			if m := c.until("event"); m["offset"] != want || m.str("feed") == "" {
				t.Errorf("got %v, want offset %v of the other subscription", m, want)
			}
		}
		c.rests(time.Minute)
		c.send(`{"type":"subscribe","id":"x","stream":"orders"}`)
		c.fails("x", "subscription_limit")
		c.paused("some")
		in.publish("orders", 0, 6, 8)
		c.resumed("all")
		for want := range 8 {
			if m := c.until("event"); m["offset"] != float64(want) || m.str("feed") != "" {
				t.Fatalf("got %v, want offset %d", m, want)
			}
		}
		c.resumed("all")
		c.send(`{"type":"unsubscribe","id":"some"}`)
		if m := c.until("unsubscribed"); m.str("id") != "some" || offsetOf(t, m.str("cursor")) != 5 && offsetOf(t, m.str("cursor")) != 6 {
			t.Errorf("got %v", m)
		}
		for _, kind := range []string{"pause", "resume"} {
			c.send(`{"type":%q,"id":"some"}`, kind)
			c.fails("some", "bad_request")
		}
		c.paused("all")
		c.send(`{"type":"subscribe","id":"x","stream":"orders"}`)
		if m := c.fails("x", "already_subscribed"); m.str("subscription_id") != "all" {
			t.Errorf("got %v", m)
		}
	})
}

// TestPauseBeforeItHasCaughtUp: caught_up follows once it is resumed.
func TestPauseBeforeItHasCaughtUp(t *testing.T) {
	t.Parallel()
	in := start(t, options{stream: func(s *hub.Stream) { s.LogBytes, s.Backfill = 32<<10, 0 }})
	in.publish("orders", 0, 0, 3000)
	c := in.dial("", token(t, "u", "live", time.Hour))
	c.send(`{"type":"subscribe","id":"a","stream":"orders","from":"earliest"}`)
	c.send(`{"type":"pause","id":"a"}`)
	c.send(`{"type":"ping","id":"x"}`)
	next, caught := 0.0, 0 // what was seen before the last message
	until := func(done func(kind string) bool) {
		for {
			m := c.next()
			if done(m.str("type")) {
				return
			}
			switch m.str("type") {
			case "event":
				if m["offset"] != next {
					t.Fatalf("got %v, want offset %v", m, next)
				}
				next++
			case "caught_up":
				caught++
			}
		}
	}
	until(func(kind string) bool { return kind == "paused" })
	before := next
	until(func(kind string) bool { return kind == "pong" })
	if next != before || caught > 0 && next < 3000 {
		t.Errorf("got %v records after it was paused at %v, and caught up %d times", next, before, caught)
	}
	c.send(`{"type":"resume","id":"a"}`)
	until(func(kind string) bool { return kind == "caught_up" })
	caught++
	c.paused("a")
	c.resumed("a")
	in.publish("orders", 0, 3000, 3001)
	c.send(`{"type":"ping","id":"y"}`)
	until(func(kind string) bool { return next == 3000 && kind == "event" })
	if next != 3000 || caught != 1 {
		t.Errorf("it has caught up %d times", caught)
	}
}

// TestPauseOfAPattern: all streams of a subscription by pattern pause, also those that
// join meanwhile.
func TestPauseOfAPattern(t *testing.T) {
	t.Parallel()
	inBubble(t, options{open: []string{"market.a", "market.b"}}, func(t *testing.T, in *instance) {
		c := in.dial("", token(t, "u", "live", time.Hour))
		c.send(`{"type":"subscribe","id":"m","stream":"market.*"}`)
		c.until("caught_up")
		at := c.paused("m")
		in.publish("market.a", 0, 0, 2)
		in.publish("market.b", 0, 0, 2)
		c.rests(time.Minute)
		c.paused("m")
		if got := c.resumed("m"); got == "" || at == "" {
			t.Errorf("paused at %q, resumed at %q", at, got)
		}
		got := make(map[string]int)
		for range 4 {
			m := c.until("event")
			if m["offset"] != float64(got[m.str("stream")]) {
				t.Errorf("got %v after %v", m, got)
			}
			got[m.str("stream")]++
		}
		c.paused("m")
		c.send(`{"type":"unsubscribe","id":"m"}`)
		c.until("unsubscribed")
	})
}

// TestPauseAndAcks: acks go on while a subscription is paused, and what is acked by pongs
// does not run ahead.
func TestPauseAndAcks(t *testing.T) {
	t.Parallel()
	inBubble(t, options{}, func(t *testing.T, in *instance) {
		in.publish("orders", 0, 0, 5)
		key := token(t, "u", "live", time.Hour)
		c := in.dial("", key)
		c.send(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n","from":"earliest","ack":"auto"}`)
		c.until("caught_up")
		at := c.paused("a")
		in.publish("orders", 0, 5, 9)
		c.rests(2 * time.Minute) // pongs are sent
		if stored := in.storedAt("n"); stored != 5 {
			t.Errorf("stored at %d", stored)
		}
		c.send(`{"type":"ack","id":"a","cursor":"%s"}`, at)
		c.until("acked")
		c.send(`{"type":"ack","id":"a","cursor":"%s~0:6"}`, at)
		c.fails("a", "bad_cursor")
		// Another session takes the name.
		d := in.dial("", key)
		d.send(`{"type":"subscribe","id":"b","stream":"orders","cursor_name":"n"}`)
		if m := d.until("event"); m["offset"] != 5.0 {
			t.Errorf("got %v", m)
		}
		if m := c.until("unsubscribed"); m.str("id") != "a" || m.str("reason") != "superseded" {
			t.Errorf("got %v", m)
		}
	})
}

// TestPauseAndRights: a paused subscription ends with the right to it.
func TestPauseAndRights(t *testing.T) {
	t.Parallel()
	inBubble(t, options{}, func(t *testing.T, in *instance) {
		c := in.dial("?stream=orders", token(t, "u", "live", time.Hour))
		c.until("caught_up")
		c.paused("0")
		c.send(`{"type":"auth","id":"r","token":"%s"}`, token(t, "u", "brief", time.Hour))
		c.until("authenticated")
		in.publish("orders", 0, 0, 1)
		c.resumed("0")
		c.until("event")
		c.paused("0")
		c.send(`{"type":"auth","id":"r","token":"%s"}`, token(t, "u", "write", time.Hour))
		c.until("authenticated")
		if m := c.until("unsubscribed"); m.str("id") != "0" || m.str("reason") != "forbidden" {
			t.Errorf("got %v", m)
		}
	})
}

// TestPauseIsNoWayAroundReplay: a client that may not replay and pauses for longer than it
// may resume is told of what it has missed, and gets what it may still read.
func TestPauseIsNoWayAroundReplay(t *testing.T) {
	t.Parallel()
	inBubble(t, options{stream: func(s *hub.Stream) { s.Linger = time.Hour }}, func(t *testing.T, in *instance) {
		c := in.dial("?stream=orders", token(t, "u", "brief", time.Hour))
		c.until("caught_up")
		c.paused("0")
		in.publish("orders", 0, 0, 3)
		c.rests(15 * time.Minute)
		in.publish("orders", 0, 3, 5)
		c.rests(time.Minute)
		in.topics.Away(true)
		c.send(`{"type":"resume","id":"0"}`)
		if m := c.fails("0", "overloaded"); m["retryable"] != true {
			t.Errorf("got %v", m)
		}
		in.topics.Away(false)
		c.resumed("0")
		if m := c.until("gap"); m.str("reason") != "policy" || m["from"] != 0.0 || m["to"] != 3.0 {
			t.Errorf("got %v", m)
		}
		for _, want := range []float64{3, 4} {
			if m := c.until("event"); m["offset"] != want {
				t.Errorf("got %v", m)
			}
		}
		// A short pause is none of that.
		c.paused("0")
		in.publish("orders", 0, 5, 6)
		c.rests(9 * time.Minute)
		c.resumed("0")
		if m := c.until("event"); m["offset"] != 5.0 {
			t.Errorf("got %v", m)
		}
	})
}

// TestPauseAndTheEnd: the closing of a session has the cursor of a paused subscription,
// and nothing of it stays counted.
func TestPauseAndTheEnd(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	c := in.dial("?stream=orders", token(t, "u", "live", time.Hour))
	c.until("caught_up")
	c.paused("0")
	if n := in.metric("sluice_subscriptions_paused"); n != 1 {
		t.Errorf("%v are paused", n)
	}
	gone := in.dial("?stream=orders", token(t, "u", "live", time.Hour))
	gone.until("caught_up")
	gone.paused("0")
	_ = gone.CloseNow()
	in.eventually("it is not counted any more", func() bool { return in.metric("sluice_subscriptions_paused") == 1 })
	go func() { _ = in.stop() }()
	m := c.until("closing")
	if cursors, _ := m["cursors"].(map[string]any); m.str("code") != "draining" || cursors["0"] == nil {
		t.Errorf("got %v", m)
	}
}
