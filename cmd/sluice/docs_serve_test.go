package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/cmd/sluice/embedded"
	"sluice/hub/envelope"
)

// onKafkaSnippets returns the snippets of the section that runs serve.
func onKafkaSnippets(t *testing.T) (all []snippet) {
	t.Helper()
	const file = "web/docs/start.md"
	before, rest, ok := strings.Cut(readSource(t, file), "## On a Kafka\n")
	section, _, ok2 := strings.Cut(rest, "\n## ")
	if !ok || !ok2 {
		t.Fatalf("%s has no section on a Kafka", file)
	}
	from := strings.Count(before, "\n")
	to := from + strings.Count(section, "\n")
	for _, s := range snippets(t, file) {
		if s.line > from && s.line < to {
			all = append(all, s)
		}
	}
	return all
}

// TestDocOnAKafka runs the commands of the page in order, with an in-memory Kafka
// and free ports in place of those that the page names.
func TestDocOnAKafka(t *testing.T) {
	t.Parallel()
	kafka, err := embedded.Start(embedded.Config{PartitionBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	environ := []string{"SLUICE_KAFKA__BROKERS=" + kafka.Brokers[0], "SLUICE_LISTEN=127.0.0.1:0", "SLUICE_ADMIN__LISTEN=127.0.0.1:0"}
	dir := t.TempDir()
	// This replaces the output of make build. Under this name the test binary runs
	// sluice.
	binary, err := exec.LookPath("sluice")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(dir, "sluice")); err != nil {
		t.Fatal(err)
	}

	var printed strings.Builder
	for _, s := range onKafkaSnippets(t) {
		if s.kind == "yaml" {
			if err := os.WriteFile(filepath.Join(dir, ".try", "sluice.yaml"), []byte(s.text), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for line := range strings.Lines(s.text) {
			command := strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(command, "make build"):
			case strings.HasPrefix(command, "./sluice serve"):
				server := launch(t, dir, environ, "sh", "-c", "exec "+command+" 2>&1")
				at := server.until(regexp.MustCompile(`"msg":"listening","clients":"([^"]+)"`))
				server.until(regexp.MustCompile(`"msg":"started"`))
				environ = append(environ, "SLUICE_SERVER=http://"+at[1])
				go func() {
					for range server.lines { // its log is not needed any more
					}
				}()
			default:
				cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
				cmd.Dir, cmd.Env = dir, append(os.Environ(), environ...)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %s: %v: %s", s, command, err, out)
				}
				printed.Write(out)
			}
		}
	}
	for _, want := range []string{"ok: 1 stream, 1 issuer, 2 grants", `"data":{"total":12}`} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("nothing printed %s, but:\n%s", want, printed.String())
		}
	}
}

// TestDocConfiguration checks the examples of configurations, with files in place of
// those that they name.
func TestDocConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := newCertificate(t)
	files := map[string][]byte{
		"server.crt": cert, "server.key": key, "kafka.password": []byte("a"), "redis.password": []byte("b"),
		"fleet.key": []byte(strings.Repeat("k", 32)), "vault.token": []byte("hvs.x"), "vault-ca.crt": cert,
		"registry.password":     []byte("r"),
		"registry.token":        []byte("t"),
		"cards.json":            []byte(`{"encryptedKeyset":"dmF1bHQ6djE6eA=="}`),
		"telemetry.schema.json": []byte(`{"type": "object"}`),
	}
	keyset, err := envelope.Create(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	files["payments.json"] = keyset
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	examples := 0
	for _, s := range slices.Concat(snippets(t, "web/docs/configuration.md"), snippets(t, "web/docs/security.md"), snippets(t, "web/docs/publishing.md"), snippets(t, "web/docs/schemas.md")) {
		if s.kind != "yaml" || strings.HasPrefix(s.text, "tls:") {
			continue
		}
		examples++
		file := filepath.Join(dir, "sluice.yaml")
		if err := os.WriteFile(file, []byte(s.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs strings.Builder
		if code := run([]string{"check", "--config", file}, strings.NewReader(""), &out, &errs); code != exitOK || !strings.HasPrefix(out.String(), "ok: ") {
			t.Errorf("%s: %d %s%s", s, code, out.String(), errs.String())
		}
	}
	if examples != 12 {
		t.Errorf("there are %d examples", examples)
	}
}

// TestDocTLS: the examples of tls are valid sections.
func TestDocTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := newCertificate(t)
	for name, text := range map[string][]byte{
		"app.crt": cert, "app.key": key, "devices.crt": cert, "devices.key": key, "devices-ca.crt": cert,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const rest = "kafka: {brokers: [\"127.0.0.1:9092\"]}\nstreams: {a: {topic: a}}\ngrants: [{anonymous: true, subscribe: [a]}]\n"
	examples := 0
	for _, s := range snippets(t, "web/docs/security.md") {
		if s.kind != "yaml" || !strings.HasPrefix(s.text, "tls:") {
			continue
		}
		examples++
		file := filepath.Join(dir, "sluice.yaml")
		if err := os.WriteFile(file, []byte(s.text+rest), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs strings.Builder
		if code := run([]string{"check", "--config", file}, strings.NewReader(""), &out, &errs); code != exitOK {
			t.Errorf("%s: %d %s%s", s, code, out.String(), errs.String())
		}
	}
	if examples != 2 {
		t.Errorf("there are %d examples", examples)
	}
}

// TestDocKafkaCredentials: the examples of credentials for Kafka are valid sections.
func TestDocKafkaCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kafka-client.secret"), []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	const rest = "streams: {a: {topic: a}}\ngrants: [{anonymous: true, subscribe: [a]}]\n"
	examples := 0
	for _, s := range snippets(t, "web/docs/operating.md") {
		if s.kind != "yaml" || !strings.Contains(s.text, "sasl:") {
			continue
		}
		examples++
		file := filepath.Join(dir, "sluice.yaml")
		if err := os.WriteFile(file, []byte(s.text+rest), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs strings.Builder
		if code := run([]string{"check", "--config", file}, strings.NewReader(""), &out, &errs); code != exitOK {
			t.Errorf("%s: %d %s%s", s, code, out.String(), errs.String())
		}
	}
	if examples != 2 {
		t.Errorf("there are %d examples", examples)
	}
}

// newCertificate makes a self-signed certificate.
func newCertificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"sluice.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}
