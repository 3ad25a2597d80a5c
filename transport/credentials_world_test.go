package transport_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
	"sluice/auth/apikeys"
	"sluice/auth/certificates"
	"sluice/auth/dpop"
	"sluice/auth/introspection"
	"sluice/transport"
)

func must[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}

func newECKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// authority is a certificate authority.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(name string) authority {
	key := newECKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return authority{certificate: must(x509.ParseCertificate(der)), key: key}
}

// issue makes a client's certificate.
func (a authority) issue(name string, ends time.Duration) *tls.Certificate {
	key := newECKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(ends),
	}
	der := must(x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key))
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func x5t(c *tls.Certificate) map[string]any {
	sum := sha256.Sum256(c.Certificate[0])
	return map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}
}

// jwkOf returns the public key as a JSON Web Key, and its thumbprint.
func jwkOf(key *ecdsa.PrivateKey) (jwk map[string]any, thumbprint string) {
	point := must(key.PublicKey.Bytes())
	b64 := base64.RawURLEncoding.EncodeToString
	jwk = map[string]any{"crv": "P-256", "kty": "EC", "x": b64(point[1:33]), "y": b64(point[33:])}
	sum := sha256.Sum256(must(json.Marshal(jwk))) // the members are sorted
	return jwk, b64(sum[:])
}

func jkt(key *ecdsa.PrivateKey) map[string]any {
	_, thumbprint := jwkOf(key)
	return map[string]any{"jkt": thumbprint}
}

// proofBy makes a DPoP proof for a request with a token.
func proofBy(key *ecdsa.PrivateKey, method, url, token string) string {
	sum := sha256.Sum256([]byte(token))
	proof := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"jti": rand.Text(), "htm": method, "htu": url, "iat": time.Now().Unix(), "ath": base64.RawURLEncoding.EncodeToString(sum[:]),
	})
	proof.Header["typ"] = "dpop+jwt"
	proof.Header["jwk"], _ = jwkOf(key)
	return must(proof.SignedString(key))
}

// world is a server that accepts credentials of all kinds, and those who hold them.
type world struct {
	in           *instance
	auth         *auth.Authenticator
	roots        *x509.CertPool
	ours, theirs authority
	certificate  *tls.Certificate
	key          *ecdsa.PrivateKey // of proofs

	mu      sync.Mutex
	answers map[string]string // of the introspection endpoint
	asked   int
}

// newWorld starts a server, for which certificates may be credentials by themselves.
func newWorld(t *testing.T, identify bool) *world {
	t.Helper()
	w := &world{ours: newAuthority("ours"), theirs: newAuthority("theirs"), key: newECKey(), answers: make(map[string]string)}
	w.certificate = w.ours.issue("u1", time.Hour)
	endpoint := httptest.NewServer(w)
	t.Cleanup(endpoint.Close)
	opaque := must(introspection.New(introspection.Config{
		Issuer: "as", URL: endpoint.URL, ClientID: "sluice", ClientSecret: secret, Audience: "sluice", CacheFor: time.Minute,
		RefusedFor: time.Minute, Lifetime: time.Hour, Timeout: patience, Logger: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(opaque.Close)
	authenticator := must(auth.New(auth.Config{
		Issuers: []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
		Verifiers: []auth.Verifier{
			w.apiKeys(t), opaque,
			must(certificates.New(certificates.Config{Issuer: "ca", Subject: certificates.CommonName})),
		},
		Prover: must(dpop.New(dpop.Config{MaxAge: time.Minute, ClockSkew: time.Second, Remembered: 10_000, PerKey: 10_000})),
		Grants: []auth.Grant{{Subscribe: []string{"orders"}}},
	}))
	w.auth = authenticator
	borrowed := httptest.NewUnstartedServer(nil)
	borrowed.StartTLS()
	certificate := borrowed.TLS.Certificates[0]
	w.roots = x509.NewCertPool()
	w.roots.AddCert(borrowed.Certificate())
	borrowed.Close()
	pool := x509.NewCertPool()
	pool.AddCert(w.ours.certificate)
	w.in = start(t, options{config: func(c *transport.Config) {
		c.Auth = authenticator
		c.Credentials.Basic = true
		c.Credentials.APIKeys, c.Credentials.Certificates, c.Credentials.DPoPAlgorithms = true, identify, dpop.Algorithms()
		c.Listener = tls.NewListener(c.Listener, &tls.Config{
			Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS13,
			ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool,
		})
	}})
	w.in.url = strings.Replace(w.in.url, "http://", "https://", 1)
	return w
}

// ServeHTTP is the introspection endpoint.
func (w *world) ServeHTTP(answer http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	body := w.answers[r.PostFormValue("token")]
	if body == "" {
		body = `{"active":false}`
	}
	answer.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(answer, body)
}

const (
	validKey   = "sluice_valid_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	expiredKey = "sluice_expired_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func (w *world) apiKeys(t *testing.T) *apikeys.Keys {
	t.Helper()
	hash := func(key string) string {
		sum := sha256.Sum256([]byte(key[strings.LastIndexByte(key, '_')+1:]))
		return fmt.Sprintf("sha256:%x", sum)
	}
	path := filepath.Join(t.TempDir(), "keys.yaml")
	text := fmt.Sprintf("keys:\n- {id: valid, subject: u1, hash: %q}\n- {id: expired, subject: u1, expires: 2020-01-01T00:00:00Z, hash: %q}\n",
		hash(validKey), hash(expiredKey))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return must(apikeys.New(apikeys.Config{Issuer: "keys", File: path, SlowChecks: 1, Logger: slog.New(slog.DiscardHandler)}))
}

// jwt makes a token of the issuer.
func (w *world) jwt(changes map[string]any) string {
	claims := jwt.MapClaims{"iss": "test", "aud": "sluice", "sub": "u1", "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range changes {
		claims[name] = value
	}
	return must(jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret.Reveal())))
}

// opaque makes a token that the endpoint knows.
func (w *world) opaque(changes map[string]any) string {
	claims := map[string]any{"active": true, "aud": "sluice", "sub": "u1"}
	for name, value := range changes {
		claims[name] = value
	}
	token := rand.Text()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[token] = string(must(json.Marshal(claims)))
	return token
}

// presentation is a credential as a client presents it.
type presentation struct {
	scheme, token string            // of the Authorization header, empty for none
	prover        *ecdsa.PrivateKey // makes the proof, nil for none
	certificate   *tls.Certificate  // of the connection, nil for none
}

// states are the states that a credential is tried in.
var states = []string{"none", "valid", "wrong", "expired", "foreign issuer", "bound to another key", "under the wrong scheme"}

// scheme is a way to authenticate. present makes the credential in a state.
type scheme struct {
	name    string
	present func(state string) presentation
}

// schemes returns all kinds of tokens with all bindings, the API keys, and the
// certificates.
func (w *world) schemes() []scheme {
	past := map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}
	merged := func(of ...map[string]any) map[string]any {
		all := make(map[string]any)
		for _, one := range of {
			for name, value := range one {
				all[name] = value
			}
		}
		return all
	}
	other, otherKey := w.ours.issue("u1", time.Hour), newECKey()
	var all []scheme
	for kind, issue := range map[string]func(map[string]any) string{"JWT": w.jwt, "opaque token": w.opaque} {
		for binding, right := range map[string]presentation{
			"":              {scheme: "Bearer"},
			" of a proof":   {scheme: "DPoP", prover: w.key},
			" of a channel": {scheme: "Bearer", certificate: w.certificate},
		} {
			bound := map[string]any{}
			switch {
			case right.prover != nil:
				bound["cnf"] = jkt(w.key)
			case right.certificate != nil:
				bound["cnf"] = x5t(w.certificate)
			}
			all = append(all, scheme{kind + binding, func(state string) presentation {
				p := right
				switch state {
				case "none":
					// The token without what it is bound to; an unbound one is no credential.
					p.token, p.prover, p.certificate = issue(bound), nil, nil
					if binding == "" {
						p = presentation{}
					}
				case "valid":
					p.token = issue(bound)
				case "wrong":
					p.token = issue(bound) + "x"
				case "expired":
					p.token = issue(merged(bound, past))
				case "foreign issuer":
					p.token = issue(merged(bound, map[string]any{"iss": "evil"}))
				case "bound to another key":
					p.token = issue(map[string]any{"cnf": jkt(otherKey)})
					if right.certificate != nil {
						p.token = issue(map[string]any{"cnf": x5t(other)})
					}
				case "under the wrong scheme":
					p.token = issue(bound)
					if p.scheme = "DPoP"; right.scheme == "DPoP" {
						p.scheme = "Bearer"
					}
					p.prover = w.key
				}
				return p
			}})
		}
	}
	for _, name := range []string{"ApiKey", "Bearer"} {
		all = append(all, scheme{"API key as " + name, func(state string) presentation {
			p := presentation{scheme: name, token: validKey}
			switch state {
			case "none":
				return presentation{}
			case "wrong":
				p.token = validKey[:len(validKey)-1] + "b"
			case "expired":
				p.token = expiredKey
			case "foreign issuer":
				p.token = strings.Replace(validKey, "valid", "other", 1)
			case "bound to another key": // the secret of one key with the ID of another
				p.token = strings.Replace(expiredKey, "expired", "valid", 1)
			case "under the wrong scheme":
				p.scheme, p.prover = "DPoP", w.key
			}
			return p
		}})
	}
	return append(all, scheme{"certificate", func(state string) presentation {
		switch state {
		case "none":
			return presentation{}
		case "wrong": // it signs itself
			alone := newAuthority("u1")
			return presentation{certificate: &tls.Certificate{Certificate: [][]byte{alone.certificate.Raw}, PrivateKey: alone.key}}
		case "expired":
			return presentation{certificate: w.ours.issue("u1", -time.Hour)}
		case "foreign issuer":
			return presentation{certificate: w.theirs.issue("u1", time.Hour)}
		case "bound to another key": // a certificate that was copied, without its key
			return presentation{certificate: &tls.Certificate{Certificate: w.certificate.Certificate, PrivateKey: crypto.Signer(newECKey())}}
		case "under the wrong scheme": // its thumbprint is no token
			return presentation{scheme: "Bearer", token: x5t(w.certificate)["x5t#S256"].(string), certificate: w.certificate}
		}
		return presentation{certificate: w.certificate}
	}})
}

// client returns a client that presents a certificate, also one that the server does
// not ask for.
func (w *world) client(certificate *tls.Certificate, http2 bool) (*http.Client, func()) {
	config := &tls.Config{RootCAs: w.roots, MinVersion: tls.VersionTLS13}
	if certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: http2}
	return &http.Client{Transport: transport, Timeout: patience}, transport.CloseIdleConnections
}

// asks sends a request and returns the status, 0 if there was no connection, with the
// code and the challenges.
func (w *world) asks(t *testing.T, p presentation, path string, http2 bool) (status int, code string, challenges []string) {
	t.Helper()
	return w.sends(t, p, http.MethodGet, path, http2)
}

// sends is asks for any method.
func (w *world) sends(t *testing.T, p presentation, method, path string, http2 bool) (status int, code string, challenges []string) {
	t.Helper()
	client, done := w.client(p.certificate, http2)
	defer done()
	req := must(http.NewRequestWithContext(t.Context(), method, w.in.url+path, nil))
	p.addTo(req.Header, method, w.in.url+path)
	res, err := client.Do(req)
	if err != nil {
		return 0, "", nil
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusOK {
		return res.StatusCode, "", nil
	}
	var problem struct{ Code string }
	_ = json.NewDecoder(res.Body).Decode(&problem)
	return res.StatusCode, problem.Code, res.Header.Values("WWW-Authenticate")
}

func (p presentation) addTo(h http.Header, method, url string) {
	if p.scheme != "" {
		h.Set("Authorization", p.scheme+" "+p.token)
	}
	if p.prover != nil {
		h.Set("DPoP", proofBy(p.prover, method, url, p.token))
	}
}

// opens opens a WebSocket and returns whether there was a welcome. By message or
// subprotocol, the token is sent there.
func (w *world) opens(t *testing.T, p presentation, by string) bool {
	t.Helper()
	client, done := w.client(p.certificate, false)
	defer done()
	client.Timeout = 0
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	options := &websocket.DialOptions{HTTPClient: client, HTTPHeader: make(http.Header), Subprotocols: []string{"sluice.v1.json"}}
	switch by {
	case "header":
		p.addTo(options.HTTPHeader, http.MethodGet, "wss"+strings.TrimPrefix(w.in.url, "https")+"/v1/ws")
	case "subprotocol":
		options.Subprotocols = append(options.Subprotocols, auth.SubprotocolPrefix+base64.RawURLEncoding.EncodeToString([]byte(p.token)))
	}
	conn, _, err := websocket.Dial(ctx, w.in.url+"/v1/ws", options) //nolint:bodyclose // the library has read it
	if err != nil {
		return false
	}
	defer func() { _ = conn.CloseNow() }()
	first := `{"type":"ping"}`
	if by == "message" {
		first = fmt.Sprintf(`{"type":"auth","id":"0","token":%q}`, p.token)
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte(first)); err != nil {
		return false
	}
	_, message, err := conn.Read(ctx)
	return err == nil && strings.HasPrefix(string(message), `{"type":"welcome"`) && strings.Contains(string(message), `"principal":"u1"`)
}
