package certificates

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// After a failure the next request for a certificate waits for firstPause, and for
// twice as long after each further failure, up to lastPause. Let's Encrypt allows
// five failures of a domain an hour.
const (
	firstPause = 2 * time.Minute
	lastPause  = time.Hour
)

// ACME configures how certificates are obtained from an ACME server, which connects
// to the listener itself to validate a domain (TLS-ALPN-01, RFC 8737).
type ACME struct {
	// Domains are host names, in lower case.
	Domains []string
	// Email is the contact of the account. Optional.
	Email string
	// DirectoryURL is where the server describes itself (RFC 8555, section 7.1.1).
	DirectoryURL string
	// CAFile has the authorities of the ACME server's own certificate. Empty for the
	// system's.
	CAFile string
	// CacheDir keeps the account's key, certificates and their keys.
	CacheDir string
}

// issued has the certificates that an ACME server issues.
type issued struct {
	manager   *autocert.Manager
	issuer    *issuer
	every     time.Duration
	logger    *slog.Logger
	now       func() time.Time
	domains   []string
	challenge *tls.Config // for connections of the ACME server

	mu    sync.Mutex
	state map[string]*domain
}

// domain is the state of a domain. The lock of issued guards it.
type domain struct {
	certificate *tls.Certificate // nil before the first one
	next        time.Time        // when to ask again
	pause       time.Duration    // the last pause after a failure
	fault       error            // of the last attempt
}

func newIssued(config Config) (*issued, error) {
	a := config.ACME
	if err := CheckCacheDir(a.CacheDir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(a.CacheDir, 0o700); err != nil {
		return nil, fmt.Errorf("make cache of certificates: %w", err)
	}
	issuer, err := newIssuer(a.CAFile)
	if err != nil {
		return nil, err
	}
	i := &issued{
		issuer:  issuer,
		every:   config.CheckEvery,
		logger:  config.Logger,
		now:     config.Now,
		domains: a.Domains,
		state:   make(map[string]*domain, len(a.Domains)),
	}
	for _, name := range a.Domains {
		i.state[name] = &domain{}
	}
	i.manager = &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      &cache{DirCache: autocert.DirCache(a.CacheDir), logger: config.Logger},
		HostPolicy: autocert.HostWhitelist(a.Domains...),
		Email:      a.Email,
		Client: &acme.Client{
			DirectoryURL: a.DirectoryURL,
			HTTPClient:   issuer.client(),
			RetryBackoff: issuer.retryAfter,
			UserAgent:    "sluice",
		},
	}
	// The HTTP server closes a connection of a protocol that it does not know, which
	// is what RFC 8737 requires, so that no request gets past client certificates.
	i.challenge = &tls.Config{
		MinVersion:             config.MinVersion,
		NextProtos:             []string{acme.ALPNProto},
		GetCertificate:         i.manager.GetCertificate,
		SessionTicketsDisabled: true,
	}
	return i, nil
}

// CheckCacheDir reports why a directory must not keep keys: because others can read
// it. A directory that does not exist will be made.
func CheckCacheDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("check cache of certificates: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s contains private keys and is open to other users: chmod 700 it", dir)
	}
	return nil
}

// challenged reports whether a handshake is that of an ACME server that validates one
// of the domains.
func (i *issued) challenged(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ALPNProto &&
		slices.Contains(i.domains, strings.ToLower(hello.ServerName))
}

// certificate implements tls.Config.GetCertificate. For other domains, and for a
// domain whose certificate has not been issued yet, it returns none: the certificates
// in files are next.
func (i *issued) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if d := i.state[strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")]; d != nil {
		return d.certificate, nil
	}
	return nil, nil
}

// run obtains and renews certificates.
func (i *issued) run(ctx context.Context) {
	i.issuer.stopWith(ctx)
	ticker := time.NewTicker(i.every)
	defer ticker.Stop()
	for {
		for _, name := range i.domains {
			if ctx.Err() == nil && !i.now().Before(i.state[name].next) {
				i.obtain(ctx, name)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// obtain takes a domain's certificate over from the manager, which asks the ACME
// server for the first one, and renews it on its own.
func (i *issued) obtain(ctx context.Context, name string) {
	certificate, err := i.manager.GetCertificate(&tls.ClientHelloInfo{
		ServerName: name,
		// An ECDSA key.
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	})
	if ctx.Err() != nil {
		return
	}
	i.mu.Lock()
	d := i.state[name]
	d.fault = err
	if err != nil {
		d.pause = min(max(2*d.pause, firstPause), lastPause)
		d.next = i.now().Add(d.pause)
		pause := d.pause
		i.mu.Unlock()
		i.logger.Error("certificate cannot be obtained", "domain", name, "error", err, "next_attempt_in", pause)
		return
	}
	d.pause = 0
	news := d.certificate == nil || !slices.Equal(d.certificate.Certificate[0], certificate.Certificate[0])
	if news {
		d.certificate = certificate
	}
	i.mu.Unlock()
	if news {
		i.logger.Info("certificate obtained", "domain", name, "not_after", certificate.Leaf.NotAfter)
	}
}

// problems returns an error for each domain without a valid certificate.
func (i *issued) problems(now time.Time) (errs []error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, name := range i.domains {
		switch d := i.state[name]; {
		case d.certificate == nil:
			errs = append(errs, fmt.Errorf("no certificate for %s: %w", name, cmp.Or(d.fault, errPending)))
		case now.After(d.certificate.Leaf.NotAfter):
			errs = append(errs, fmt.Errorf("the certificate for %s has expired", name))
		}
	}
	return errs
}

var errPending = errors.New("it has been requested")

// cache is a directory that keeps keys and certificates. The manager ignores that
// something could not be kept, although the next start then requests it again.
type cache struct {
	autocert.DirCache
	logger *slog.Logger
}

// Put implements autocert.Cache.
func (c *cache) Put(ctx context.Context, name string, data []byte) error {
	err := c.DirCache.Put(ctx, name, data)
	if err != nil {
		c.logger.Error("certificate cannot be kept: the next start requests it again", "error", err)
	}
	return err
}
