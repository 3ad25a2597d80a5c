package app

import (
	"crypto/tls"
	"sync/atomic"

	"sluice/cmd/sluice/certificates"
	"sluice/cmd/sluice/config"
)

// renewingTLS returns the TLS configuration for connections to a server, nil for nil. The
// client certificate is read again for each connection, so that it can be exchanged; if that
// fails, such as between the exchange of its two files, the last one is used.
func renewingTLS(t *config.ClientTLS) (*tls.Config, error) {
	made, err := t.Load()
	if err != nil || made == nil || len(made.Certificates) == 0 {
		return made, err
	}
	var last atomic.Pointer[tls.Certificate]
	last.Store(&made.Certificates[0])
	files := certificates.Pair{CertFile: string(t.CertFile), KeyFile: string(t.KeyFile)}
	made.Certificates = nil
	made.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if pair, err := files.Load(); err == nil {
			last.Store(&pair)
		}
		return last.Load(), nil
	}
	return made, nil
}
