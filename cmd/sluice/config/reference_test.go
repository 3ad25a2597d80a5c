package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sluice/cmd/sluice/config"
)

// The page with the reference must equal the output of Reference; -update rewrites
// it.
func TestReferenceIsTheDocument(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := config.Reference(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("..", "..", "..", "web", "docs", "reference.md"), referencePage(t, b.String()))
}

const referenceHead = `# Configuration reference

This is what ` + "`sluice check --print-defaults`" + ` prints: an initial configuration file, in
which fields without a default are commented out. Square brackets contain the type
or unit of a field and its bounds. A duration is a number and a unit (` + "`500ms`, `90s`,\n`1h30m`, `7d`" + `), and so is a size (` + "`64KiB`, `16MiB`" + `).
[Configuration](configuration.md) has an example.
`

var topField = regexp.MustCompile(`(?m)^(?:# )?([a-z_]+):`)

// referencePage returns the page, with a section for each top-level field.
func referencePage(t *testing.T, reference string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(referenceHead)
	for part := range strings.SplitSeq(strings.TrimSpace(reference), "\n\n") {
		name := topField.FindStringSubmatch(part)
		if name == nil {
			t.Fatalf("no field is named in:\n%s", part)
		}
		b.WriteString("\n## " + name[1] + "\n\n```yaml\n" + part + "\n```\n")
	}
	return b.String()
}

// The reference can be used as an initial file: its fields that are not commented
// out must have the values that Load uses as defaults.
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

// Every field must be documented, and every default and bound must be valid.
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
