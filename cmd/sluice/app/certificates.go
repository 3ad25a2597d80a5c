package app

import (
	"log/slog"
	"time"

	"sluice/cmd/sluice/certificates"
	"sluice/cmd/sluice/config"
)

// protocols are the protocols of the listener for clients over TLS.
var protocols = []string{"h2", "http/1.1"}

// newCertificates makes the source of certificates from a configuration, nil for no
// TLS.
func newCertificates(t *config.ServerTLS, logger *slog.Logger) (*certificates.Source, error) {
	if t == nil {
		return nil, nil
	}
	c := certificates.Config{
		ClientCAFile: string(t.ClientCAFile),
		ClientAuth:   t.ClientAuthType(),
		MinVersion:   t.MinVersion.Number(),
		Protocols:    protocols,
		CheckEvery:   t.ReloadEvery,
		Logger:       logger,
		Now:          time.Now,
	}
	for _, pair := range t.Pairs() {
		c.Pairs = append(c.Pairs, certificates.Pair{CertFile: string(pair.CertFile), KeyFile: string(pair.KeyFile)})
	}
	if a := t.ACME; a != nil {
		c.ACME = &certificates.ACME{
			Domains:      a.Domains,
			Email:        a.Email,
			DirectoryURL: a.DirectoryURL,
			CAFile:       string(a.CAFile),
			CacheDir:     string(a.CacheDir),
		}
	}
	return certificates.New(c)
}
