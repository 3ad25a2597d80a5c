package transport_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

// TestNeverReading: a client that never reads does not delay others, and is cut off
// after write_progress.
func TestNeverReading(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, func(t *testing.T, overTLS bool) {
		t.Run("others go on", func(t *testing.T) { t.Parallel(); testNeverReading(t, overTLS, 50, never) })
		t.Run("it is cut off", func(t *testing.T) { t.Parallel(); testNeverReading(t, overTLS, 3, 10*time.Second) })
	})
}

func testNeverReading(t *testing.T, overTLS bool, reading int, progress time.Duration) {
	t.Helper()
	in := start(t, options{
		tls:    overTLS,
		limits: func(l *transport.Limits) { l.WriteProgress, l.SendBuffer, l.SessionsPerPrincipal = progress, 8<<10, 0 },
		stream: func(s *hub.Stream) { s.LogBytes = 4 << 20 },
	})
	key := token(t, "u", "live", time.Hour)
	stuck, _ := in.open(t, handshakeOf("?stream=orders", "Authorization", "Bearer "+key), true)
	others := make([]*socket, reading)
	for i := range others {
		others[i] = in.dial("?stream=orders", key)
		others[i].until("caught_up")
	}
	const rounds = 100
	var readers sync.WaitGroup
	for _, c := range others {
		readers.Go(func() {
			for n := range rounds {
				m := c.until("event")
				if m["offset"] != float64(n) {
					t.Errorf("got offset %v, want %d", m["offset"], n)
					return
				}
			}
		})
	}
	value := []byte(`"` + strings.Repeat("x", 4<<10) + `"`)
	for range rounds {
		in.topics.Append("orders", record.Record{Value: value})
		time.Sleep(5 * time.Millisecond) // so that there is more than one batch
	}
	readers.Wait()
	if progress == never {
		// If it had delayed the others, they would receive nothing any more.
		in.sampleBecomes(`sluice_sessions{protocol="websocket"}`, float64(reading+1))
		return
	}
	in.sampleBecomes(`sluice_cut_off_total{reason="no_progress"}`, 1)
	in.sampleBecomes(`sluice_sessions{protocol="websocket"}`, float64(reading))
	_ = stuck.Close()
}

// TestFramesDoNotInterleave: data and control frames never interleave, although the
// socket accepts only part of what is written.
func TestFramesDoNotInterleave(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, testFramesDoNotInterleave)
}

func testFramesDoNotInterleave(t *testing.T, overTLS bool) {
	in := start(t, options{
		tls: overTLS,
		limits: func(l *transport.Limits) {
			l.SendBuffer, l.PingEvery, l.ControlFramesPerSecond, l.PublishesPerSession = 4<<10, 20*time.Millisecond, 0, 0
		},
		stream: func(s *hub.Stream) { s.LogBytes = 64 << 20 },
	})
	c, _ := in.open(t, handshakeOf("?stream=orders", "Authorization", "Bearer "+token(t, "u", "live", time.Hour)), true)
	c.until("caught_up")
	const events, asked = 2000, 300
	var writers sync.WaitGroup
	writers.Go(func() {
		for n := range events {
			value := fmt.Appendf(nil, `{"n":%d,"x":"%s"}`, n, strings.Repeat("é", n%3000))
			in.topics.Append("orders", record.Record{Partition: 1, Value: value})
		}
	})
	writers.Go(func() {
		for n := range asked {
			_, err := c.Write(joined(
				frame(fin|pingFrame, fmt.Sprintf("ping %d", n)),
				frame(fin|text, fmt.Sprintf(`{"type":"publish","id":"p%d","stream":"orders","data":%d}`, n, n)),
				frame(fin|pongFrame, ""),
				frame(fin|text, fmt.Sprintf(`{"type":"ping","id":"i%d"}`, n)),
			))
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	next := map[float64]float64{}
	published, pongs := 0, 0
	for next[1] < events || next[0] < asked || published < asked || pongs < asked {
		m, code, err := c.next()
		if m == nil {
			t.Fatalf("close %d, error %v after %v", code, err, c.last)
		}
		switch m.str("type") {
		case "event":
			p := m["partition"].(float64)
			if m["offset"] != next[p] {
				t.Fatalf("got offset %v of partition %v, want %v", m["offset"], p, next[p])
			}
			next[p]++
		case "published":
			published++
		case "pong":
			if m.str("id") != fmt.Sprintf("i%d", pongs) {
				t.Fatalf("got %v, want i%d", m, pongs)
			}
			pongs++
		case "error", "gap":
			t.Fatalf("got %v", m)
		}
		if len(c.pings) < 10 {
			time.Sleep(100 * time.Microsecond) // so that the socket fills
		}
	}
	writers.Wait()
	c.put(closeWith(4000, ""))
	if code := c.closes(); code != 4000 {
		t.Errorf("closed with %d", code)
	}
	if len(c.pongs) != asked || string(c.pongs[asked-1]) != fmt.Sprintf("ping %d", asked-1) {
		t.Errorf("got %d pongs", len(c.pongs))
	}
	if len(c.pings) == 0 {
		t.Error("no ping came")
	}
}
