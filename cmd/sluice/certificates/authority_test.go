package certificates_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sluice/cmd/sluice/certificates"
)

// authority issues certificates.
type authority struct {
	t      *testing.T
	leaf   *x509.Certificate
	key    *ecdsa.PrivateKey
	pem    []byte
	serial int64
}

// lifetime includes the time of testing/synctest.
func lifetime(template *x509.Certificate) *x509.Certificate {
	template.NotBefore = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	template.NotAfter = time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)
	return template
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := lifetime(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t: t, leaf: leaf, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), serial: 1}
}

// issue returns a certificate and its key in PEM. The common name is what tests tell
// certificates apart by.
func (a *authority) issue(common string, names ...string) (chain, key []byte) {
	return a.issueUntil(time.Time{}, common, names...)
}

func (a *authority) issueUntil(end time.Time, common string, names ...string) (chain, key []byte) {
	a.t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.serial++
	template := lifetime(&x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: common}, DNSNames: names,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if !end.IsZero() {
		template.NotAfter = end
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.leaf, &own.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// client returns a client's certificate.
func (a *authority) client(common string) tls.Certificate {
	a.t.Helper()
	pair, err := tls.X509KeyPair(a.issue(common))
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

// folder has the files of a test.
type folder struct {
	t   *testing.T
	dir string
}

func newFolder(t *testing.T) folder { t.Helper(); return folder{t, t.TempDir()} }

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f folder) write(name string, content []byte) string {
	f.t.Helper()
	if err := os.WriteFile(f.path(name), content, 0o600); err != nil {
		f.t.Fatal(err)
	}
	return f.path(name)
}

// pair writes a certificate and its key.
func (f folder) pair(name string, chain, key []byte) certificates.Pair {
	f.t.Helper()
	return certificates.Pair{CertFile: f.write(name+".crt", chain), KeyFile: f.write(name+".key", key)}
}
