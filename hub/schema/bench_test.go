package schema_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"sluice/hub/schema"
)

// twenty is a schema of an object of twenty fields, as of a device, and a value of it.
func twenty() (text, value string) {
	var properties, fields []string
	for i := range 20 {
		name := fmt.Sprintf("field_%02d", i)
		switch i % 5 {
		case 0:
			properties = append(properties, fmt.Sprintf(`%q: {"type": "string", "minLength": 1, "maxLength": 40}`, name))
			fields = append(fields, fmt.Sprintf(`%q: "box-%03d in the yard"`, name, i))
		case 1:
			properties = append(properties, fmt.Sprintf(`%q: {"type": "number", "minimum": -90, "maximum": 60}`, name))
			fields = append(fields, fmt.Sprintf(`%q: %d.5`, name, i))
		case 2:
			properties = append(properties, fmt.Sprintf(`%q: {"type": "integer", "minimum": 0}`, name))
			fields = append(fields, fmt.Sprintf(`%q: 17952456%05d`, name, i))
		case 3:
			properties = append(properties, fmt.Sprintf(`%q: {"enum": ["on", "off", "idle"]}`, name))
			fields = append(fields, fmt.Sprintf(`%q: "idle"`, name))
		default:
			properties = append(properties, fmt.Sprintf(`%q: {"type": ["boolean", "null"]}`, name))
			fields = append(fields, fmt.Sprintf(`%q: true`, name))
		}
	}
	return `{"type": "object", "required": ["field_00", "field_01"], "additionalProperties": false, "properties": {` + strings.Join(properties, ",") + `}}`,
		`{` + strings.Join(fields, ",") + `}`
}

// BenchmarkValidate checks an object of twenty fields, and beside it the same with the
// library, which needs the value decoded.
func BenchmarkValidate(b *testing.B) {
	text, valid := twenty()
	s, err := schema.Compile([]byte(text))
	if err != nil {
		b.Fatal(err)
	}
	for name, value := range map[string]string{"valid": valid, "one violation": strings.Replace(valid, `"idle"`, `"gone"`, 1)} {
		b.Run(name, func(b *testing.B) {
			doc := []byte(value)
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if r := s.Validate(doc, limits); (len(r.Violations) > 0) != (name != "valid") {
					b.Fatal(r)
				}
			}
		})
	}
	library := libraryOf(b, text)
	b.Run("library", func(b *testing.B) {
		b.SetBytes(int64(len(valid)))
		b.ReportAllocs()
		for b.Loop() {
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(valid)))
			if err != nil || library.Validate(v) != nil {
				b.Fatal(err)
			}
		}
	})
}

// limits are those that the server has by default.
var limits = schema.Limits{Steps: 500_000, Violations: 20}

// libraryOf compiles a schema with the library alone.
func libraryOf(t testing.TB, text string) *jsonschema.Schema {
	t.Helper()
	s, err := compileLibrary(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func compileLibrary(text string) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("file:///schema.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("file:///schema.json")
}
