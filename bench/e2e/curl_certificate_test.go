package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/bench/stack"
)

// certified writes an authority, and certificates of it for a server on loopback and for a
// client with a common name, to a directory: ca.crt, server.crt and .key, client.crt and
// .key.
func certified(t *testing.T, dir, client string) {
	t.Helper()
	var (
		authority    *x509.Certificate
		authorityKey *ecdsa.PrivateKey
	)
	for i, name := range []string{"ca", "server", "client"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}
		switch name {
		case "ca":
			template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
			authority, authorityKey = template, key
		case "server":
			template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		case "client":
			template.Subject.CommonName = client
			template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}
		der, err := x509.CreateCertificate(rand.Reader, template, authority, &key.PublicKey, authorityKey)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name+".crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
		write(t, filepath.Join(dir, name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	}
}

// TestCurlWithACertificate: curl is identified by its client certificate alone, and reads a
// page and an event stream; without the certificate it reads neither.
func TestCurlWithACertificate(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("left out: -short starts no servers")
	}
	ctx := within(t, 30*time.Second)
	stack.Check(t, stack.Install(ctx, "curl"))
	topic(t, "certified", 1)
	dir := t.TempDir()
	certified(t, dir, "pump-7")
	i := sluice(t, setup{
		streams: map[string]string{"certified": "certified"},
		auth:    "  client_certificates: {subject: CN}\n",
		grants:  "  - {when: {iss: certificates, sub: pump-7}, subscribe: [certified]}\n",
		more: fmt.Sprintf("tls: {cert_file: %q, key_file: %q, client_ca_file: %q, client_auth: optional}\n",
			filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"), filepath.Join(dir, "ca.crt")),
	})
	curl := func(ctx context.Context, path string, more ...string) *exec.Cmd {
		args := append([]string{"--silent", "--no-buffer", "--cacert", filepath.Join(dir, "ca.crt"), "--max-time", "30"}, more...)
		return exec.CommandContext(ctx, "curl", append(args, "https://"+i.addr+"/v1/streams/certified/"+path)...)
	}
	own := []string{"--cert", filepath.Join(dir, "client.crt"), "--key", filepath.Join(dir, "client.key")}

	page, err := curl(ctx, "records", own...).Output()
	if err != nil || !bytes.Contains(page, []byte(`"records":[]`)) || !bytes.Contains(page, []byte(`"caught_up":true`)) {
		t.Errorf("the page is %s (%v)", page, err)
	}
	for _, path := range []string{"records", "events"} {
		refused, err := curl(ctx, path, "--write-out", "%{http_code}").Output()
		if err != nil || !bytes.HasSuffix(refused, []byte("404")) && !bytes.HasSuffix(refused, []byte("401")) {
			t.Errorf("%s without a certificate: %s (%v)", path, refused, err)
		}
	}
	for _, version := range []string{"--http1.1", "--http2"} {
		listening, stop := context.WithCancel(ctx)
		cmd := curl(listening, "events", append(own, version)...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		caught := false
		for lines := bufio.NewScanner(out); !caught && lines.Scan(); {
			caught = strings.HasPrefix(lines.Text(), "event: sluice.caught_up")
		}
		if !caught {
			t.Errorf("%s: the stream ended before it had caught up", version)
		}
		stop()
		_ = cmd.Wait()
	}
}
