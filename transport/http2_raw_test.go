package transport_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// rawHTTP2 is an HTTP/2 client that writes exactly the frames that a test asks for.
// The server's frames are counted and not answered.
type rawHTTP2 struct {
	net.Conn
	framer *http2.Framer
	stream uint32
	header bytes.Buffer
	coder  *hpack.Encoder

	mu    sync.Mutex
	got   map[http2.FrameType]int
	ended error
	done  chan struct{}
}

// rawHTTP2 opens a connection as a client does, over conn if that is not nil.
func (in *instance) rawHTTP2(client *http.Client, conn net.Conn) *rawHTTP2 {
	in.t.Helper()
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		in.t.Fatalf("%T", client.Transport)
	}
	if conn == nil {
		var err error
		if conn, err = net.Dial("tcp", strings.TrimPrefix(in.url, "https://")); err != nil {
			in.t.Fatal(err)
		}
	}
	config := transport.TLSClientConfig.Clone()
	config.ServerName, config.NextProtos = "127.0.0.1", []string{"h2"}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(in.t.Context()); err != nil {
		in.t.Fatal(err)
	}
	c := &rawHTTP2{Conn: secure, framer: http2.NewFramer(secure, secure), stream: 1, got: map[http2.FrameType]int{}, done: make(chan struct{})}
	c.coder = hpack.NewEncoder(&c.header)
	if _, err := io.WriteString(secure, http2.ClientPreface); err != nil {
		in.t.Fatal(err)
	}
	if err := c.framer.WriteSettings(); err != nil {
		in.t.Fatal(err)
	}
	go func() {
		defer close(c.done)
		for {
			frame, err := c.framer.ReadFrame()
			c.mu.Lock()
			if err != nil {
				c.ended = err
				c.mu.Unlock()
				return
			}
			c.got[frame.Header().Type]++
			c.mu.Unlock()
		}
	}()
	in.t.Cleanup(func() { _ = conn.Close(); <-c.done })
	return c
}

// ask sends a request without a body and returns its stream.
func (c *rawHTTP2) ask(method, path, token string, header ...string) (uint32, error) {
	c.header.Reset()
	all := append([]string{
		":method", method, ":scheme", "https", ":authority", "sluice", ":path", path, "authorization", "Bearer " + token,
	}, header...)
	for i := 0; i < len(all); i += 2 {
		if err := c.coder.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]}); err != nil {
			return 0, err
		}
	}
	stream := c.stream
	c.stream += 2
	return stream, c.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: c.header.Bytes(), EndStream: true, EndHeaders: true,
	})
}

// count returns how many frames of a kind have arrived.
func (c *rawHTTP2) count(kind http2.FrameType) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got[kind]
}

// TestHTTP2Floods: floods of frames that cost a client nothing run beside a hundred
// event streams of other clients. The streams continue, and the cost of the floods
// is bounded.
func TestHTTP2Floods(t *testing.T) { //nolint:paralleltest // measures memory
	in, h2, _ := overTLS(t, options{limits: manySessions})
	tok := token(t, "u42", "live", time.Hour)
	const streams, rounds = 100, 10_000
	all := make([]*stream, streams)
	for n := range all {
		all[n] = in.readsWith(h2, "HTTP/2.0", "/v1/streams/orders/events", tok)
		all[n].until("sluice.caught_up")
	}
	const page = "/v1/streams/orders/records?wait=30s&from=latest"
	floods := []struct {
		name  string
		frame func(c *rawHTTP2, n int) error
	}{
		{"SETTINGS", func(c *rawHTTP2, n int) error {
			return c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(1<<16 + n%2)})
		}},
		{"PING", func(c *rawHTTP2, n int) error { return c.framer.WritePing(false, [8]byte{byte(n)}) }},
		{"RST_STREAM", func(c *rawHTTP2, _ int) error {
			stream, err := c.ask(http.MethodGet, page, tok)
			if err != nil {
				return err
			}
			return c.framer.WriteRSTStream(stream, http2.ErrCodeCancel)
		}},
		{"WINDOW_UPDATE", func(c *rawHTTP2, _ int) error { return c.framer.WriteWindowUpdate(0, 1) }},
		{"windows of streams", func(c *rawHTTP2, n int) error {
			if n == 0 {
				_, err := c.ask(http.MethodGet, page, tok)
				return err
			}
			return c.framer.WriteWindowUpdate(1, 1)
		}},
		{"PRIORITY", func(c *rawHTTP2, n int) error {
			return c.framer.WritePriority(uint32(2*n+1), http2.PriorityParam{StreamDep: 0, Weight: byte(n)})
		}},
	}
	before := heapInUse()
	var flooding sync.WaitGroup
	written, finished := make([]int, len(floods)), make(chan struct{})
	for i, flood := range floods {
		c := in.rawHTTP2(h2, nil)
		flooding.Go(func() {
			defer func() { _ = c.Close() }()
			for n := range rounds {
				// The server may end such a connection, which ends the flood.
				if flood.frame(c, n) != nil {
					return
				}
				written[i]++
			}
		})
	}
	go func() { flooding.Wait(); close(finished) }()
	// Records published meanwhile reach all of the streams, in order.
	records := int64(0)
	for over := false; !over; {
		select {
		case <-finished:
			over = true
		default:
		}
		in.publish("orders", 0, int(records), int(records)+1)
		for n, s := range all {
			if got := s.offsets(1)["orders/0"]; len(got) != 1 || got[0] != records {
				t.Fatalf("stream %d: got %v, want %d", n, got, records)
			}
		}
		records++
	}
	for i, flood := range floods {
		t.Logf("%s: %d frames beside %d records", flood.name, written[i], records)
		if written[i] < 100 {
			t.Errorf("%s: only %d frames were written", flood.name, written[i])
		}
	}
	in.sampleBecomes(`sluice_sessions{protocol="page"}`, 0)
	in.sampleBecomes(byAddress, streams)
	if grown := int64(heapInUse()) - int64(before); grown > 32<<20 {
		t.Errorf("the floods have left %d bytes", grown)
	}
}
