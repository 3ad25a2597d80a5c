package transport_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"sluice/hub"
	"sluice/transport"
)

// TestDrain: clients are notified of a drain, events are delivered until the close,
// publishes in flight are answered, and clients that connect meanwhile are sent
// elsewhere.
func TestDrain(t *testing.T) {
	t.Parallel()
	held := &heldProducer{}
	inBubble(t, options{
		config: func(c *transport.Config) { c.DrainTimeout, c.DrainSpread = patience, 50*time.Millisecond },
		stream: func(s *hub.Stream) { held.Producer, s.Producer = s.Producer, held },
	}, func(t *testing.T, in *instance) { testDrain(t, in, held) })
}

func testDrain(t *testing.T, in *instance, held *heldProducer) {
	t.Cleanup(held.release) // a test that fails must not leave the server waiting
	key := token(t, "u", "live", time.Hour)
	c := in.dial("?stream=orders", key)
	c.until("caught_up")
	c.send(`{"type":"publish","id":"p","stream":"orders","data":1}`)
	c.alive()
	deaf := in.raw(t, "", key)
	begun := time.Now()
	stopped := make(chan error, 1)
	go func() { stopped <- in.stop() }()
	if m := c.until("drain"); m["reconnect_ms"] == nil {
		t.Errorf("got %v", m)
	}
	in.publish("orders", 1, 0, 1)
	c.until("event")
	time.Sleep(200 * time.Millisecond) // past its time to close, but a publish is in flight
	c.alive()
	late, _, err := in.dialWith("", "Authorization", "Bearer "+key, "Origin", listed)
	if err != nil {
		t.Fatal(err)
	}
	late.closesWith("draining", 1012)
	_, res, err := in.dialWith("", "Authorization", "Bearer "+key)
	if err == nil || res.status != http.StatusServiceUnavailable || res.header.Get("Retry-After") == "" {
		t.Errorf("got %v, %v", res, err)
	}
	held.release()
	c.until("published")
	last := c.closesWith("draining", 1012)
	if last.str("action") != "resume" || last["retry_after_ms"] == nil || last["cursors"] == nil {
		t.Errorf("got %v", last)
	}
	if code := deaf.closesAfter("draining"); code != 1012 {
		t.Errorf("closed with %d", code)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took >= patience {
		t.Errorf("it took %v, all the time that it may", took)
	}
}

// TestDrainAnswersFirst: publishes that are stored at the moment at which a session that is
// drained may end are answered before it ends.
func TestDrainAnswersFirst(t *testing.T) {
	t.Parallel()
	held := &heldProducer{}
	inBubble(t, options{
		config: func(c *transport.Config) { c.DrainTimeout, c.DrainSpread = patience, 50*time.Millisecond },
		stream: func(s *hub.Stream) { held.Producer, s.Producer = s.Producer, held },
	}, func(t *testing.T, in *instance) {
		t.Cleanup(held.release)
		c := in.dial("", token(t, "u", "live", time.Hour))
		for n := range 3 {
			c.send(`{"type":"publish","id":"p%d","stream":"orders","data":1}`, n)
		}
		c.alive()
		stopped := make(chan error, 1)
		go func() { stopped <- in.stop() }()
		c.until("drain")
		time.Sleep(200 * time.Millisecond) // past its time to close
		in.server.Within("user:test:u", func() {
			held.release()
			time.Sleep(time.Second) // until all are stored
		})
		for range 3 {
			c.until("published")
		}
		c.closesWith("draining", 1012)
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// TestNoPong: a client that gives no sign of life is closed; any sign will do.
func TestNoPong(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.PingEvery, l.PongWithin = 2*time.Second, 2*time.Second }})
	key := token(t, "u", "live", time.Hour)
	silent := in.raw(t, "", key)
	for name, sign := range map[string][]byte{
		"pong frame": frame(fin|pongFrame, ""),
		"ping frame": frame(fin|pingFrame, ""),
		"message":    frame(fin|text, `{"type":"pong"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := in.raw(t, "", key)
			for range 3 {
				c.until("ping")
				c.put(sign)
			}
			c.say(`{"type":"ping","id":"x"}`)
			if m := c.until("pong"); m.str("id") != "x" || len(c.pings) < 3 {
				t.Errorf("got %v after %d pings", m, len(c.pings))
			}
		})
	}
	if code := silent.closesAfter("no_pong"); code != 4012 || silent.last.str("action") != "resume" {
		t.Errorf("closed with %d after %v", code, silent.last)
	}
	if len(silent.pings) == 0 {
		t.Error("it was not pinged")
	}
}

// faultRecords counts the logged faults.
type faultRecords struct {
	slog.Handler
	mu    sync.Mutex
	codes map[string]int
}

func (r *faultRecords) Enabled(context.Context, slog.Level) bool { return true }

func (r *faultRecords) Handle(_ context.Context, record slog.Record) error {
	code := record.Level.String()
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "code" {
			code = a.Value.String()
		}
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.codes[code]++
	return nil
}

// TestFaultsAreLoggedWithinABound: faults are logged at most once a second for each
// code and reason, and all are counted.
func TestFaultsAreLoggedWithinABound(t *testing.T) {
	t.Parallel()
	records := &faultRecords{codes: make(map[string]int)}
	in := start(t, options{
		config: func(c *transport.Config) { c.Logger = slog.New(records) },
		limits: func(l *transport.Limits) { l.ErrorsPerMinute, l.SessionsPerPrincipal = 0, 0 },
	})
	key := token(t, "u", "live", time.Hour)
	begun := time.Now()
	c := in.dial("", key)
	for range 300 {
		c.send(`{"type":"nonsense","id":"1"}`)
		c.send(`{"type":"subscribe","id":"2","stream":"hidden"}`)
		c.until("error")
		c.until("error")
	}
	for range 30 {
		if _, res, err := in.dialWith("", "Authorization", "Bearer a.b.c"); err == nil || res.status != 401 {
			t.Fatal(err)
		}
		r := in.raw(t, "", key)
		r.put(frame(fin|3, ""))
		r.closesAfter("bad_request")
	}
	most := int(time.Since(begun)/time.Second) + 1
	records.mu.Lock()
	defer records.mu.Unlock()
	for code, reasons := range map[string]int{"bad_request": 2, "unknown_stream": 1, "unauthenticated": 1} {
		if n := records.codes[code]; n < reasons || n > reasons*most {
			t.Errorf("%s was logged %d times in %v", code, n, time.Since(begun))
		}
	}
	for level := range map[string]bool{"ERROR": true, "WARN": true} {
		if n := records.codes[level]; n > 0 {
			t.Errorf("%d records of level %s", n, level)
		}
	}
	if n := in.sample(`sluice_faults_total{code="bad_request"}`); n != 330 {
		t.Errorf("%v faults were counted", n)
	}
}

// TestAdmission: sessions are counted by principal and by address, as long as they
// last.
func TestAdmission(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.SessionsPerPrincipal, l.SessionsPerAddress = 2, 4 }})
	key := token(t, "u", "live", time.Hour)
	first := in.dial("", key)
	in.dial("", key)
	refused := func(query string, header ...string) {
		t.Helper()
		_, res, err := in.dialWith(query, header...)
		if err == nil || res.status != http.StatusTooManyRequests || res.header.Get("Retry-After") == "" {
			t.Errorf("got %v, %v", res, err)
		}
		s, _, err := in.dialWith(query, append(header, "Origin", listed)...)
		if err != nil {
			t.Fatal(err)
		}
		if last := s.closesWith("too_many_sessions", 4104); last.str("action") != "resume" || last["retry_after_ms"] == nil {
			t.Errorf("got %v", last)
		}
	}
	refused("", "Authorization", "Bearer "+key)
	// Also for a client that authenticates later.
	c := in.dial("", "")
	c.send(`{"type":"auth","id":"0","token":"%s"}`, key)
	c.closesWith("too_many_sessions", 4104)
	// Other principals are not affected, except by the limit of the address that
	// they share.
	in.sampleBecomes(`sluice_sessions{protocol="websocket"}`, 2)
	in.dial("", token(t, "v", "live", time.Hour)).until("welcome")
	in.dial("", "")
	refused("")
	if err := first.Close(1000, ""); err != nil {
		t.Error(err)
	}
	in.sampleBecomes(`sluice_sessions{protocol="websocket"}`, 3)
	in.dial("", key).until("welcome")
}
