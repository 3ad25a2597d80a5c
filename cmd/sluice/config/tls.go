package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/go-playground/validator/v10"

	"sluice/cmd/sluice/certificates"
)

// ServerTLS configures TLS of the listener for clients.
type ServerTLS struct {
	CertFile     Path          `koanf:"cert_file" validate:"omitempty,readable_file" doc:"certificate chain, PEM; short for one entry of certificates"`
	KeyFile      Path          `koanf:"key_file" validate:"omitempty,readable_file" doc:"private key of cert_file, PEM"`
	Certificates []Certificate `koanf:"certificates" validate:"max=1000,dive" doc:"certificates for several host names, chosen by the server name that a client asks for (SNI); a client that asks for another name, or none, gets the first one"`
	ACME         *ACME         `koanf:"acme" doc:"certificates from an ACME server such as Let's Encrypt (RFC 8555), which must reach this listener on port 443 of each domain (TLS-ALPN-01)"`
	ClientCAFile Path          `koanf:"client_ca_file" validate:"omitempty,readable_file" doc:"certificate authorities of clients' certificates, PEM; if left out, clients are not asked for a certificate"`
	ClientAuth   string        `koanf:"client_auth" validate:"omitempty,oneof=optional required" doc:"whether a client must have a certificate; if left out with client_ca_file, required. A certificate is always verified"`
	MinVersion   TLSVersion    `koanf:"min_version" default:"1.2" validate:"oneof=1.2 1.3" doc:"lowest version of TLS"`
	ReloadEvery  time.Duration `koanf:"reload_every" default:"5s" validate:"between=100ms..1h" doc:"how often the files are checked for changes, which take effect for new connections; files that cannot be loaded change nothing"`
}

// Certificate is a certificate that the server presents to clients.
type Certificate struct {
	CertFile Path `koanf:"cert_file" validate:"required,readable_file" doc:"certificate chain, PEM"`
	KeyFile  Path `koanf:"key_file" validate:"required,readable_file" doc:"private key, PEM"`
}

// ACME configures how certificates are obtained and renewed.
type ACME struct {
	Domains      []string `koanf:"domains" validate:"required,min=1,max=100,unique,dive,domain_name" doc:"host names, one certificate each; names with * are not possible"`
	Email        string   `koanf:"email" validate:"omitempty,email" doc:"contact of the account, for warnings of the ACME server"`
	DirectoryURL string   `koanf:"directory_url" default:"https://acme-v02.api.letsencrypt.org/directory" validate:"directory_url" doc:"directory of the ACME server, https, or http on loopback"`
	CAFile       Path     `koanf:"ca_file" validate:"omitempty,readable_file" doc:"certificate authorities of the ACME server's own certificate, PEM; if left out, those of the system"`
	CacheDir     Path     `koanf:"cache_dir" validate:"required" doc:"directory that keeps the account's key, certificates and their private keys; created if missing, and must not be accessible by other users. Several instances for one domain need the same directory"`
	AcceptTerms  bool     `koanf:"accept_terms" default:"false" doc:"you accept the ACME server's terms of service; required"`
}

// TLSVersion is a version of TLS, such as 1.2.
type TLSVersion string

// Number returns the version as crypto/tls knows it.
func (v TLSVersion) Number() uint16 {
	if v == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// Pairs returns the certificates in files.
func (t *ServerTLS) Pairs() []Certificate {
	if t.CertFile != "" {
		return []Certificate{{CertFile: t.CertFile, KeyFile: t.KeyFile}}
	}
	return t.Certificates
}

// ClientAuthType returns ClientAuth as crypto/tls knows it.
func (t *ServerTLS) ClientAuthType() tls.ClientAuthType {
	switch t.ClientAuth {
	case "optional":
		return tls.VerifyClientCertIfGiven
	case "required":
		return tls.RequireAndVerifyClientCert
	}
	return tls.NoClientCert
}

func checkServerTLS(level validator.StructLevel) {
	t := level.Current().Interface().(ServerTLS)
	switch {
	case t.CertFile != "" && len(t.Certificates) > 0:
		conflict(level, "certificates", "cannot be combined with cert_file: make that an entry of certificates too")
	case t.CertFile == "" && t.KeyFile == "" && len(t.Certificates) == 0 && t.ACME == nil:
		conflict(level, "cert_file", "is missing: set cert_file and key_file, certificates, or acme")
	case t.CertFile == "" && t.KeyFile != "":
		conflict(level, "cert_file", "is missing: the certificate chain of key_file, PEM")
	case t.CertFile != "" && t.KeyFile == "":
		conflict(level, "key_file", "is missing: the private key of cert_file, PEM")
	}
	if t.ClientAuth != "" && t.ClientCAFile == "" {
		conflict(level, "client_ca_file", "is missing: client_auth needs the authorities of clients' certificates")
	}
}

func checkACME(level validator.StructLevel) {
	if a := level.Current().Interface().(ACME); !a.AcceptTerms {
		conflict(level, "accept_terms", "is missing: read the terms of service of the ACME server, and set accept_terms: true")
	}
}

// readServerTLS checks that the files of the listener for clients load.
func readServerTLS(t *ServerTLS, f *faults) {
	if t == nil || f.below("tls") {
		return
	}
	for i, pair := range t.Pairs() {
		path := "tls/cert_file"
		if t.CertFile == "" {
			path = fmt.Sprintf("tls/certificates/%d/cert_file", i)
		}
		if _, err := (certificates.Pair{CertFile: string(pair.CertFile), KeyFile: string(pair.KeyFile)}).Load(); err != nil {
			f.add(path, "%s", err)
		}
	}
	tryAuthorities(t.ClientCAFile, "tls/client_ca_file", f)
	if t.ACME != nil {
		tryAuthorities(t.ACME.CAFile, "tls/acme/ca_file", f)
		if err := certificates.CheckCacheDir(string(t.ACME.CacheDir)); err != nil {
			f.add("tls/acme/cache_dir", "%s", err)
		}
	}
}

func tryAuthorities(file Path, path string, f *faults) {
	if _, err := loadAuthorities(file); err != nil {
		f.add(path, "%s", err)
	}
}

// loadAuthorities returns the authorities in a file, nil for no file.
func loadAuthorities(file Path) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	return certificates.LoadAuthorities(string(file))
}

// Load reads the files and returns the TLS configuration for connections to a
// server, which is always verified. For a nil receiver it returns nil: no TLS.
func (t *ClientTLS) Load() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	made := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	var err error
	if made.RootCAs, err = loadAuthorities(t.CAFile); err != nil {
		return nil, err
	}
	if t.CertFile != "" {
		pair, err := certificates.Pair{CertFile: string(t.CertFile), KeyFile: string(t.KeyFile)}.Load()
		if err != nil {
			return nil, err
		}
		made.Certificates = []tls.Certificate{pair}
	}
	return made, nil
}
