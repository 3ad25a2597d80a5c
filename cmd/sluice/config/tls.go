package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Load reads the certificate and returns the TLS configuration of the listener for
// clients: TLS 1.2 or later.
func (t *ServerTLS) Load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(string(t.CertFile), string(t.KeyFile))
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// Load reads the files and returns the TLS configuration for connections to a
// server, which is always verified. For a nil receiver it returns nil: no TLS.
func (t *ClientTLS) Load() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	made := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(string(t.CAFile))
		if err != nil {
			return nil, fmt.Errorf("read certificate authorities: %w", err)
		}
		made.RootCAs = x509.NewCertPool()
		if !made.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errNoCertificates
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(string(t.CertFile), string(t.KeyFile))
		if err != nil {
			return nil, fmt.Errorf("load certificate: %w", err)
		}
		made.Certificates = []tls.Certificate{pair}
	}
	return made, nil
}

var errNoCertificates = errors.New("the file contains no certificate in PEM")
