package schema_test

import (
	"slices"
	"strings"
	"testing"

	"sluice/hub/schema"
)

// TestDrafts: what a draft says differently, which $schema chooses.
func TestDrafts(t *testing.T) {
	t.Parallel()
	const (
		draft04 = `"$schema": "http://json-schema.org/draft-04/schema#"`
		draft06 = `"$schema": "http://json-schema.org/draft-06/schema#"`
		draft07 = `"$schema": "http://json-schema.org/draft-07/schema#"`
		draft19 = `"$schema": "https://json-schema.org/draft/2019-09/schema"`
		draft20 = `"$schema": "https://json-schema.org/draft/2020-12/schema"`
	)
	const texts = `"definitions": {"text": {"type": "string"}, "named": {"$id": "#word", "maxLength": 3}}`
	for name, tt := range map[string]struct{ schema, value, want string }{
		"04, integer":                       {`{` + draft04 + `, "type": "integer"}`, `12`, ""},
		"04, 1.0 is no integer":             {`{` + draft04 + `, "type": "integer"}`, `1.0`, "must be an integer"},
		"04, 1e2 is no integer":             {`{` + draft04 + `, "type": ["integer", "null"]}`, `1e2`, "must be null or an integer"},
		"04, exclusive":                     {`{` + draft04 + `, "minimum": 1, "exclusiveMinimum": true, "maximum": 9, "exclusiveMaximum": true}`, `1`, "must be more than 1"},
		"04, exclusive above":               {`{` + draft04 + `, "minimum": 1, "exclusiveMinimum": true, "maximum": 9, "exclusiveMaximum": true}`, `9`, "must be less than 9"},
		"04, not exclusive":                 {`{` + draft04 + `, "minimum": 1, "exclusiveMinimum": false}`, `1`, ""},
		"04, id":                            {`{` + draft04 + `, "id": "http://a/b.json", "properties": {"a": {"$ref": "c.json"}}, "definitions": {"c": {"id": "c.json", "type": "null"}}}`, `{"a": 1}`, "/a must be null"},
		"04, const has no effect":           {`{` + draft04 + `, "const": 1, "contains": false, "propertyNames": false}`, `{"a": 2}`, ""},
		"06, const":                         {`{` + draft06 + `, "const": 1}`, `2`, "must be 1"},
		"06, if has no effect":              {`{` + draft06 + `, "if": true, "then": false}`, `2`, ""},
		"06, 1.0 is an integer":             {`{` + draft06 + `, "type": "integer"}`, `1.0`, ""},
		"07, if":                            {`{` + draft07 + `, "if": true, "then": {"type": "null"}}`, `2`, "must be null"},
		"07, beside a reference":            {`{` + draft07 + `, ` + texts + `, "properties": {"a": {"$ref": "#/definitions/text", "const": 7, "maxLength": 1, "contains": false}}}`, `{"a": "abc"}`, ""},
		"07, the reference itself":          {`{` + draft07 + `, ` + texts + `, "properties": {"a": {"$ref": "#/definitions/text", "type": "null"}}}`, `{"a": null}`, "/a must be a string"},
		"07, a name in $id":                 {`{` + draft07 + `, ` + texts + `, "items": {"$ref": "#word"}}`, `["abcd"]`, "/0 must have at most 3 characters"},
		"07, items in their places":         {`{` + draft07 + `, "items": [{"type": "null"}, {"type": "string"}], "additionalItems": {"type": "number"}}`, `[null, 1, "a", 2]`, "/1 must be a string\n/2 must be a number"},
		"07, no further items":              {`{` + draft07 + `, "items": [{"type": "null"}], "additionalItems": false}`, `[null, 1]`, "/1 is not allowed here"},
		"07, further items":                 {`{` + draft07 + `, "items": [{"type": "null"}]}`, `[null, 1]`, ""},
		"07, additionalItems by itself":     {`{` + draft07 + `, "additionalItems": false, "items": {}}`, `[1]`, ""},
		"07, dependencies":                  {`{` + draft07 + `, "dependencies": {"a": ["b"], "c": {"maxProperties": 1}}}`, `{"a": 1, "c": 1}`, "must have the property \"b\", as it has \"a\"\nmust have at most 1 property"},
		"07, contains at most":              {`{` + draft07 + `, "contains": {"type": "string"}, "maxContains": 1, "minContains": 2}`, `["a", "b", "c"]`, ""},
		"07, contains":                      {`{` + draft07 + `, "contains": {"type": "string"}, "minContains": 0}`, `[1]`, "must have an item that matches the schema in contains"},
		"07, no keywords of later":          {`{` + draft07 + `, "prefixItems": [false], "unevaluatedItems": false, "dependentRequired": {"a": ["b"]}}`, `[1]`, ""},
		"07, definitions as later":          {`{` + draft07 + `, "$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}`, `1`, "must be null"},
		"07, format":                        {`{` + draft07 + `, "format": "date"}`, `"today"`, "must be a date"},
		"2019, beside a reference":          {`{` + draft19 + `, "$defs": {"text": {"type": "string"}}, "$ref": "#/$defs/text", "maxLength": 1}`, `"abc"`, "must have at most 1 character"},
		"2019, items in their places":       {`{` + draft19 + `, "items": [true], "additionalItems": {"type": "null"}, "unevaluatedItems": false}`, `[1, 1]`, "/1 must be null"},
		"2019, contains evaluates none":     {`{` + draft19 + `, "contains": {"type": "string"}, "unevaluatedItems": false}`, `["a"]`, "/0 is an item that the schema does not have"},
		"2020, contains evaluates":          {`{` + draft20 + `, "contains": {"type": "string"}, "unevaluatedItems": false}`, `["a"]`, ""},
		"2020, recursiveRef has no effect":  {`{` + draft20 + `, "items": {"$recursiveRef": "#"}, "maxItems": 1}`, `[[1, 2]]`, ""},
		"2019, recursion":                   {`{` + draft19 + `, "type": ["array", "null"], "items": {"$recursiveRef": "#"}}`, `[[1]]`, "/0/0 must be null or an array"},
		"2019, recursion into the outer":    {recursion(true, true), `[[1]]`, "/0/0 must be a string or an array"},
		"2019, recursion not of the outer":  {recursion(false, true), `[[1]]`, ""},
		"2019, recursion without an anchor": {recursion(true, false), `[[1]]`, ""},
		"2019, an anchor that is not of a resource": {
			strings.Replace(recursion(false, true), `"$defs": {`, `"$defs": {"x": {"$recursiveAnchor": true, "type": "string"}, `, 1), `[[1]]`, "",
		},
		"by https":     {`{"$schema": "https://json-schema.org/draft-07/schema", "items": [{"type": "null"}]}`, `[1]`, "/0 must be null"},
		"2019 by http": {`{"$schema": "http://json-schema.org/draft/2019-09/schema#", "items": [{"type": "null"}]}`, `[1]`, "/0 must be null"},
		"left out":     {`{"prefixItems": [{"type": "null"}]}`, `[1]`, "/0 must be null"},
		"of each resource": {
			`{` + draft20 + `, "prefixItems": [{"$ref": "old.json"}], "$defs": {"o": {"$id": "old.json", ` + draft07 + `, "items": [{"type": "null"}], "additionalItems": {"$ref": "older.json"},
				"definitions": {"x": {` + draft04 + `, "id": "older.json", "type": "integer"}}}}}`,
			`[[1, 1.0, 7]]`, "/0/0 must be null\n/0/1 must be an integer",
		},
		"another one beside a name": {`{` + draft07 + `, "items": {"$ref": "new.json"}, "definitions": {"o": {"$id": "new.json", ` + draft20 + `, "prefixItems": [{"type": "null"}]}}}`, `[[1]]`, "/0/0 must be null"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := said(compile(t, tt.schema).Validate([]byte(tt.value), limits).Violations); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// recursion returns a schema of lists of lists, or of texts, that refers to a schema of lists
// of anything, with $recursiveAnchor in them or not.
func recursion(outer, inner bool) string {
	is := map[bool]string{true: "true", false: "false"}
	return `{"$schema": "https://json-schema.org/draft/2019-09/schema", "$id": "http://a/outer.json", "$recursiveAnchor": ` + is[outer] + `,
		"type": ["array", "string"], "$ref": "inner.json",
		"$defs": {"i": {"$id": "inner.json", "$recursiveAnchor": ` + is[inner] + `, "items": {"$recursiveRef": "#"}}}}`
}

// TestDraftIsChosen: by $schema, else by Options, and it is told.
func TestDraftIsChosen(t *testing.T) {
	t.Parallel()
	s, err := schema.Options{Draft: schema.Draft07}.Compile([]byte(`{"items": [{"type": "null"}]}`))
	if err != nil || said(s.Validate([]byte(`[1]`), limits).Violations) != "/0 must be null" {
		t.Errorf("got %v", err)
	}
	for _, draft := range allDrafts {
		for _, other := range allDrafts {
			for _, uri := range []string{draft.URI(), strings.TrimSuffix(draft.URI(), "#"), strings.Replace(draft.URI(), "http:", "https:", 1), strings.Replace(draft.URI(), "https:", "http:", 1)} {
				s, err := schema.Options{Draft: other}.Compile([]byte(`{"$schema": "` + uri + `"}`))
				if err != nil || s.Draft() != draft {
					t.Fatalf("%s: got %v, %v", uri, s, err)
				}
			}
		}
		s, err := schema.Options{Draft: draft}.Compile([]byte(`{"title": "x"}`))
		if err != nil || s.Draft() != draft {
			t.Fatalf("%s: %v", draft, err)
		}
		if of, ok := schema.DraftOf(draft.URI()); !ok || of != draft || !strings.Contains(draft.String(), "draft") {
			t.Errorf("%s: %v, %v", draft, of, ok)
		}
	}
}

// TestKeywordsWithoutEffect: those of other drafts are told like those that are misspelt, and
// those beside a reference where that hides them.
func TestKeywordsWithoutEffect(t *testing.T) {
	t.Parallel()
	const all = `, "$ref": "#/definitions/a", "id": "#i", "$id": "#j", "title": "t", "default": 1, "x-mine": 1, "mine": 1, "definitions": {"a": {}}, "minimum": 1}`
	for name, tt := range map[string]struct {
		schema             string
		misplaced, unknown []string
	}{
		"draft-07": {
			`{"$schema": "http://json-schema.org/draft-07/schema#", "id": "x", "if": {}, "then": {"prefixItems": []}, "items": [{}], "additionalItems": {}, "dependencies": {}, "$defs": {}, "examples": [], "$comment": "", "dependentSchemas": {}, "minContains": 1, "mine": 1}`,
			[]string{"/dependentSchemas", "/id", "/minContains", "/then/prefixItems"},
			[]string{"/mine"},
		},
		"draft-04": {
			`{"$schema": "http://json-schema.org/draft-04/schema#", "id": "x", "$id": "y", "$comment": "", "if": {}, "const": 1, "exclusiveMaximum": false, "maximum": 1}`,
			[]string{"/$id", "/const", "/if"},
			nil,
		},
		"draft 2020-12": {
			`{"additionalItems": false, "dependencies": {}, "$recursiveRef": "#", "definitions": {}}`,
			[]string{"/$recursiveRef", "/additionalItems"},
			nil,
		},
		"beside a reference, draft-07":      {`{"$schema": "http://json-schema.org/draft-07/schema#"` + all, []string{"/id", "/minimum"}, []string{"/mine"}},
		"beside a reference, draft 2019-09": {`{"$schema": "https://json-schema.org/draft/2019-09/schema"` + strings.Replace(all, `"$id": "#j", `, "", 1), []string{"/id"}, []string{"/mine"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := compile(t, tt.schema)
			if !slices.Equal(s.Misplaced(), tt.misplaced) || !slices.Equal(s.Unknown(), tt.unknown) {
				t.Errorf("got %q and %q", s.Misplaced(), s.Unknown())
			}
		})
	}
}

// TestUnknownFormats: where they are accepted, they have no effect, and others still have
// theirs.
func TestUnknownFormats(t *testing.T) {
	t.Parallel()
	const text = `{"properties": {"a": {"type": "integer", "format": "utc-millisec"}, "b": {"format": "color", "maxLength": 3}, "c": {"format": "date"}}}`
	s, err := schema.Options{AnyFormat: true}.Compile([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.UnknownFormats(); !slices.Equal(got, []string{"/properties/a/format", "/properties/b/format"}) {
		t.Errorf("got %q", got)
	}
	if got := said(s.Validate([]byte(`{"a": 1, "b": "blue", "c": "d"}`), limits).Violations); got != "/b must have at most 3 characters\n/c must be a date" {
		t.Errorf("got %s", got)
	}
	if got := compile(t, `{"format": "date"}`).UnknownFormats(); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}
