package registry_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"sluice/hub/registry"
	"sluice/hub/schema"
)

const (
	draft04 = `"$schema": "http://json-schema.org/draft-04/schema#"`
	draft07 = `"$schema": "http://json-schema.org/draft-07/schema#"`
	draft20 = `"$schema": "https://json-schema.org/draft/2020-12/schema"`
)

// started returns the subject s of a registry that was asked for its schemas, and what was
// logged.
func started(t *testing.T, f *fake) (s *registry.Subject, log string) {
	t.Helper()
	var logged bytes.Buffer
	r := open(t, f.Handler(), func(c *registry.Config) { c.Logger = slog.New(slog.NewTextHandler(&logged, nil)) })
	s = r.Subject("s", 0, registry.JSONSchema)
	_ = r.Start(t.Context())
	if err := r.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, logged.String()
}

// wrongAt returns the place and the keyword of what is wrong with a value, "" for nothing.
func wrongAt(t *testing.T, s *registry.Subject, value string) string {
	t.Helper()
	of, err := s.Definition()
	if err != nil {
		t.Fatal(err)
	}
	_, result := of.(registry.Encoder).Encode(nil, []byte(value), schema.Limits{Steps: 10_000, Violations: 1})
	if len(result.Violations) == 0 {
		return ""
	}
	return result.Violations[0].Pointer + " " + result.Violations[0].Keyword
}

// TestGeneratedSchemas: what serializers register is in force, as draft-07, with formats that
// only they know.
func TestGeneratedSchemas(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.register(t, "s", `{`+draft07+`, "title": "Order", "type": "object", "additionalProperties": false, "javaType": "com.example.Order",
		"properties": {
			"name": {"oneOf": [{"type": "null", "title": "Not included"}, {"type": "string"}]},
			"customer": {"oneOf": [{"type": "null", "title": "Not included"}, {"$ref": "#/definitions/Customer"}]},
			"at": {"type": "integer", "format": "utc-millisec", "connect.index": 1},
			"day": {"type": "string", "format": "date"},
			"paint": {"type": "string", "format": "color"},
			"pair": {"type": "array", "items": [{"type": "integer"}, {"type": "string"}], "additionalItems": false}
		},
		"required": ["at"],
		"definitions": {"Customer": {"type": "object", "additionalProperties": false, "properties": {"id": {"type": "integer", "exclusiveMinimum": 0}}}}}`)
	s, log := started(t, f)
	for value, want := range map[string]string{
		`{"at": 1, "name": null, "customer": {"id": 1}, "paint": "x", "pair": [1, "a"]}`: "",
		`{"at": "x"}`:                         "/at type",
		`{"at": 1, "day": "today"}`:           "/day format",
		`{"at": 1, "name": 7}`:                "/name oneOf",
		`{"at": 1, "customer": {"id": 0}}`:    "/customer oneOf",
		`{"at": 1, "pair": ["a"]}`:            "/pair/0 type",
		`{"at": 1, "pair": [1, "a", "b"]}`:    "/pair/2 false",
		`{"at": 1, "other": 1}`:               "/other additionalProperties",
		`{"name": "x"}`:                       " required",
		`{"at": 1, "pair": [1], "day": null}`: "/day type",
	} {
		if got := wrongAt(t, s, value); got != want {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
	if strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, `first="[/properties/at/format /properties/paint/format]"`) {
		t.Errorf("logged %s", log)
	}
}

// TestDraftOfRegistries: a schema that does not name its draft is of draft-07, and what that
// does not have is told.
func TestDraftOfRegistries(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	const text = `{"items": [{"type": "null"}], "prefixItems": [{"type": "string"}], "my.keyword": 1}`
	f.register(t, "s", text)
	s, log := started(t, f)
	if got := wrongAt(t, s, `[1]`); got != "/0 type" {
		t.Errorf("got %q", got)
	}
	if of, _ := s.Definition(); string(of.Text()) != text {
		t.Errorf("shown as %s", of.Text())
	}
	if !strings.Contains(log, "places=1 first=[/prefixItems]") {
		t.Errorf("logged %s", log)
	}
}

// TestReferencesOfOtherDrafts: each schema follows its own draft, however it is named.
func TestReferencesOfOtherDrafts(t *testing.T) {
	t.Parallel()
	for name, root := range map[string]string{
		"draft 2020-12": `{` + draft20 + `, "prefixItems": [{"$ref": "old.json"}, {"$ref": "older.json"}, {"$ref": "plain.json"}, {"$ref": "new.json"}]}`,
		"draft-07":      `{` + draft07 + `, "items": [{"$ref": "old.json"}, {"$ref": "older.json"}, {"$ref": "plain.json"}, {"$ref": "new.json"}]}`,
		"draft-04":      `{` + draft04 + `, "id": "http://a/root.json", "items": [{"$ref": "old.json"}, {"$ref": "older.json"}, {"$ref": "plain.json"}, {"$ref": "new.json"}]}`,
		"none":          `{"items": [{"$ref": "old.json"}, {"$ref": "older.json"}, {"$ref": "plain.json"}, {"$ref": "new.json"}], "definitions": {"old.json": {}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.register(t, "old", `{`+draft07+`, "$id": "http://b/c.json", "$ref": "#/definitions/Pair", "maxItems": 0, "definitions": {"Pair": {"items": [{"type": "integer"}], "additionalItems": false}}}`)
			f.register(t, "older", `{`+draft04+`, "id": "http://b/d.json", "type": "integer", "minimum": 1, "exclusiveMinimum": true}`)
			f.register(t, "plain", `{"$ref": "older.json", "type": "string"}`, sr.SchemaReference{Name: "older.json", Subject: "older", Version: 1})
			f.register(t, "new", `{`+draft20+`, "$defs": {"n": {"minimum": 3}}, "$ref": "#/$defs/n", "maximum": 4, "dependentRequired": {"a": ["b"]}}`)
			var references []sr.SchemaReference
			for _, of := range []string{"old", "older", "plain", "new"} {
				references = append(references, sr.SchemaReference{Name: of + ".json", Subject: of, Version: 1})
			}
			f.register(t, "s", root, references...)
			s, _ := started(t, f)
			for value, want := range map[string]string{
				`[[1.0], 2, 2, 3]`:     "",
				`[["x"]]`:              "/0/0 type",
				`[[1, 2]]`:             "/0/1 false",
				`[[], 2.0]`:            "/1 type",
				`[[], 1]`:              "/1 exclusiveMinimum",
				`[[], 2, "a"]`:         "/2 type",
				`[[], 2, 2, 2]`:        "/3 minimum",
				`[[], 2, 2, 5]`:        "/3 maximum",
				`[[], 2, 2, {"a": 1}]`: "/3 dependentRequired",
			} {
				if got := wrongAt(t, s, value); got != want {
					t.Errorf("%s: got %q, want %q", value, got, want)
				}
			}
			// It is the same for those to whom it is shown.
			of, _ := s.Definition()
			if again, err := schema.Compile(of.Text()); err != nil || len(again.Validate([]byte(`[[], 2.0]`), schema.Limits{Steps: 1000}).Violations) != 1 {
				t.Errorf("%s: %v", of.Text(), err)
			}
		})
	}
}

// FuzzBundle: what a registry answers is put together as a schema that says what it did, or is
// refused.
func FuzzBundle(f *testing.F) {
	for _, root := range []string{`{` + draft07 + `, "$ref": "o.json", "definitions": {"o.json": 1}}`, `{` + draft20 + `, "items": {"$ref": "o.json"}}`, `{` + draft04 + `}`, `{}`, `[]`} {
		for _, other := range []string{`{` + draft04 + `, "id": "x", "$ref": "#"}`, `{` + draft07 + `, "$ref": 1}`, `{"$schema": null}`, `{"$ref": "#/definitions/a", "definitions": {"a": {}}}`, `true`} {
			f.Add(root, "o.json", other)
		}
	}
	f.Fuzz(func(t *testing.T, root, name, other string) {
		made, err := registry.Bundle(root, name, other)
		if err != nil {
			return
		}
		var of map[string]json.RawMessage
		if err := json.Unmarshal(made, &of); err != nil || of["$schema"] == nil || of["definitions"] == nil && of["$defs"] == nil {
			t.Fatalf("%q, %q, %q: made %s: %v", root, name, other, made, err)
		}
		_, _ = schema.Options{AnyFormat: true}.Compile(made)
	})
}
