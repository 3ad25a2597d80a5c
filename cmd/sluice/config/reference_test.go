package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/cmd/sluice/config"
)

func TestReferenceIsGolden(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := config.Reference(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "reference.golden.yaml", b.String())
}

// The reference is a file that can be begun with: what stands in it without a
// comment sign is what Load takes as defaults.
func TestReferenceLoadsOnceTheMissingIsGiven(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := config.Reference(&b); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	given := []string{
		"SLUICE_KAFKA__BROKERS=127.0.0.1:9092",
		"SLUICE_STREAMS={news: {topic: news}}",
		"SLUICE_GRANTS=[{anonymous: true, subscribe: [news]}]",
	}
	fromReference, err := config.Load(config.Options{File: file, Environ: given})
	if err != nil {
		t.Fatal(err)
	}
	fromDefaults, err := config.Load(config.Options{Environ: given})
	if err != nil {
		t.Fatal(err)
	}
	if fromReference.Limits != fromDefaults.Limits || fromReference.Cursors != fromDefaults.Cursors {
		t.Errorf("the reference says %+v, the defaults are %+v", fromReference, fromDefaults)
	}
}

// Every field is documented, and every default and bound can be read.
func TestEveryFieldIsDocumented(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := config.Reference(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if text := strings.TrimSpace(line); text == "#" || strings.HasPrefix(text, "# [") {
			t.Errorf("a field has no documentation: %q", line)
		}
	}
}
