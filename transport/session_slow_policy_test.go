package transport_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

// fallingBehind starts a server whose clients fall behind as soon as they stop
// reading for a short time.
func fallingBehind(t *testing.T, overTLS bool, policy hub.SlowPolicy) *instance {
	t.Helper()
	return start(t, options{
		tls:    overTLS,
		limits: func(l *transport.Limits) { l.SendBuffer, l.WriteProgress = 8<<10, patience },
		stream: func(s *hub.Stream) { s.LogBytes, s.Slow = 64<<10, policy },
	})
}

// flood appends far more than the log and the buffers of a client hold.
func (in *instance) flood() {
	in.t.Helper()
	pad := bytes.Repeat([]byte("x"), 20_000)
	// Records are counted before the log moves on: once the last one is counted, the
	// log has moved on by those before it. The stream is no longer read once its only
	// client is cut off.
	next := 0
	for _, end := range []int{499, 500} {
		for ; next < end; next++ {
			in.topics.Append("orders", record.Record{Key: []byte("k"), Value: fmt.Appendf(nil, `"%d %s"`, next, pad), Timestamp: 1})
		}
		in.eventually("the log has moved on", func() bool {
			return in.metric(`sluice_stream_records_read_total{stream="orders"}`) == float64(end) ||
				in.metric(`sluice_stream_live{stream="orders"}`) < 0
		})
	}
}

func TestSlowWebSocketIsCutOff(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, testSlowWebSocketIsCutOff)
}

func testSlowWebSocketIsCutOff(t *testing.T, overTLS bool) {
	in := fallingBehind(t, overTLS, hub.SlowDisconnect)
	c, _ := in.open(t, handshakeOf("?stream=orders", "Authorization", "Bearer "+token(t, "u", "live", time.Hour)), true)
	c.until("caught_up")
	in.flood()
	m := c.until("closing")
	if m.str("code") != "slow_consumer" || m["close"] != 4008.0 || m.str("action") != "resume" {
		t.Fatalf("got %v", m)
	}
	cursors, _ := m["cursors"].(map[string]any)
	cursor, _ := cursors["0"].(string)
	at, err := record.ParseCursor(cursor)
	if position, ok := at.Position("orders"); err != nil || !ok || position.Offset(0, 0) >= 500 {
		t.Errorf("the cursor is %q, %v", cursor, err)
	}
	// With this cursor all other records are delivered.
	back := in.dial("?stream=orders&from="+cursor, token(t, "u", "live", time.Hour))
	position, _ := at.Position("orders")
	for next := position.Offset(0, 0); next < 500; next++ {
		if m := back.until("event"); m["offset"] != float64(next) {
			t.Fatalf("got offset %v, want %d", m["offset"], next)
		}
	}
}

func TestSlowSubscriptionBesideAnother(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, testSlowSubscriptionBesideAnother)
}

func testSlowSubscriptionBesideAnother(t *testing.T, overTLS bool) {
	in := fallingBehind(t, overTLS, hub.SlowDisconnect)
	c, _ := in.open(t, handshakeOf("?stream=orders", "Authorization", "Bearer "+token(t, "u", "live", time.Hour)), true)
	c.until("caught_up")
	c.say(`{"type":"subscribe","id":"keyed","stream":"orders","key":["none"]}`)
	c.until("caught_up")
	in.flood()
	if m := c.until("unsubscribed"); m.str("id") != "0" || m.str("reason") != "slow_consumer" || m["retryable"] != true || m.str("cursor") == "" {
		t.Errorf("got %v", m)
	}
	c.say(`{"type":"ping","id":"p"}`)
	c.until("pong")
}

func TestSlowEventStreamIsCutOff(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, testSlowEventStreamIsCutOff)
}

func testSlowEventStreamIsCutOff(t *testing.T, overTLS bool) {
	in := fallingBehind(t, overTLS, hub.SlowDisconnect)
	c := in.rawGet("/v1/streams/orders/events", token(t, "u", "live", time.Hour))
	_ = c.below.SetReadBuffer(4 << 10)
	in.eventually("it counts", func() bool { return in.metric(`sluice_sessions{protocol="sse"}`) == 1 })
	in.flood()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	all, err := io.ReadAll(c)
	if err != nil || !bytes.Contains(all, []byte("event: sluice.close\nid: v1.")) || !bytes.Contains(all, []byte(`"code":"slow_consumer"`)) {
		t.Errorf("got %d bytes to %.300q, %v", len(all), all[max(0, len(all)-300):], err)
	}
}

func TestSlowWebSocketSkips(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, testSlowWebSocketSkips)
}

func testSlowWebSocketSkips(t *testing.T, overTLS bool) {
	in := fallingBehind(t, overTLS, hub.SlowSkip)
	c, _ := in.open(t, handshakeOf("?stream=orders", "Authorization", "Bearer "+token(t, "u", "live", time.Hour)), true)
	c.until("caught_up")
	in.flood()
	in.topics.Append("orders", record.Record{Value: []byte("1")})
	// The client may fall behind, catch up and fall behind again. Everything that it
	// receives is contiguous.
	next, gaps := 0.0, 0.0
	for next < 501 {
		m, code, err := c.next()
		if m == nil {
			t.Fatalf("close %d, error %v after %v", code, err, c.last)
		}
		switch m.str("type") {
		case "event":
			if m["offset"] != next {
				t.Fatalf("got offset %v, want %v", m["offset"], next)
			}
			next++
		case "gap":
			if to, _ := m["to"].(float64); m.str("reason") != "policy" || m["from"] != next || to <= next || to > 501 {
				t.Fatalf("got %v at %v", m, next)
			} else {
				next, gaps = to, gaps+1
			}
		}
	}
	if gaps == 0 {
		t.Error("it was never too slow")
	}
	if told := in.sample(`sluice_gaps_total{reason="policy",stream="orders"}`); told != gaps {
		t.Errorf("%v gaps were counted, not %v", told, gaps)
	}
	if slow := in.sample(`sluice_stream_slow_total{stream="orders"}`); slow != gaps {
		t.Errorf("%v slow ones were counted, not %v", slow, gaps)
	}
}
