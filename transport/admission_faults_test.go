package transport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/transport"
)

// door is a way to connect: a handshake or a first request.
type door struct {
	name, method, path, body string
	header                   []string
}

var doors = []door{
	{"websocket", "GET", "/v1/ws?stream=orders", "", []string{
		"connection", "Upgrade", "upgrade", "websocket", "sec-websocket-version", "13", "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==",
	}},
	{"sse", "GET", "/v1/streams/orders/events?from=latest", "", nil},
	{"ndjson", "GET", "/v1/streams/orders/events?from=latest", "", []string{"accept", "application/x-ndjson"}},
	{"page", "GET", "/v1/streams/orders/records?from=latest&wait=5ms", "", nil},
	{"publish", "POST", publishPath, "1", []string{"content-type", "text/plain"}},
}

// but returns the door with another query parameter.
func (d door) but(query string) door {
	if strings.Contains(d.path, "?") {
		query = "&" + query
	} else {
		query = "?" + query
	}
	d.path += query
	return d
}

// text returns the request in HTTP/1 format.
func (d door) text(proto, token string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\nHost: sluice\r\nAuthorization: Bearer %s\r\n", d.method, d.path, proto, token)
	for i := 0; i < len(d.header); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", d.header[i], d.header[i+1])
	}
	if d.method == http.MethodPost {
		b.WriteString("Content-Length: " + strconv.Itoa(len(d.body)) + "\r\n")
	}
	return b.String() + "\r\n" + d.body
}

// besieged is a server and one transport to connect to it.
type besieged struct {
	in     *instance
	strike *striking // nil for none
	client *http.Client
	h2     bool
	token  string
	turns  atomic.Int32
}

// dial connects. raw is the connection below TLS.
func (b *besieged) dial() (conn, raw net.Conn, err error) {
	address, secure := strings.CutPrefix(b.in.url, "https://")
	if raw, err = net.Dial("tcp", strings.TrimPrefix(address, "http://")); err != nil {
		return nil, nil, err
	}
	_ = raw.SetDeadline(time.Now().Add(time.Minute))
	if !secure {
		return raw, raw, nil
	}
	t, _ := b.client.Transport.(*http.Transport)
	config := t.TLSClientConfig.Clone()
	config.ServerName, config.NextProtos = "127.0.0.1", []string{"http/1.1"}
	conn = tls.Client(raw, config)
	return conn, raw, conn.(*tls.Conn).HandshakeContext(b.in.t.Context())
}

// reset resets a connection, so that its peer can write nothing more.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// status sends a request over a connection of its own and returns the status of the
// answer, 0 for none.
func (b *besieged) status(d door, proto string) int {
	if b.h2 {
		ctx, cancel := context.WithTimeout(b.in.t.Context(), time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, d.method, b.in.url+d.path, strings.NewReader(d.body))
		if err != nil {
			return 0
		}
		req.Header.Set("Authorization", "Bearer "+b.token)
		for i := 0; i < len(d.header); i += 2 {
			if d.name != "websocket" {
				req.Header.Set(d.header[i], d.header[i+1])
			}
		}
		res, err := b.client.Do(req)
		if err != nil {
			return 0
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	conn, _, err := b.dial()
	if err != nil {
		b.in.t.Logf("dial: %v", err)
		return 0
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, d.text(proto, b.token))
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: d.method})
	if err != nil {
		b.in.t.Logf("%s %s: %v", d.method, d.path, err)
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// struck sends a request whose answer meets a strike, and calls then when the strike
// has been reached. It returns the result of the server's write.
func (b *besieged) struck(d door, kind string, then func(raw net.Conn)) (reached bool, err error) {
	conn, raw, err := b.dial()
	if err != nil {
		return false, nil
	}
	defer func() { _ = raw.Close() }()
	s := b.strike.arm(raw, kind)
	release := sync.OnceFunc(func() { close(s.release) })
	defer release()
	if _, err := io.WriteString(conn, d.text("HTTP/1.1", b.token)); err != nil {
		return false, nil
	}
	select {
	case <-s.reached:
	case <-time.After(time.Minute):
		return false, nil
	}
	if then != nil {
		then(raw)
		release()
	}
	select {
	case err = <-s.failed:
	case <-time.After(10 * time.Second):
		return false, nil // the write is stuck forever
	}
	return true, err
}

// fault makes a request of a door fail, and reports whether it did. A fault that a
// door cannot have is nil.
type fault func(b *besieged, d door) (struck bool)

// answered returns a fault that the server answers with a status.
func answered(b *besieged, d door, proto string, status map[string]int) fault {
	want, ok := status[d.name]
	if b.h2 && d.name == "websocket" {
		want = http.StatusBadRequest
	}
	if !ok {
		return nil
	}
	return func(b *besieged, _ door) bool {
		got := b.status(d, proto)
		if got != want {
			b.in.t.Logf("%s %s: got %d", d.method, d.path, got)
		}
		return got == want
	}
}

// faultsOf returns the faults that a door can have, by name.
func faultsOf(b *besieged, d door) map[string]fault {
	h1 := !b.h2
	_, secure := strings.CutPrefix(b.in.url, "https://")
	head, refused := d, d.but("nonsense=1")
	head.method = http.MethodHead
	faults := map[string]fault{
		"HEAD": answered(b, head, "HTTP/1.1", map[string]int{"websocket": 426, "sse": 200, "ndjson": 200, "page": 200}),
		"refused": answered(b, refused, "HTTP/1.1",
			map[string]int{"websocket": 400, "sse": 400, "ndjson": 400, "page": 400, "publish": 400}),
	}
	if h1 {
		faults["HTTP/1.0"] = answered(b, d, "HTTP/1.0", map[string]int{"websocket": 426, "sse": 200, "ndjson": 200, "page": 200, "publish": 200})
		faults["reset"] = resets
	}
	failing := d.but("cursor_name=" + boom)
	switch {
	case d.name == "publish":
		failing = d
		failing.body = boom
		fallthrough
	case d.name != "websocket":
		faults["panic"] = answered(b, failing, "HTTP/1.1", map[string]int{"sse": 500, "ndjson": 500, "page": 500, "publish": 500})
	case h1 && b.strike != nil:
		faults["panic"] = func(b *besieged, d door) bool {
			reached, _ := b.struck(d, "panic", nil)
			return reached
		}
	}
	if h1 && b.strike != nil {
		faults["slow"] = slow
	}
	if h1 && b.strike != nil && secure {
		faults["TLS alert"] = func(b *besieged, d door) bool {
			reached, _ := b.struck(d, "hold", breakRecords)
			return reached
		}
	}
	if b.h2 {
		faults["HTTP/2 reset"] = func(b *besieged, d door) bool {
			return b.breaksStream(d, func(c *rawHTTP2, stream uint32) error {
				return c.framer.WriteRSTStream(stream, http2.ErrCodeCancel)
			})
		}
		faults["TLS alert"] = func(b *besieged, d door) bool {
			return b.breaksStream(d, func(c *rawHTTP2, _ uint32) error {
				secure, _ := c.Conn.(*tls.Conn)
				breakRecords(secure.NetConn())
				return nil
			})
		}
	}
	return faults
}

// breakRecords writes a TLS alert that does not belong to the connection, which ends
// the connection.
func breakRecords(raw net.Conn) {
	_, _ = raw.Write([]byte{21, 3, 3, 0, 2, 2, 40})
	_ = raw.Close()
}

// resets makes the server write its answer to a connection that the client has
// reset.
func resets(b *besieged, d door) bool {
	if b.strike == nil {
		// Without strikes the order of the answer and the reset is not determined.
		conn, raw, err := b.dial()
		if err != nil {
			return false
		}
		_, err = io.WriteString(conn, d.text("HTTP/1.1", b.token))
		reset(raw)
		return err == nil
	}
	reached, err := b.struck(d, "hold", reset)
	return reached && err != nil
}

// slow sends half of a body, or reads nothing of the answer.
func slow(b *besieged, d door) bool {
	if d.name != "publish" {
		_, err := b.struck(d, "stuck", nil)
		return err != nil
	}
	conn, _, err := b.dial()
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	d.body = "half of it"
	_, _ = io.WriteString(conn, strings.TrimSuffix(d.text("HTTP/1.1", b.token), " of it"))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusBadRequest
}

// breaksStream sends a request on an HTTP/2 connection and breaks it, every other
// time only after the answer has begun.
func (b *besieged) breaksStream(d door, how func(*rawHTTP2, uint32) error) bool {
	if d.name == "websocket" {
		d.header = nil
	}
	c := b.in.rawHTTP2(b.client, nil)
	defer func() { _ = c.Close() }()
	stream, err := c.ask(d.method, d.path, b.token, d.header...)
	if err != nil {
		return false
	}
	begun := b.turns.Add(1)%2 == 0
	for until := time.Now().Add(time.Minute); begun && c.count(http2.FrameHeaders) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			return false
		}
	}
	return how(c, stream) == nil
}

// TestEveryWayToFailGivesAdmissionsBack: handshakes and first requests that fail in
// every way, more than a thousand times over every transport, leave nothing that
// counts against a limit.
func TestEveryWayToFailGivesAdmissionsBack(t *testing.T) {
	t.Parallel()
	for _, over := range []string{"sockets", "HTTP/1.1", "TLS", "HTTP/2"} {
		t.Run(over, func(t *testing.T) {
			t.Parallel()
			b := &besieged{client: &http.Client{}, h2: over == "HTTP/2", token: token(t, "u42", "live", time.Hour)}
			o := options{
				limits: func(l *transport.Limits) {
					l.SessionsPerAddress, l.SessionsPerPrincipal = 10_000, 10_000
					l.WriteProgress, l.MessageAssembly = 100*time.Millisecond, 100*time.Millisecond
				},
				stream: func(s *hub.Stream) { s.Producer = faulty{Producer: s.Producer} },
				config: func(c *transport.Config) {
					committer, err := cursors.NewCommitter(faulty{memoryStore: newMemoryStore()}, time.Hour)
					if err != nil {
						t.Fatal(err)
					}
					c.Committer, c.DrainTimeout, c.HeaderTimeout = committer, 5*time.Minute, time.Minute
				},
			}
			if over != "sockets" {
				b.strike = &striking{}
				o.listener = func(l net.Listener) net.Listener { b.strike.Listener = l; return b.strike }
			}
			switch over {
			case "TLS":
				b.in, _, b.client = overTLS(t, o)
			case "HTTP/2":
				b.in, b.client, _ = overTLS(t, o)
			default:
				b.in = start(t, o)
			}
			warm := door{name: "sse", method: "GET", path: "/v1/streams/orders/events"}
			if status := b.status(warm, "HTTP/1.1"); status != http.StatusOK {
				t.Fatalf("got %d", status)
			}
			type way struct {
				name string
				door door
				fault
			}
			var ways []way
			for _, d := range doors {
				for name, fault := range faultsOf(b, d) {
					if fault != nil {
						ways = append(ways, way{name, d, fault})
					}
				}
			}
			const together = 8
			each := 1000/len(ways) + 1
			var all atomic.Int64
			for _, way := range ways {
				// On a busy machine the server's own time limits can come first, so
				// a fault that did not strike is tried again.
				var clients sync.WaitGroup
				var struck, left atomic.Int64
				left.Store(int64(2 * each))
				for range together {
					clients.Go(func() {
						for struck.Load() < int64(each) && left.Add(-1) >= 0 {
							if way.fault(b, way.door) {
								struck.Add(1)
							}
							all.Add(1)
						}
					})
				}
				clients.Wait()
				if n := struck.Load(); n < int64(each) {
					t.Errorf("%s at %s struck %d of %d times", way.name, way.door.name, n, each)
				}
			}
			t.Logf("%d requests failed", all.Load())
			for _, series := range []string{
				byAddress, byPrincipal, "sluice_subscriptions", `sluice_sessions{protocol="websocket"}`,
				`sluice_sessions{protocol="sse"}`, `sluice_sessions{protocol="ndjson"}`, `sluice_sessions{protocol="page"}`,
			} {
				b.in.sampleBecomes(series, 0)
			}
			// Nothing delays the end of the server either.
			stopped := make(chan error, 1)
			go func() { stopped <- b.in.stop() }()
			select {
			case err := <-stopped:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(time.Minute):
				t.Error("something is still in flight")
			}
		})
	}
}
