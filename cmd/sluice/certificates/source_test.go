package certificates_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/cmd/sluice/certificates"
)

// journal collects a log.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), text)
}

const every = 5 * time.Second

func configOf(pairs ...certificates.Pair) certificates.Config {
	return certificates.Config{
		Pairs: pairs, MinVersion: tls.VersionTLS12, Protocols: []string{"h2", "http/1.1"},
		CheckEvery: every, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

func newSource(t *testing.T, c certificates.Config) *certificates.Source {
	t.Helper()
	s, err := certificates.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// connection is both ends of a connection after the handshake.
type connection struct {
	client, server *tls.Conn
	err            error // of the handshake, at either end
}

// connect makes a handshake.
func connect(t *testing.T, s *certificates.Source, c *tls.Config) *connection {
	t.Helper()
	ours, theirs := pipe()
	made := &connection{client: tls.Client(theirs, c), server: tls.Server(ours, s.TLS())}
	ended := make(chan error, 1)
	go func() {
		err := made.server.Handshake()
		if err == nil {
			// Under TLS 1.3 the client learns here that its certificate was accepted.
			_, err = made.server.Write([]byte{1})
		}
		if err != nil {
			_ = ours.Close()
		}
		ended <- err
	}()
	err := made.client.Handshake()
	if err == nil {
		_, err = io.ReadFull(made.client, make([]byte, 1))
	}
	if err != nil {
		_ = theirs.Close()
	}
	made.err = errors.Join(err, <-ended)
	t.Cleanup(func() { _, _ = theirs.Close(), ours.Close() })
	return made
}

// presented returns the common name of the server's certificate.
func (c *connection) presented() string {
	return c.client.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func insecure(name string) *tls.Config {
	return &tls.Config{ServerName: name, InsecureSkipVerify: true}
}

func (c *connection) works(t *testing.T) {
	t.Helper()
	go func() { _, _ = c.server.Write([]byte("x")) }()
	if _, err := io.ReadFull(c.client, make([]byte, 1)); err != nil {
		t.Errorf("a connection broke: %v", err)
	}
}

func TestServerNameChoosesCertificate(t *testing.T) {
	t.Parallel()
	ca, files := newAuthority(t, "ca"), newFolder(t)
	pair := func(common string, names ...string) certificates.Pair {
		chain, key := ca.issue(common, names...)
		return files.pair(common, chain, key)
	}
	s := newSource(t, configOf(pair("first", "a.example"), pair("second", "b.example", "*.c.example"), pair("third", "d.example")))
	for name, want := range map[string]string{
		"a.example": "first", "b.example": "second", "x.c.example": "second", "d.example": "third", "D.Example": "third",
		"x.y.c.example": "first", "other.example": "first", "": "first",
	} {
		c := connect(t, s, insecure(name))
		if c.err != nil {
			t.Errorf("%q: %v", name, c.err)
			continue
		}
		if got := c.presented(); got != want {
			t.Errorf("%q is presented %s, want %s", name, got, want)
		}
	}
}

func TestMinVersion(t *testing.T) {
	t.Parallel()
	ca, files := newAuthority(t, "ca"), newFolder(t)
	chain, key := ca.issue("first", "a.example")
	for least, most := range map[uint16]uint16{tls.VersionTLS12: tls.VersionTLS11, tls.VersionTLS13: tls.VersionTLS12} {
		c := configOf(files.pair("first", chain, key))
		c.MinVersion = least
		s := newSource(t, c)
		client := insecure("a.example")
		client.MinVersion, client.MaxVersion = tls.VersionTLS10, most
		if connect(t, s, client).err == nil {
			t.Errorf("%s is accepted where the least is %s", tls.VersionName(most), tls.VersionName(least))
		}
		client.MaxVersion = least
		if err := connect(t, s, client).err; err != nil {
			t.Errorf("%s is refused: %v", tls.VersionName(least), err)
		}
	}
}

// TestCertificatesAreReloaded: new connections get a new certificate, open ones go
// on, and files that cannot be loaded change nothing and are logged once.
func TestCertificatesAreReloaded(t *testing.T) {
	t.Parallel()
	ca, files := newAuthority(t, "ca"), newFolder(t)
	firstChain, firstKey := ca.issue("first", "a.example")
	secondChain, secondKey := ca.issue("second", "a.example")
	otherChain, otherKey := ca.issue("other", "b.example")
	synctest.Test(t, func(t *testing.T) {
		log := &journal{}
		c := configOf(files.pair("a", firstChain, firstKey), files.pair("b", otherChain, otherKey))
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
		s := newSource(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		presented := func(name string) string {
			c := connect(t, s, insecure(name))
			if c.err != nil {
				t.Fatal(c.err)
			}
			return c.presented()
		}
		const failed = "certificate cannot be loaded"
		old := connect(t, s, insecure("a.example"))
		if got := presented("a.example"); got != "first" {
			t.Fatalf("the first certificate is %s", got)
		}

		// The certificate is replaced before its key, within two looks.
		files.write("a.crt", secondChain)
		time.Sleep(every + time.Second)
		if got := presented("a.example"); got != "first" {
			t.Errorf("with another's key, %s is presented", got)
		}
		files.write("a.key", secondKey)
		time.Sleep(every)
		if got := presented("a.example"); got != "second" {
			t.Errorf("after the change, %s is presented", got)
		}
		if got := presented("b.example"); got != "other" {
			t.Errorf("beside the change, %s is presented", got)
		}
		if n := log.count(failed); n != 0 {
			t.Errorf("a change was logged as %d faults", n)
		}
		if err := s.Check(ctx); err != nil {
			t.Errorf("after the change: %v", err)
		}
		old.works(t)

		// A broken pair.
		files.write("a.crt", []byte("no certificate"))
		time.Sleep(10 * every)
		if got := presented("a.example"); got != "second" {
			t.Errorf("from a broken file, %s is presented", got)
		}
		if n := log.count(failed); n != 1 {
			t.Errorf("a broken file was logged %d times", n)
		}
		if err := s.Check(ctx); err == nil || !strings.Contains(err.Error(), files.path("a.crt")) {
			t.Errorf("with a broken file the check says %v", err)
		}
		// Broken otherwise, which is news.
		files.write("a.crt", []byte("no certificate either"))
		time.Sleep(10 * every)
		if n := log.count(failed); n != 2 {
			t.Errorf("two broken files were logged %d times", n)
		}
		// Back to what is in force.
		files.write("a.crt", secondChain)
		time.Sleep(2 * every)
		if err := s.Check(ctx); err != nil {
			t.Errorf("with the file as before: %v", err)
		}
		old.works(t)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestTicketsOutliveReload: a client resumes its TLS session after a change of the
// certificate.
func TestTicketsOutliveReload(t *testing.T) {
	t.Parallel()
	ca, files := newAuthority(t, "ca"), newFolder(t)
	firstChain, firstKey := ca.issue("first", "a.example")
	secondChain, secondKey := ca.issue("second", "a.example")
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, configOf(files.pair("a", firstChain, firstKey)))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		roots := x509.NewCertPool()
		roots.AddCert(ca.leaf)
		client := &tls.Config{ServerName: "a.example", RootCAs: roots, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		if c := connect(t, s, client); c.err != nil || c.client.ConnectionState().DidResume {
			t.Fatalf("first handshake: %v", c.err)
		}
		files.pair("a", secondChain, secondKey)
		time.Sleep(every + time.Second)
		if got := connect(t, s, insecure("a.example")).presented(); got != "second" {
			t.Fatalf("after the change, %s is presented", got)
		}
		if c := connect(t, s, client); c.err != nil || !c.client.ConnectionState().DidResume {
			t.Errorf("not resumed: %v", c.err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ca, trusted, foreign, files := newAuthority(t, "ca"), newAuthority(t, "trusted"), newAuthority(t, "foreign"), newFolder(t)
	chain, key := ca.issue("server", "a.example")
	pair, authorities := files.pair("a", chain, key), files.write("clients.crt", trusted.pem)
	expired, err := tls.X509KeyPair(trusted.issueUntil(time.Now().Add(-time.Hour), "late"))
	if err != nil {
		t.Fatal(err)
	}
	certificateOf := map[string][]tls.Certificate{
		"none": nil, "trusted": {trusted.client("device")}, "foreign": {foreign.client("device")}, "expired": {expired},
	}
	for auth, want := range map[tls.ClientAuthType]map[string]bool{
		tls.VerifyClientCertIfGiven:    {"none": true, "trusted": true, "foreign": false, "expired": false},
		tls.RequireAndVerifyClientCert: {"none": false, "trusted": true, "foreign": false, "expired": false},
	} {
		c := configOf(pair)
		c.ClientCAFile, c.ClientAuth = authorities, auth
		s := newSource(t, c)
		for who, accepted := range want {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				client := insecure("a.example")
				client.MaxVersion = version
				client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					for _, one := range certificateOf[who] {
						return &one, nil
					}
					return &tls.Certificate{}, nil
				}
				made := connect(t, s, client)
				if (made.err == nil) != accepted {
					t.Errorf("%v, %s, %s: %v", auth, who, tls.VersionName(version), made.err)
				}
				if verified := len(made.server.ConnectionState().VerifiedChains) > 0; made.err == nil && verified != (who == "trusted") {
					t.Errorf("%v, %s, %s: verified is %v", auth, who, tls.VersionName(version), verified)
				}
			}
		}
	}
}

// TestAuthoritiesAreReloaded: a client whose authority was removed is refused, also
// when it resumes a TLS session, and one of a new authority is accepted.
func TestAuthoritiesAreReloaded(t *testing.T) {
	t.Parallel()
	ca, before, after, files := newAuthority(t, "ca"), newAuthority(t, "before"), newAuthority(t, "after"), newFolder(t)
	chain, key := ca.issue("server", "a.example")
	old, fresh := before.client("old"), after.client("fresh")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		synctest.Test(t, func(t *testing.T) {
			c := configOf(files.pair("a", chain, key))
			c.ClientCAFile, c.ClientAuth = files.write("clients.crt", before.pem), tls.RequireAndVerifyClientCert
			s := newSource(t, c)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx) }()
			client := func(certificate tls.Certificate) *tls.Config {
				c := insecure("a.example")
				c.MaxVersion, c.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
				// The client sends its certificate whatever the server asks for.
				c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
				return c
			}
			first := client(old)
			for _, resumed := range []bool{false, true} {
				if c := connect(t, s, first); c.err != nil || c.client.ConnectionState().DidResume != resumed {
					t.Fatalf("before the change: %v, resumed %v", c.err, c.client.ConnectionState().DidResume)
				}
			}
			if connect(t, s, client(fresh)).err == nil {
				t.Error("a client of an authority to come is accepted")
			}
			files.write("clients.crt", after.pem)
			time.Sleep(every + time.Second)
			if c := connect(t, s, first); c.err == nil {
				t.Errorf("%s: a client of a removed authority is accepted, resumed %v", tls.VersionName(version), c.client.ConnectionState().DidResume)
			}
			if err := connect(t, s, client(fresh)).err; err != nil {
				t.Errorf("a client of the new authority: %v", err)
			}
			// Broken authorities never open the door.
			files.write("clients.crt", nil)
			time.Sleep(3 * every)
			if connect(t, s, client(old)).err == nil || connect(t, s, client(fresh)).err != nil {
				t.Error("an empty file has changed who is accepted")
			}
			if s.Check(ctx) == nil {
				t.Error("an empty file of authorities is not reported")
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestExpiredCertificateIsReported(t *testing.T) {
	t.Parallel()
	ca, files := newAuthority(t, "ca"), newFolder(t)
	end := time.Now().Add(time.Hour)
	chain, key := ca.issueUntil(end, "first", "a.example")
	now := time.Now()
	c := configOf(files.pair("a", chain, key))
	c.Now = func() time.Time { return now }
	s := newSource(t, c)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	now = end.Add(time.Minute)
	if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("got %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	ca, files := newAuthority(t, "ca"), newFolder(t)
	chain, key := ca.issue("first", "a.example")
	_, otherKey := ca.issue("second", "b.example")
	good := files.pair("a", chain, key)
	big := files.write("big", make([]byte, 5<<20))
	for name, change := range map[string]func(c *certificates.Config){
		"nothing":               func(c *certificates.Config) { c.Pairs = nil },
		"a missing file":        func(c *certificates.Config) { c.Pairs[0].KeyFile = files.path("missing") },
		"the key of another":    func(c *certificates.Config) { c.Pairs[0].KeyFile = files.write("other.key", otherKey) },
		"a large file":          func(c *certificates.Config) { c.Pairs[0].CertFile = big },
		"no authorities":        func(c *certificates.Config) { c.ClientAuth = tls.RequireAndVerifyClientCert },
		"authorities, not used": func(c *certificates.Config) { c.ClientCAFile = good.CertFile },
		"authorities without a certificate": func(c *certificates.Config) {
			c.ClientCAFile, c.ClientAuth = good.KeyFile, tls.RequireAndVerifyClientCert
		},
	} {
		c := configOf(good)
		change(&c)
		if _, err := certificates.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
