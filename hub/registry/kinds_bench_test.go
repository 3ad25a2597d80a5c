package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/avro"

	shown "sluice/hub/avro"
	"sluice/hub/jsonscan"
	"sluice/hub/protobuf"
	"sluice/hub/schema"
)

// reading is a value of twenty fields, as of a device, with its schemas.
type reading struct {
	json       string
	jsonSchema string
	avroSchema string
	avro       []byte // the value in Avro
	proto      string // its schema in Protobuf
}

func newReading(b *testing.B) reading {
	b.Helper()
	var values, properties, fields, members []string
	native := map[string]any{}
	for i := range 20 {
		name := fmt.Sprintf("field_%02d", i)
		var value, property, kind, member string
		switch i % 5 {
		case 0:
			value, property, kind = `"box in the yard"`, `{"type":"string","minLength":1,"maxLength":40}`, `"string"`
			native[name] = "box in the yard"
			member = "string"
		case 1:
			value, property, kind = `21.5`, `{"type":"number","minimum":-90,"maximum":60}`, `"double"`
			native[name] = 21.5
			member = "double"
		case 2:
			value, property, kind = `1795245600123`, `{"type":"integer","minimum":0}`, `"long"`
			native[name] = int64(1795245600123)
			member = "int64"
		case 3:
			value, property, kind = `"idle"`, `{"enum":["on","off","idle"]}`, fmt.Sprintf(`{"type":"enum","name":"E%d","symbols":["on","off","idle"]}`, i)
			native[name] = "idle"
			member = "E"
		default:
			value, property, kind = `true`, `{"type":"boolean"}`, `"boolean"`
			native[name] = true
			member = "bool"
		}
		values = append(values, fmt.Sprintf(`%q:%s`, name, value))
		properties = append(properties, fmt.Sprintf(`%q:%s`, name, property))
		fields = append(fields, fmt.Sprintf(`{"name":%q,"type":%s}`, name, kind))
		members = append(members, fmt.Sprintf("%s %s = %d;", member, name, i+1))
	}
	r := reading{
		json:       "{" + strings.Join(values, ",") + "}",
		jsonSchema: `{"type":"object","required":["field_00","field_01"],"additionalProperties":false,"properties":{` + strings.Join(properties, ",") + `}}`,
		avroSchema: `{"type":"record","name":"Reading","fields":[` + strings.Join(fields, ",") + `]}`,
		proto:      `syntax = "proto3"; enum E { on = 0; off = 1; idle = 2; } message Reading {` + strings.Join(members, " ") + `}`,
	}
	library, err := avro.Parse(r.avroSchema)
	if err != nil {
		b.Fatal(err)
	}
	if r.avro, err = library.Encode(native); err != nil {
		b.Fatal(err)
	}
	return r
}

// kinds are the ways in which values are checked or encoded, each a row of the table in the
// measurements: what is done with a value each time.
var kinds = []struct {
	name  string
	begin func(b *testing.B, r reading) (each func() error)
}{
	{"no schema", func(_ *testing.B, r reading) func() error {
		value := []byte(r.json)
		return func() error { // what the value of every publish passes
			if err := jsonscan.Check(value, 64); err != nil {
				return err
			}
			return jsonscan.CheckNames(value, 1000)
		}
	}},
	{"JSON Schema", func(b *testing.B, r reading) func() error {
		s, err := schema.Compile([]byte(r.jsonSchema))
		if err != nil {
			b.Fatal(err)
		}
		value, limits := []byte(r.json), schema.Limits{Steps: 500_000, Violations: 20}
		return func() error {
			if found := s.Validate(value, limits); len(found.Violations) > 0 {
				return fmt.Errorf("%v", found.Violations)
			}
			return nil
		}
	}},
	{"JSON to Avro", func(b *testing.B, r reading) func() error {
		s, err := shown.Compile(r.avroSchema)
		if err != nil {
			b.Fatal(err)
		}
		return encodes(r, s.Encode)
	}},
	{"JSON to Protobuf", func(b *testing.B, r reading) func() error {
		return encodes(r, r.message(b).Encode)
	}},
	{"Avro to JSON", func(b *testing.B, r reading) func() error {
		s, err := shown.Compile(r.avroSchema)
		if err != nil {
			b.Fatal(err)
		}
		var text []byte
		return func() error {
			text, err = s.AppendJSON(text[:0], r.avro, 1<<20)
			return err
		}
	}},
	{"Protobuf to JSON", func(b *testing.B, r reading) func() error {
		value, result := r.message(b).Encode(nil, []byte(r.json), schema.Limits{Steps: 500_000})
		if len(result.Violations) > 0 {
			b.Fatal(result.Violations)
		}
		s, err := protobuf.Compile(r.proto)
		if err != nil {
			b.Fatal(err)
		}
		var text []byte
		return func() error {
			text, err = s.AppendJSON(text[:0], value, 1<<20)
			return err
		}
	}},
}

// message returns the message of the value.
func (r reading) message(b *testing.B) *protobuf.Message {
	b.Helper()
	s, err := protobuf.Compile(r.proto)
	if err != nil {
		b.Fatal(err)
	}
	m, err := s.Message("")
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// encodes encodes the value.
func encodes(r reading, by func(dst, value []byte, limits schema.Limits) ([]byte, schema.Result)) func() error {
	value, limits := []byte(r.json), schema.Limits{Steps: 500_000, Violations: 20}
	var encoded []byte
	return func() error {
		var result schema.Result
		if encoded, result = by(encoded[:0], value, limits); len(result.Violations) > 0 {
			return fmt.Errorf("%v", result.Violations)
		}
		return nil
	}
}

// BenchmarkKinds shows what the kinds of schemas take for a value of twenty fields.
func BenchmarkKinds(b *testing.B) {
	r := newReading(b)
	for _, kind := range kinds {
		b.Run(kind.name, func(b *testing.B) {
			each := kind.begin(b, r)
			b.ReportAllocs()
			for b.Loop() {
				if err := each(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
