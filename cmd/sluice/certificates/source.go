package certificates

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Config is the configuration of a Source. All fields without a remark are required.
type Config struct {
	// Pairs are certificates and keys. A handshake gets the first pair that fits its
	// server name (SNI, RFC 6066, section 3) and its algorithms, otherwise the first
	// of all. Required without ACME.
	Pairs []Pair
	// ClientCAFile has the authorities of clients' certificates. Empty for none.
	ClientCAFile string
	// ClientAuth is whether clients must have a certificate. With ClientCAFile only.
	ClientAuth tls.ClientAuthType
	// ACME obtains certificates. Nil for none.
	ACME *ACME
	// MinVersion is the lowest version of TLS, such as tls.VersionTLS12.
	MinVersion uint16
	// Protocols are the protocols that clients can choose from (ALPN, RFC 7301), in
	// order of preference.
	Protocols []string
	// CheckEvery is how often files are looked at.
	CheckEvery time.Duration
	Logger     *slog.Logger
	Now        func() time.Time
}

// Source has the certificates in force.
type Source struct {
	config      Config
	pairs       []*watched[tls.Certificate] // owned by Run
	authorities *watched[*x509.CertPool]    // nil for none; owned by Run
	issued      *issued                     // nil for none

	base     *tls.Config
	snapshot atomic.Pointer[tls.Config]

	mu       sync.Mutex
	problems []error // of the files
}

// New loads all files. It fails if one of them cannot be loaded.
func New(config Config) (*Source, error) {
	switch {
	case len(config.Pairs) == 0 && config.ACME == nil:
		return nil, errors.New("new certificates: Pairs or ACME is required")
	case config.MinVersion == 0 || len(config.Protocols) == 0 || config.CheckEvery <= 0 || config.Logger == nil || config.Now == nil:
		return nil, errors.New("new certificates: MinVersion, Protocols, CheckEvery, Logger and Now are required")
	case (config.ClientCAFile == "") != (config.ClientAuth == tls.NoClientCert):
		return nil, errors.New("new certificates: ClientCAFile and ClientAuth require each other")
	}
	s := &Source{config: config}
	for _, pair := range config.Pairs {
		w := &watched[tls.Certificate]{files: []string{pair.CertFile, pair.KeyFile}, parse: parsePair}
		if err := w.load(); err != nil {
			return nil, err
		}
		s.pairs = append(s.pairs, w)
	}
	if config.ClientCAFile != "" {
		s.authorities = &watched[*x509.CertPool]{files: []string{config.ClientCAFile}, parse: parseAuthorities}
		if err := s.authorities.load(); err != nil {
			return nil, err
		}
	}
	if config.ACME != nil {
		var err error
		if s.issued, err = newIssued(config); err != nil {
			return nil, err
		}
	}
	// Keys of session tickets are those of this configuration, so that tickets
	// outlive a snapshot.
	s.base = &tls.Config{MinVersion: config.MinVersion, NextProtos: config.Protocols, GetConfigForClient: s.configFor}
	s.compose()
	return s, nil
}

// TLS returns the configuration of the listener, which follows changes by itself.
func (s *Source) TLS() *tls.Config { return s.base }

// Run follows changes of files, and obtains and renews certificates, until the
// context ends. It must be called at most once.
func (s *Source) Run(ctx context.Context) error {
	var tasks sync.WaitGroup
	if s.issued != nil {
		tasks.Go(func() { s.issued.run(ctx) })
	}
	ticker := time.NewTicker(s.config.CheckEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			tasks.Wait()
			return nil
		case <-ticker.C:
			s.look()
		}
	}
}

// Check reports what keeps certificates from being what they should be: files that
// cannot be loaded, certificates that have expired or have not been issued.
func (s *Source) Check(context.Context) error {
	s.mu.Lock()
	errs := append([]error(nil), s.problems...)
	s.mu.Unlock()
	now := s.config.Now()
	for i, pair := range s.snapshot.Load().Certificates {
		if now.After(pair.Leaf.NotAfter) {
			errs = append(errs, fmt.Errorf("the certificate in %s has expired", s.config.Pairs[i].CertFile))
		}
	}
	if s.issued != nil {
		errs = append(errs, s.issued.problems(now)...)
	}
	return errors.Join(errs...)
}

// configFor implements tls.Config.GetConfigForClient.
func (s *Source) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if s.issued != nil && s.issued.challenged(hello) {
		return s.issued.challenge, nil
	}
	return s.snapshot.Load(), nil
}

// compose makes a snapshot of what is loaded.
func (s *Source) compose() {
	c := &tls.Config{MinVersion: s.config.MinVersion, NextProtos: s.config.Protocols, ClientAuth: s.config.ClientAuth}
	for _, pair := range s.pairs {
		c.Certificates = append(c.Certificates, pair.value)
	}
	if s.authorities != nil {
		c.ClientCAs = s.authorities.value
	}
	if s.issued != nil {
		c.GetCertificate = s.issued.certificate
	}
	s.snapshot.Store(c)
}

// look loads the files that have changed.
func (s *Source) look() {
	var (
		news     bool
		problems []error
	)
	log := s.config.Logger
	for i, pair := range s.pairs {
		file := s.config.Pairs[i].CertFile
		switch pair.look() {
		case changed:
			news = true
			leaf := pair.value.Leaf
			log.Info("certificate loaded", "file", file, "names", leaf.DNSNames, "not_after", leaf.NotAfter)
		case broken:
			log.Error("certificate cannot be loaded: the one loaded before stays in use", "file", file, "error", pair.fault)
		case same:
		}
		problems = appendProblem(problems, file, pair.problem())
	}
	if w := s.authorities; w != nil {
		switch w.look() {
		case changed:
			news = true
			log.Info("authorities of client certificates loaded", "file", s.config.ClientCAFile)
		case broken:
			log.Error("authorities of client certificates cannot be loaded: those loaded before stay in use",
				"file", s.config.ClientCAFile, "error", w.fault)
		case same:
		}
		problems = appendProblem(problems, s.config.ClientCAFile, w.problem())
	}
	if news {
		s.compose()
	}
	s.mu.Lock()
	s.problems = problems
	s.mu.Unlock()
}

func appendProblem(problems []error, file string, err error) []error {
	if err == nil {
		return problems
	}
	return append(problems, fmt.Errorf("%s: %w", file, err))
}
