package auth_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
)

// web answers requests by URL, without a network. What it has no answer for is 404.
type web struct {
	mu    sync.Mutex
	pages map[string]string
	down  bool
	asked []string
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, r.URL.String())
	if w.down {
		return nil, errors.New("connection refused")
	}
	page, ok := w.pages[r.URL.String()]
	status := http.StatusOK
	if !ok {
		status = http.StatusNotFound
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(page)), Request: r}, nil
}

func (w *web) put(address string, page []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pages == nil {
		w.pages = make(map[string]string)
	}
	w.pages[address] = string(page)
}

func (w *web) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// count returns how often an address was asked.
func (w *web) count(address string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, asked := range w.asked {
		if asked == address {
			n++
		}
	}
	return n
}

func document(issuer, keys string) []byte {
	return must(json.Marshal(map[string]any{"issuer": issuer, "jwks_uri": keys, "token_endpoint": issuer + "/token"}))
}

func (w *web) auth(log *slog.Logger, issuers ...string) *auth.Authenticator {
	config := auth.Config{Logger: log}
	for _, issuer := range issuers {
		config.Issuers = append(config.Issuers, auth.Issuer{
			Issuer: issuer, Audience: audience, Algorithms: []string{auth.ES256},
			Discovery: true, InsecureHTTP: strings.HasPrefix(issuer, "http://"),
			HTTPClient: &http.Client{Transport: w},
		})
	}
	return must(auth.New(config))
}

func tokenOf(issuer, id string, key *ecdsa.PrivateKey, subject string) string {
	return sign(jwt.SigningMethodES256, key, map[string]any{"kid": id},
		said(issuer, map[string]any{"sub": subject, "exp": time.Now().Add(48 * time.Hour).Unix()}))
}

// TestDiscoveryPlaces: where the document of an issuer is, by issuer.
func TestDiscoveryPlaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ issuer, place string }{
		"root":              {"https://id.example.com", "https://id.example.com/.well-known/openid-configuration"},
		"slash":             {"https://id.example.com/", "https://id.example.com/.well-known/openid-configuration"},
		"path":              {"https://id.example.com/realms/x", "https://id.example.com/realms/x/.well-known/openid-configuration"},
		"path and slash":    {"https://id.example.com/x/", "https://id.example.com/x/.well-known/openid-configuration"},
		"escapes":           {"https://id.example.com/a%2Fb", "https://id.example.com/a%2Fb/.well-known/openid-configuration"},
		"RFC 8414":          {"https://id.example.com", "https://id.example.com/.well-known/oauth-authorization-server"},
		"RFC 8414 and path": {"https://id.example.com/x/", "https://id.example.com/.well-known/oauth-authorization-server/x"},
		"loopback":          {"http://127.0.0.1:9", "http://127.0.0.1:9/.well-known/openid-configuration"},
	} {
		w := &web{}
		w.put(c.place, document(c.issuer, "https://keys.example.net/all"))
		w.put("https://keys.example.net/all", jwks(jwk("k1", ecKey().Public(), nil)))
		if _, err := w.auth(nil, c.issuer).Authenticate(t.Context(), auth.Bearer(tokenOf(c.issuer, "k1", ecKey(), "u"))); err != nil {
			t.Errorf("%s: %v; asked were %q", name, err, w.asked)
		}
	}
}

// TestDiscoveryRefuses: documents and addresses that must not become a source of keys.
func TestDiscoveryRefuses(t *testing.T) {
	t.Parallel()
	const (
		issuer = "https://id.example.com"
		local  = "http://127.0.0.1:9"
		place  = "/.well-known/openid-configuration"
	)
	all := map[string]struct{ issuer, document string }{
		"no JSON":           {issuer, "<html>"},
		"an array":          {issuer, "[]"},
		"empty":             {issuer, "{}"},
		"null":              {issuer, "null"},
		"another issuer":    {issuer, `{"issuer":"https://id.example.com/x","jwks_uri":"URI"}`},
		"a slash more":      {issuer, `{"issuer":"https://id.example.com/","jwks_uri":"URI"}`},
		"a slash less":      {issuer + "/", `{"issuer":"https://id.example.com","jwks_uri":"URI"}`},
		"issuer in capital": {issuer, `{"issuer":"https://ID.example.com","jwks_uri":"URI"}`},
		"member in capital": {issuer, `{"Issuer":"https://id.example.com","jwks_uri":"URI"}`},
		"issuer as list":    {issuer, `{"issuer":["https://id.example.com"],"jwks_uri":"URI"}`},
		"no issuer":         {issuer, `{"jwks_uri":"URI"}`},
		"no keys":           {issuer, `{"issuer":"https://id.example.com"}`},
		"keys as object":    {issuer, `{"issuer":"https://id.example.com","jwks_uri":{}}`},
		"too large":         {issuer, `{"issuer":"https://id.example.com","jwks_uri":"URI","x":"` + strings.Repeat("x", 300<<10) + `"}`},
	}
	for name, keys := range map[string]string{
		"plain":            "http://id.example.com/keys",
		"plain loopback":   "http://127.0.0.1/keys",
		"file":             "file:///etc/passwd",
		"file with a host": "file://localhost/etc/passwd",
		"relative":         "/keys",
		"no host":          "https:///keys",
		"user":             "https://u:p@id.example.com/keys",
		"fragment":         "https://id.example.com/keys#a",
		"broken":           "https://%zz/",
		"gopher":           "gopher://127.0.0.1/1",
		"endless":          "https://id.example.com/" + strings.Repeat("k", 3000),
	} {
		all["keys: "+name] = struct{ issuer, document string }{issuer, string(document(issuer, keys))}
	}
	all["plain keys of a local issuer, elsewhere"] = struct{ issuer, document string }{local, string(document(local, "http://10.0.0.1/keys"))}
	for name, c := range all {
		w := &web{}
		w.put(strings.TrimSuffix(c.issuer, "/")+place, []byte(strings.ReplaceAll(c.document, "URI", "https://keys.example.net/all")))
		w.put("https://keys.example.net/all", jwks(jwk("k1", ecKey().Public(), nil)))
		a := w.auth(nil, c.issuer)
		if _, err := a.Authenticate(t.Context(), auth.Bearer(tokenOf(c.issuer, "k1", ecKey(), "u"))); !errors.Is(err, auth.ErrKeysUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if err := a.Ready(); err == nil || strings.Contains(err.Error(), "passwd") {
			t.Errorf("%s: ready says %v", name, err)
		}
		if len(w.asked) != 1 {
			t.Errorf("%s: asked were %q", name, w.asked)
		}
	}
}

// TestDiscoveryFollowsNoRedirect: the document and the keys come from where they are
// said to be.
func TestDiscoveryFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect was followed")
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	defer server.Close()
	a := must(auth.New(auth.Config{Issuers: []auth.Issuer{{
		Issuer: server.URL, Audience: audience, Algorithms: []string{auth.ES256}, Discovery: true, InsecureHTTP: true,
	}}}))
	if _, err := a.Authenticate(t.Context(), auth.Bearer(tokenOf(server.URL, "k1", ecKey(), "u"))); !errors.Is(err, auth.ErrKeysUnavailable) {
		t.Errorf("got %v", err)
	}
}

// TestDiscoveredKeys: rotation, the moving of the keys to another address, and an
// issuer that is down, without a request too many.
func TestDiscoveredKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const (
			place = provider + "/.well-known/openid-configuration"
			first = "https://keys.example.net/1"
			next  = "https://keys.example.net/2"
		)
		var logged bytes.Buffer
		second, third := newECKey(), newECKey()
		w := &web{}
		w.put(place, document(provider, first))
		w.put(first, jwks(jwk("k1", ecKey().Public(), nil)))
		a := w.auth(slog.New(slog.NewTextHandler(&logged, nil)), provider)
		in := func(key *ecdsa.PrivateKey, id string, want error) {
			t.Helper()
			_, err := a.Authenticate(t.Context(), auth.Bearer(tokenOf(provider, id, key, "u")))
			if !errors.Is(err, want) {
				t.Errorf("key %s: got %v, want %v", id, err, want)
			}
		}
		if a.Ready() == nil {
			t.Error("ready without keys")
		}
		running(t, a)
		if err := a.Ready(); err != nil {
			t.Fatal(err)
		}
		in(ecKey(), "k1", nil)

		// An unknown key is looked up without reading the document again.
		w.put(first, jwks(jwk("k1", ecKey().Public(), nil), jwk("k2", second.Public(), nil)))
		in(second, "k2", nil)
		if n := w.count(place); n != 1 {
			t.Errorf("the document was read %d times", n)
		}
		before := w.count(first)
		for i := range 50 {
			_, _ = a.Authenticate(t.Context(), auth.Bearer(tokenOf(provider, fmt.Sprint("made-up", i), second, "u")))
		}
		if n := w.count(first) - before; n > 0 {
			t.Errorf("made-up keys caused %d requests", n)
		}

		// The document is read again every hour.
		w.put(place, document(provider, next))
		w.put(next, jwks(jwk("k3", third.Public(), nil)))
		time.Sleep(30 * time.Minute)
		in(second, "k2", nil)
		time.Sleep(41 * time.Minute)
		in(third, "k3", nil)
		in(second, "k2", auth.ErrUnauthenticated) // withdrawn with its address
		if n := w.count(place); n != 2 {
			t.Errorf("the document was read %d times", n)
		}

		// The keys move, and the old address is gone: the document tells where.
		w.set(func() { delete(w.pages, next) })
		w.put(place, document(provider, first))
		w.put(first, jwks(jwk("k1", ecKey().Public(), nil)))
		time.Sleep(11 * time.Minute)
		in(ecKey(), "k1", nil)

		// A document of another issuer, or none, changes nothing.
		for _, wrong := range [][]byte{document(provider+"/x", next), []byte("<html>")} {
			w.put(place, wrong)
			time.Sleep(2 * time.Hour)
			in(ecKey(), "k1", nil)
		}
		w.put(place, document(provider, first))
		time.Sleep(11 * time.Minute)
		w.set(func() { w.down = true })
		time.Sleep(10 * time.Minute)
		before = w.count(first) + w.count(place)
		time.Sleep(time.Hour)
		in(ecKey(), "k1", nil)
		in(third, "k4", auth.ErrKeysUnavailable)
		if tries := w.count(first) + w.count(place) - before; tries > 260 {
			t.Errorf("%d requests in an hour", tries)
		}
		w.set(func() { w.down = false })
		w.put(first, jwks(jwk("k4", third.Public(), nil)))
		time.Sleep(auth.KeysRetryAfter)
		in(third, "k4", nil)
		synctest.Wait()
		if n := strings.Count(logged.String(), "reading the discovery document failed"); n != 2 {
			t.Errorf("%d warnings of two outages of the document:\n%s", n, logged.String())
		}
		if n := strings.Count(logged.String(), "fetching keys failed"); n > 2 {
			t.Errorf("%d warnings of two outages of the keys:\n%s", n, logged.String())
		}
	})
}

// TestDiscoveryThatHangs: a document that does not arrive leaves the time to fetch
// keys from the address that is known.
func TestDiscoveryThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const place, keys = provider + "/.well-known/openid-configuration", "https://keys.example.net/1"
		second := newECKey()
		w := &web{}
		w.put(place, document(provider, keys))
		w.put(keys, jwks(jwk("k1", ecKey().Public(), nil)))
		hang := false
		a := must(auth.New(auth.Config{Issuers: []auth.Issuer{{
			Issuer: provider, Audience: audience, Algorithms: []string{auth.ES256}, Discovery: true,
			HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if hang && r.URL.String() == place {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
				return w.RoundTrip(r)
			})},
		}}}))
		if _, err := a.Authenticate(t.Context(), auth.Bearer(tokenOf(provider, "k1", ecKey(), "u"))); err != nil {
			t.Fatal(err)
		}
		hang = true
		w.put(keys, jwks(jwk("k2", second.Public(), nil)))
		time.Sleep(2 * time.Hour)
		begun := time.Now()
		if _, err := a.Authenticate(t.Context(), auth.Bearer(tokenOf(provider, "k2", second, "u"))); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took >= 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestIssuersKeysAreTheirOwn: two issuers whose keys have the same id never vouch for
// each other, whatever a token says.
func TestIssuersKeysAreTheirOwn(t *testing.T) {
	t.Parallel()
	const one, other = "https://one.example.com", "https://other.example.com/realms/x"
	w := &web{}
	keys := map[string]*ecdsa.PrivateKey{one: ecKey(), other: newECKey()}
	for issuer, key := range keys {
		w.put(issuer+"/.well-known/openid-configuration", document(issuer, issuer+"/keys"))
		w.put(issuer+"/keys", jwks(jwk("same", key.Public(), nil)))
	}
	a := w.auth(nil, one, other)
	for named, right := range keys {
		for by, key := range keys {
			for _, id := range []string{"same", ""} {
				headers := map[string]any{"jku": by + "/keys", "jwk": jwk("same", key.Public(), nil)}
				if id != "" {
					headers["kid"] = id
				}
				token := sign(jwt.SigningMethodES256, key, headers, said(named, nil))
				p, err := a.Authenticate(context.Background(), auth.Bearer(token))
				switch {
				case key == right && (err != nil || p.Issuer() != named):
					t.Errorf("%s, key id %q: %v", named, id, err)
				case key != right && !errors.Is(err, auth.ErrUnauthenticated):
					t.Errorf("%s vouches for %s, key id %q: %v", by, named, id, err)
				}
			}
		}
	}
	for _, asked := range w.asked {
		if !strings.HasSuffix(asked, "/keys") && !strings.HasSuffix(asked, "/openid-configuration") {
			t.Errorf("asked was %s", asked)
		}
	}
}

// FuzzDiscoveryDocument: no document makes the server ask anything but an https
// address, and only one with the configured issuer makes it ask at all.
func FuzzDiscoveryDocument(f *testing.F) {
	for _, seed := range []string{
		string(document(provider, "https://k.example.net/keys")),
		`{"issuer":"https://id.example.com","issuer":"x","jwks_uri":"https://a/b"}`,
		`{"issuer":"https://id.example.com","jwks_uri":"HTTPS://a/b"}`,
		`{"issuer":"https://id.example.com","jwks_uri":"https://a\u0000/b"}`,
		`{"issuer":"https://id.example.com","jwks_uri":"//a"}`, `[`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		w := &web{}
		w.put(provider+"/.well-known/openid-configuration", text)
		_, _ = w.auth(nil, provider).Authenticate(t.Context(), auth.Bearer(tokenOf(provider, "k1", ecKey(), "u")))
		if len(w.asked) < 2 {
			return
		}
		var members map[string]any
		if json.Unmarshal(text, &members) != nil || members["issuer"] != provider {
			t.Errorf("%q made the server ask %q", text, w.asked[1:])
		}
		if len(w.asked) > 2 || !strings.HasPrefix(w.asked[1], "https://") {
			t.Errorf("%q made the server ask %q", text, w.asked[1:])
		}
	})
}
