package app

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newCertificate writes a self-signed certificate for 127.0.0.1.
func newCertificate(t *testing.T) (certFile, keyFile string, authorities *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, content := range map[string][]byte{certFile: cert, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	authorities = x509.NewCertPool()
	authorities.AppendCertsFromPEM(cert)
	return certFile, keyFile, authorities
}

// Over TLS the server must support HTTP/2, on which many event streams share a
// connection, and HTTP/1.1 for clients that ask for it.
func TestTLS(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	certFile, keyFile, authorities := newCertificate(t)
	a := run(t, load(t, `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
tls: {cert_file: %q, key_file: %q}
kafka: {brokers: [%q]}
grants: [{anonymous: true, subscribe: ["*"]}]
streams: {chat: {topic: chat.lobby}}
drain: {timeout: 1s, spread: 0s}
`, certFile, keyFile, servers.Brokers[0]), Options{})
	url := "https://" + a.address + "/v1/streams/chat/events"

	for _, major := range []int{1, 2} {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(major == 1)
		protocols.SetHTTP2(major == 2)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities}, Protocols: protocols}
		answer, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get(url)
		if err != nil {
			t.Fatalf("HTTP/%d: %v", major, err)
		}
		if answer.ProtoMajor != major || answer.StatusCode != http.StatusOK {
			t.Errorf("HTTP/%d is answered %s %s", major, answer.Proto, answer.Status)
		}
		ready := false
		for lines := bufio.NewScanner(answer.Body); !ready && lines.Scan(); {
			ready = strings.Contains(lines.Text(), "sluice.ready")
		}
		if !ready {
			t.Errorf("HTTP/%d: the stream is not ready", major)
		}
		_ = answer.Body.Close()
		transport.CloseIdleConnections()
	}
}
