package certificates_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"sluice/cmd/sluice/certificates"
)

// TestCertificateNotIssued: an ACME server that refuses is asked less and less often,
// the fault is reported, and handshakes do not wait for it.
func TestCertificateNotIssued(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer server.Close()
	ca, files, log := newAuthority(t, "ca"), newFolder(t), &journal{}
	chain, key := ca.issue("file", "a.example")
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	c := configOf(files.pair("a", chain, key))
	c.ACME = &certificates.ACME{Domains: []string{"acme.example"}, DirectoryURL: server.URL, CacheDir: files.path("acme")}
	c.CheckEvery = time.Millisecond
	c.Now = func() time.Time { return time.Unix(0, now.Load()) }
	c.Logger = slog.New(slog.NewTextHandler(log, nil))
	s := newSource(t, c)
	if info, err := os.Stat(files.path("acme")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the cache is %v, %v", info.Mode(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	const failed = "certificate cannot be obtained"
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("never: " + what)
			}
		}
	}
	until("a first attempt", func() bool { return log.count(failed) == 1 })
	time.Sleep(50 * time.Millisecond) // fifty looks
	if n := asked.Load(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
	if err := s.Check(ctx); err == nil || !strings.Contains(err.Error(), "acme.example") {
		t.Errorf("the check says %v", err)
	}
	if got := connect(t, s, insecure("acme.example")).presented(); got != "file" {
		t.Errorf("%s is presented", got)
	}
	now.Add(int64(2*time.Minute + time.Second))
	until("a second attempt", func() bool { return log.count(failed) == 2 })
	now.Add(int64(2*time.Minute + time.Second))
	time.Sleep(50 * time.Millisecond)
	if n := log.count(failed); n != 2 {
		t.Errorf("%d attempts: the second pause is not longer", n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestChallengesAreForDomainsOnly: the protocol of ACME validation is offered for the
// configured domains only, and to clients that offer nothing else.
func TestChallengesAreForDomainsOnly(t *testing.T) {
	t.Parallel()
	ca, trusted, files := newAuthority(t, "ca"), newAuthority(t, "trusted"), newFolder(t)
	chain, key := ca.issue("file", "a.example")
	c := configOf(files.pair("a", chain, key))
	c.ClientCAFile, c.ClientAuth = files.write("clients.crt", trusted.pem), tls.RequireAndVerifyClientCert
	c.ACME = &certificates.ACME{Domains: []string{"acme.example"}, DirectoryURL: "http://127.0.0.1:1/", CacheDir: files.path("acme")}
	s := newSource(t, c)
	for _, offer := range []struct {
		name      string
		protocols []string
	}{
		{"acme.example", []string{acme.ALPNProto}}, // and no challenge is under way
		{"a.example", []string{acme.ALPNProto}},
		{"", []string{acme.ALPNProto}},
		{"acme.example", []string{acme.ALPNProto, "http/1.1"}},
		{"acme.example", []string{"http/1.1"}},
	} {
		client := insecure(offer.name)
		client.NextProtos = offer.protocols
		made := connect(t, s, client)
		if made.err == nil {
			t.Errorf("%v gets past client certificates", offer)
		}
		if got := made.server.ConnectionState().NegotiatedProtocol; got == acme.ALPNProto && len(offer.protocols) > 1 {
			t.Errorf("%v: negotiated %s", offer, got)
		}
	}
}

func TestOpenCacheIsRefused(t *testing.T) {
	t.Parallel()
	files := newFolder(t)
	c := configOf()
	c.ACME = &certificates.ACME{Domains: []string{"acme.example"}, DirectoryURL: "http://127.0.0.1:1/", CacheDir: files.path("acme")}
	for mode, ok := range map[os.FileMode]bool{0o700: true, 0o500: true, 0o750: false, 0o701: false, 0o777: false} {
		if err := os.MkdirAll(c.ACME.CacheDir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(c.ACME.CacheDir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := certificates.New(c); (err == nil) != ok {
			t.Errorf("%v: %v", mode, err)
		}
	}
}
