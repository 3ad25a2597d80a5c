package transport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/transport"
	"sluice/web"
)

// routeMethods are the methods that PROTOCOL.md lists for each path.
var routeMethods = map[string][]string{
	"/v1/ws":                     {"GET", "HEAD"},
	"/v1/events?stream=orders":   {"GET", "HEAD"},
	"/v1/streams":                {"GET", "HEAD"},
	"/v1/streams/orders":         {"GET", "HEAD"},
	"/v1/streams/nope":           {"GET", "HEAD"},
	"/v1/streams/orders/events":  {"GET", "HEAD"},
	"/v1/streams/orders/schema":  {"GET", "HEAD"},
	"/v1/streams/orders/records": {"GET", "POST", "HEAD"},
	"/v1/cursors/orders/a":       {"DELETE", "GET", "PUT", "HEAD"},
	"/v1/tickets":                {"POST"},
	"/v1/cookie":                 {"DELETE", "POST"},
	"/openapi.json":              {"GET", "HEAD"},
	"/asyncapi.json":             {"GET", "HEAD"},
	// Not found, whatever the method.
	"/v1/":     {"GET", "HEAD"},
	"/v1":      {"GET", "HEAD"},
	"/v1/nope": nil, "/v1/ws/": nil, "/v1/streams/": nil, "/v1/streams/orders/nope": nil, "/nope": nil,
}

// TestMethodsOfRoutes: every path with every method, over HTTP/1.1 and HTTP/2, with
// and without the console. HEAD is supported where GET is and is answered alike, and
// Allow is correct.
func TestMethodsOfRoutes(t *testing.T) {
	t.Parallel()
	methods := []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"}
	tok := token(t, "u42", "live", time.Hour)
	for _, console := range []bool{false, true} {
		in, h2, h1 := overTLS(t, options{
			limits: func(l *transport.Limits) { l.SessionsPerPrincipal = 0 },
			config: func(c *transport.Config) {
				if console {
					c.Console = web.Handler()
				}
			},
		})
		routes := map[string][]string{"/": nil, "/docs": nil, "/docs/": nil, "/docs/PROTOCOL": nil, "/docs/PROTOCOL.md": nil, "/docs/nope": nil}
		for path, allowed := range routeMethods {
			routes[path] = allowed
		}
		if console {
			for _, path := range []string{"/", "/docs", "/docs/", "/docs/PROTOCOL", "/docs/PROTOCOL.md"} {
				routes[path] = []string{"GET", "HEAD"}
			}
		}
		for path, allowed := range routes {
			for _, client := range []*http.Client{h1, h2} {
				heads := map[string]*http.Response{}
				for _, method := range methods {
					res := in.asks(client, method, path, tok) //nolint:bodyclose // asks has
					what := fmt.Sprintf("console %v: %s %s %s", console, res.Proto, method, path)
					heads[method] = res
					allow := res.Header.Get("Allow")
					switch {
					case len(allowed) == 0:
						if res.StatusCode != http.StatusNotFound || allow != "" {
							t.Errorf("%s: got %d, Allow %q", what, res.StatusCode, allow)
						}
					case slices.Contains(allowed, method):
						if res.StatusCode == http.StatusMethodNotAllowed || allow != "" {
							t.Errorf("%s: got %d, Allow %q", what, res.StatusCode, allow)
						}
					case res.StatusCode != http.StatusMethodNotAllowed || allow != strings.Join(allowed, ", "):
						t.Errorf("%s: got %d, Allow %q, want %v", what, res.StatusCode, allow, allowed)
					}
				}
				get, head := heads["GET"], heads["HEAD"]
				if get.StatusCode != head.StatusCode || get.Header.Get("Content-Type") != head.Header.Get("Content-Type") {
					t.Errorf("%s %s: GET has %d %v, HEAD %d %v", get.Proto, path, get.StatusCode, get.Header, head.StatusCode, head.Header)
				}
			}
		}
		in.sampleBecomes(byAddress, 0)
	}
}

// asks sends a request and returns the head of the answer.
func (in *instance) asks(client *http.Client, method, path, token string) *http.Response {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, in.url+path, nil)
	if err != nil {
		in.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Transport.RoundTrip(req) // as it is, without following redirects
	if err != nil {
		in.t.Fatalf("%s %s: %v", method, path, err)
	}
	_ = res.Body.Close()
	return res
}

// TestUncleanPaths: no answer repeats a token from a query, and none redirects a
// client to the same request without its parameters.
func TestUncleanPaths(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) { c.Console = web.Handler() }})
	const secretText = "s3cr3t-7d1f"
	for path, clean := range map[string]string{
		"//v1/streams": "/v1/streams", "/v1//streams/orders/records": "/v1/streams/orders/records", "/v1/./ws": "/v1/ws",
		"/x/../v1/events": "/v1/events", "/v1/streams//": "/v1/streams/", "//evil.example.com/%2e%2e": "/evil.example.com/%2e%2e",
		"//evil.example.com": "/evil.example.com", "/v1/..": "/", "/console": "", "/v1/streams/": "",
		"/docs//start": "/docs/start", "/v1/../docs/": "/docs/", "/docs/../v1/ws": "/v1/ws", "/docs/start/": "",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
			for _, query := range []string{"", "?access_token=" + secretText} {
				_, res := in.open(t, method+" "+path+query+" HTTP/1.1\r\nHost: sluice\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false)
				said := fmt.Sprint(res.status, res.header, res.body)
				if strings.Contains(said, secretText) {
					t.Errorf("%s %s: the query is repeated: %s", method, path+query, said)
				}
				location := res.header.Get("Location")
				switch {
				case clean == "":
					if res.status != http.StatusNotFound || location != "" {
						t.Errorf("%s %s: got %s", method, path+query, said)
					}
				case query != "":
					if res.status != http.StatusBadRequest || location != "" {
						t.Errorf("%s %s: got %s", method, path+query, said)
					}
				case res.status != http.StatusTemporaryRedirect || location != clean || res.body != "":
					t.Errorf("%s %s: got %s", method, path, said)
				}
			}
		}
	}
}

// TestWebSocketOverHTTP2: a handshake is refused with an answer that HTTP/2 can
// carry.
func TestWebSocketOverHTTP2(t *testing.T) {
	t.Parallel()
	in, h2, _ := overTLS(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		res := in.asks(h2, method, "/v1/ws", tok) //nolint:bodyclose // asks has
		if res.Proto != "HTTP/2.0" || res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %s %d", method, res.Proto, res.StatusCode)
		}
		// RFC 9113, section 8.2.2.
		for _, name := range []string{"Connection", "Upgrade", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding"} {
			if value := res.Header.Values(name); len(value) > 0 {
				t.Errorf("%s: an answer over HTTP/2 has %s: %v", method, name, value)
			}
		}
	}
	in.sampleBecomes(byAddress, 0)
}

// TestForgedForwarding: forwarding headers from a client that is no trusted proxy
// have no effect, over every transport.
func TestForgedForwarding(t *testing.T) {
	t.Parallel()
	forged := func(n int) []string {
		ip := fmt.Sprintf("203.0.113.%d", n)
		return []string{
			"X-Forwarded-For", ip, "X-Real-Ip", ip, "Forwarded", "for=" + ip + ";proto=https;host=app.example.com",
			"X-Forwarded-Proto", "https", "X-Forwarded-Host", "app.example.com", "True-Client-Ip", ip, "Via", "1.1 proxy",
		}
	}
	logged := &journal{}
	logger := slog.New(slog.NewTextHandler(logged, nil))
	const most = 3
	in, h2, h1 := overTLS(t, options{
		limits: func(l *transport.Limits) { l.SessionsPerAddress = most },
		config: func(c *transport.Config) { c.Logger = logger },
	})
	plain := start(t, options{
		limits: func(l *transport.Limits) { l.SessionsPerAddress = most },
		config: func(c *transport.Config) { c.Logger = logger },
	})
	request := func(in *instance, client *http.Client, method, path, body string, n int, more ...string) *http.Response {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		req, err := http.NewRequestWithContext(ctx, method, in.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		all := append(forged(n), more...)
		for i := 0; i < len(all); i += 2 {
			req.Header.Set(all[i], all[i+1])
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res
	}
	for name, over := range map[string]struct {
		in     *instance
		client *http.Client
	}{"HTTP/1.1": {plain, http.DefaultClient}, "TLS": {in, h1}, "HTTP/2": {in, h2}} {
		const events = "/v1/streams/public.news/events"
		open := make([]*http.Response, most)
		for n := range most {
			open[n] = request(over.in, over.client, "GET", events, "", n) //nolint:bodyclose // it is closed below
			if open[n].StatusCode != http.StatusOK {
				t.Fatalf("%s: got %d", name, open[n].StatusCode)
			}
		}
		over.in.sampleBecomes(byAddress, most)
		for what, res := range map[string]*http.Response{
			"an event stream": request(over.in, over.client, "GET", events, "", 100),                                    //nolint:bodyclose // the test's end does
			"NDJSON":          request(over.in, over.client, "GET", events, "", 101, "Accept", "application/x-ndjson"),  //nolint:bodyclose // the test's end does
			"a page":          request(over.in, over.client, "GET", "/v1/streams/public.news/records?wait=1s", "", 102), //nolint:bodyclose // the test's end does
			"a WebSocket":     over.in.shakesHands(over.client, forged(103)),                                            //nolint:bodyclose // its connection is
		} {
			want := http.StatusTooManyRequests
			if what == "a WebSocket" && name == "HTTP/2" {
				want = http.StatusBadRequest
			}
			if res.StatusCode != want {
				t.Errorf("%s: %s as somebody else is answered %d", name, what, res.StatusCode)
			}
		}
		// A page is not of the server's own origin because a header says so.
		host := strings.TrimPrefix(strings.TrimPrefix(over.in.url, "https://"), "http://")
		if name == "HTTP/1.1" {
			for _, origin := range []string{"https://" + host, "https://other.example.com"} {
				_, res := over.in.open(t, handshakeOf("", append(forged(1), "Origin", origin)...), false)
				if res.status != http.StatusSwitchingProtocols { // the refusal is in the close
					t.Errorf("got %d", res.status)
				}
			}
		}
		res := request(over.in, over.client, "POST", "/v1/streams/public.news/records", "?", 104) //nolint:bodyclose // the test's end does
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: a publish is answered %d", name, res.StatusCode)
		}
		for _, res := range open {
			_ = res.Body.Close()
		}
		over.in.sampleBecomes(byAddress, 0)
	}
	if text := logged.text(); strings.Contains(text, "203.0.113.") || !strings.Contains(text, "address=127.0.0.1") {
		t.Errorf("logged: %s", text)
	}
}

// shakesHands sends a WebSocket handshake over the same kind of connection as a
// client's.
func (in *instance) shakesHands(client *http.Client, header []string) *http.Response {
	in.t.Helper()
	transport, ok := client.Transport.(*http.Transport)
	if ok && transport.ForceAttemptHTTP2 {
		return in.asks(client, http.MethodGet, "/v1/ws", token(in.t, "u", "live", time.Hour))
	}
	address, secure := strings.CutPrefix(in.url, "https://")
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = conn.Close() })
	if secure {
		config := transport.TLSClientConfig.Clone()
		config.ServerName, config.NextProtos = "127.0.0.1", []string{"http/1.1"}
		conn = tls.Client(conn, config)
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, handshakeOf("", header...)); err != nil {
		in.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		in.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}
