package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestOrderOfMessages runs dialogues in which it matters what comes first, see order.mjs.
func TestOrderOfMessages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unpack(t, filepath.Join(dir, "client"))
	script, err := os.ReadFile("testdata/order.mjs")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "package.json", `{"type":"module"}`)
	write(t, dir, "main.js", string(script))
	cmd := exec.CommandContext(t.Context(), program(t, "node"), "main.js")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
