package transport_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
	"sluice/auth/forwarded"
	"sluice/hub/record"
	"sluice/transport"
)

// clientCertificate returns a certificate as a proxy reports it (RFC 9440), and the sum
// that tokens are bound to.
func clientCertificate(t testing.TB) (header, sum string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	of := sha256.Sum256(der)
	return ":" + base64.StdEncoding.EncodeToString(der) + ":", base64.RawURLEncoding.EncodeToString(of[:])
}

// behindProxy is a server that knows clients by the headers of a proxy; its peer is
// that proxy, or is not trusted.
func behindProxy(t *testing.T, trusted bool) options {
	t.Helper()
	headers, err := forwarded.New(forwarded.Config{
		SubjectHeader: "X-Forwarded-User", ClaimsHeaders: map[string]string{"email": "X-Forwarded-Email", "groups": "X-Forwarded-Groups"},
		ListClaims: []string{"groups"}, CertificateHeader: "Client-Cert", Lifetime: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return options{config: func(c *transport.Config) {
		c.Forwarded = headers
		showSchema(c)
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		if trusted {
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		}
		c.Auth, err = auth.New(auth.Config{
			Verifiers: []auth.Verifier{headers},
			Issuers:   []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
			Grants: []auth.Grant{
				{When: map[string]string{"iss": "forwarded", "groups": "live"}, Subscribe: []string{"orders"}, Publish: []string{"orders"}},
				{When: map[string]string{"scope": "live"}, Subscribe: []string{"orders"}},
				{Anonymous: true, Subscribe: []string{"public.*"}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}}
}

// ask uses an access with headers in place of a token, and returns the status and the
// first code of the answer.
func (in *instance) ask(d access, header http.Header) (status int, code string) {
	in.t.Helper()
	if d.then != "" {
		conn, res, err := in.handshake(d.path, header) //nolint:bodyclose // the library has
		if err != nil {
			body, _ := io.ReadAll(res.Body)
			return res.StatusCode, codeIn(body)
		}
		s := &socket{t: in.t, Conn: conn}
		// It may already be closed, which the reading below detects.
		_ = s.Write(in.t.Context(), websocket.MessageText, []byte(`{"type":"ping","id":"last"}`))
		for {
			ctx, cancel := context.WithTimeout(in.t.Context(), patience)
			_, b, err := s.Read(ctx)
			cancel()
			if err != nil || strings.Contains(string(b), `"last"`) {
				return int(websocket.CloseStatus(err)), code
			}
			if code == "" {
				code = codeIn(b)
			}
		}
	}
	cursor := record.Cursor{At: time.Now(), Streams: []record.StreamPosition{{Stream: "orders", Position: record.Position{Topic: record.TopicID{2}}}}}.String()
	req, err := http.NewRequestWithContext(in.t.Context(), d.method(), in.url+d.path, strings.NewReader(strings.Replace(d.body, "%s", cursor, 1)))
	if err != nil {
		in.t.Fatal(err)
	}
	for i := 0; i+1 < len(d.header); i += 2 {
		req.Header.Set(d.header[i], d.header[i+1])
	}
	maps.Copy(req.Header, header)
	res, err := in.client.Do(req)
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	return res.StatusCode, codeIn(body)
}

// TestDoorsTakeAProxysWord: every access, with every header of a proxy in every
// condition, from a trusted proxy and from anybody else.
func TestDoorsTakeAProxysWord(t *testing.T) {
	t.Parallel()
	certificate, _ := clientCertificate(t)
	known := func() http.Header {
		return http.Header{"X-Forwarded-User": {"u42"}, "X-Forwarded-Groups": {"other, live"}, "X-Forwarded-Email": {"u@example.com"}, "Client-Cert": {certificate}}
	}
	with := func(name string, values ...string) http.Header {
		h := known()
		h[name] = values
		return h
	}
	alone := func(name string, values ...string) http.Header { return http.Header{name: values} }
	const yes = "in"
	type situation struct {
		header              http.Header
		trusted, fromOthers string // the code, yes for access
	}
	situations := map[string]situation{
		"all":                   {known(), yes, "bad_request"},
		"none":                  {http.Header{}, "unknown_stream", "unknown_stream"},
		"without groups":        {alone("X-Forwarded-User", "u42"), "unknown_stream", "bad_request"},
		"other groups":          {with("X-Forwarded-Groups", "alive,live2"), "unknown_stream", "bad_request"},
		"groups empty":          {with("X-Forwarded-Groups", ""), "unknown_stream", "bad_request"},
		"certificate alone":     {alone("Client-Cert", certificate), "unknown_stream", "bad_request"},
		"groups without a name": {alone("X-Forwarded-Groups", "live"), "unauthenticated", "bad_request"},
		"and a token":           {with("Authorization", "Bearer x"), "bad_request", "bad_request"},
		"and an empty token":    {with("Authorization", ""), "bad_request", "bad_request"},
		"and a password":        {with("Authorization", "Basic eDp5"), "bad_request", "bad_request"},
		"and a cookie":          {with("Cookie", auth.CookieName+"=x"), yes, "bad_request"},
		"of a foreign page":     {with("Sec-Fetch-Site", "cross-site"), "forbidden", "bad_request"},
		"of a sister page":      {with("Sec-Fetch-Site", "same-site"), "forbidden", "bad_request"},
		"of an own page":        {with("Sec-Fetch-Site", "same-origin"), yes, "bad_request"},
		"typed":                 {with("Sec-Fetch-Site", "none"), yes, "bad_request"},
	}
	for _, name := range []string{"X-Forwarded-User", "X-Forwarded-Groups", "X-Forwarded-Email", "Client-Cert"} {
		was := known()[name][0]
		situations[name+" twice"] = situation{with(name, was, was), "bad_request", "bad_request"}
		situations[name+" twice, one empty"] = situation{with(name, was, ""), "bad_request", "bad_request"}
		for _, damage := range []string{"\t", "\u0085", "\u009f", "\xff", "\xc3"} {
			situations[fmt.Sprintf("%s with %q", name, damage)] = situation{with(name, "u"+damage+was), "unauthenticated", "bad_request"}
		}
		if name == "X-Forwarded-User" || name == "Client-Cert" {
			situations[name+" empty"] = situation{with(name, ""), "unauthenticated", "bad_request"}
		}
	}
	situations["X-Forwarded-User long"] = situation{with("X-Forwarded-User", strings.Repeat("u", 257)), "unauthenticated", "bad_request"}
	situations["X-Forwarded-Email long"] = situation{with("X-Forwarded-Email", strings.Repeat("u", 5000)), "unauthenticated", "bad_request"}
	for _, trusted := range []bool{true, false} {
		for _, d := range accesses() {
			if d.then != "" && d.path != "/v1/ws?stream=orders" {
				continue // a handshake like the others
			}
			if d.method() == http.MethodHead && strings.Contains(d.path, "errors=stream") {
				continue // always 200, and the code is in the content
			}
			t.Run(fmt.Sprintf("trusted=%v %s", trusted, d.name()), func(t *testing.T) {
				t.Parallel()
				inBubble(t, behindProxy(t, trusted), func(t *testing.T, in *instance) {
					for name, c := range situations {
						want := c.fromOthers
						if trusted {
							want = c.trusted
						}
						switch {
						case want == yes && strings.Contains(d.path, "events") && d.method() != http.MethodHead:
							continue // it does not end
						case d.narrower == "bad_request" && (want == yes || want == "unknown_stream"):
							want = "bad_request" // not enabled on this server
						case d.instant && d.narrower == "" && want == "unknown_stream":
							want = yes // a list without the stream
						case strings.Contains(d.path, "/cursors/") && want == "unknown_stream" && !strings.Contains(name, "groups") && name != "other groups":
							want = "forbidden" // an anonymous client has no named cursors
						}
						if strings.HasSuffix(name, "a foreign page") || strings.HasSuffix(name, "a sister page") {
							if m := d.method(); m != http.MethodGet && m != http.MethodHead {
								want = "forbidden" // refused before, as it could change something
							}
						}
						status, code := in.ask(d, c.header)
						if strings.HasPrefix(d.route, "HEAD ") {
							for told, means := range map[string]int{"bad_request": 400, "unauthenticated": 401, "forbidden": 403, "unknown_stream": 404} {
								if status == means {
									code = told
								}
							}
						}
						switch code {
						case "bad_request", "unauthenticated", "forbidden", "unknown_stream":
						default:
							code = yes
						}
						if code != want {
							t.Errorf("%s: got %d, %q, want %q", name, status, code, want)
						}
					}
				})
			})
		}
	}
}

// TestProxysHeadersOnTheWire: characters that no client library sends.
func TestProxysHeadersOnTheWire(t *testing.T) {
	t.Parallel()
	inBubble(t, behindProxy(t, true), func(t *testing.T, in *instance) {
		for _, lines := range []string{
			"X-Forwarded-User: u\x00\r\n", "X-Forwarded-User: u\x01\r\n", "X-Forwarded-User: u\x7f\r\n", "X-Forwarded-User: u\rX: y\r\n",
			"X-Forwarded-User : u\r\n", "X-Forwarded-User: a\r\nx-forwarded-user: b\r\n", "X-Forwarded-User:\r\n", "X-Forwarded-User: \t \r\n",
		} {
			conn, err := in.connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Fprintf(conn, "GET /v1/streams/orders HTTP/1.1\r\nHost: sluice\r\nX-Forwarded-Groups: live\r\n%sConnection: close\r\n\r\n", lines); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != http.StatusBadRequest && res.StatusCode != http.StatusUnauthorized {
				t.Errorf("%q: %d", lines, res.StatusCode)
			}
			_ = res.Body.Close()
			_ = conn.Close()
		}
	})
}

// TestProxysWordEnds: a session that a proxy has vouched for ends after its lifetime,
// and cannot be renewed by a token of somebody else.
func TestProxysWordEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, behindProxy(t, true), func(t *testing.T, in *instance) {
		s := in.openWith("/v1/ws?stream=orders", http.Header{"X-Forwarded-User": {"u42"}, "X-Forwarded-Groups": {"live"}})
		if m := s.until("welcome"); m.str("principal") != "u42" || m["expires_in_ms"].(float64) != float64(time.Hour/time.Millisecond) {
			t.Errorf("got %v", m)
		}
		s.until("subscribed")
		s.send(`{"type":"auth","id":"r","token":"%s"}`, token(t, "u42", "live", 2*time.Hour))
		s.fails("r", "forbidden")
		begun := time.Now()
		_, code := s.closed()
		if code != 4201 || time.Since(begun) > time.Hour+5*time.Second {
			t.Errorf("it ended with %d after %v", code, time.Since(begun))
		}
	})
}

// TestForeignPagesBehindAProxy: the proxy knows a browser by what it also sends for the
// pages of others.
func TestForeignPagesBehindAProxy(t *testing.T) {
	t.Parallel()
	inBubble(t, behindProxy(t, true), func(t *testing.T, in *instance) {
		for origin, want := range map[string]int{listed: http.StatusOK, "http://sluice": http.StatusOK, "https://evil.example": http.StatusForbidden, "null": http.StatusForbidden} {
			header := http.Header{"X-Forwarded-User": {"u42"}, "X-Forwarded-Groups": {"live"}, "Origin": {origin}}
			if status, _ := in.ask(access{route: "GET /v1/streams", path: "/v1/streams"}, header); status != want {
				t.Errorf("%s: %d, want %d", origin, status, want)
			}
			status, code := in.ask(access{route: "GET /v1/ws", path: "/v1/ws?stream=orders", then: "x"}, header)
			if (code == "forbidden") != (want == http.StatusForbidden) {
				t.Errorf("%s: the WebSocket got %d, %q", origin, status, code)
			}
		}
	})
}

// TestBoundTokenBehindAProxy: a token that is bound to a certificate counts with the
// certificate that the trusted proxy reports, in the request and on the WebSocket.
func TestBoundTokenBehindAProxy(t *testing.T) {
	t.Parallel()
	certificate, sum := clientCertificate(t)
	other, _ := clientCertificate(t)
	inBubble(t, behindProxy(t, true), func(t *testing.T, in *instance) {
		bound, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"iss": "test", "aud": "sluice", "sub": "u", "scope": "live", "exp": time.Now().Add(time.Hour).Unix(), "cnf": map[string]any{"x5t#S256": sum},
		}).SignedString([]byte(secret.Reveal()))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			cert []string
			want string
		}{{[]string{certificate}, ""}, {[]string{other}, "unauthenticated"}, {nil, "unauthenticated"}} {
			header := http.Header{"Authorization": {"Bearer " + bound}}
			messages := http.Header{}
			if c.cert != nil {
				header["Client-Cert"], messages["Client-Cert"] = c.cert, c.cert
			}
			if _, code := in.ask(access{route: "GET /v1/streams/orders", path: "/v1/streams/orders"}, header); code != c.want {
				t.Errorf("%v: got %q, want %q", c.cert, code, c.want)
			}
			s := in.openWith("/v1/ws", messages)
			s.send(`{"type":"auth","id":"0","token":"%s"}`, bound)
			if m := s.next(); (m.str("type") == "welcome") != (c.want == "") {
				t.Errorf("%v: got %v", c.cert, m)
			}
		}
	})
	inBubble(t, behindProxy(t, false), func(t *testing.T, in *instance) {
		if status, _ := in.ask(access{route: "GET /v1/streams", path: "/v1/streams"}, http.Header{"Client-Cert": {certificate}}); status != http.StatusBadRequest {
			t.Errorf("from somebody else: %d", status)
		}
	})
}
