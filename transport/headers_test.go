package transport_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/transport"
)

// raw returns a request line by line, as no client library writes it.
func raw(method, path, token, body string, header ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: sluice.example\r\nConnection: close\r\n", method, path)
	if token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
	}
	for _, line := range header {
		b.WriteString(line + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

// head sends a HEAD request and returns the header of the answer.
func (in *instance) head(request string) http.Header {
	in.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(in.url, "http://"))
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		in.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodHead})
	if err != nil {
		in.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.Header
}

// TestBodyHeaders: a body that must not be taken as it is, is refused, whichever
// header marks it, and never stored.
func TestBodyHeaders(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	live := token(t, "u42", "live", time.Hour)
	for _, c := range []struct {
		header []string
		status int
	}{
		{[]string{"Content-Encoding: gzip"}, 400},
		{[]string{"content-encoding: GZIP"}, 400},
		{[]string{"Content-Encoding: identity", "Content-Encoding: gzip"}, 400},
		{[]string{"Content-Encoding: identity", "Content-Encoding: identity", "Content-Encoding: br"}, 415},
		{[]string{"Content-Encoding:", "Content-Encoding: gzip"}, 400},
		{[]string{"Content-Encoding: identity, gzip"}, 400},
		{[]string{"Content-Encoding: , deflate"}, 415},
		{[]string{"Content-Encoding: identity;gzip"}, 415},
		{[]string{"Content-Encoding: aes128gcm"}, 415},
		{[]string{"Content-Encoding: made-up"}, 415},
		{[]string{"Content-Encoding: gzip, gzip"}, 415},
		{[]string{"Content-Encoding: gzip", "Content-Encoding: zstd"}, 415},
		{[]string{"Content-Encoding: zstd"}, 400},
		{[]string{"Content-Encoding: identity"}, 200},
		{[]string{"Content-Encoding: Identity", "Content-Encoding: IDENTITY, identity"}, 200},
		{[]string{"Content-Encoding:"}, 200},
		{[]string{"Content-Type: text/plain", "Content-Type: application/json"}, 400},
		{[]string{"Content-Type: application/json", "Content-Type: text/plain"}, 400},
		{[]string{"Content-Type: application/json", "Content-Type: application/json"}, 400},
		{[]string{"Content-Type:", "Content-Type: application/json"}, 400},
		{[]string{"Content-Type: application/json, text/plain"}, 400},
		{[]string{"Content-Type: application/json; charset=latin1"}, 400},
		{[]string{"Content-Type: application/json; charset=utf-8; charset=latin1"}, 400},
		{[]string{"Content-Type: APPLICATION/JSON"}, 200},
		{[]string{`Content-Type: application/json; Charset="UTF-8"`}, 200},
		{[]string{"Content-Type: text/plain; charset=latin1"}, 200},
		{[]string{"Idempotency-Key: a"}, 400},
		{[]string{"Idempotency-Key:", "Idempotency-Key: a"}, 400},
		{[]string{"Idempotency-Key: a", "Idempotency-Key: b"}, 400},
		{[]string{"Ce-Id: 1"}, 400},
		{[]string{"ce-id:"}, 400},
		// Framing (RFC 9112, section 6): two lengths are invalid.
		{[]string{"Content-Length: 5"}, 400},
		{[]string{"Transfer-Encoding: gzip, chunked"}, 501},
		{[]string{"Transfer-Encoding: identity"}, 501},
		{[]string{"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"}, 501},
	} {
		status, body := in.sends(raw(http.MethodPost, publishPath, live, `{"data":1}`, c.header...), nil)
		if status != c.status {
			t.Errorf("publish with %q: got %d %s", c.header, status, body)
		}
	}
	if got := len(in.page("orders", "from=earliest", live).Records); got != 6 {
		t.Errorf("%d records are stored", got)
	}
	for _, header := range []string{"Content-Encoding: gzip", "Content-Encoding: identity, br"} {
		status, body := in.sends(raw(http.MethodPut, "/v1/cursors/orders/a", live, `{"cursor":"v1.x"}`, header), nil)
		if status != 415 || !strings.Contains(body, "content encoding") {
			t.Errorf("a cursor with %s: got %d %s", header, status, body)
		}
	}
}

// TestSingleHeaders: two lines of a header that allows only one are refused.
func TestSingleHeaders(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	live := token(t, "u42", "live", time.Hour)
	for _, path := range []string{"/v1/streams/orders/events", "/v1/events?stream=orders", "/v1/streams/orders/records"} {
		for _, two := range [][]string{
			{"Authorization: Bearer " + live}, {"authorization: bearer " + live}, {"Authorization: Basic x"}, {"Authorization:"},
		} {
			status, body := in.sends(raw(http.MethodGet, path, live, "", two...), nil)
			if status != 400 || !strings.Contains(body, "more than one credential") {
				t.Errorf("%s with %q: got %d %s", path, two, status, body)
			}
		}
		for _, two := range [][]string{{"v1.a", "v1.b"}, {"v1.a", "v1.a"}, {"", "v1.a"}, {"v1.a", ""}} {
			status, body := in.sends(raw(http.MethodGet, path, live, "", "Last-Event-ID: "+two[0], "Last-Event-ID: "+two[1]), nil)
			if inStream := status == 200; !strings.Contains(body, "bad_request") || inStream != (two[0] != "" && path != publishPath) {
				t.Errorf("%s with two Last-Event-IDs %q: got %d %s", path, two, status, body)
			}
		}
	}
	for scheme, want := range map[string]int{"bearer": 200, "BEARER": 200, "Bearer ": 200, "Basic": 400, "Bearer\t": 400, "": 400} {
		status, body := in.sends(raw(http.MethodGet, "/v1/streams", "", "", "Authorization: "+scheme+" "+live), nil)
		if status != want {
			t.Errorf("%q: got %d %s", scheme, status, body)
		}
	}
}

// TestAccept: the media type of an event stream is negotiated according to RFC 9110
// (section 12.5.1).
func TestAccept(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	live := token(t, "u42", "live", time.Hour)
	const events, lines = "text/event-stream", "application/x-ndjson"
	for _, c := range []struct {
		accept []string
		want   string
	}{
		{nil, events},
		{[]string{""}, events},
		{[]string{"text/event-stream"}, events},
		{[]string{"*/*"}, events},
		{[]string{"text/*"}, events},
		{[]string{"application/json"}, events},
		{[]string{"application/x-ndjson"}, lines},
		{[]string{"APPLICATION/X-NDJSON"}, lines},
		{[]string{"application/x-ndjson, */*"}, lines},
		{[]string{"application/x-ndjson;q=0.001"}, lines},
		{[]string{"application/x-ndjson;q=0"}, events},
		{[]string{"application/x-ndjson; Q=0.0"}, events},
		{[]string{"application/x-ndjson ; q=0.000 , */*"}, events},
		{[]string{"application/x-ndjson;q=0.5, */*"}, events},
		{[]string{"application/x-ndjson;q=0.5, text/event-stream;q=0.4"}, lines},
		{[]string{"application/x-ndjson;q=0.5, text/event-stream;q=0.6"}, events},
		{[]string{"text/event-stream, application/x-ndjson"}, lines},
		{[]string{"text/event-stream;q=0, */*"}, lines},
		{[]string{"text/event-stream;q=0.9", "application/x-ndjson"}, lines},
		{[]string{"application/x-ndjson;q=0.2", "text/event-stream"}, events},
		{[]string{"application/*"}, lines},
		{[]string{"application/*;q=0.1, text/*;q=0.2"}, events},
		{[]string{"application/*;q=0, application/x-ndjson"}, lines},
		{[]string{"application/*, application/x-ndjson;q=0"}, events},
		{[]string{"*/*;q=0, application/x-ndjson;q=0.1"}, lines},
		{[]string{`application/x-ndjson;a="x,y;q=0";q=1`}, lines},
		{[]string{`text/html;a=", application/x-ndjson, "`}, events},
		{[]string{"application/x-ndjsonx"}, events},
		{[]string{"xapplication/x-ndjson"}, events},
		{[]string{"text/html;x=application/x-ndjson"}, events},
		{[]string{"application/x-ndjson;q=2"}, events},
		{[]string{"application/x-ndjson;q=x"}, events},
		{[]string{"application/x-ndjson;q=-1"}, events},
		{[]string{"application/x-ndjson;q=0.0001"}, events},
		{[]string{",, application/x-ndjson ,,"}, lines},
	} {
		var header []string
		for _, line := range c.accept {
			header = append(header, "Accept: "+line)
		}
		if got := in.head(raw(http.MethodHead, "/v1/streams/orders/events", live, "", header...)).Get("Content-Type"); got != c.want {
			t.Errorf("%q: got %q, want %q", c.accept, got, c.want)
		}
	}
}

// TestAcceptEncoding: so is the content coding of an event stream (section 12.5.3).
func TestAcceptEncoding(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) { c.Compression.EventStreams = true }})
	live := token(t, "u42", "live", time.Hour)
	for _, c := range []struct {
		accept []string
		want   string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"gzip"}, "gzip"},
		{[]string{"GZip"}, "gzip"},
		{[]string{"x-gzip"}, "gzip"},
		{[]string{"x-gzip;q=0"}, ""},
		{[]string{"gzip, x-gzip;q=0"}, "gzip"},
		{[]string{"zstd"}, ""},
		{[]string{"gzip, zstd"}, "gzip"},
		{[]string{"gzip;q=0.5, zstd"}, "gzip"},
		{[]string{"gzip;q=0.5", "zstd;q=0.6"}, "gzip"},
		{[]string{"gzip;q=0"}, ""},
		{[]string{"gzip;Q=0.000"}, ""},
		{[]string{"gzip ; q = 0"}, ""},
		{[]string{"gzip;q=0, zstd"}, ""},
		{[]string{"*"}, "gzip"},
		{[]string{"*;q=0"}, ""},
		{[]string{"gzip;q=0, *"}, ""},
		{[]string{"*;q=0, zstd"}, ""},
		{[]string{"identity"}, ""},
		{[]string{"identity;q=0, *"}, "gzip"},
		{[]string{"identity;q=0"}, ""}, // nothing is acceptable; the answer is not compressed
		{[]string{"identity, gzip;q=0.9"}, ""},
		{[]string{"identity;q=0.5, gzip;q=0.5"}, "gzip"},
		{[]string{"br, deflate"}, ""},
		{[]string{"gzip;q=1.1"}, ""},
		{[]string{"gzip;q=0.12345"}, ""},
		{[]string{"gzipped"}, ""},
		{[]string{`br;a="gzip, gzip"`}, ""},
	} {
		var header []string
		for _, line := range c.accept {
			header = append(header, "Accept-Encoding: "+line)
		}
		if got := in.head(raw(http.MethodHead, "/v1/streams/orders/events", live, "", header...)).Get("Content-Encoding"); got != c.want {
			t.Errorf("%q: got %q, want %q", c.accept, got, c.want)
		}
	}
}
