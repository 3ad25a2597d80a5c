package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sluice/cmd/sluice/config"
)

// The page of the reference is the reference: -update writes it anew.
func TestReferenceIsTheDocument(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := config.Reference(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("..", "..", "..", "web", "docs", "reference.md"), referencePage(t, b.String()))
}

const referenceHead = `# Configuration reference

This is what ` + "`sluice check --print-defaults`" + ` prints: a file to begin with, in which
whatever has no default is commented out. Square brackets hold a field's type or
unit and its bounds. Spans are a number and a unit (` + "`500ms`, `90s`, `1h30m`, `7d`" + `),
sizes too (` + "`64KiB`, `16MiB`" + `). [Configuration](configuration.md) has an example.
`

var topField = regexp.MustCompile(`(?m)^(?:# )?([a-z_]+):`)

// referencePage is the page: a section for each field at the top.
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
