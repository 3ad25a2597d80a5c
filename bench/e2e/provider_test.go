package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/bench/clients"
	"sluice/bench/stack"
)

// provider starts an OpenID provider whose tokens have a role, and ends it with the
// test.
func provider(t *testing.T, role string) *stack.Provider {
	t.Helper()
	if testing.Short() {
		t.Skip("left out: -short starts no servers")
	}
	made, err := stack.NewProvider(within(t, time.Minute), t.TempDir(), stack.ProviderOptions{Claims: map[string]any{"role": role}})
	stack.Check(t, err)
	t.Cleanup(func() {
		if err := made.Kill(); err != nil {
			t.Error(err)
		}
	})
	return made
}

// byDiscovery is the configuration of a provider's issuer.
func byDiscovery(p *stack.Provider) string {
	return fmt.Sprintf("    - {issuer: %q, audience: %s, algorithms: [RS256], discovery: true}\n", p.Issuer, stack.ProviderAudience)
}

// TestOpenIDProvider: a real provider is found by discovery, its tokens give access,
// new keys are taken up and withdrawn ones given up, the tokens of one provider say
// nothing about another, and the server goes on while a provider is away.
func TestOpenIDProvider(t *testing.T) {
	t.Parallel()
	topic(t, "provided", 1)
	ctx := within(t, 2*time.Minute)
	readers, writers := provider(t, "reader"), provider(t, "writer")
	if err := readers.Start(ctx); err != nil {
		t.Fatal(err)
	}
	// The other provider comes later: until then the server is not ready, and says so.
	i := newInstance(t, setup{
		streams: map[string]string{"provided": "provided"},
		auth:    byDiscovery(readers) + byDiscovery(writers),
		unready: true,
	})
	if err := i.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for {
		_, err := i.ask(ctx, "/readyz")
		if err == nil {
			t.Fatal("it is ready without the keys of a provider")
		}
		if strings.Contains(err.Error(), writers.Issuer) {
			break
		}
		if !pause(ctx, 50*time.Millisecond) {
			t.Fatalf("readyz does not name the provider: %v", err)
		}
	}
	if err := writers.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for i.ready(ctx) != nil {
		if !pause(ctx, 50*time.Millisecond) {
			t.Fatal("it does not become ready")
		}
	}

	read := func(token string) int {
		t.Helper()
		_, err := get(ctx, "http://"+i.addr+"/v1/streams/provided/records", token)
		var status *clients.StatusError
		switch {
		case err == nil:
			return http.StatusOK
		case errors.As(err, &status):
			return status.Status
		}
		t.Fatal(err)
		return 0
	}
	issue := func(p *stack.Provider, resource string) string {
		t.Helper()
		token, err := p.Token(ctx, resource)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	first := issue(readers, stack.ProviderJWT)
	if status := read(first); status != http.StatusOK {
		t.Fatalf("a token of the provider: %d", status)
	}
	if status := read(issue(writers, stack.ProviderJWT)); status != http.StatusForbidden {
		t.Errorf("a writer that reads: %d", status)
	}
	p := &clients.Publisher{Session: "s", Stream: "provided", Addr: i.addr, Token: issue(writers, stack.ProviderJWT)}
	if err := p.OverHTTP(ctx, 1); err != nil {
		t.Error(err)
	}
	if status := read(issue(readers, stack.ProviderOpaque)); status != http.StatusUnauthorized {
		t.Errorf("an opaque token: %d", status)
	}

	// Keys are fetched when a token names an unknown one.
	rotated := func() string {
		t.Helper()
		if err := readers.Rotate(ctx); err != nil {
			t.Fatal(err)
		}
		return issue(readers, stack.ProviderJWT)
	}
	second, third := rotated(), rotated()
	if status := read(third); status != http.StatusOK {
		t.Fatalf("a token of the new key: %d", status)
	}
	if status := read(second); status != http.StatusOK {
		t.Errorf("a token of the key that is still published: %d", status)
	}
	// Whether a key is withdrawn or too new is known after the next fetch, which is
	// not before 30 s.
	for name, token := range map[string]string{"a withdrawn key": first, "a newer key": rotated()} {
		if status := read(token); status != http.StatusServiceUnavailable {
			t.Errorf("a token of %s: %d", name, status)
		}
	}

	// Without the provider, known keys stay in use.
	if err := readers.Kill(); err != nil {
		t.Fatal(err)
	}
	if status := read(third); status != http.StatusOK {
		t.Errorf("a token, while the provider is away: %d", status)
	}
	if err := i.ready(ctx); err != nil {
		t.Errorf("while the provider is away: %v", err)
	}
}
