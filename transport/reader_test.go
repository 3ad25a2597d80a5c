//go:build linux

package transport_test

import (
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"sluice/transport"
)

// waiting counts the goroutines that run a function of the package.
func waiting(function string) int {
	stacks := make([]byte, 8<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "transport.(*session)."+function)
}

// TestQuietConnectionsHaveNoGoroutine: a quiet connection has no goroutine, is read
// when its client sends something, and its end is noticed at once.
func TestQuietConnectionsHaveNoGoroutine(t *testing.T) { //nolint:paralleltest // counts goroutines
	in := start(t, options{limits: func(l *transport.Limits) { l.PingEvery, l.KeepAlive = never, never }})
	var sockets []*socket
	for range 20 {
		c := in.dial("?stream=orders", token(t, "u42", "live", time.Hour))
		c.until("subscribed")
		sockets = append(sockets, c)
	}
	var streams []net.Conn
	for range 20 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(in.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := conn.Write([]byte("GET /v1/streams/orders/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token(t, "u42", "live", time.Hour) + "\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		streams = append(streams, conn)
	}
	within(t, patience, "goroutines of quiet connections", func() bool { return waiting("listen") == 0 })
	for _, c := range sockets {
		c.alive()
	}
	within(t, patience, "goroutines of connections that are quiet again", func() bool { return waiting("listen") == 0 })
	for _, conn := range streams {
		// The client is not expected to send anything, but may.
		if _, err := conn.Write([]byte("more")); err != nil {
			t.Fatal(err)
		}
	}
	in.publish("orders", 0, 0, 1)
	for _, c := range sockets {
		c.until("event")
	}
	for i := range sockets {
		_ = sockets[i].CloseNow()
		_ = streams[i].Close()
	}
	within(t, patience, "sessions whose clients have gone", func() bool {
		return in.metric(`sluice_sessions{protocol="websocket"}`) == 0 && in.metric(`sluice_sessions{protocol="sse"}`) == 0
	})
}

func within(t *testing.T, span time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(span); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: still there after %v", what, span)
		}
	}
}
