package transport_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

func compressing(c *transport.Config) {
	c.Compression = transport.Compression{EventStreams: true, WebSockets: true}
}

// eitherWay is the configurations with plain and with compressed event streams. Go's
// client requests compression and undoes it by itself.
var eitherWay = map[string]func(*transport.Config){"plain": nil, "compressed": compressing}

// inflated decompresses a content coding as it arrives, and records how it ended.
type inflated struct {
	io.Reader
	err  error
	wire *counted
}

func (r *inflated) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil {
		r.err = err
	}
	return n, err
}

type counted struct {
	io.Reader
	n int
}

func (r *counted) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n += n
	return n, err
}

// compressedEvents opens a compressed event stream.
func (in *instance) compressedEvents(path, token string) (*stream, *inflated) {
	in.t.Helper()
	s := in.reads(path, token, "Accept-Encoding", "gzip")
	if got := s.res.Header.Get("Content-Encoding"); got != "gzip" {
		in.t.Fatalf("%s: the coding is %q, want gzip", path, got)
	}
	return s, in.inflate(s)
}

func (in *instance) inflate(s *stream) *inflated {
	in.t.Helper()
	r := &inflated{wire: &counted{Reader: s.res.Body}}
	var err error
	if r.Reader, err = gzip.NewReader(r.wire); err != nil {
		in.t.Fatal(err)
	}
	s.lines = bufio.NewReader(r)
	return r
}

// TestCompressedStreams: clients connect one after another while records are
// published. Each receives every record once, whichever blocks it shares, and in the
// end a complete stream with the right checksum.
func TestCompressedStreams(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: compressing, limits: func(l *transport.Limits) { l.KeepAlive = 20 * time.Millisecond }})
	tok := token(t, "u42", "live", time.Hour)
	const records = 3000
	in.publish("orders", 0, 0, 200)
	var clients, served sync.WaitGroup
	for n := range 12 {
		served.Add(1)
		isServed := sync.OnceFunc(served.Done)
		path := "/v1/streams/orders/events?from=earliest"
		if n%4 == 3 {
			path += "&heartbeat=1s"
		}
		clients.Go(func() {
			defer isServed()
			time.Sleep(time.Duration(n) * 10 * time.Millisecond)
			s, r := in.compressedEvents(path, tok)
			got := s.offsets(records)
			if !equal(got["orders/0"], upTo(0, records)) {
				t.Errorf("client %d: got %d records, not each once and in order", n, len(got["orders/0"]))
			}
			if n%4 != 3 {
				s.until("sluice.cursor") // of the last write
				s.until("sluice.cursor") // the stream is quiet
			}
			isServed()
			for {
				if _, ok := s.next(); !ok {
					break
				}
			}
			if !errors.Is(r.err, io.EOF) {
				t.Errorf("client %d: the stream ended with %v", n, r.err)
			}
		})
	}
	for n := 200; n < records; {
		to := min(n+1+n%40, records)
		in.publish("orders", 0, n, to)
		n = to
		if n%3 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	served.Wait()
	if err := in.stop(); err != nil {
		t.Error(err)
	}
	clients.Wait()
}

// TestCompressedIDs resumes at every id of a compressed stream.
func TestCompressedIDs(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: compressing})
	tok := token(t, "u42", "live", time.Hour)
	s, _ := in.compressedEvents("/v1/streams/orders/events", tok)
	s.until("sluice.caught_up")
	ids := make(map[string]int64)
	for n := range 8 {
		in.publish("orders", 0, 3*n, 3*n+3)
		for last := int64(-1); last < int64(3*n+2); {
			e, _ := s.next()
			last = int64(e.json(t)["offset"].(float64))
			if e.id != "" {
				ids[e.id] = last
			}
		}
	}
	if len(ids) < 8 {
		t.Errorf("8 writes had %d ids", len(ids))
	}
	for id, last := range ids {
		again, _ := in.compressedEvents("/v1/streams/orders/events?last_event_id="+id, tok)
		if got := again.offsets(int(23 - last)); !equal(got["orders/0"], upTo(last+1, 24)) {
			t.Errorf("behind %d came %v", last, got)
		}
		again.cancel()
	}
}

// TestCompressedShares: compressed output is much smaller, also one record at a
// time.
func TestCompressedShares(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: compressing})
	tok := token(t, "u42", "live", time.Hour)
	s, r := in.compressedEvents("/v1/streams/orders/events", tok)
	s.until("sluice.caught_up")
	before, plain := r.wire.n, 0
	for n := range 300 {
		in.publish("orders", 0, n, n+1)
		e, _ := s.next()
		plain += len("data: ") + len(e.data) + len("\nid: ") + len(e.id) + len("\n\n")
	}
	wire := r.wire.n - before
	t.Logf("300 records one by one: %d bytes, %d on the wire", plain, wire)
	if wire > plain/2 {
		t.Errorf("%d bytes took %d on the wire", plain, wire)
	}
	for _, name := range []string{"sluice_compressed_content_bytes_total", "sluice_compressed_bytes_total"} {
		if in.metric(name+`{protocol="sse"}`) == 0 {
			t.Errorf("%s counts nothing", name)
		}
	}
}

// TestCompressedLargeRecords: records that do not compress and are larger than any
// block are delivered beside small ones.
func TestCompressedLargeRecords(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: compressing, stream: func(s *hub.Stream) { s.LogBytes = 8 << 20 }})
	tok := token(t, "u42", "live", time.Hour)
	var values []string
	add := func(size int) {
		noise := make([]byte, size)
		_, _ = rand.Read(noise)
		value := base64.StdEncoding.EncodeToString(noise)
		values = append(values, value)
		in.topics.Append("orders", record.Record{Key: []byte("k"), Value: fmt.Appendf(nil, "%q", value), Timestamp: 1})
	}
	add(100_000)
	first, _ := in.compressedEvents("/v1/streams/orders/events?from=earliest", tok)
	first.offsets(1)
	for _, size := range []int{10, 23_000, 30_000, 300_000, 1, 17_900, 17_999, 18_000, 500_000, 5} {
		add(size)
	}
	second, _ := in.compressedEvents("/v1/streams/orders/events?from=earliest", tok)
	for name, s := range map[string]*stream{"first": first, "second": second} {
		from := len(values) - 10
		if name == "second" {
			from = 0
		}
		for n := from; n < len(values); {
			e, ok := s.next()
			if !ok {
				t.Fatalf("%s ended before record %d", name, n)
			}
			if e.name != "" {
				continue
			}
			if got := e.json(t).str("data"); got != values[n] {
				t.Fatalf("%s: record %d differs", name, n)
			}
			n++
		}
	}
}

func TestContentCoding(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: compressing})
	tok := token(t, "u42", "live", time.Hour)
	tests := map[string]struct{ accept, path, want string }{
		"a browser":            {"gzip, deflate, br, zstd", "", "gzip"},
		"only zstd":            {"zstd", "", ""},
		"zstd is liked better": {"gzip;q=0.5, zstd;q=0.8", "", "gzip"},
		"anything":             {"*", "", "gzip"},
		"anything but gzip":    {"gzip;q=0, *", "", ""},
		"plain is liked":       {"gzip;q=0.5, identity", "", ""},
		"plain is as good":     {"gzip;q=0.5, identity;q=0.5", "", "gzip"},
		"plain is refused":     {"identity;q=0, gzip;q=0.001", "", "gzip"},
		"another case":         {"GZip ; Q=1.000", "", "gzip"},
		"an old name":          {"x-gzip", "", "gzip"},
		"none":                 {"identity", "", ""},
		"not these":            {"br, deflate", "", ""},
		"refused":              {"gzip;q=0, zstd;q=0.000", "", ""},
		"no number":            {"gzip;q=high, zstd;q=2, gzip;level=9", "", ""},
		"a filter":             {"gzip", "?key=k1", ""},
		"a gap is the end":     {"gzip", "?on_gap=fail", ""},
		"several streams":      {"gzip", "several", ""},
	}
	for name, test := range tests {
		path := "/v1/streams/orders/events" + test.path
		if test.path == "several" {
			path = "/v1/events?stream=orders&stream=public.news"
		}
		s := in.reads(path, tok, "Accept-Encoding", test.accept)
		if got := s.res.Header.Get("Content-Encoding"); got != test.want {
			t.Errorf("%s: %q is answered with %q, want %q", name, test.accept, got, test.want)
		}
		if got := strings.Join(s.res.Header.Values("Vary"), ","); !strings.Contains(got, "Accept-Encoding") {
			t.Errorf("%s: Vary is %q", name, got)
		}
		if test.want != "" {
			in.inflate(s)
		}
		if e, _ := s.next(); e.name != "sluice.ready" {
			t.Errorf("%s: it begins with %q", name, e.name)
		}
		s.cancel()
	}
	lines := in.reads("/v1/streams/orders/events", tok, "Accept-Encoding", "gzip", "Accept", "application/x-ndjson")
	if got := lines.res.Header.Get("Content-Encoding"); got != "" {
		t.Errorf("lines have coding %q", got)
	}
	_, head, _ := in.do(http.MethodHead, "/v1/streams/orders/events", tok, "", "Accept-Encoding", "gzip")
	if got := head.Get("Content-Encoding"); got != "gzip" {
		t.Errorf("HEAD is answered with coding %q", got)
	}
	off := start(t, options{})
	s := off.reads("/v1/streams/orders/events", tok, "Accept-Encoding", "gzip")
	if got := s.res.Header.Get("Content-Encoding") + s.res.Header.Get("Vary"); got != "Origin" {
		t.Errorf("switched off, it answers with %q", got)
	}
}

// TestCompressedRefusal: a fault is answered uncompressed.
func TestCompressedRefusal(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: compressing})
	s := in.reads("/v1/streams/nowhere/events?errors=stream", token(t, "u42", "live", time.Hour), "Accept-Encoding", "gzip")
	if got := s.res.Header.Get("Content-Encoding"); got != "" {
		t.Errorf("the coding is %q", got)
	}
	s.until("sluice.close")
}

// TestCompressedOverHTTP2: the same where the HTTP server writes.
func TestCompressedOverHTTP2(t *testing.T) {
	t.Parallel()
	in, h2, h1 := overTLS(t, options{config: compressing})
	tok := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 100)
	for proto, client := range map[string]*http.Client{"HTTP/2.0": h2, "HTTP/1.1": h1} {
		// Go's client requests gzip by itself.
		s := in.readsWith(client, proto, "/v1/streams/orders/events?from=earliest", tok)
		if !s.res.Uncompressed {
			t.Errorf("%s: it was not compressed", proto)
		}
		if got := s.offsets(100); !equal(got["orders/0"], upTo(0, 100)) {
			t.Errorf("%s: got %v", proto, got)
		}
		s.cancel()
	}
}

// TestCompressedSlowReader is promise 2 for a client that reads less than there is:
// what a socket does not accept is neither lost nor repeated.
func TestCompressedSlowReader(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: compressing, stream: func(s *hub.Stream) { s.LogBytes = 64 << 20 }})
	tok := token(t, "u42", "live", time.Hour)
	s, _ := in.compressedEvents("/v1/streams/orders/events", tok)
	s.until("sluice.caught_up")
	other := in.dial("?stream=orders", tok)
	other.until("caught_up")
	noise := make([]byte, 3000)
	const records = 2000
	for range records {
		_, _ = rand.Read(noise)
		in.topics.Append("orders", record.Record{Value: bytes.Clone(noise), Timestamp: 1})
	}
	for range records {
		other.until("event") // everything has been delivered to clients that read
	}
	if sent := in.metric(`sluice_sent_bytes_total{protocol="sse"}`); sent >= records*3000 {
		t.Errorf("%.0f bytes were taken without a reader", sent)
	}
	if got := s.offsets(records); !equal(got["orders/0"], upTo(0, records)) {
		t.Errorf("got %d records, not each once and in order", len(got["orders/0"]))
	}
}
