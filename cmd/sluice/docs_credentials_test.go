package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocCredentials checks every example of the page on credentials, with the sections
// that it leaves out and files in place of those that it names.
func TestDocCredentials(t *testing.T) {
	t.Parallel()
	cert, key := newCertificate(t)
	dir := t.TempDir()
	for name, text := range map[string][]byte{
		"server.crt": cert, "server.key": key, "devices-ca.crt": cert, "keys.yaml": []byte("keys: []\n"), "introspection.secret": []byte("s"),
		"fleet.key": []byte(strings.Repeat("k", 32)), "webhook.secret": []byte(strings.Repeat("s", 24)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sections := map[string]string{
		"kafka":   "kafka: {brokers: [\"127.0.0.1:9092\"]}\n",
		"streams": "streams: {orders: {topic: orders}}\n",
		"grants":  "grants: [{anonymous: true, subscribe: [orders]}]\n",
	}
	file := filepath.Join(dir, "sluice.yaml")
	examples := 0
	for _, s := range snippets(t, "web/docs/credentials.md") {
		if s.kind != "yaml" {
			continue
		}
		examples++
		text := s.text
		for name, section := range sections {
			if !strings.HasPrefix(s.text, name+":") && !strings.Contains(s.text, "\n"+name+":") {
				text += section
			}
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs strings.Builder
		if code := run([]string{"check", "--config", file}, strings.NewReader(""), &out, &errs); code != exitOK {
			t.Errorf("%s: %d %s%s", s, code, out.String(), errs.String())
		}
	}
	if examples < 4 {
		t.Errorf("there are only %d examples", examples)
	}
}
