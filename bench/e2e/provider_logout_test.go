package e2e_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/bench/stack"
)

// TestProviderLogsOut: an opaque token of a real provider is introspected and gives access,
// and the provider's logout ends the sessions of its subject, whichever kind of token they
// began with, and no others.
func TestProviderLogsOut(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("left out: -short starts no servers")
	}
	topic(t, "loggedout", 1)
	ctx := within(t, 50*time.Second)
	// The provider is told where to send logout tokens before the server has an address.
	var server atomic.Pointer[url.URL]
	relay := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(server.Load()) }})
	defer relay.Close()
	p, err := stack.NewProvider(ctx, t.TempDir(), stack.ProviderOptions{
		Claims: map[string]any{"role": "reader"},
		Client: map[string]any{"backchannel_logout_uri": relay.URL + "/v1/backchannel-logout"},
	})
	stack.Check(t, err)
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if log, err := os.ReadFile(p.LogFile()); err == nil && t.Failed() {
			t.Logf("the log of the provider:\n%s", log)
		}
	})
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir+"/introspection.secret", p.ClientSecret)
	i := sluice(t, setup{
		streams: map[string]string{"loggedout": "loggedout"},
		auth: fmt.Sprintf("    - {issuer: %q, audience: %s, algorithms: [RS256], discovery: true, backchannel_logout: true, logout_audience: %s}\n",
			p.Issuer, stack.ProviderAudience, p.ClientID) +
			fmt.Sprintf("  introspection: {url: %q, client_id: %s, client_secret_file: %q, issuer: %q, audience: %s}\n",
				p.Issuer+"/token/introspection", p.ClientID, dir+"/introspection.secret", p.Issuer, stack.ProviderAudience),
	})
	server.Store(&url.URL{Scheme: "http", Host: i.addr})

	reading := within(t, 10*time.Second)
	open := func(token string) *bufio.Scanner {
		t.Helper()
		request, err := http.NewRequestWithContext(reading, http.MethodGet, "http://"+i.addr+"/v1/streams/loggedout/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = answer.Body.Close() })
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("the stream is answered with %s", answer.Status)
		}
		return bufio.NewScanner(answer.Body)
	}
	running := make(map[string]*bufio.Scanner)
	for _, resource := range []string{stack.ProviderJWT, stack.ProviderOpaque} {
		token, err := p.Token(ctx, resource)
		if err != nil {
			t.Fatal(err)
		}
		if isJWT := strings.Count(token, ".") == 2; isJWT != (resource == stack.ProviderJWT) {
			t.Fatalf("the token for %s is a JWT: %v", resource, isJWT)
		}
		running[resource] = open(token)
	}
	if err := p.LogOut(); err != nil {
		t.Fatal(err)
	}
	for resource, lines := range running {
		var seen []string
		for lines.Scan() {
			seen = append(seen, lines.Text())
		}
		if all := strings.Join(seen, "\n"); !strings.Contains(all, `"code":"revoked"`) {
			t.Errorf("the session of %s ended with %v:\n%s", resource, lines.Err(), all)
		}
	}
}
