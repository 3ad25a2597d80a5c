package audit_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sluice/transport/audit"
)

var quoted = regexp.MustCompile("`([a-z_]+)`")

// TestTheDocumentListsTheAttributes: the table in the documentation has every type of
// event, with the attributes that it has when none is empty.
func TestTheDocumentListsTheAttributes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "web", "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Audit\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, of, _ := strings.Cut(section, "The attributes of the client are ")
	of, _, _ = strings.Cut(of, ". An attribute")
	// What stands in brackets explains.
	of = regexp.MustCompile(`\([^)]*\)`).ReplaceAllString(of, "")
	client := names(of)

	documented := map[string][]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		attributes := names(cells[3])
		if strings.HasPrefix(strings.TrimSpace(cells[3]), "client,") {
			attributes = append(slices.Clone(client), attributes...)
		}
		for _, kind := range names(cells[1]) {
			documented[kind] = attributes
		}
	}
	documented[string(audit.TypeStopped)] = nil // it is beside started, and has no attributes

	b := &book{}
	c := config(b)
	c.Stream = ""
	r, stop := run(t, c)
	all := samples()
	for _, e := range all {
		r.Record(e)
	}
	stop()
	recorded := map[string][]string{}
	for _, e := range b.logged {
		recorded[e.kind] = slices.Sorted(maps.Keys(e.attrs))
	}
	if len(documented) != len(audit.Types()) {
		t.Errorf("%d types are documented, of %d", len(documented), len(audit.Types()))
	}
	for _, kind := range audit.Types() {
		want := slices.Sorted(slices.Values(documented[string(kind)]))
		if got := recorded[string(kind)]; !slices.Equal(got, want) {
			t.Errorf("%s has the attributes %q, and documented are %q", kind, got, want)
		}
	}
}

func names(text string) (all []string) {
	for _, found := range quoted.FindAllStringSubmatch(text, -1) {
		all = append(all, found[1])
	}
	return all
}
