//go:build linux

package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

// byHand opens a TLS 1.3 connection whose records the test makes.
func (in *instance) byHand(t *testing.T) (*transport.ByHand, *net.TCPConn) {
	t.Helper()
	conn, err := net.Dial("tcp", in.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	var keys bytes.Buffer
	config := in.tls.Clone()
	config.KeyLogWriter = &keys
	client := tls.Client(conn, config)
	if err := client.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	below, ok := conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("%T", conn)
	}
	return transport.NewByHand(t, client, conn, keys.String()), below
}

// TestKeysChangeMeanwhile: a client updates its keys between the events, and while the
// server has more to write than the client reads. The client receives every event once,
// and every answer. The session has nothing else to write in the end.
func TestKeysChangeMeanwhile(t *testing.T) {
	t.Parallel()
	in := start(t, options{
		tls:    true,
		limits: func(l *transport.Limits) { l.SendBuffer, l.KeepAlive, l.WriteProgress = 4<<10, never, never },
		stream: func(s *hub.Stream) { s.LogBytes = 32 << 20 },
	})
	client, conn := in.byHand(t)
	_ = conn.SetReadBuffer(32 << 10)
	client.Send("GET /v1/streams/orders/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token(t, "u42", "live", time.Hour) + "\r\n\r\n")
	in.eventually("it counts", func() bool { return in.metric(`sluice_subscriptions`) == 1 })

	const rounds, together = 12, 20
	pad := strings.Repeat("x", 10_000)
	events := regexp.MustCompile(`"(\d+) x+"`)
	var text []byte
	from, sent, found, asked, updated := bufio.NewReader(conn), 0, 0, 0, 0
	// read reads until everything has come, or so many records.
	read := func(most int) {
		for n := 0; n != most && (found < sent || updated < asked); n++ {
			got := client.Receive(from)
			if got.Updated {
				updated++
			}
			text = append(text, got.Data...)
			for match := events.FindSubmatchIndex(text); match != nil; match = events.FindSubmatchIndex(text) {
				if number := string(text[match[2]:match[3]]); number != strconv.Itoa(found) {
					t.Fatalf("event %d is %s", found, number)
				}
				found++
				text = text[match[1]:]
			}
		}
	}
	for round := range rounds {
		batch := make([]record.Record, together)
		for n := range batch {
			batch[n] = record.Record{Value: fmt.Appendf(nil, `"%d %s"`, sent+n, pad), Timestamp: 1}
		}
		in.topics.AppendBatch("orders", batch)
		sent += together
		if round%2 > 0 { // the socket is full by then
			in.eventually("it is stuck", func() bool { stuck, _ := in.server.Held(); return stuck == 1 })
		}
		for range 5 {
			client.Update()
			client.Send("ignored")
			asked++
		}
		if round%3 == 0 {
			read(30)
			continue
		}
		read(-1)
	}
	read(-1)
	// An answer comes without an event too.
	client.Update()
	client.Send("ignored")
	asked++
	read(-1)
	if found != sent || updated != asked {
		t.Errorf("%d events of %d and %d updates of %d have come", found, sent, updated, asked)
	}
}

// TestTheEndIsMarked: a session that ends in order ends its side of TLS, so that the
// client can tell that nothing is missing.
func TestTheEndIsMarked(t *testing.T) {
	t.Parallel()
	in := start(t, options{tls: true, limits: unlimitedSessions})
	names, life := []string{"WebSocket", "event stream"}, 2*time.Second
	for n := 0; n < len(names); {
		name := names[n]
		client, conn := in.byHand(t)
		tok := token(t, "u42", "live", life)
		request := "GET /v1/streams/orders/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + tok + "\r\n\r\n"
		if name == "WebSocket" {
			request = handshakeOf("?stream=orders", "Authorization", "Bearer "+tok)
		}
		client.Send(request)
		var text []byte
		ended, late := false, false
		for !ended && !late {
			got := client.Receive(conn)
			text, ended = append(text, got.Data...), got.Closed
			late = bytes.HasPrefix(text, []byte("HTTP/1.1 401 "))
		}
		if late { // on a busy machine the token has ended before the session began
			life *= 2
			continue
		}
		n++
		if !bytes.Contains(text, []byte("token_expired")) {
			t.Errorf("%s: the end came after %q", name, text)
		}
		if n, err := conn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%s: behind the end came %d bytes, %v", name, n, err)
		}
	}
}

// TestHandshakesInTime: a client that does not complete the handshake in time is
// disconnected, however busy it looks.
func TestHandshakesInTime(t *testing.T) {
	t.Parallel()
	in := start(t, options{tls: true, config: func(c *transport.Config) { c.HeaderTimeout = 300 * time.Millisecond }})
	hello := helloOf(t, in.tls)
	var clients sync.WaitGroup
	for at := range 3 { // before the hello, within it, after it
		clients.Go(func() {
			conn, err := net.Dial("tcp", in.address())
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(patience))
			_, _ = conn.Write(hello[:at*len(hello)/2])
			if at == 1 {
				go func() {
					for _, b := range hello[len(hello)/2 : len(hello)-1] {
						if _, err := conn.Write([]byte{b}); err != nil {
							return
						}
						time.Sleep(20 * time.Millisecond)
					}
				}()
			}
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("client %d is still connected", at)
			}
		})
	}
	clients.Wait()
}

// TestClientsAreTold: if what a client sends is no TLS, TLS tells it why the connection
// ends, whether the session has something to write or not.
func TestClientsAreTold(t *testing.T) {
	t.Parallel()
	in := start(t, options{tls: true, limits: unlimitedSessions})
	tok := token(t, "u42", "live", time.Hour)
	garbage := append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...)
	for name, request := range map[string]string{
		"WebSocket":    handshakeOf("?stream=orders", "Authorization", "Bearer "+tok),
		"event stream": "GET /v1/streams/orders/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + tok + "\r\n\r\n",
	} {
		for range 20 {
			conn, err := net.Dial("tcp", in.address())
			if err != nil {
				t.Fatal(err)
			}
			client := tls.Client(conn, in.tls)
			_ = client.SetDeadline(time.Now().Add(patience))
			if _, err := io.WriteString(client, request); err != nil {
				t.Fatal(err)
			}
			var got []byte
			for buf := make([]byte, 4<<10); !bytes.Contains(got, []byte("caught_up")); {
				n, err := client.Read(buf)
				if err != nil {
					t.Fatalf("%v after %q", err, got)
				}
				got = append(got, buf[:n]...)
			}
			if _, err := conn.Write(garbage); err != nil {
				t.Fatal(err)
			}
			if _, err = io.Copy(io.Discard, client); err == nil || !strings.Contains(err.Error(), "bad record MAC") {
				t.Errorf("%s: got %v", name, err)
			}
			_ = conn.Close()
		}
	}
	in.sampleBecomes(`sluice_sessions{protocol="websocket"}`, 0)
	in.sampleBecomes(`sluice_sessions{protocol="sse"}`, 0)
	in.sampleBecomes(`sluice_admissions{by="address"}`, 0)
}

// TestConnectionsThatFail: connections over TLS that fail in every way, at every point,
// leave nothing behind.
func TestConnectionsThatFail(t *testing.T) {
	t.Parallel()
	in := start(t, options{tls: true, limits: unlimitedSessions, config: func(c *transport.Config) { c.HeaderTimeout = 2 * time.Second }})
	tok := token(t, "u42", "live", time.Hour)
	websocket := handshakeOf("?stream=orders", "Authorization", "Bearer "+tok)
	events := "GET /v1/streams/orders/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + tok + "\r\n\r\n"
	hello := helloOf(t, in.tls)
	garbage := append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...)
	untrusted := &tls.Config{ServerName: "example.com", MinVersion: tls.VersionTLS13}
	old := in.tls.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	other := in.tls.Clone()
	other.NextProtos = []string{"other"}

	raw := func(parts ...[]byte) func(net.Conn) {
		return func(conn net.Conn) {
			for _, part := range parts {
				_, _ = conn.Write(part)
			}
		}
	}
	over := func(config *tls.Config, then func(below net.Conn, client *tls.Conn)) func(net.Conn) {
		return func(conn net.Conn) {
			client := tls.Client(conn, config)
			if client.HandshakeContext(t.Context()) == nil && then != nil {
				then(conn, client)
			}
		}
	}
	asks := func(request string, then func(below net.Conn, client *tls.Conn)) func(net.Conn) {
		return over(in.tls, func(below net.Conn, client *tls.Conn) {
			_, _ = io.WriteString(client, request)
			if then != nil {
				_, _ = client.Read(make([]byte, 1))
				then(below, client)
			}
		})
	}
	fails := map[string]func(net.Conn){
		"nothing":                  raw(),
		"no TLS":                   raw([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")),
		"a part of a header":       raw(hello[:3]),
		"a part of the hello":      raw(hello[:len(hello)/2]),
		"only the hello":           raw(hello),
		"a hello twice":            raw(hello, hello),
		"garbage after the hello":  raw(hello, garbage),
		"an untrusted certificate": over(untrusted, nil),
		"an old version":           over(old, nil),
		"another protocol":         over(other, nil),
		"only the handshake":       over(in.tls, nil),
		"garbage after the handshake": over(in.tls, func(below net.Conn, _ *tls.Conn) {
			_, _ = below.Write(garbage)
		}),
		"a part of a request":     asks(websocket[:40], nil),
		"no answer is awaited":    asks(websocket, nil),
		"no stream is awaited":    asks(events, nil),
		"garbage after a request": asks(events, func(below net.Conn, _ *tls.Conn) { _, _ = below.Write(garbage) }),
		"garbage in a session":    asks(websocket, func(below net.Conn, _ *tls.Conn) { _, _ = below.Write(garbage) }),
		"half of a record":        asks(websocket, func(below net.Conn, _ *tls.Conn) { _, _ = below.Write(garbage[:20]) }),
		"half of a stream":        asks(events, func(below net.Conn, _ *tls.Conn) { _, _ = below.Write(garbage[:20]) }),
		"the end of one side":     asks(websocket, func(_ net.Conn, client *tls.Conn) { _ = client.CloseWrite() }),
	}
	times := 1000 / len(fails)
	if testing.Short() {
		times = 5
	}
	var clients sync.WaitGroup
	for name, fail := range fails {
		clients.Go(func() {
			for n := range times {
				conn, err := net.Dial("tcp", in.address())
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				_ = conn.SetDeadline(time.Now().Add(patience))
				fail(conn)
				if tcp, ok := conn.(*net.TCPConn); ok && n%2 > 0 {
					_ = tcp.SetLinger(0) // a reset, which can come before what was sent
				}
				_ = conn.Close()
			}
		})
	}
	clients.Wait()
	for _, series := range []string{
		`sluice_sessions{protocol="websocket"}`, `sluice_sessions{protocol="sse"}`, `sluice_subscriptions`,
		`sluice_admissions{by="address"}`, `sluice_admissions{by="principal"}`,
	} {
		in.sampleBecomes(series, 0)
	}
	// And the server still serves.
	s := in.reads("/v1/streams/orders/events", tok)
	s.until("sluice.caught_up")
}

// helloOf returns the first record of a handshake.
func helloOf(t *testing.T, config *tls.Config) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = tls.Client(near, config).HandshakeContext(ctx) }()
	hello := make([]byte, 5)
	if _, err := io.ReadFull(far, hello); err != nil {
		t.Fatal(err)
	}
	rest := make([]byte, int(hello[3])<<8|int(hello[4]))
	if _, err := io.ReadFull(far, rest); err != nil {
		t.Fatal(err)
	}
	return append(hello, rest...)
}
