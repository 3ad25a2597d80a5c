package transport_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/auth"
	"sluice/auth/introspection"
	"sluice/transport"
)

// TestEverySchemeInEveryState: each way to authenticate is tried in each state, at
// requests over HTTP/1.1 and HTTP/2 and at WebSockets. Only the valid one is let in, and
// a credential that is bound to something is refused wherever that cannot be shown.
func TestEverySchemeInEveryState(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	for _, s := range w.schemes() {
		for _, state := range states {
			t.Run(s.name+", "+state, func(t *testing.T) {
				t.Parallel()
				wantStatus, wantCode := http.StatusUnauthorized, "unauthenticated"
				isCertificate := s.name == "certificate"
				switch {
				case state == "valid":
					wantStatus, wantCode = http.StatusOK, ""
				case isCertificate && state != "none" && state != "under the wrong scheme":
					wantStatus, wantCode = 0, "" // the handshake fails
				case state == "expired":
					wantCode = "token_expired"
				}
				for _, http2 := range []bool{false, true} {
					for _, path := range []string{"/v1/streams", "/v1/streams/orders/events", "/v1/streams/orders/records"} {
						p := s.present(state)
						status, code, challenges := w.asks(t, p, path, http2)
						if status != wantStatus || code != wantCode {
							t.Fatalf("GET %s: %d %s, want %d %s", path, status, code, wantStatus, wantCode)
						}
						if status == http.StatusUnauthorized {
							w.challenged(t, p, code, challenges)
						}
					}
				}
				if got := w.opens(t, s.present(state), "header"); got != (state == "valid") {
					t.Errorf("WebSocket: welcome is %v", got)
				}
			})
		}
	}
}

// TestTokensInMessagesAndSubprotocols: there a token is a bearer token. One that is
// bound to the channel is accepted on that channel, and one that needs a proof nowhere.
func TestTokensInMessagesAndSubprotocols(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	for _, s := range w.schemes() {
		for _, state := range states {
			if s.name == "certificate" || state == "none" || state == "under the wrong scheme" {
				continue // there is no token, or this is the right scheme for it
			}
			t.Run(s.name+", "+state, func(t *testing.T) {
				t.Parallel()
				want := state == "valid" && !strings.HasSuffix(s.name, "of a proof")
				for _, by := range []string{"subprotocol", "message"} {
					p := s.present(state)
					if got := w.opens(t, p, by); got != want {
						t.Errorf("by %s: welcome is %v", by, got)
					}
					bound := p.certificate != nil
					if p.certificate = nil; bound && w.opens(t, p, by) {
						t.Errorf("by %s: welcome without the certificate", by)
					}
				}
			})
		}
	}
}

// A session that began with a certificate cannot become that of another principal.
func TestTokenOnACertificateSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	client, done := w.client(w.certificate, false)
	defer done()
	client.Timeout = 0
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, w.in.url+"/v1/ws", &websocket.DialOptions{HTTPClient: client}) //nolint:bodyclose // the library has read it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"auth","id":"0","token":%q}`, w.jwt(nil))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"principal":"u1"`, `"code":"forbidden"`} {
		if _, message, err := conn.Read(ctx); err != nil || !strings.Contains(string(message), want) {
			t.Errorf("got %s, %v, want %s", message, err, want)
		}
	}
}

// A proof is accepted once, over whichever connection it comes again.
func TestProofsAreNotReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	token := w.jwt(map[string]any{"cnf": jkt(w.key)})
	url := w.in.url + "/v1/streams"
	proof := proofBy(w.key, http.MethodGet, url, token)
	send := func(method, url string, proofs ...string) int {
		client, done := w.client(nil, true)
		defer done()
		req := must(http.NewRequestWithContext(t.Context(), method, url, nil))
		req.Header.Set("Authorization", "DPoP "+token)
		req.Header["Dpop"] = proofs
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if challenges := res.Header.Values("WWW-Authenticate"); res.StatusCode == http.StatusUnauthorized && !strings.Contains(challenges[1], `error="invalid_dpop_proof"`) {
			t.Errorf("the challenges are %q", challenges)
		}
		return res.StatusCode
	}
	for name, c := range map[string]struct {
		method, url string
		proofs      []string
	}{
		"none":           {http.MethodGet, url, nil},
		"two":            {http.MethodGet, url, []string{proof, proofBy(w.key, http.MethodGet, url, token)}},
		"another method": {http.MethodHead, url, []string{proof}},
		"another path":   {http.MethodGet, url + "/orders", []string{proof}},
	} {
		if status := send(c.method, c.url, c.proofs...); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
	}
	for i, want := range []int{http.StatusOK, http.StatusUnauthorized, http.StatusUnauthorized} {
		if status := send(http.MethodGet, url+"?", proof); status != want {
			t.Errorf("attempt %d: %d, want %d", i+1, status, want)
		}
	}
}

// TestOnlyOpaqueTokensAreIntrospected: neither JWTs nor API keys leave the server, and
// an opaque token is asked about once.
func TestOnlyOpaqueTokensAreIntrospected(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	for _, token := range []string{w.jwt(nil), w.jwt(nil) + "x", w.jwt(map[string]any{"iss": "evil"}), validKey, validKey + "x"} {
		w.asks(t, presentation{scheme: "Bearer", token: token}, "/v1/streams", false)
	}
	if w.asked != 0 {
		t.Fatalf("the endpoint was asked %d times", w.asked)
	}
	token := w.opaque(nil)
	for range 3 {
		if status, _, _ := w.asks(t, presentation{scheme: "Bearer", token: token}, "/v1/streams", false); status != http.StatusOK {
			t.Errorf("got %d", status)
		}
	}
	if w.asked != 1 {
		t.Errorf("the endpoint was asked %d times", w.asked)
	}
}

// While what a credential is checked with is away, the answer is overloaded.
func TestVerifierIsAway(t *testing.T) {
	t.Parallel()
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	opaque := must(introspection.New(introspection.Config{
		Issuer: "as", URL: away.URL, ClientID: "sluice", ClientSecret: secret, Lifetime: time.Hour, Timeout: patience, Logger: slog.New(slog.DiscardHandler),
	}))
	in := start(t, options{config: func(c *transport.Config) {
		c.Auth = must(auth.New(auth.Config{Verifiers: []auth.Verifier{opaque}, Grants: []auth.Grant{{Subscribe: []string{"orders"}}}}))
	}})
	status, head, body := in.do(http.MethodGet, "/v1/streams", "opaque", "")
	if status != http.StatusServiceUnavailable || head.Get("Retry-After") != "5" || head.Get("WWW-Authenticate") != "" ||
		!strings.Contains(body, `"code":"overloaded"`) || strings.Contains(body, "introspect") {
		t.Errorf("got %d %v %s", status, head, body)
	}
	c := in.dial("", "")
	c.send(`{"type":"auth","id":"0","token":"opaque"}`)
	c.fails("0", "overloaded")
}

// challenged checks the challenges of an answer (RFC 6750 section 3, RFC 9449 section
// 7.1).
func (w *world) challenged(t *testing.T, p presentation, code string, challenges []string) {
	t.Helper()
	if len(challenges) != 2 || !strings.HasPrefix(challenges[0], "Bearer") || !strings.HasPrefix(challenges[1], `DPoP algs="ES256 EdDSA RS256"`) {
		t.Fatalf("the challenges are %q", challenges)
	}
	used, other := challenges[0], challenges[1]
	if p.scheme == "DPoP" {
		used, other = other, used
	}
	if strings.Contains(other, "error") || strings.Contains(used, "error") != (p.scheme != "") ||
		strings.Contains(used, "the token has expired") != (code == "token_expired") {
		t.Errorf("presented as %q, the challenges are %q", p.scheme, challenges)
	}
}
