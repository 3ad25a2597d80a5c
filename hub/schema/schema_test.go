package schema_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"sluice/hub/jsonscan"
	"sluice/hub/schema"
)

// compile compiles a schema that has to be one.
func compile(t testing.TB, text string) *schema.JSON {
	t.Helper()
	s, err := schema.Compile([]byte(text))
	if err != nil {
		t.Fatalf("compile %s: %v", text, err)
	}
	return s
}

// said returns what is wrong with a value, a line each.
func said(violations []schema.Violation) string {
	var lines []string
	for _, v := range violations {
		lines = append(lines, strings.TrimSpace(v.Pointer+" "+v.Message))
	}
	return strings.Join(lines, "\n")
}

// TestViolations: what is wrong, where, in the order of the value.
func TestViolations(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ schema, value, want string }{
		"valid":           {`{"type": "object", "required": ["a"]}`, `{"a": 1}`, ""},
		"type":            {`{"type": "object"}`, `[]`, "must be an object"},
		"types":           {`{"type": ["string", "null", "integer"]}`, `1.5`, "must be null or an integer or a string"},
		"only the type":   {`{"type": "string", "enum": ["a"], "minLength": 3}`, `1`, "must be a string"},
		"all of a string": {`{"enum": ["abc"], "minLength": 3, "pattern": "^x"}`, `"a"`, "must be \"abc\"\nmust have at least 3 characters\nmust match ^x"},
		"required": {
			`{"required": ["a", "b", "c"], "properties": {"b": {"type": "string"}}}`, `{"b": 1}`,
			"must have the property \"a\"\nmust have the property \"c\"\n/b must be a string",
		},
		"order of the value": {
			`{"properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {"items": {"type": "null"}}}}`, `{"c": [null, 1, null, 2], "b": 1, "a": 1}`,
			"/c/1 must be null\n/c/3 must be null\n/b must be null\n/a must be null",
		},
		"additional":        {`{"properties": {"a": true}, "patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": false}`, `{"a": 1, "x-a": 2, "b": 3}`, "/x-a must be a string\n/b is a property that the schema does not have"},
		"names":             {`{"propertyNames": {"maxLength": 3}}`, `{"abc": 1, "abcd": 1}`, "/abcd has a name that the schema does not allow"},
		"false":             {`{"properties": {"a": false}}`, `{"a": 1}`, "/a is not allowed here"},
		"pointers":          {`{"additionalProperties": {"additionalProperties": {"type": "null"}}}`, `{"a/b": {"c~d": 1, "": 2, "\u00e9": 3}}`, "/a~1b/c~0d must be null\n/a~1b/ must be null\n/a~1b/é must be null"},
		"numbers":           {`{"minimum": 1, "exclusiveMaximum": 2.50, "multipleOf": 0.1}`, `2.55`, "must be less than 2.50\nmust be a multiple of 0.1"},
		"integer":           {`{"type": "integer"}`, `1.0`, ""},
		"integer, exponent": {`{"type": "integer"}`, `1500e-2`, ""},
		"no integer":        {`{"type": "integer"}`, `1e-1`, "must be an integer"},
		"past 2^53":         {`{"maximum": 9007199254740992}`, `9007199254740993`, "must be at most 9007199254740992"},
		"past a double":     {`{"maximum": 1e308}`, `1e309`, "must be at most 1e308"},
		"thirds":            {`{"multipleOf": 3}`, `1e9999`, "must be a multiple of 3"},
		"const of numbers":  {`{"const": {"a": [1.0, "x"]}}`, `{"a": [10e-1, "\u0078"]}`, ""},
		"unique":            {`{"uniqueItems": true}`, `[1, {"a": 1, "b": 2}, "1", {"b": 2.0, "a": 1}]`, "must not have the same item twice: items 1 and 3 are equal"},
		"characters":        {`{"maxLength": 2}`, `"😀é"`, ""},
		"escapes":           {`{"maxLength": 1, "pattern": "^é$"}`, `"\u00e9"`, ""},
		"contains":          {`{"contains": {"type": "string"}}`, `[1]`, "must have an item that matches the schema in contains"},
		"contains up to":    {`{"contains": {"type": "string"}, "maxContains": 1, "minContains": 0}`, `["", ""]`, "must have at most 1 item matching the schema in contains"},
		"anyOf":             {`{"anyOf": [{"required": ["a", "b"]}, {"required": ["c"]}]}`, `{}`, "fits none of the 2 alternatives in anyOf; what the closest one (1) misses follows\nmust have the property \"c\""},
		"oneOf twice":       {`{"oneOf": [{"type": "string"}, {"minimum": 3}, {"maximum": 9}]}`, `5`, "fits two of the alternatives in oneOf, 1 and 2: must fit one"},
		"nothing of an alternative that does not matter": {`{"anyOf": [{"type": "string"}, {"type": "null"}]}`, `null`, ""},
		"not":                   {`{"not": {"type": "null"}}`, `null`, "must not match the schema in not"},
		"if":                    {`{"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}`, `{"a": 1}`, "must have the property \"b\""},
		"else":                  {`{"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}`, `{}`, "must have the property \"c\""},
		"dependent":             {`{"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"a": {"maxProperties": 0}}}`, `{"a": 1}`, "must have the property \"b\", as it has \"a\"\nmust have at most 0 properties"},
		"unevaluated":           {`{"allOf": [{"properties": {"a": true}}], "unevaluatedProperties": false}`, `{"a": 1, "b": 1}`, "/b is a property that the schema does not have"},
		"unevaluated by none":   {`{"anyOf": [{"properties": {"a": true}}, {"properties": {"b": true}}, {"required": ["c"], "properties": {"c": true}}], "unevaluatedProperties": false}`, `{"a": 1, "b": 1}`, ""},
		"unevaluated items":     {`{"prefixItems": [true], "contains": {"type": "string"}, "unevaluatedItems": false}`, `[1, "a", 2]`, "/2 is an item that the schema does not have"},
		"recursion":             {`{"$ref": "#/$defs/tree", "$defs": {"tree": {"required": ["v"], "properties": {"kids": {"items": {"$ref": "#/$defs/tree"}}}}}}`, `{"v": 1, "kids": [{"v": 1}, {}]}`, "/kids/1 must have the property \"v\""},
		"format":                {`{"properties": {"at": {"format": "date-time"}, "of": {"format": "uuid"}}}`, `{"at": "yesterday", "of": 7}`, "/at must be a date-time"},
		"half a character":      {`true`, `{"a": ["\ud83d"]}`, `/a/0 has half of a character (\ud800 to \udfff without its other half), which readers take for different texts`},
		"half a character, key": {`true`, `{"a": {"\udc00": 1}}`, `/a/` + "\ufffd" + ` has half of a character (\ud800 to \udfff without its other half), which readers take for different texts`},
		"a whole character":     {`{"maxLength": 1}`, `"\ud83d\ude00"`, ""},
		"huge exponent":         {`{"type": "string"}`, `1e1000000000`, "has an exponent beyond 10000"},
		"huge, elsewhere":       {`{"properties": {"a": true}}`, `{"b": [0, {"c": -1e-99999999999999999999}]}`, "/b/1/c has an exponent beyond 10000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			strict(t, tt.value)
			result := compile(t, tt.schema).Validate([]byte(tt.value), limits)
			violations, more := result.Violations, result.More
			if got := said(violations); got != tt.want || more {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			for _, v := range violations {
				if !slices.Contains(schema.Keywords(), v.Keyword) {
					t.Errorf("%q is not in Keywords", v.Keyword)
				}
			}
		})
	}
}

// strict fails for a value that does not get as far as a schema.
func strict(t *testing.T, value string) {
	t.Helper()
	if err := jsonscan.Check([]byte(value), 64); err != nil {
		t.Fatal(err)
	}
	if err := jsonscan.CheckNames([]byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// TestRefusedSchemas: what cannot be checked, or would not be, is refused with the schema,
// and the error says where.
func TestRefusedSchemas(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ schema, want string }{
		"no JSON":             {`{`, "not JSON"},
		"a name twice":        {`{"type": "string", "t\u0079pe": "object"}`, `duplicate field "type"`},
		"no schema":           {`{"properties": {"a": {"minimum": "x"}}}`, "/properties/a/minimum is not a schema: got string, want number"},
		"an older draft":      {`{"$schema": "http://json-schema.org/draft-03/schema#"}`, "/$schema must name a draft that is supported: http://json-schema.org/draft-04/schema#, http"},
		"no draft":            {`{"$schema": "http://json-schema.org/schema#"}`, "/$schema must name a draft"},
		"its own draft":       {`{"$schema": "https://example.com/meta.json"}`, "/$schema must name a draft"},
		"a part of a draft":   {`{"$schema": "http://json-schema.org/draft-07/schema#/definitions/x"}`, "/$schema must name a draft"},
		"no name of a draft":  {`{"$schema": 7}`, "/$schema must name a draft"},
		"a draft within":      {`{"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}}`, "/properties/a/$schema is draft-07, while the schema around it is of draft 2020-12: for that it needs an $id of its own"},
		"the items of before": {`{"items": [{"type": "string"}]}`, "/items is not a schema: got array, want boolean or object (in draft 2020-12; for another draft, name it in $schema)"},
		"a file":              {`{"$ref": "other.json"}`, "a reference to other.json refers to another file"},
		"a URL":               {`{"properties": {"a": {"$ref": "https://example.com/a.json"}}}`, "a reference to https://example.com/a.json refers to another file"},
		"a file by its path":  {`{"$ref": "file:///etc/passwd"}`, "refers to another file"},
		"the metaschema":      {`{"$ref": "https://json-schema.org/draft/2020-12/schema"}`, "refers to another file"},
		"nothing there":       {`{"$ref": "#/$defs/a"}`, "/$defs/a"},
		"a format":            {`{"properties": {"a": {"format": "date_time"}}}`, `/properties/a/format is "date_time", which is not known: leave it out, or use one of date, date-time`},
		"look-around":         {`{"pattern": "(?=a)"}`, "the syntax of RE2"},
		"a long pattern":      {`{"pattern": "` + strings.Repeat("a", 1001) + `"}`, "longer than 1000 bytes"},
		"a large pattern":     {`{"patternProperties": {"(a{1,100}b{1,100}){1,9}": true}}`, "repeat less"},
		"never ends":          {`{"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"anyOf": [true, {"$ref": "#/$defs/a"}]}}, "items": {"$ref": "#/$defs/a"}}`, "refers to itself for the same value"},
		"never ends by not":   {`{"not": {"$ref": "#"}}`, "refers to itself for the same value"},
		"a huge number":       {`{"maximum": 1e500}`, "/maximum has more than 100 characters, or an exponent beyond"},
		"a larger number":     {`{"maximum": 1e1000000000}`, "/maximum has an exponent beyond 10000"},
		"a huge length":       {`{"maxLength": 99999999999}`, "/maxLength is larger than"},
		"a long divisor":      {`{"multipleOf": 0.1234567890123456789}`, "/multipleOf has more than 18 digits"},
		"half of a character": {`{"const": "\ud800"}`, "/const has half of a character"},
		"deep":                {strings.Repeat(`{"not":`, 65) + "true" + strings.Repeat("}", 65), "nested too deeply"},
		"large":               {`{"title": "` + strings.Repeat("x", schema.MaxText) + `"}`, "bytes, more than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := schema.Compile([]byte(tt.schema)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// TestReferencesWithinTheFile: by pointer, anchor and $id, and dynamic ones.
func TestReferencesWithinTheFile(t *testing.T) {
	t.Parallel()
	s := compile(t, `{
		"$id": "https://example.com/telemetry.json",
		"properties": {
			"a": {"$ref": "#/$defs/text"}, "b": {"$ref": "#t"}, "c": {"$ref": "https://example.com/text.json"},
			"d": {"$ref": "list.json"}
		},
		"$defs": {
			"text": {"$anchor": "t", "type": "string"},
			"other": {"$id": "text.json", "type": "string"},
			"texts": {"$id": "list.json", "items": {"$dynamicRef": "#entry"}, "$defs": {"any": {"$dynamicAnchor": "entry"}}},
			"entry": {"$dynamicAnchor": "entry", "type": "string"}
		}
	}`)
	got := s.Validate([]byte(`{"a": 1, "b": 1, "c": 1, "d": [1, "x"]}`), limits).Violations
	if want := "/a must be a string\n/b must be a string\n/c must be a string\n/d/0 must be a string"; said(got) != want {
		t.Errorf("got\n%s", said(got))
	}
}

// TestUnknownKeywords: they have no effect, which the operator is told.
func TestUnknownKeywords(t *testing.T) {
	t.Parallel()
	s := compile(t, `{"properties": {"maxLenght": {"maxLenght": 3}}, "x-owner": "a", "title": "b", "$defs": {"unused": {"typo": 1}}}`)
	if got := s.Unknown(); !slices.Equal(got, []string{"/properties/maxLenght/maxLenght"}) {
		t.Errorf("got %q", got)
	}
}

// TestViolationsAreBounded: their number, their pointers and their messages, whatever the
// value is. What a client sent is in no message.
func TestViolationsAreBounded(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-7d1f"
	s := compile(t, `{
		"items": {"additionalProperties": {"additionalProperties": {"type": "null"}}},
		"prefixItems": [{"const": "`+strings.Repeat("x", 5000)+`"}, {"enum": [`+strings.Repeat(`"some value", `, 500)+`1]}, {"pattern": "^a$", "format": "date", "maxLength": 1}]
	}`)
	long := strings.Repeat("n", 400)
	value := fmt.Sprintf(`[%[1]q, %[1]q, %[1]q, {%[2]q: {%[2]q: %[1]q, "a": 1}}%[3]s]`, secret, long, strings.Repeat(`, {"a": {"b": 1}}`, 5000))
	result := s.Validate([]byte(value), limits)
	got := result.Violations
	if len(got) != limits.Violations || !result.More {
		t.Fatalf("%d violations, more %v", len(got), result.More)
	}
	for _, v := range got {
		if len(v.Pointer) > schema.MaxPointer || len(v.Message) > 500 || strings.Contains(v.Message, secret) || !utf8.ValidString(v.Message) {
			t.Errorf("got %d bytes, %d bytes: %.600s", len(v.Pointer), len(v.Message), v)
		}
	}
	if got[5].Pointer != "/3/"+long || got[6].Pointer != "/3/"+long+"/a" {
		t.Errorf("got %q and %q", got[5].Pointer, got[6].Pointer)
	}
	if none := s.Validate([]byte(`[1]`), schema.Limits{Steps: 1000}); len(none.Violations) != 1 {
		t.Errorf("a value that is not valid has no violations: %+v", none)
	}
	few := s.Validate([]byte(`[1]`), limits)
	if len(few.Violations) != 1 || few.More || few.Steps < 3 || few.Steps > 1000 {
		t.Errorf("got %+v", few)
	}
}

// TestOneSchemaForAll: a schema is used by many goroutines at once.
func TestOneSchemaForAll(t *testing.T) {
	t.Parallel()
	s := compile(t, `{"items": {"uniqueItems": true, "anyOf": [{"maxItems": 2}, {"contains": {"const": 0.5}}], "unevaluatedItems": {"multipleOf": 0.25}}}`)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			value := fmt.Appendf(nil, `[[%d, 1.5], [%d, 5e-1, 7.125], [2, 2.0]]`, 10+n, 10+n)
			for range 200 {
				if got := said(s.Validate(value, limits).Violations); got != "/1/2 must be a multiple of 0.25\n/2 must not have the same item twice: items 0 and 1 are equal" {
					t.Errorf("%s: got %s", value, got)
					return
				}
			}
		})
	}
	all.Wait()
}
