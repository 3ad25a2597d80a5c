package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice/cmd/sluice/config"
)

// TestDocService: what the page on operation gives to supervisors leaves an instance the time to
// stop, and systemd finds nothing wrong with its unit.
func TestDocService(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Options{
		Text:    "kafka: {brokers: [\"b:1\"]}\ngrants: [{anonymous: true, subscribe: [\"*\"]}]\nstreams: {a: {topic: a}}\n",
		Environ: []string{},
	})
	if err != nil {
		t.Fatal(err)
	}
	const page = "web/docs/operating.md"
	times := regexp.MustCompile(`(?:TimeoutStopSec=|terminationGracePeriodSeconds: )(\d+)`).FindAllStringSubmatch(readSource(t, page), -1)
	if len(times) != 2 {
		t.Errorf("%s has %d times to stop", page, len(times))
	}
	for _, found := range times {
		// If a part does not stop in time, the process ends by itself some seconds later.
		if given, err := time.ParseDuration(found[1] + "s"); err != nil || given < c.Drain.Timeout+c.Audit.Drain+10*time.Second {
			t.Errorf("%s gives %s to stop, %v", page, found[1], err)
		}
	}
	for _, s := range snippets(t, page) {
		if s.kind == "ini" {
			verifyUnit(t, s)
		}
	}
}

// verifyUnit has systemd check a unit, in which the program and the user are replaced by ones that exist.
func verifyUnit(t *testing.T, s snippet) {
	t.Helper()
	verifier, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("/usr/local/bin/sluice", program, "User=sluice", "User=daemon").Replace(s.text)
	unit := filepath.Join(t.TempDir(), "sluice.service")
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), verifier, "verify", unit).CombinedOutput()
	if err != nil || strings.Contains(string(out), "sluice.service") {
		t.Errorf("%s: %v: %s", s, err, out)
	}
}
