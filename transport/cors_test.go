package transport_test

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/transport"
)

const page = "https://app.example.com"

func TestCORSPreflight(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.SessionsPerAddress = 1 }})
	preflight := func(origin, method, headers string) http.Header {
		t.Helper()
		status, head, body := in.do(http.MethodOptions, publishPath, "", "", "Origin", origin,
			"Access-Control-Request-Method", method, "Access-Control-Request-Headers", headers)
		if status != http.StatusNoContent || body != "" || !slices.Contains(strings.Split(strings.Join(head.Values("Vary"), ", "), ", "), "Origin") {
			t.Errorf("%s %s: got %d %v", origin, method, status, head)
		}
		return head
	}
	in.reads("/v1/streams/public.news/events", "") // the address has no session left
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		for _, headers := range []string{
			"authorization", "content-type", "content-encoding", "last-event-id", "idempotency-key", "traceparent", "ce-id", "authorization,content-type",
			"ce-id,ce-source,ce-specversion,ce-type",
		} {
			head := preflight(page, method, headers)
			if head.Get("Access-Control-Allow-Origin") != page || head.Get("Access-Control-Allow-Methods") == "" ||
				head.Get("Access-Control-Allow-Headers") == "" || head.Get("Access-Control-Max-Age") != "7200" ||
				head.Get("Access-Control-Allow-Credentials") != "true" {
				t.Errorf("%s with %s: got %v", method, headers, head)
			}
		}
	}
	if head := preflight(page, "PATCH", ""); head.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("PATCH: got %v", head)
	}
	if head := preflight(page, "GET", "x-evil"); head.Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("x-evil: got %v", head)
	}
	for _, origin := range foreign {
		if head := preflight(origin, "GET", "authorization"); head.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: got %v", origin, head)
		}
	}
}

// foreign are origins that are not the listed one, however similar.
var foreign = []string{
	"null", "http://app.example.com", "https://app.example.com:8443", "https://app.example.com.evil.example", "https://evil-app.example.com",
	"https://APP.example.com", "https://app.example.com/", "https://sub.app.example.com", "https://app.example.com:443", "file://", "*",
}

func TestCORSAnswers(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	live := token(t, "u42", "live", time.Hour)
	for path, want := range map[string]int{
		"/v1/streams": 200, "/v1/streams/orders/records": 200, "/v1/streams/nope": 404, "/v1/streams/orders/records?limit=0": 400,
		"/v1/cursors/orders/a": 410, "/openapi.json": 400, "/v1/nowhere": 404,
	} {
		for _, origin := range append([]string{page, ""}, foreign...) {
			header := []string{"Origin", origin}
			if origin == "" {
				header = nil
			}
			status, head, _ := in.do(http.MethodGet, path, live, "", header...)
			allowed := head.Get("Access-Control-Allow-Origin")
			if status != want || head.Get("Vary") != "Origin" || (origin == page) != (allowed == page) || origin != page && allowed != "" {
				t.Errorf("%s from %q: got %d %v", path, origin, status, head)
			}
		}
	}
	// Also a stream, whose head the server writes itself, and a refused one.
	for _, path := range []string{"/v1/streams/orders/events", "/v1/streams/nope/events?errors=stream", "/v1/streams/nope/events"} {
		s := in.events(path, live, "Origin", page)
		if s.res.Header.Get("Access-Control-Allow-Origin") != page || s.res.Header.Get("Vary") != "Origin" ||
			s.res.Header.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%s: got %v", path, s.res.Header)
		}
		s.cancel()
	}
	if _, head, _ := in.do(http.MethodGet, "/v1/streams", "bad", "", "Origin", page); head.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("an unauthenticated one: %v", head)
	}
}

// TestCORSCrossSite: pages of other origins cannot change anything, whatever
// credential the browser adds.
func TestCORSCrossSite(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	live := token(t, "u42", "live", time.Hour)
	for _, origin := range foreign {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			path := publishPath
			if method != http.MethodPost {
				path = "/v1/cursors/orders/a"
			}
			status, head, body := in.do(method, path, live, `{"data":1}`, "Origin", origin, "Content-Type", "application/json")
			in.problem(t, status, head, body, http.StatusForbidden, "forbidden")
			if head.Get("Vary") != "Origin" {
				t.Errorf("%s: %v", origin, head)
			}
		}
	}
	status, _, body := in.do(http.MethodPost, publishPath, live, `{"data":1}`, "Sec-Fetch-Site", "cross-site")
	if status != http.StatusForbidden {
		t.Errorf("cross-site without an origin: %d %s", status, body)
	}
	for _, header := range [][]string{
		{"Origin", page, "Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-origin"}, {"Origin", in.url}, nil,
	} {
		status, _, body := in.do(http.MethodPost, publishPath, live, `{"data":1}`, append(header, "Content-Type", "application/json")...)
		if status != http.StatusOK {
			t.Errorf("%v: %d %s", header, status, body)
		}
	}
	// A cookie counts only for listed origins and the server's own.
	cookie := []string{"Cookie", auth.CookieName + "=" + live}
	for _, origin := range foreign {
		status, head, body := in.do(http.MethodGet, "/v1/streams/orders", "", "", append(cookie, "Origin", origin)...)
		in.problem(t, status, head, body, http.StatusForbidden, "forbidden")
	}
	for _, header := range [][]string{{"Origin", page}, {"Sec-Fetch-Site", "same-origin"}} {
		if status, _, body := in.do(http.MethodGet, "/v1/streams/orders", "", "", append(cookie, header...)...); status != http.StatusOK {
			t.Errorf("%v: %d %s", header, status, body)
		}
	}
}

// TestCORSNowhere: without a list no page of another origin is allowed.
func TestCORSNowhere(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) { c.Credentials.Origins = nil }})
	status, head, _ := in.do(http.MethodOptions, publishPath, "", "", "Origin", page, "Access-Control-Request-Method", "POST")
	if head.Get("Access-Control-Allow-Origin") != "" || status < 400 {
		t.Errorf("got %d %v", status, head)
	}
	status, head, body := in.do(http.MethodPost, publishPath, token(t, "u42", "live", time.Hour), "1", "Origin", page)
	in.problem(t, status, head, body, http.StatusForbidden, "forbidden")
}

// TestForwardedFor: only trusted proxies determine whose sessions are counted.
func TestForwardedFor(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		trusted string
		first   []string // headers of the client whose session is open
		second  []string // headers of the client that is then refused, or not
		same    bool
	}{
		"nobody is trusted":      {"", []string{"1.1.1.1"}, []string{"2.2.2.2"}, true},
		"another is trusted":     {"10.0.0.0/8", []string{"1.1.1.1"}, []string{"2.2.2.2"}, true},
		"two clients":            {"127.0.0.0/8", []string{"1.1.1.1"}, []string{"2.2.2.2"}, false},
		"one client":             {"127.0.0.0/8", []string{"1.1.1.1"}, []string{"1.1.1.1"}, true},
		"spoofed":                {"127.0.0.0/8", []string{"9.9.9.9, 1.1.1.1"}, []string{"8.8.8.8, 1.1.1.1"}, true},
		"spoofed as trusted":     {"127.0.0.0/8", []string{"9.9.9.9, 127.0.0.9, 1.1.1.1"}, []string{"1.1.1.1"}, true},
		"chained":                {"127.0.0.0/8", []string{"1.1.1.1, 127.0.0.2, 127.0.0.3"}, []string{"2.2.2.2, 127.0.0.2, 127.0.0.3"}, false},
		"chained, one client":    {"127.0.0.0/8", []string{"1.1.1.1, 127.0.0.2"}, []string{"5.5.5.5, 1.1.1.1, 127.0.0.3"}, true},
		"two headers":            {"127.0.0.0/8", []string{"9.9.9.9", "1.1.1.1"}, []string{"1.1.1.1"}, true},
		"nonsense":               {"127.0.0.0/8", []string{"nonsense"}, []string{"other nonsense"}, true},
		"nonsense further off":   {"127.0.0.0/8", []string{"x, 1.1.1.1"}, []string{"1.1.1.1"}, true},
		"empty":                  {"127.0.0.0/8", []string{""}, nil, true},
		"IPv6":                   {"127.0.0.0/8", []string{"2001:db8::1"}, []string{"2001:db8:0:1::1"}, false},
		"IPv6, one network":      {"127.0.0.0/8", []string{"2001:db8::1"}, []string{"2001:db8::ffff:2:3:4"}, true},
		"IPv6, one client":       {"127.0.0.0/8", []string{"2001:db8::1"}, []string{"2001:0db8:0:0::1"}, true},
		"IPv4 in IPv6":           {"127.0.0.0/8", []string{"::ffff:1.1.1.1"}, []string{"1.1.1.1"}, true},
		"IPv6 zone":              {"127.0.0.0/8", []string{"fe80::1%eth0"}, []string{"fe80::1%eth1"}, true},
		"trusted IPv4 in IPv6":   {"127.0.0.0/8", []string{"1.1.1.1, ::ffff:127.0.0.7"}, []string{"1.1.1.1"}, true},
		"all of it is trusted":   {"0.0.0.0/0", []string{"1.1.1.1"}, []string{"2.2.2.2"}, false},
		"the proxy is a client":  {"127.0.0.1/32", nil, []string{"1.1.1.1"}, false},
		"a proxy behind another": {"127.0.0.1/32", []string{"1.1.1.1, 127.0.0.2"}, []string{"2.2.2.2, 127.0.0.2"}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := start(t, options{
				limits: func(l *transport.Limits) { l.SessionsPerAddress = 1 },
				config: func(c *transport.Config) {
					if tt.trusted != "" {
						c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(tt.trusted)}
					}
				},
			})
			open := func(hops []string) *stream {
				s := in.eventsFrom("/v1/streams/public.news/events", hops)
				t.Cleanup(s.cancel)
				return s
			}
			if s := open(tt.first); s.res.StatusCode != http.StatusOK {
				t.Fatalf("the first: %d", s.res.StatusCode)
			}
			want := http.StatusOK
			if tt.same {
				want = http.StatusTooManyRequests
			}
			if s := open(tt.second); s.res.StatusCode != want {
				t.Errorf("the second: %d, want %d", s.res.StatusCode, want)
			}
		})
	}
}
