package auth_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
)

const keysURL = "https://id.example.com/keys"

// keyServer is an issuer's key server behind an http.Client, without a network.
type keyServer struct {
	mu    sync.Mutex
	body  []byte
	err   error
	delay time.Duration
	asked []string
}

func (s *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.String())
	body, err, delay := s.body, s.err, s.delay
	s.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

func (s *keyServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *keyServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *keyServer) auth(log *slog.Logger) *auth.Authenticator {
	return must(auth.New(auth.Config{
		Issuers: []auth.Issuer{{
			Issuer: provider, Audience: audience, Algorithms: []string{auth.ES256},
			JWKSURL: keysURL, HTTPClient: &http.Client{Transport: s},
		}},
		Logger: log,
	}))
}

// ecToken is valid for a day, because the fake clock advances quickly.
func ecToken(id string, key *ecdsa.PrivateKey, subject string) string {
	return sign(jwt.SigningMethodES256, key, map[string]any{"kid": id},
		said(provider, map[string]any{"sub": subject, "exp": time.Now().Add(24 * time.Hour).Unix()}))
}

// running runs a in the synctest bubble of t until the test ends.
func running(t *testing.T, a *auth.Authenticator) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	synctest.Wait()
}

func TestUnknownKeyFloodFetchesOnceIn30s(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &keyServer{body: jwks(jwk("k1", ecKey().Public(), nil)), delay: 100 * time.Millisecond}
		a := server.auth(nil)
		if _, err := a.Authenticate(t.Context(), auth.Bearer(ecToken("k1", ecKey(), "u1"))); err != nil {
			t.Fatalf("the first token fetches the keys: %v", err)
		}
		time.Sleep(auth.KeysRetryAfter)
		before := server.count()
		begun := time.Now()
		for range 60 {
			var flood sync.WaitGroup
			for i := range 20 {
				flood.Go(func() {
					_, err := a.Authenticate(t.Context(), auth.Bearer(ecToken(fmt.Sprintf("made-up-%d-%d", time.Now().UnixNano(), i), ecKey(), "u")))
					if !errors.Is(err, auth.ErrUnauthenticated) && !errors.Is(err, auth.ErrKeysUnavailable) {
						t.Errorf("got %v", err)
					}
				})
			}
			flood.Wait()
			if _, err := a.Authenticate(t.Context(), auth.Bearer(ecToken("k1", ecKey(), "u2"))); err != nil {
				t.Fatalf("a known key in the flood: %v", err)
			}
			time.Sleep(time.Second)
		}
		// 60 rounds take a little over 60 s: at 0, 30 and perhaps 60.
		most := 1 + int(time.Since(begun)/auth.KeysRetryAfter)
		if got := server.count() - before; got < 2 || got > most {
			t.Errorf("%d fetches in %v, want 2 to %d", got, time.Since(begun), most)
		}
	})
}

func TestUnknownKeyIsRefusedOnceLookedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &keyServer{body: jwks(jwk("k1", ecKey().Public(), nil))}
		a := server.auth(nil)
		if _, err := a.Authenticate(t.Context(), auth.Bearer(ecToken(strings.Repeat("k", 300), ecKey(), "u"))); !errors.Is(err, auth.ErrUnauthenticated) || server.count() > 0 {
			t.Errorf("a huge key id: %v after %d fetches", err, server.count())
		}
		for range 3 {
			if _, err := a.Authenticate(t.Context(), auth.Bearer(ecToken("old", ecKey(), "u"))); !errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("a key that the issuer has not: %v", err)
			}
		}
		// This key may be newer than the fetch, so the client should try again.
		if _, err := a.Authenticate(t.Context(), auth.Bearer(ecToken("new", ecKey(), "u"))); !errors.Is(err, auth.ErrKeysUnavailable) {
			t.Errorf("a key that was not looked for: %v", err)
		}
		if n := server.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		second := newECKey()
		server := &keyServer{body: jwks(jwk("k1", ecKey().Public(), nil))}
		a := server.auth(nil)
		running(t, a)
		if err := a.Ready(); err != nil {
			t.Fatalf("not ready: %v", err)
		}
		old := ecToken("k1", ecKey(), "u1")
		if _, err := a.Authenticate(t.Context(), auth.Bearer(old)); err != nil {
			t.Fatal(err)
		}
		server.set(func() {
			server.body = jwks(jwk("k1", ecKey().Public(), nil), jwk("k2", second.Public(), nil))
		})
		if _, err := a.Authenticate(t.Context(), auth.Bearer(ecToken("k2", second, "u1"))); err != nil {
			t.Errorf("the new key: %v", err)
		}
		if _, err := a.Authenticate(t.Context(), auth.Bearer(old)); err != nil {
			t.Errorf("the old key beside it: %v", err)
		}
		// A withdrawn key is refused after the next fetch, also for a token that was
		// verified before.
		server.set(func() { server.body = jwks(jwk("k2", second.Public(), nil)) })
		time.Sleep(10*time.Minute + time.Second)
		if _, err := a.Authenticate(t.Context(), auth.Bearer(old)); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("the withdrawn key: %v", err)
		}
	})
}

func TestKeyServerDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		server := &keyServer{err: errors.New("connection refused")}
		a := server.auth(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
		running(t, a)
		if a.Ready() == nil {
			t.Error("ready without keys")
		}
		token := ecToken("k1", ecKey(), "u1")
		if _, err := a.Authenticate(t.Context(), auth.Bearer(token)); !errors.Is(err, auth.ErrKeysUnavailable) || errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("before there are keys: %v", err)
		}
		time.Sleep(10 * time.Second)
		server.set(func() { server.err, server.body = nil, jwks(jwk("k1", ecKey().Public(), nil)) })
		time.Sleep(auth.KeysRetryAfter) // without a client's request
		if err := a.Ready(); err != nil {
			t.Errorf("not ready after the key server came back: %v", err)
		}
		if _, err := a.Authenticate(t.Context(), auth.Bearer(token)); err != nil {
			t.Errorf("after the key server came back: %v", err)
		}

		server.set(func() { server.err = errors.New("connection refused") })
		before := server.count()
		time.Sleep(time.Hour)
		if _, err := a.Authenticate(t.Context(), auth.Bearer(ecToken("k1", ecKey(), "u2"))); err != nil {
			t.Errorf("a known key while the key server is down: %v", err)
		}
		if _, err := a.Authenticate(t.Context(), auth.Bearer(ecToken("k2", newECKey(), "u2"))); !errors.Is(err, auth.ErrKeysUnavailable) {
			t.Errorf("an unknown key while the key server is down: %v", err)
		}
		if tries := server.count() - before; tries < 60 || tries > 130 {
			t.Errorf("%d tries in an hour", tries)
		}
		if lines := strings.Count(logged.String(), "level=WARN"); lines != 2 {
			t.Errorf("%d warnings of two outages:\n%s", lines, logged.String())
		}
		for part := range strings.SplitSeq(token, ".") {
			if strings.Contains(logged.String(), part) {
				t.Error("the log holds a part of a token")
			}
		}
	})
}

// A client that disconnects must not cancel the fetch for the clients that wait for
// it, and a client that waits can disconnect.
func TestFetchOutlivesItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &keyServer{body: jwks(jwk("k1", ecKey().Public(), nil)), delay: 2 * time.Second}
		a := server.auth(nil)
		token := ecToken("k1", ecKey(), "u1")
		var clients sync.WaitGroup
		for _, patience := range []time.Duration{time.Second, time.Hour, time.Second} {
			clients.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				_, err := a.Authenticate(ctx, auth.Bearer(token))
				if patience == time.Hour && err != nil {
					t.Errorf("the patient client: %v", err)
				}
			})
			synctest.Wait()
		}
		clients.Wait()
		if n := server.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
		server.set(func() { server.delay = time.Hour })
		time.Sleep(auth.KeysRetryAfter)
		begun := time.Now()
		if _, err := a.Authenticate(t.Context(), auth.Bearer(ecToken("k2", ecKey(), "u"))); !errors.Is(err, auth.ErrKeysUnavailable) {
			t.Errorf("a key server that hangs: %v", err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("a hanging key server held a client for %v", took)
		}
	})
}

func TestKeyServerAnswersThatAreRefused(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect was followed")
	}))
	defer elsewhere.Close()
	good := jwks(jwk("k1", ecKey().Public(), nil))
	for name, answer := range map[string]http.HandlerFunc{
		"redirect":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"status 500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); _, _ = w.Write(good) },
		"status 206": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206); _, _ = w.Write(good) },
		"HTML":       func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"no keys":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") },
		"an array":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") },
		"2 MB": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(good)
			_, _ = w.Write(bytes.Repeat([]byte(" "), 2<<20))
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			_, _ = w.Write(good)
		},
	} {
		var asked atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			answer(w, r)
		}))
		a := must(auth.New(auth.Config{Issuers: []auth.Issuer{{
			Issuer: provider, Audience: audience, Algorithms: []string{auth.ES256}, JWKSURL: server.URL, InsecureHTTP: true,
		}}}))
		_, err := a.Authenticate(t.Context(), auth.Bearer(ecToken("k1", ecKey(), "u")))
		if !errors.Is(err, auth.ErrKeysUnavailable) || asked.Load() != 1 {
			t.Errorf("%s: %v after %d requests", name, err, asked.Load())
		}
		if a.Ready() == nil {
			t.Errorf("%s: ready", name)
		}
		server.Close()
	}
}

func TestKeySetSkipsWhatItCannotUse(t *testing.T) {
	t.Parallel()
	long := jwk("ec-long", ecKey().Public(), nil)
	long["x"] = strings.Repeat("A", 40) + long["x"].(string) + strings.Repeat("A", 40)
	off := jwk("ec-off", ecKey().Public(), nil)
	off["y"] = off["x"]
	x5u := jwk("ec-x5u", ecKey().Public(), map[string]any{"x5u": "https://127.0.0.1:1/x", "x5c": []string{"!"}})
	set := jwks(
		map[string]any{"kty": "XYZ", "kid": "future"},
		map[string]any{"kty": "EC", "kid": 7},
		map[string]any{"kty": "oct", "kid": "oct", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"},
		map[string]any{"kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB"},
		map[string]any{"kty": "RSA", "kid": "even", "n": jwk("", rsaKey().Public(), nil)["n"], "e": "Ag"},
		long, off, x5u,
		jwk("enc", ecKey().Public(), map[string]any{"use": "enc"}),
		jwk("ops", ecKey().Public(), map[string]any{"key_ops": []string{"sign"}}),
		jwk("alg", ecKey().Public(), map[string]any{"alg": "ES384"}),
		jwk("ec", ecKey().Public(), nil),
	)
	a := must(auth.New(auth.Config{Issuers: []auth.Issuer{{
		Issuer: provider, Audience: audience, Algorithms: []string{auth.ES256, auth.RS256}, JWKSFile: keyFile(t, set),
	}}}))
	for id, want := range map[string]bool{
		"ec": true, "ec-x5u": true,
		"ec-long": false, "ec-off": false, "enc": false, "ops": false, "alg": false, "oct": false, "future": false,
	} {
		_, err := a.Authenticate(t.Context(), auth.Bearer(ecToken(id, ecKey(), "u")))
		if want != (err == nil) {
			t.Errorf("key %s: %v", id, err)
		}
	}
	short := must(rsa.GenerateKey(rand.Reader, 1536))
	set = jwks(jwk("short", short.Public(), nil), jwk("rsa", rsaKey().Public(), nil), jwk("ec", ecKey().Public(), nil))
	b := must(auth.New(auth.Config{Issuers: []auth.Issuer{{
		Issuer: provider, Audience: audience, Algorithms: []string{auth.RS256}, JWKSFile: keyFile(t, set),
	}}}))
	if _, err := b.Authenticate(t.Context(), auth.Bearer(sign(jwt.SigningMethodRS256, rsaKey(), map[string]any{"kid": "rsa"}, said(provider, nil)))); err != nil {
		t.Errorf("an RSA key of 2048 bits: %v", err)
	}
	if _, err := b.Authenticate(t.Context(), auth.Bearer(sign(jwt.SigningMethodRS256, short, map[string]any{"kid": "short"}, said(provider, nil)))); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("an RSA key of 1536 bits: %v", err)
	}
	if _, err := b.Authenticate(t.Context(), auth.Bearer(ecToken("ec", ecKey(), "u"))); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("an algorithm that the issuer does not use, of a key that it has: %v", err)
	}
	even := sign(jwt.SigningMethodRS256, rsaKey(), map[string]any{"kid": "even"}, said(provider, nil))
	if _, err := a.Authenticate(t.Context(), auth.Bearer(even)); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("an RSA key with an even exponent: %v", err)
	}
}
