package app

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"sluice/bench/stack"
)

// TestTLSSettings: each setting of tls takes effect, and operators are served without
// TLS.
func TestTLSSettings(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	certFile, keyFile, _ := newCertificate(t)
	otherCert, otherKey, _ := newCertificate(t)
	client, err := tls.LoadX509KeyPair(otherCert, otherKey)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := stack.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	address := run(t, load(t, `
listen: 127.0.0.1:0
admin: {listen: %q}
tls:
  certificates: [{cert_file: %q, key_file: %q}]
  client_ca_file: %q
  min_version: 1.3
  reload_every: 100ms
kafka: {brokers: [%q]}
grants: [{anonymous: true, subscribe: ["*"]}]
streams: {chat: {topic: chat.lobby}}
drain: {timeout: 1s, spread: 0s}
`, admin, certFile, keyFile, otherCert, servers.Brokers[0]), Options{}).address
	// get returns the serial number of the server's certificate.
	get := func(c *tls.Config) (serial string, err error) {
		c.InsecureSkipVerify = true
		transport := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get("https://" + address + "/docs/")
		if err != nil {
			return "", err
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if answer.ProtoMajor != 2 {
			t.Errorf("answered by %s", answer.Proto)
		}
		return string(answer.TLS.PeerCertificates[0].Raw), nil
	}
	known := []tls.Certificate{client}
	before, err := get(&tls.Config{Certificates: known})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(&tls.Config{}); err == nil {
		t.Error("a client without a certificate is accepted")
	}
	if _, err := get(&tls.Config{Certificates: known, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 is accepted")
	}
	for from, to := range map[string]string{otherCert: certFile, otherKey: keyFile} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		after, err := get(&tls.Config{Certificates: known})
		if err != nil {
			t.Fatal(err)
		}
		if after != before {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not presented")
		}
	}
	plain, err := http.Get("http://" + admin + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	report, _ := io.ReadAll(plain.Body)
	_ = plain.Body.Close()
	if !strings.Contains(string(report), `"certificates"`) {
		t.Errorf("certificates are no check: %s", report)
	}
}
