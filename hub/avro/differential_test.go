package avro_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	library "github.com/twmb/avro"

	"sluice/hub/avro"
	"sluice/hub/jsonscan"
	"sluice/hub/schema"
)

// TestRecorded: values that fastavro 1.13 has encoded, most of them from Avro's JSON encoding,
// have the same bytes here.
func TestRecorded(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/fastavro.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded []struct{ Schema, JSON, Binary string }
	if err := json.Unmarshal(text, &recorded); err != nil || len(recorded) < 100 {
		t.Fatal(err, len(recorded))
	}
	for _, r := range recorded {
		s := compile(t, r.Schema)
		got, wrong := encoded(s, r.JSON, limits)
		if hex.EncodeToString([]byte(got)) != r.Binary || wrong != nil {
			t.Errorf("%s, %s:\ngot  %x, %q\nwant %s", r.Schema, r.JSON, got, wrong, r.Binary)
		}
		again(t, s, []byte(got))
	}
}

// again checks that what is shown of a value is encoded as the same value.
func again(t *testing.T, s *avro.Schema, binary []byte) {
	t.Helper()
	shown, err := s.AppendJSON(nil, binary, 1<<20)
	if err != nil {
		t.Fatalf("%x: %v", binary, err)
	}
	if got, wrong := encoded(s, string(shown), limits); got != string(binary) || wrong != nil {
		t.Errorf("%s is encoded as %x, %q, not %x", shown, got, wrong, binary)
	}
}

// generator makes schemas and values of them. Unions have branches that their JSON tells
// apart, so that what is shown can be encoded again.
type generator struct {
	*rand.Rand
	named int
}

func (g *generator) pick(of ...string) string { return of[g.IntN(len(of))] }

func (g *generator) schema(depth int) string {
	leaf := g.pick(`"null"`, `"boolean"`, `"int"`, `"long"`, `"float"`, `"double"`, `"bytes"`, `"string"`, "enum", "fixed", "decimal", "fixed decimal", "uuid", `{"type":"long","logicalType":"timestamp-micros"}`)
	g.named++
	switch leaf {
	case "enum":
		return fmt.Sprintf(`{"type":"enum","name":"E%d","namespace":"n.s","symbols":["A","B","C"]}`, g.named)
	case "fixed":
		return fmt.Sprintf(`{"type":"fixed","name":"F%d","size":%d}`, g.named, g.IntN(4))
	case "decimal":
		leaf = `{"type":"bytes","logicalType":"decimal","precision":30,"scale":6}`
	case "fixed decimal":
		leaf = fmt.Sprintf(`{"type":"fixed","name":"F%d","size":9,"logicalType":"decimal","precision":19,"scale":3}`, g.named)
	case "uuid":
		leaf = fmt.Sprintf(`{"type":"fixed","name":"F%d","size":16,"logicalType":"uuid"}`, g.named)
	}
	if depth > 3 {
		return leaf
	}
	switch g.IntN(8) {
	case 0:
		return `{"type":"array","items":` + g.schema(depth+1) + `}`
	case 1:
		return `{"type":"map","values":` + g.schema(depth+1) + `}`
	case 2:
		return `["null",` + g.pick(`"int"`, `"string"`, `"double"`, `"bytes"`, `{"type":"array","items":"long"}`, g.record(depth+1)) + `]`
	case 3:
		return `["boolean",` + g.pick(`"string"`, `{"type":"map","values":["null","long"]}`) + `,"long"]`
	case 4, 5:
		return g.record(depth)
	}
	return leaf
}

func (g *generator) record(depth int) string {
	g.named++
	text := fmt.Sprintf(`{"type":"record","name":"R%d","fields":[`, g.named)
	for i := range g.IntN(6) {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(`{"name":"f%d","type":%s}`, i, g.schema(depth+1))
	}
	return text + "]}"
}

// value returns a value of a type as JSON, in one of its forms.
func (g *generator) value(n *library.SchemaNode) string {
	switch n.Type {
	case "null":
		return "null"
	case "boolean":
		return g.pick("true", "false")
	case "int":
		return fmt.Sprint(int32(g.Uint32()) >> g.IntN(32))
	case "long":
		return fmt.Sprint(int64(g.Uint64()) >> g.IntN(64))
	case "float":
		return g.pick(`"NaN"`, `"Infinity"`, "-0.0", string(must(json.Marshal(float32(g.NormFloat64()*1e10)))))
	case "double":
		return g.pick(`"NaN"`, `"-Infinity"`, "0.1", string(must(json.Marshal(g.NormFloat64()*math.Pow(10, g.NormFloat64()*50)))))
	case "string":
		return string(must(json.Marshal(string([]rune{rune(g.IntN(0xd000)), 'x'}[g.IntN(2):]))))
	case "enum":
		return `"` + n.Symbols[g.IntN(len(n.Symbols))] + `"`
	case "array":
		var items []string
		most := 4
		if in := n.Items; in.Items == nil && in.Values == nil && len(in.Fields)+len(in.Branches) == 0 {
			most = 90
		}
		for range g.IntN(most) {
			items = append(items, g.value(n.Items))
		}
		return "[" + strings.Join(items, ",") + "]"
	case "map":
		var members []string
		for i := range g.IntN(4) {
			members = append(members, fmt.Sprintf(`"k%d":%s`, i, g.value(n.Values)))
		}
		return "{" + strings.Join(members, ",") + "}"
	case "union":
		b := &n.Branches[g.IntN(len(n.Branches))]
		text := g.value(b)
		if name := b.Type; g.IntN(2) == 0 && name != "null" {
			if b.Name != "" {
				name = strings.TrimPrefix(b.Namespace+"."+b.Name, ".")
			}
			return `{"` + name + `":` + text + `}`
		}
		return text
	case "record":
		var members []string
		for i := range n.Fields {
			members = append(members, `"`+n.Fields[i].Name+`":`+g.value(&n.Fields[i].Type))
		}
		g.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		return "{" + strings.Join(members, ",") + "}"
	}
	switch n.LogicalType {
	case "decimal":
		return g.pick("", "-") + fmt.Sprintf("%d.%03d", g.Uint32()>>g.IntN(32), g.IntN(1000))
	case "uuid":
		return fmt.Sprintf(`"%08x-%04x-%04x-%04x-%012x"`, g.Uint32(), g.IntN(1<<16), g.IntN(1<<16), g.IntN(1<<16), g.Uint64()>>16)
	}
	size := n.Size
	if n.Type == "bytes" {
		size = g.IntN(9)
	}
	text := []rune{}
	for range size {
		text = append(text, rune(g.IntN(256)))
	}
	return string(must(json.Marshal(string(text))))
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// TestGenerated: values of generated schemas are decoded by the library and encoded by it to
// the same bytes, and what is shown of them is encoded again to the same bytes.
func TestGenerated(t *testing.T) {
	t.Parallel()
	g := &generator{Rand: rand.New(rand.NewPCG(3, 4))}
	for range 1000 {
		text := g.schema(0)
		of, err := library.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		s := compile(t, text)
		value := g.value(of.Root())
		if err := jsonscan.Check([]byte(value), 600); err != nil {
			t.Fatal(value)
		}
		got, wrong := encoded(s, value, limits)
		if wrong != nil {
			t.Fatalf("%s, %s: %q", text, value, wrong)
		}
		var decoded any
		rest, err := of.Decode([]byte(got), &decoded)
		if err != nil || len(rest) > 0 {
			t.Fatalf("%s, %s is %x: %v, %x is left", text, value, got, err, rest)
		}
		if binary, err := of.Encode(decoded); err != nil || !strings.Contains(value, "NaN") && !strings.Contains(text, `"map"`) && string(binary) != got {
			t.Fatalf("%s, %s is %x, and for the library %x, %v", text, value, got, binary, err)
		}
		again(t, s, []byte(got))
	}
}

// FuzzEncode: whatever the schema and the JSON are, the result is a value that the library and
// the decoder take, which is shown as what is encoded to it, or an error.
func FuzzEncode(f *testing.F) {
	f.Add(order, shown+"null}")
	f.Add(order, shown+shown+"null}}")
	f.Add(`["null","string",{"type":"map","values":"int"}]`, `{"string":"a"}`)
	f.Add(`["float","double","long","bytes","string"]`, `1.5e3`)
	f.Add(`{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}`, `-12.5`)
	f.Add(`{"type":"record","name":"R","fields":[{"name":"a","type":["null","R"],"default":null},{"name":"b","type":"long","default":7}]}`, `{"a":{"a":{}}}`)
	g := &generator{Rand: rand.New(rand.NewPCG(5, 6))}
	for range 30 {
		text := g.schema(0)
		of, err := library.Parse(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, g.value(of.Root()))
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		if len(text) > 2000 || jsonscan.Check([]byte(value), 32) != nil || jsonscan.CheckNames([]byte(value), 0) != nil {
			return
		}
		s, err := avro.Compile(text)
		if err != nil || s.Encodes() != nil {
			return
		}
		binary, result := s.Encode(nil, []byte(value), schema.Limits{Steps: 20_000, Violations: 5})
		if len(result.Violations) > 0 {
			for _, v := range result.Violations {
				if len(binary) > 0 || v.Message == "" || !strings.HasPrefix(v.Pointer+"/", "/") || !slices.Contains(avro.Keywords(), v.Keyword) {
					t.Fatalf("%s, %s: %+v", text, value, v)
				}
			}
			return
		}
		shown, err := s.AppendJSON(nil, binary, 1<<22)
		if err != nil {
			t.Fatalf("%s, %s is %x: %v", text, value, binary, err)
		}
		of, err := library.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var decoded any
		if rest, err := of.Decode(binary, &decoded); (err != nil || len(rest) > 0) && !libraryRefuses(err) {
			t.Fatalf("%s, %s is %x: %v, %x is left", text, value, binary, err, rest)
		}
		// What is shown may be of another branch of a union, but that is shown in the same way.
		twice, result := s.Encode(nil, shown, schema.Limits{Steps: 2_000_000, Violations: 5})
		if len(result.Violations) > 0 {
			if !strings.Contains(text, "[") {
				t.Fatalf("%s, %s is shown as %s: %+v", text, value, shown, result.Violations)
			}
			return
		}
		if bytes.Equal(binary, twice) {
			return
		}
		if reshown, err := s.AppendJSON(nil, twice, 1<<22); err != nil || !bytes.Equal(shown, reshown) && !strings.Contains(text, "float") {
			t.Fatalf("%s, %s is shown as %s, and then as %s, %v", text, value, shown, reshown, err)
		}
	})
}

// libraryRefuses reports errors of bounds that the library has and this package has not.
func libraryRefuses(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "depth") || strings.Contains(err.Error(), "zero-byte"))
}

// twenty is a schema of a record of twenty fields, as of a device, and a value of it: those of
// hub/schema.
func twenty() (text, value string) {
	var types, fields []string
	for i := range 20 {
		name := fmt.Sprintf("field_%02d", i)
		switch i % 5 {
		case 0:
			types = append(types, fmt.Sprintf(`{"name":%q,"type":"string"}`, name))
			fields = append(fields, fmt.Sprintf(`%q: "box-%03d in the yard"`, name, i))
		case 1:
			types = append(types, fmt.Sprintf(`{"name":%q,"type":"double"}`, name))
			fields = append(fields, fmt.Sprintf(`%q: %d.5`, name, i))
		case 2:
			types = append(types, fmt.Sprintf(`{"name":%q,"type":"long"}`, name))
			fields = append(fields, fmt.Sprintf(`%q: 17952456%05d`, name, i))
		case 3:
			types = append(types, fmt.Sprintf(`{"name":%q,"type":{"type":"enum","name":"E%d","symbols":["on","off","idle"]}}`, name, i))
			fields = append(fields, fmt.Sprintf(`%q: "idle"`, name))
		default:
			types = append(types, fmt.Sprintf(`{"name":%q,"type":["null","boolean"],"default":null}`, name))
			fields = append(fields, fmt.Sprintf(`%q: true`, name))
		}
	}
	return `{"type":"record","name":"T","fields":[` + strings.Join(types, ",") + `]}`, `{` + strings.Join(fields, ",") + `}`
}

// BenchmarkEncode encodes a record of twenty fields: in the order of the schema, in another
// one with the optional ones missing, and with a violation; and beside it with the library,
// which needs the value decoded.
func BenchmarkEncode(b *testing.B) {
	text, valid := twenty()
	s := compile(b, text)
	missing := strings.NewReplacer(`, "field_04": true`, ``, `, "field_09": true`, ``).Replace(valid)
	for name, value := range map[string]string{"valid": valid, "some missing": missing, "one violation": strings.Replace(valid, `"idle"`, `"gone"`, 1)} {
		b.Run(name, func(b *testing.B) {
			doc, dst := []byte(value), make([]byte, 0, 1000)
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if _, r := s.Encode(dst, doc, limits); (len(r.Violations) > 0) != (name == "one violation") {
					b.Fatal(r)
				}
			}
		})
	}
	of, err := library.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("library", func(b *testing.B) {
		b.SetBytes(int64(len(valid)))
		b.ReportAllocs()
		for b.Loop() {
			var v any
			if err := of.DecodeJSON([]byte(valid), &v); err != nil {
				b.Fatal(err)
			}
			if _, err := of.Encode(v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestDefaultsAgree: a field that is missing is encoded as by the library.
func TestDefaultsAgree(t *testing.T) {
	t.Parallel()
	const one, other = `{"type":"record","name":"A","fields":[{"name":"x","type":"int","default":3}]}`, `{"type":"record","name":"B","fields":[{"name":"x","type":"int"},{"name":"y","type":["long","null"],"default":-1}]}`
	for _, c := range [][2]string{
		{`"int"`, `-5`},
		{`"long"`, `9007199254740993`},
		{`"float"`, `0.1`},
		{`"float"`, `"-Infinity"`},
		{`"double"`, `1`},
		{`"double"`, `1e300`},
		{`"boolean"`, `true`},
		{`"boolean"`, `false`},
		{`"null"`, `null`},
		{`"string"`, `"é\n"`},
		{`"bytes"`, `"\u00ff\u0000"`},
		{`{"type":"fixed","name":"F","size":2}`, `"a\u0080"`},
		{`{"type":"enum","name":"E","symbols":["P","Q"]}`, `"Q"`},
		{`{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}`, `"\u0001"`},
		{`["null","string"]`, `null`},
		{`["string","bytes"]`, `"a"`},
		{`["bytes","string"]`, `"a"`},
		{`["null","int"]`, `5`},
		{`["double","int"]`, `5`},
		{`{"type":"array","items":["null","int"]}`, `[1,null,2]`},
		{`{"type":"map","values":"string"}`, `{"k":"v"}`},
		{`{"type":"map","values":"string"}`, `{}`},
		{`{"type":"array","items":"int"}`, `[]`},
		{one, `{}`},
		{one, `{"x":1}`},
		{other, `{"x":1}`},
		{`[` + one + `,` + other + `]`, `{"x":1,"y":2}`},
		{`[` + one + `,` + other + `]`, `{"x":1}`},
		{`["null",` + other + `]`, `{"x":1,"y":null}`},
		{`{"type":"long","logicalType":"timestamp-millis"}`, `7`},
		{`{"type":"int","logicalType":"date"}`, `7`},
	} {
		text := `{"type":"record","name":"R","fields":[{"name":"f","type":` + c[0] + `,"default":` + c[1] + `}]}`
		of, err := library.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		want, err := of.Encode(map[string]any{})
		if got, wrong := encoded(compile(t, text), `{}`, limits); got != string(want) || err != nil || wrong != nil {
			t.Errorf("%s: got %x, %q, want %x, %v", text, got, wrong, want, err)
		}
	}
}
