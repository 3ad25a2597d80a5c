package schema_test

import (
	"strings"
	"testing"
	"time"

	"sluice/hub/hubtest/bounds"
	"sluice/hub/schema"
)

func TestPointerTo(t *testing.T) {
	t.Parallel()
	const doc = ` { "a,[" : [ 1, "x,\"]", {"b":[], "c/~": [[0], {}, 7 ]} ], "d": {"":null}, "e": @}`
	for before, want := range map[string]string{
		`{ "a`: "", `[ 1`: "/a,[", `1,`: "/a,[/0", `"x`: "/a,[/1", `{"b`: "/a,[/2", `[], "c`: "/a,[/2/b", `[[0`: "/a,[/2/c~1~0", `[0]`: "/a,[/2/c~1~0/0",
		`0]`: "/a,[/2/c~1~0/0/0", `{},`: "/a,[/2/c~1~0/1", `7 ]`: "/a,[/2/c~1~0/2", `{"":`: "/d", `null`: "/d/", `@`: "/e",
	} {
		if got := schema.PointerTo([]byte(doc), strings.Index(doc, before)); got != want {
			t.Errorf("%s: got %q, want %q", before, got, want)
		}
	}
}

// TestPointerToIsQuick: what is around a place is not read again for each level.
func TestPointerToIsQuick(t *testing.T) {
	t.Parallel()
	const levels = 10_000
	doc := strings.Repeat("[", levels) + `"` + strings.Repeat("a", 1<<20) + `",0` + strings.Repeat("]", levels)
	var got string
	took := bounds.Took(func() { got = schema.PointerTo([]byte(doc), strings.LastIndexByte(doc, '0')) })
	if !strings.HasPrefix(got, "/0/0/") || len(got) > schema.MaxPointer {
		t.Errorf("got %.100q", got)
	}
	if took > time.Second {
		t.Errorf("took %s", took)
	}
}
