package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/bench/stack"
	"sluice/cmd/sluice/config"
	"sluice/cmd/sluice/embedded"
)

// TestACME: certificates are obtained from an ACME server over the listener itself,
// which validates them there, and a restart does not ask for them again.
func TestACME(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("left out: -short starts no servers")
	}
	address, err := stack.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	pebble, err := stack.NewPebble(ctx, t.TempDir(), port)
	stack.Check(t, err)
	defer func() { _ = pebble.Close() }()
	if err := pebble.Start(ctx); err != nil {
		t.Fatal(err)
	}
	issuer, err := pebble.Authority(ctx)
	if err != nil {
		t.Fatal(err)
	}
	servers, err := embedded.Start(embedded.Config{PartitionBytes: 1 << 20, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	certFile, keyFile, _ := newCertificate(t)
	cache := filepath.Join(t.TempDir(), "acme")
	c, err := config.Load(config.Options{Environ: []string{}, Text: fmt.Sprintf(`
listen: %s
admin: {listen: 127.0.0.1:0}
tls:
  certificates: [{cert_file: %q, key_file: %q}]
  client_ca_file: %[2]q
  client_auth: optional
  reload_every: 100ms
  acme:
    domains: [a.example, b.example]
    email: operator@example.com
    directory_url: %[4]q
    ca_file: %[5]q
    cache_dir: %[6]q
    accept_terms: true
kafka: {brokers: [%[7]q]}
grants: [{anonymous: true, subscribe: ["*"]}]
streams: {chat: {topic: chat.lobby}}
drain: {timeout: 1s, spread: 0s}
`, address, certFile, keyFile, pebble.DirectoryURL, pebble.CAFile, cache, servers.Brokers[0])})
	if err != nil {
		t.Fatal(err)
	}
	presented := func(name string) *x509.Certificate {
		dialer := tls.Dialer{Config: &tls.Config{ServerName: name, InsecureSkipVerify: true}}
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return nil
		}
		defer func() { _ = conn.Close() }()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	}
	// run serves until what it is given returns.
	run := func(during func(a *App)) {
		t.Helper()
		a, err := New(c, Options{Logger: discard})
		if err != nil {
			t.Fatal(err)
		}
		serving, end := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- a.Run(serving) }()
		during(a)
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	await := func(name string) (found *x509.Certificate) {
		t.Helper()
		for ctx.Err() == nil {
			found = presented(name)
			if found != nil && found.VerifyHostname(name) == nil {
				return found
			}
			time.Sleep(20 * time.Millisecond)
		}
		log, _ := os.ReadFile(pebble.LogFile())
		t.Fatalf("no certificate for %s; the log of the server:\n%s", name, log)
		return nil
	}
	issued := map[string]*x509.Certificate{}
	run(func(a *App) {
		for _, name := range []string{"a.example", "b.example"} {
			issued[name] = await(name)
			// Through the intermediate that is presented with it.
			conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, RootCAs: issuer})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			_ = conn.Close()
		}
		if err := a.front.certs.Check(ctx); err != nil {
			t.Error(err)
		}
		if other := presented("other.example"); other == nil || other.VerifyHostname("127.0.0.1") != nil {
			t.Errorf("another name is presented %v", other)
		}
	})
	for _, path := range []string{cache, filepath.Join(cache, "a.example")} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", path, err)
		}
	}
	if err := pebble.Kill(); err != nil {
		t.Fatal(err)
	}
	run(func(*App) {
		for name, before := range issued {
			if again := await(name); !again.Equal(before) {
				t.Errorf("%s has another certificate after a restart", name)
			}
		}
	})
}
