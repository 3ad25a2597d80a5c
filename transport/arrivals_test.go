package transport_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sluice/transport"
)

// fewArrivals admits three arrivals of an address, and then one a second.
func fewArrivals(l *transport.Limits) {
	l.HandshakesPerAddress, l.SessionsPerAddress, l.SessionsPerPrincipal = 1, 3, 0
}

// TestSessionsOpenedTooFast: they are refused before anything is looked at but the
// address, other addresses and other requests are not, and nothing is held for them.
func TestSessionsOpenedTooFast(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: fewArrivals, config: func(c *transport.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	}})
	tok := token(t, "u42", "live", time.Hour)
	from := func(address string) []string { return []string{"X-Forwarded-For", address} }
	const events = "/v1/streams/orders/events"
	// On a slow machine one is admitted now and then.
	const tries = 10
	tooFast := func(tok string, header ...string) {
		t.Helper()
		var (
			status int
			head   http.Header
			body   string
		)
		for range tries {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			status, head, body = in.opens(ctx, events, tok, header...)
			cancel()
			if status == http.StatusTooManyRequests {
				break
			}
		}
		in.problem(t, status, head, body, http.StatusTooManyRequests, "rate_limited")
		if head.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	for range 3 {
		in.reads(events, tok, from("192.0.2.1")...).cancel()
	}
	in.eventually("they have left", func() bool { return in.metric(`sluice_admissions{by="address"}`) == 0 })
	tooFast(tok, from("192.0.2.1")...)
	tooFast("no token", from("192.0.2.1")...)
	for _, origin := range []string{"", listed, "https://elsewhere.example"} {
		refused := false
		for range tries {
			c, res, err := in.dialWith("", "X-Forwarded-For", "192.0.2.1", "Authorization", "Bearer "+tok, "Origin", origin)
			if err == nil {
				_ = c.CloseNow()
			}
			if refused = res.status == http.StatusTooManyRequests && strings.Contains(res.body, "rate_limited"); refused {
				break
			}
		}
		if !refused {
			t.Errorf("WebSockets of %q are not refused", origin)
		}
	}
	// An EventSource can read it in the stream.
	for n := range tries {
		s := in.reads(events+"?errors=stream", tok, from("192.0.2.1")...)
		if e, _ := s.next(); e.name == "sluice.close" {
			if m := e.json(t); m.str("code") != "rate_limited" || m.str("action") != "resume" {
				t.Errorf("got %v", m)
			}
			break
		}
		s.cancel()
		if n == tries-1 {
			t.Error("event streams are not refused in the stream")
		}
	}
	// Nobody else is concerned.
	in.reads(events, tok, from("192.0.2.2")...)
	in.reads(events, tok, from("2001:db8::1")...)
	if status, _, _ := in.do(http.MethodGet, "/v1/streams/orders/records?from=earliest", tok, "", from("192.0.2.1")...); status != http.StatusOK {
		t.Errorf("a page: %d", status)
	}
	// The addresses of a /64 are one.
	in.reads(events, tok, from("2001:db8::2")...)
	in.reads(events, tok, from("2001:db8::3")...)
	tooFast(tok, from("2001:db8::4")...)
	if n := in.metric(`sluice_handshakes_refused_total`); n != 0 {
		t.Errorf("%v handshakes were refused", n)
	}
}

// opens asks for an event stream, and leaves it if it begins.
func (in *instance) opens(ctx context.Context, path, token string, header ...string) (int, http.Header, string) {
	in.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, in.url+path, nil)
	if err != nil {
		in.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := in.client.Do(req)
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusOK {
		return res.StatusCode, res.Header, ""
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(body)
}

// TestHandshakesTooFast: over TLS a connection is closed before its handshake.
func TestHandshakesTooFast(t *testing.T) {
	t.Parallel()
	for name, trusted := range map[string]bool{"client": false, "trusted proxy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := start(t, options{tls: true, limits: fewArrivals, config: func(c *transport.Config) {
				if trusted {
					c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
				}
			}})
			// accepted counts the handshakes that are made, of some from an address.
			accepted := func(from string, n int) (count int) {
				for range n {
					dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
					conn, err := dialer.DialContext(t.Context(), "tcp", in.address())
					if err != nil {
						continue // it was reset so soon
					}
					secured := in.secured(conn).(interface {
						HandshakeContext(ctx context.Context) error
					})
					if secured.HandshakeContext(t.Context()) == nil {
						count++
					}
					_ = conn.Close()
				}
				return count
			}
			const tries = 20
			want := 3
			if trusted {
				want = tries
			}
			begun := time.Now()
			if got := accepted("127.0.0.1", tries); got < want || got > want+int(time.Since(begun)/time.Second)+1 {
				t.Errorf("%d of %d handshakes are accepted", got, tries)
			}
			if got := accepted("127.0.0.2", 3); got != 3 {
				t.Errorf("%d handshakes of another address are accepted", got)
			}
			if n := in.metric(`sluice_handshakes_refused_total`); (n > 0) == trusted {
				t.Errorf("%v handshakes were refused", n)
			}
		})
	}
}
