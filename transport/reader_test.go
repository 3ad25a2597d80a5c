//go:build linux

package transport_test

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"sluice/transport"
)

// waiting counts the calls of methods of the package that goroutines are in, of those
// whose names begin with method.
func waiting(method string) int {
	stacks := make([]byte, 8<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "transport.(*"+method)
}

// TestQuietConnectionsHaveNoGoroutine: a quiet connection has no goroutine, is read
// when its client sends something, and its end is noticed at once.
func TestQuietConnectionsHaveNoGoroutine(t *testing.T) { //nolint:paralleltest // counts goroutines
	for name, overTLS := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) { testQuietConnections(t, overTLS) })
	}
}

func testQuietConnections(t *testing.T, overTLS bool) {
	in := start(t, options{tls: overTLS, limits: func(l *transport.Limits) {
		unlimitedSessions(l)
		l.PingEvery, l.KeepAlive = never, never
	}})
	quiet := func() bool { return waiting("session)") == 0 && waiting("carrier)") == 0 }
	var sockets []*socket
	for range 20 {
		c := in.dial("?stream=orders", token(t, "u42", "live", time.Hour))
		c.until("subscribed")
		sockets = append(sockets, c)
	}
	var streams []net.Conn
	for range 20 {
		conn := in.rawGet("/v1/streams/orders/events", token(t, "u42", "live", time.Hour))
		status := make([]byte, len("HTTP/1.1 200"))
		if _, err := io.ReadFull(conn, status); err != nil || !strings.HasSuffix(string(status), "200") {
			t.Fatalf("got %q, %v", status, err)
		}
		streams = append(streams, conn)
	}
	within(t, patience, "goroutines of quiet connections", quiet)
	for _, c := range sockets {
		c.alive()
	}
	within(t, patience, "goroutines of connections that are quiet again", quiet)
	for _, conn := range streams {
		// The client is not expected to send anything, but may.
		if _, err := conn.Write([]byte("more")); err != nil {
			t.Fatal(err)
		}
	}
	within(t, patience, "goroutines of connections that have said something", quiet)
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
