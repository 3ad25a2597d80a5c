package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

// overTLS starts a server behind TLS, and returns clients of HTTP/2 and HTTP/1.1.
func overTLS(t *testing.T, o options) (in *instance, h2, h1 *http.Client) {
	t.Helper()
	o.tls = true
	in = start(t, o)
	h2 = &http.Client{Transport: &http.Transport{TLSClientConfig: in.tls.Clone(), ForceAttemptHTTP2: true}}
	t.Cleanup(h2.CloseIdleConnections)
	return in, h2, in.client
}

// readsWith opens an event stream with a client.
func (in *instance) readsWith(client *http.Client, proto, path, token string) *stream {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), patience)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, in.url+path, nil)
	if err != nil {
		in.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Do(req)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { cancel(); _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Proto != proto || res.Header.Get("Content-Type") != "text/event-stream" {
		in.t.Fatalf("%s: got %s %d %v", path, res.Proto, res.StatusCode, res.Header)
	}
	return &stream{t: in.t, res: res, lines: bufio.NewReader(res.Body), cancel: cancel}
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	in, h2, _ := overTLS(t, options{limits: func(l *transport.Limits) { l.SessionsPerPrincipal, l.KeepAlive = 0, never }})
	tok := token(t, "u42", "live", time.Hour)
	const streams = 100
	var all []*stream
	for range streams {
		s := in.readsWith(h2, "HTTP/2.0", "/v1/streams/orders/events", tok)
		s.until("sluice.caught_up")
		all = append(all, s)
	}
	in.publish("orders", 0, 0, 20)
	for n, s := range all {
		if got := s.offsets(20); !equal(got["orders/0"], upTo(0, 20)) {
			t.Errorf("stream %d: %v", n, got)
		}
	}
	const sessions = `sluice_sessions{protocol="sse"}`
	if got := in.metric(sessions); got != streams {
		t.Errorf("%v sessions", got)
	}
	// One of them is closed, and the others stay.
	all[0].cancel()
	in.eventually("one has gone, though nothing is written to it", func() bool { return in.metric(sessions) == streams-1 })
	in.publish("orders", 1, 0, 1)
	all[1].offsets(1)
	ended := make(chan error, 1)
	go func() { ended <- in.stop() }()
	for _, s := range all[1:] {
		s.closesWith("draining", "resume", false)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestHTTP2NeverRead: a stream that is not read is cut off and delays no other
// stream of its connection.
func TestHTTP2NeverRead(t *testing.T) {
	t.Parallel()
	in, h2, _ := overTLS(t, options{
		limits: func(l *transport.Limits) { l.WriteProgress = 10 * time.Second },
		stream: func(s *hub.Stream) { s.LogBytes = 16 << 20 },
	})
	tok := token(t, "u42", "live", time.Hour)
	in.readsWith(h2, "HTTP/2.0", "/v1/streams/orders/events", tok) // and is not read
	s := in.readsWith(h2, "HTTP/2.0", "/v1/streams/orders/events", tok)
	s.until("sluice.caught_up")
	big := strings.Repeat("x", 100_000)
	for n := range 80 { // more than the window of a stream, 4 MB
		in.topics.Append("orders", record.Record{Value: fmt.Appendf(nil, `"%d %s"`, n, big), Timestamp: 1})
		if got := s.offsets(1); len(got["orders/0"]) != 1 || got["orders/0"][0] != int64(n) {
			t.Fatalf("record %d: %v", n, got)
		}
	}
	in.eventually("the stuck one is cut off", func() bool { return in.metric(`sluice_sessions{protocol="sse"}`) == 1 })
	in.publish("orders", 1, 0, 1)
	s.offsets(1)
}

func TestHTTP1OverTLS(t *testing.T) {
	t.Parallel()
	in, _, h1 := overTLS(t, options{limits: func(l *transport.Limits) { l.KeepAlive = never }})
	tok := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 5)
	s := in.readsWith(h1, "HTTP/1.1", "/v1/streams/orders/events?from=earliest", tok)
	s.offsets(5)
	in.publish("orders", 0, 5, 500)
	if got := s.offsets(495); !equal(got["orders/0"], upTo(5, 500)) {
		t.Errorf("got %v", got)
	}
	const sessions = `sluice_sessions{protocol="sse"}`
	gone := in.readsWith(h1, "HTTP/1.1", "/v1/streams/orders/events", tok)
	gone.until("sluice.caught_up")
	gone.cancel()
	in.eventually("one has gone, though nothing is written to it", func() bool { return in.metric(sessions) == 1 })
	ended := make(chan error, 1)
	go func() { ended <- in.stop() }()
	s.closesWith("draining", "resume", false)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
