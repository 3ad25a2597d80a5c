package main

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sluice/hub/envelope"
)

// TestDocEncryption runs the commands of the section on encrypted fields. What they
// encrypt is decrypted in its place, with the keyset that they leave.
func TestDocEncryption(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "number.json"), []byte("\"4111\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ran := 0
	var printed string
	for _, s := range snippets(t, "web/docs/security.md") {
		if s.kind != "sh" || !strings.Contains(s.text, "sluice keyset") {
			continue
		}
		for line := range strings.Lines(s.text) {
			cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %s: %v: %s", s, line, err, out)
			}
			printed += string(out)
			ran++
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "payments.json"))
	if err != nil || ran != 3 {
		t.Fatalf("%d commands left no keyset: %v", ran, err)
	}
	k, err := envelope.NewKeyset(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	cipher, err := envelope.NewCipher(k, envelope.FormatEnvelope, "AES256_GCM")
	if err != nil {
		t.Fatal(err)
	}
	ciphertext, err := base64.StdEncoding.DecodeString(strings.TrimSpace(printed))
	if err != nil {
		t.Fatalf("printed %q: %v", printed, err)
	}
	if plaintext, err := cipher.Decrypt(ciphertext, []byte("orders.v2:/card/number")); err != nil || string(plaintext) != `"4111"` {
		t.Errorf("decrypted %q, %v", plaintext, err)
	}
}
