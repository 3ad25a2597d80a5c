package transport_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/transport"
)

// recorder is a listener that records each write of the server. Its connections are
// not plain TCP, so that each flush is one write.
type recorder struct {
	net.Listener

	mu     sync.Mutex
	writes [][]byte
}

type recordedConn struct {
	net.Conn
	recorder *recorder
}

func (r *recorder) Accept() (net.Conn, error) {
	c, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &recordedConn{c, r}, nil
}

func (c *recordedConn) Write(b []byte) (int, error) {
	c.recorder.mu.Lock()
	c.recorder.writes = append(c.recorder.writes, bytes.Clone(b))
	c.recorder.mu.Unlock()
	return c.Conn.Write(b)
}

func (r *recorder) taken() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.writes
}

// TestEventsWritesEndWithID: each write ends with an event that has an id, and there
// is an id in every 64 KB.
func TestEventsWritesEndWithID(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	in := start(t, options{
		limits: func(l *transport.Limits) { l.KeepAlive = 100 * time.Millisecond },
		config: func(c *transport.Config) { rec.Listener, c.Listener = c.Listener, rec },
		stream: func(s *hub.Stream) { s.LogBytes = 16 << 20 },
	})
	tok := token(t, "u42", "live", time.Hour)
	rng := rand.New(rand.NewPCG(1, 2))
	total := 0
	for n := range 120 {
		size := []int{10, 1000, 20_000, 40_000, 59_000}[rng.IntN(5)]
		for _, stream := range []string{"orders", "public.news"} {
			in.topics.Append(stream, record.Record{
				Partition: int32(n % 2), Value: fmt.Appendf(nil, "%q", strings.Repeat("x", size)), Timestamp: int64(n),
			})
			total++
		}
	}
	in.topics.Append("orders", record.Record{Value: bytes.Repeat([]byte("1"), 2<<20)}) // a gap
	s := in.reads("/v1/events?stream=orders&stream=public.news&from=-1d", tok)
	s.cancel()
	// The records have timestamps of 1970.
	s = in.reads("/v1/events?stream=orders&stream=public.news&from=earliest", tok)
	gaps := 0
	for records := 0; records < total-1 || gaps == 0; {
		e, ok := s.next()
		switch {
		case !ok:
			t.Fatalf("the stream ended after %d records", records)
		case e.name == "":
			records++
		case e.name == "sluice.gap":
			gaps++
		}
		if gaps > 0 && records >= total-120 {
			break
		}
	}
	s.until("sluice.cursor")
	since := 0
	for n, w := range rec.taken() {
		head, rest, ok := bytes.Cut(w, []byte("\r\n\r\n"))
		switch {
		case ok && !bytes.Contains(head, []byte("text/event-stream")):
			continue
		case ok:
			w = rest
		}
		if !bytes.HasSuffix(w, []byte("\n\n")) {
			t.Fatalf("write %d ends within an event: …%q", n, w[max(0, len(w)-100):])
		}
		events := bytes.SplitAfter(w, []byte("\n\n"))
		last := events[len(events)-2]
		if !bytes.HasPrefix(last, []byte("id: ")) && !bytes.Contains(last, []byte("\nid: ")) {
			t.Errorf("write %d ends with an event without an id: %.200q", n, last)
		}
		for _, e := range events {
			since += len(e)
			if since > 64<<10 {
				t.Errorf("write %d: %d bytes without an id", n, since)
			}
			if bytes.Contains(e, []byte("\nid: ")) || bytes.HasPrefix(e, []byte("id: ")) || len(e) == 0 {
				since = 0
			}
		}
		since = 0
	}
}

// TestEventsLongCursors: an id of more than 256 bytes is sent at most every 100 ms,
// and then covers everything sent.
func TestEventsLongCursors(t *testing.T) {
	t.Parallel()
	for name, config := range eitherWay {
		t.Run(name, func(t *testing.T) { t.Parallel(); testEventsLongCursors(t, config) })
	}
}

func testEventsLongCursors(t *testing.T, config func(*transport.Config)) {
	t.Helper()
	const partitions = 60
	in := start(t, options{config: config, stream: func(s *hub.Stream) {
		if topics, ok := s.Source.(*hubtest.Topics); ok && s.Name == "orders" {
			topics.Create("orders", partitions)
		}
	}})
	tok := token(t, "u42", "live", time.Hour)
	for p := range partitions {
		in.topics.Skip("orders", int32(p), 130+p)
	}
	s := in.reads("/v1/streams/orders/events", tok)
	ready, _ := s.next()
	if len(ready.id) <= 256 {
		t.Fatalf("the cursor has only %d bytes", len(ready.id))
	}
	s.until("sluice.caught_up")
	begun := time.Now()
	stop, stopped := make(chan struct{}), make(chan struct{})
	sent := 0
	go func() {
		defer close(stopped)
		for ; ; sent++ {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				in.publish("orders", int32(sent%partitions), sent, sent+1)
			}
		}
	}()
	ids, events := 0, 0
	for time.Since(begun) < 500*time.Millisecond || events < 100 || ids < 2 {
		e, ok := s.next()
		if !ok {
			t.Fatal("the stream ended")
		}
		if e.id != "" {
			ids++
		}
		if e.name == "" {
			events++
		}
	}
	took := time.Since(begun)
	close(stop)
	<-stopped
	if ids > int(took/(100*time.Millisecond))+3 || ids >= events {
		t.Errorf("%d ids for %d events in %v", ids, events, took)
	}
	// When the stream is quiet the last id is sent, so that nothing is sent twice.
	for events < sent {
		e, ok := s.next()
		if !ok {
			t.Fatal("the stream ended")
		}
		if e.name == "" {
			events++
		}
	}
	if e, _ := s.next(); e.id == "" {
		t.Errorf("got %+v", e)
	}
	again := in.reads("/v1/streams/orders/events", tok, "Last-Event-ID", s.lastID)
	_, _ = again.next()
	if e, _ := again.next(); e.name != "sluice.caught_up" {
		t.Errorf("resumed at the last id: %+v", e)
	}
}

// TestEventsNoCursorTooLong: a stream whose ids the client could not send back is
// refused at once.
func TestEventsNoCursorTooLong(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.CursorBytes = 100 }})
	tok := token(t, "u42", "live", time.Hour)
	in.reads("/v1/streams/orders/events", tok).until("sluice.caught_up")
	status, head, body := in.do(http.MethodGet, "/v1/events?stream=orders&stream=public.news", tok, "")
	in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
	in.eventually("subscriptions are given back", func() bool { return in.metric(`sluice_subscriptions`) <= 1 })
}

// metric returns the value of a series on the admin listener, -1 if there is none.
func (in *instance) metric(series string) float64 {
	in.t.Helper()
	res, err := http.Get(in.admin + "/metrics")
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			var v float64
			if _, err := fmt.Sscan(value, &v); err != nil {
				in.t.Fatal(err)
			}
			return v
		}
	}
	return -1
}

// TestEventsHangUp: the end of a client is noticed although nothing is written to
// it.
func TestEventsHangUp(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, testEventsHangUp)
}

func testEventsHangUp(t *testing.T, overTLS bool) {
	in := start(t, options{tls: overTLS, limits: func(l *transport.Limits) { l.KeepAlive = never }})
	tok := token(t, "u42", "live", time.Hour)
	const sessions = `sluice_sessions{protocol="sse"}`
	for name, leave := range map[string]func(rawStream){
		"its end": func(c rawStream) { _ = c.Close() }, // under TLS with an alert before
		"FIN":     func(c rawStream) { _ = c.below.Close() },
		"RST":     func(c rawStream) { _ = c.below.SetLinger(0); _ = c.below.Close() },
	} {
		conn := in.rawGet("/v1/streams/orders/events", tok)
		in.eventually("it counts", func() bool { return in.metric(sessions) == 1 })
		before := runtime.NumGoroutine()
		leave(conn)
		in.eventually(name+" ends the session", func() bool { return in.metric(sessions) == 0 && in.metric("sluice_subscriptions") == 0 })
		in.eventually("no goroutine is left", func() bool { return runtime.NumGoroutine() <= before+20 })
	}
}

// rawStream is a connection on which an answer comes. below is the connection that
// carries it.
type rawStream struct {
	net.Conn
	below *net.TCPConn
}

// rawGet sends a request and leaves the answer to the caller.
func (in *instance) rawGet(path, token string) rawStream {
	in.t.Helper()
	c, err := net.Dial("tcp", in.address())
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = c.Close() })
	below, ok := c.(*net.TCPConn)
	if !ok {
		in.t.Fatalf("%T", c)
	}
	conn := rawStream{Conn: in.secured(c), below: below}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, token); err != nil {
		in.t.Fatal(err)
	}
	return conn
}

// TestEventsNeverRead: a client that reads nothing does not delay others, and is cut
// off after write_progress.
func TestEventsNeverRead(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, func(t *testing.T, overTLS bool) {
		t.Run("others go on", func(t *testing.T) { t.Parallel(); testEventsNeverRead(t, overTLS, never) })
		t.Run("it is cut off", func(t *testing.T) { t.Parallel(); testEventsNeverRead(t, overTLS, 10*time.Second) })
	})
}

func testEventsNeverRead(t *testing.T, overTLS bool, progress time.Duration) {
	t.Helper()
	in := start(t, options{
		tls:    overTLS,
		limits: func(l *transport.Limits) { l.WriteProgress, l.SendBuffer = progress, 8<<10 },
		stream: func(s *hub.Stream) { s.LogBytes = 4 << 20 },
	})
	tok := token(t, "u42", "live", time.Hour)
	stuck := in.rawGet("/v1/streams/orders/events", tok)
	_ = stuck.below.SetReadBuffer(4 << 10)
	in.eventually("it counts", func() bool { return in.metric(`sluice_sessions{protocol="sse"}`) == 1 })
	s := in.reads("/v1/streams/orders/events", tok)
	s.until("sluice.caught_up")
	begun := time.Now()
	big := bytes.Repeat([]byte("x"), 20_000)
	for n := range 400 {
		in.topics.Append("orders", record.Record{Value: fmt.Appendf(nil, `"%d %s"`, n, big), Timestamp: 1})
		e, ok := s.next()
		for ok && e.name != "" {
			e, ok = s.next()
		}
		if !ok || !strings.Contains(e.data, fmt.Sprintf(`"data":"%d `, n)) {
			t.Fatalf("record %d: %.100q", n, e.data)
		}
	}
	if progress == never {
		// If it had delayed the other client, that client would receive nothing any
		// more.
		if n := in.metric(`sluice_sessions{protocol="sse"}`); n != 2 {
			t.Errorf("%v sessions are left", n)
		}
		return
	}
	in.eventually("the stuck one is cut off", func() bool {
		return in.metric(`sluice_cut_off_total{reason="no_progress"}`) == 1 && in.metric(`sluice_sessions{protocol="sse"}`) == 1
	})
	if took := time.Since(begun); took < progress {
		t.Errorf("it was cut off after %v", took)
	}
}
