package transport_test

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"sluice/transport"
)

// TestSessionsThatEndLeaveNothing: clients that come and go for days do not fill the
// memory.
func TestSessionsThatEndLeaveNothing(t *testing.T) { //nolint:paralleltest // measures memory
	in := start(t, options{limits: func(l *transport.Limits) { l.SessionsPerPrincipal = 0 }})
	key := token(t, "u", "live", time.Hour)
	const sessions = 400
	address := strings.TrimPrefix(in.url, "http://")
	requests := map[string]string{
		"caught_up": handshakeOf("?stream=orders", "Authorization", "Bearer "+key),
		"ready":     "GET /v1/streams/orders/events HTTP/1.1\r\nHost: sluice\r\nAuthorization: Bearer " + key + "\r\n\r\n",
	}
	wave := func() uint64 {
		for n := range sessions {
			for until, request := range requests {
				if until == "ready" && n%4 > 0 {
					continue
				}
				// The clients are in this process too, and must leave nothing.
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				_ = conn.SetDeadline(time.Now().Add(patience))
				if _, err := io.WriteString(conn, request); err != nil {
					t.Fatal(err)
				}
				var got []byte
				for buf := make([]byte, 4<<10); !bytes.Contains(got, []byte(until)); {
					m, err := conn.Read(buf)
					if err != nil {
						t.Fatalf("%v after %q", err, got)
					}
					got = append(got, buf[:m]...)
				}
				_ = conn.Close()
			}
		}
		in.sampleBecomes(`sluice_sessions{protocol="websocket"}`, 0)
		in.sampleBecomes(`sluice_sessions{protocol="sse"}`, 0)
		return heapInUse()
	}
	wave() // fills pools and caches
	before := wave()
	after := wave()
	if grown := int64(after) - int64(before); grown > sessions*1000 {
		t.Errorf("%d sessions that ended have left %d bytes, %d each", sessions, grown, grown/sessions)
	} else {
		t.Logf("%d sessions that ended have left %d bytes", sessions, grown)
	}
}

// heapInUse returns the size of the live heap.
func heapInUse() uint64 {
	// A collection frees what the previous one has finalized.
	for range 3 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// manySessions removes the limits of sessions.
func manySessions(l *transport.Limits) { l.SessionsPerPrincipal, l.SessionsPerAddress = 0, 0 }
