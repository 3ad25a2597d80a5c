package schema_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sluice/hub/hubtest/bounds"
	"sluice/hub/jsonscan"
	"sluice/hub/schema"
)

var hostile = flag.Int("hostile", 1000, "number of documents for TestHostile")

// slowest is far above what a check takes with the default limits, even with the race
// detector on a machine that is busy with something else, and far below what the same
// checks take without limits.
const slowest = time.Minute

// TestHostile checks documents that are made to hurt against fifty generated schemas: each
// takes a bounded time, and none makes a check panic. For a million of them:
//
//	go test ./hub/schema -run 'TestHostile$' -hostile=1000000 -timeout 2h
func TestHostile(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	g := generator{Rand: rand.New(rand.NewPCG(seed, 3))}
	var schemas []*schema.JSON
	for len(schemas) < 50 {
		g.draft = allDrafts[len(schemas)%len(allDrafts)]
		if s, err := schema.Compile([]byte(g.file())); err == nil {
			schemas = append(schemas, s)
		}
	}
	longest, refused := time.Duration(0), 0
	for n := range *hostile {
		doc := []byte(g.hostile())
		if err := jsonscan.Check(doc, 1000); err != nil {
			t.Fatalf("seed %d: %.200s: %v", seed, doc, err)
		}
		var violations []schema.Violation
		longest = max(longest, bounds.Took(func() { violations = schemas[n%len(schemas)].Validate(doc, limits).Violations }))
		if len(violations) > 0 {
			refused++
		}
		if len(violations) > limits.Violations {
			t.Fatalf("seed %d: %d violations", seed, len(violations))
		}
	}
	t.Logf("%d documents, %d refused, the slowest took %s", *hostile, refused, longest)
	if longest > slowest || refused == 0 {
		t.Errorf("seed %d: %d refused, the slowest took %s", seed, refused, longest)
	}
}

// hostile makes a document that is large or deep in one way, most of them of some hundred
// bytes, and a few of up to 64 KiB.
func (g generator) hostile() string {
	n := 1 + g.IntN(60)
	if g.IntN(50) == 0 {
		n = 1 + g.IntN(8000)
	}
	deep := min(n, 900)
	list := func(item func(int) string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = item(i)
		}
		return strings.Join(items, ",")
	}
	switch g.IntN(12) {
	case 0:
		return strings.Repeat("[", deep) + strings.Repeat("]", deep)
	case 1:
		return strings.Repeat(`{"a":`, deep) + "1" + strings.Repeat("}", deep)
	case 2:
		return "[" + list(func(int) string { return "1" }) + "]"
	case 3:
		return "[" + list(func(i int) string { return fmt.Sprintf(`{"a":%d}`, i) }) + "]"
	case 4:
		return "{" + list(func(i int) string { return fmt.Sprintf(`"a%d":1`, i) }) + "}"
	case 5:
		return `"` + strings.Repeat("a", 8*n) + `"`
	case 6:
		return `"` + strings.Repeat(`\u0061`, n) + `"`
	case 7:
		return strings.Repeat("9", 8*n) + "e9999"
	case 8:
		return "0." + strings.Repeat("0", 8*n) + "1"
	case 9:
		return "[" + list(func(i int) string { return fmt.Sprintf("1e%d", i%schema.MaxExponent) }) + "]"
	case 10:
		return `[1e999999999,"\ud800"]`
	}
	return "[" + list(func(int) string { return written(g.value(2)) }) + "]"
}

// TestNestingIsBounded: not only by steps, so that no schema can exhaust the stack.
func TestNestingIsBounded(t *testing.T) {
	t.Parallel()
	s := compile(t, endlessByAnchor)
	got := s.Validate([]byte(`[[[1]]]`), schema.Limits{Steps: 1 << 50, Violations: 1}).Violations
	if len(got) != 1 || got[0].Keyword != "too_costly" {
		t.Errorf("got %v", got)
	}
}

// TestNestingOfRecursionIsBounded: what endlessByAnchor does by an anchor, by $recursiveRef.
func TestNestingOfRecursionIsBounded(t *testing.T) {
	t.Parallel()
	s := compile(t, `{
		"$schema": "https://json-schema.org/draft/2019-09/schema", "$id": "http://a/outer.json", "$recursiveAnchor": true, "$ref": "inner.json",
		"$defs": {"i": {"$id": "inner.json", "$recursiveAnchor": true, "anyOf": [{"type": "null"}, {"$ref": "#/$defs/j"}], "$defs": {"j": {"items": {"$recursiveRef": "#"}, "allOf": [{"$ref": "third.json"}]}}},
			"k": {"$id": "third.json", "$recursiveAnchor": true, "properties": {"a": {"$recursiveRef": "#"}}}}
	}`)
	for _, value := range []string{strings.Repeat("[", 900) + strings.Repeat("]", 900), strings.Repeat(`{"a":`, 900) + "1" + strings.Repeat("}", 900)} {
		var got []schema.Violation
		if took := bounds.Took(func() { got = s.Validate([]byte(value), limits).Violations }); took > slowest || len(got) > 1 {
			t.Errorf("took %s: %v", took, said(got))
		}
	}
}

// endlessByAnchor is a schema of which only a check shows that it never ends.
const endlessByAnchor = `{
	"$ref": "#/$defs/a",
	"$defs": {
		"a": {"$dynamicAnchor": "x", "$dynamicRef": "r.json#x"},
		"r": {"$id": "r.json", "$dynamicAnchor": "x", "items": {"$ref": "/schema.json#/$defs/a"}}
	}
}`

// TestCostIsBounded: schemas whose checks would take years end after the steps that are
// allowed, and the client is told.
func TestCostIsBounded(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60)
	distinct := make([]string, 8000)
	for i := range distinct {
		distinct[i] = fmt.Sprintf(`[%d]`, i)
	}
	for name, tt := range map[string]struct {
		schema, value string
		costly        bool
	}{
		"two ways at each level":        {`{"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}`, deep, true},
		"two ways, draft-07":            {`{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"allOf": [{"$ref": "#", "type": "null"}, {"$ref": "#"}]}}}`, deep, true},
		"two ways, dependencies":        {`{"$schema": "http://json-schema.org/draft-04/schema#", "dependencies": {"a": {"properties": {"a": {"$ref": "#"}}}}, "properties": {"a": {"$ref": "#"}}}`, deep, true},
		"two ways, recursive":           {`{"$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveAnchor": true, "properties": {"a": {"allOf": [{"$recursiveRef": "#"}, {"$ref": "#"}]}}}`, deep, true},
		"integers of many digits":       {`{"$schema": "http://json-schema.org/draft-04/schema#", "items": {"type": "integer"}}`, `[` + strings.Repeat("7", 60_000) + `]`, false},
		"two ways that do not fit":      {`{"type": "object", "properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}}`, deep, true},
		"two ways, not":                 {`{"not": {"$ref": "#/$defs/x"}, "$defs": {"x": {"type": "object", "properties": {"a": {"anyOf": [{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/x"}]}}}}}`, deep, true},
		"two patterns":                  {`{"patternProperties": {"a": {"$ref": "#"}, "^a": {"$ref": "#"}}}`, deep, true},
		"unevaluated":                   {`{"anyOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": {"properties": {"a": {"oneOf": [{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/x"}], "unevaluatedProperties": false}}}}}`, deep, true},
		"a pattern with many ways":      {`{"pattern": "^(a?){100}(a|a){100}(.*a){50}$"}`, `"` + strings.Repeat("a", 30_000) + `b"`, false},
		"a large pattern":               {`{"pattern": "(x+x+){200}y"}`, `"` + strings.Repeat("x", 60_000) + `"`, true},
		"unique items":                  {`{"uniqueItems": true}`, `[` + strings.Join(distinct, ",") + `]`, false},
		"enum of large values":          {`{"items": {"enum": [` + strings.Join(distinct, ",") + `]}}`, `[` + strings.Repeat(`[-1],`, 8000) + `1]`, true},
		"many digits":                   {`{"multipleOf": 0.000007, "minimum": 1}`, strings.Repeat("7", 60_000) + "e9999", false},
		"a dynamic reference to itself": {endlessByAnchor, `[[[1]]]`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := compile(t, tt.schema)
			var got []schema.Violation
			took := bounds.Took(func() { got = s.Validate([]byte(tt.value), limits).Violations })
			costly := len(got) == 1 && got[0].Keyword == "too_costly" && got[0].Pointer == "" && strings.Contains(got[0].Message, "schema_steps")
			if costly != tt.costly || took > slowest {
				t.Errorf("took %s: %v", took, said(got))
			}
			t.Logf("took %s", took)
		})
	}
}
