package registry_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"sluice/hub/registry"
	"sluice/hub/schema"
)

func jsonSchema(text string, references ...sr.SchemaReference) sr.Schema {
	return sr.Schema{Schema: text, Type: sr.TypeJSON, References: references}
}

// sameAnswer compares two answers: a status, and JSON in whatever order and with more members.
func sameAnswer(got, want string) bool {
	var a, b map[string]any
	if got[:4] != want[:4] || json.Unmarshal([]byte(got[4:]), &a) != nil || json.Unmarshal([]byte(want[4:]), &b) != nil {
		return false
	}
	for name, value := range b {
		if name != "message" && !reflect.DeepEqual(a[name], value) || a[name] == nil {
			return false
		}
	}
	return true
}

// TestReferences: a schema is checked with all that it refers to, and is shown as one.
func TestReferences(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.register(t, "geo", `{"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {"deg": {"type": "number"}}, "properties": {"lat": {"$ref": "#/$defs/deg", "maximum": 90}}, "required": ["lat"]}`)
	f.register(t, "place", `{"properties": {"at": {"$ref": "geo.json"}}}`, sr.SchemaReference{Name: "geo.json", Subject: "geo", Version: 1})
	f.register(t, "s", `{"$defs": {"place.json": {"type": "string"}}, "properties": {"own": {"$ref": "#/$defs/place.json"}, "from": {"$ref": "place.json"}, "n": {"maximum": 9007199254740993}, "to": {"$ref": "geo.json"}}}`,
		sr.SchemaReference{Name: "place.json", Subject: "place", Version: 1}, sr.SchemaReference{Name: "geo.json", Subject: "geo", Version: 1})
	r := open(t, f.Handler(), nil)
	s := r.Subject("s", 0, registry.JSONSchema)
	_ = r.Start(t.Context())
	if err := r.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	shown, err := s.Definition()
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := schema.Compile(shown.Text())
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		`{"from":{"at":{"lat":1}},"to":{"lat":2},"own":"x","n":9007199254740993}`: "",
		`{"from":{"at":{"lat":91}}}`: "/from/at/lat",
		`{"from":{"at":{}}}`:         "/from/at",
		`{"to":{"lat":"x"}}`:         "/to/lat",
		`{"own":1}`:                  "/own",
		`{"n":9007199254740994}`:     "/n",
	} {
		got := compiled.Validate([]byte(value), schema.Limits{Steps: 1000, Violations: 1}).Violations
		if (len(got) == 0) != (want == "") || len(got) > 0 && got[0].Pointer != want {
			t.Errorf("%s: %v", value, got)
		}
	}
	if n := f.asked.Load(); n != 3 {
		t.Errorf("asked %d times for 3 schemas", n)
	}
}

// TestReferencesAreBounded: whatever a registry answers, it is asked for little.
func TestReferencesAreBounded(t *testing.T) {
	t.Parallel()
	answer := func(subject, text string, references ...sr.SchemaReference) sr.SubjectSchema {
		return sr.SubjectSchema{Subject: subject, Version: 1, ID: 1, Schema: jsonSchema(text, references...)}
	}
	to := func(name, subject string) sr.SchemaReference {
		return sr.SchemaReference{Name: name, Subject: subject, Version: 1}
	}
	var many []sr.SchemaReference
	for n := range 65 {
		many = append(many, to(fmt.Sprintf("n%d", n), "leaf"))
	}
	for name, c := range map[string]struct {
		answers func(subject string) sr.SubjectSchema
		fault   string
		asked   int
	}{
		"too many": {func(subject string) sr.SubjectSchema {
			if subject == "leaf" {
				return answer(subject, "{}")
			}
			return answer(subject, "{}", many...)
		}, "more than 64 schemas", 65},
		"too deep": {func(subject string) sr.SubjectSchema {
			return answer(subject, "{}", to(subject+"x", subject+"x"))
		}, "more than 16 deep", 17},
		"in a circle": {func(subject string) sr.SubjectSchema { return answer(subject, `{"$ref": "me"}`, to("me", "s")) }, "never ends", 2},
		"too large": {func(subject string) sr.SubjectSchema {
			return answer(subject, `{"title":"`+strings.Repeat("x", 600<<10)+`"}`, to(subject+"x", subject+"x"))
		}, "more than 1048576 bytes", 2},
		"one name for two": {func(subject string) sr.SubjectSchema {
			return answer(subject, "{}", to("n", "leaf"), to("n", "leaf2"))
		}, "two schemas by the name", 2},
		"no subject": {func(subject string) sr.SubjectSchema { return answer(subject, "{}", to("n", "")) }, "not one of a schema registry", 1},
		"another kind": {func(subject string) sr.SubjectSchema {
			if subject == "leaf" {
				return sr.SubjectSchema{Subject: subject, Version: 1, ID: 1, Schema: sr.Schema{Schema: `"string"`}}
			}
			return answer(subject, "{}", to("n", "leaf"))
		}, "another kind", 2},
		"not an object": {func(subject string) sr.SubjectSchema { return answer(subject, "true", to("n", "n")) }, "not an object", 0},
		"a name twice": {func(subject string) sr.SubjectSchema {
			if subject == "leaf" {
				return answer(subject, `{"title":"a","title":"b"}`)
			}
			return answer(subject, "{}", to("n", "leaf"))
		}, `"n", to which it refers`, 2},
		"definitions that are none": {func(subject string) sr.SubjectSchema {
			if subject == "leaf" {
				return answer(subject, "{}")
			}
			return answer(subject, `{"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": 1}`, to("n", "leaf"))
		}, "/$defs is not an object", 2},
		"definitions that are none, draft-07": {func(subject string) sr.SubjectSchema {
			if subject == "leaf" {
				return answer(subject, "{}")
			}
			return answer(subject, `{"definitions": 1}`, to("n", "leaf"))
		}, "/definitions is not an object", 2},
		"of no draft": {func(subject string) sr.SubjectSchema {
			if subject == "leaf" {
				return answer(subject, "{}")
			}
			return answer(subject, `{"$schema": "http://json-schema.org/draft-03/schema#"}`, to("n", "leaf"))
		}, "/$schema must name a draft", 2},
		"a reference to a file": {func(subject string) sr.SubjectSchema { return answer(subject, `{"$ref": "file:///etc/passwd"}`) }, "refers to another file", 1},
		"a reference to a URL":  {func(subject string) sr.SubjectSchema { return answer(subject, `{"$ref": "http://10.0.0.1/x"}`) }, "refers to another file", 1},
	} {
		asked := 0
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			_ = json.NewEncoder(w).Encode(c.answers(strings.Split(r.URL.Path, "/")[2]))
		})
		r := open(t, handler, nil)
		r.Subject("s", 0, registry.JSONSchema)
		_ = r.Start(t.Context())
		if err := r.Check(t.Context()); err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v", name, err)
		}
		if c.asked > 0 && asked != c.asked {
			t.Errorf("%s: asked %d times", name, asked)
		}
	}
}

// TestRequestsAreBoundedInAll: the connections to a registry are few, and closed at the end.
func TestRequestsAreBoundedInAll(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	defer server.Close()
	r := open(t, nil, func(c *registry.Config) { c.URLs, c.Refresh = []string{server.URL}, time.Hour })
	r.Subject("s", 1, registry.JSONSchema)
	run(t, r)
	if err := r.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
