package protobuf_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"sluice/hub/hubtest/bounds"
	"sluice/hub/protobuf"
)

// TestSchemas: what is a schema, with the files that it imports.
func TestSchemas(t *testing.T) {
	t.Parallel()
	const p3 = `syntax = "proto3"; `
	for name, c := range map[string]struct {
		text   string
		others []protobuf.File
	}{
		"nothing":               {``, nil},
		"no message":            {p3 + `enum E { A = 0; }`, nil},
		"no Protobuf":           {`{"type":"object"}`, nil},
		"an unknown type":       {p3 + `message A { secret b = 1; }`, nil},
		"a missing import":      {p3 + `import "secret.proto"; message A {}`, nil},
		"a file of the machine": {p3 + `import "/etc/passwd"; message A {}`, nil},
		"a broken import":       {p3 + `import "b.proto"; message A {}`, []protobuf.File{{"b.proto", "message {"}}},
		"a cycle":               {p3 + `import "b.proto"; message A {}`, []protobuf.File{{"b.proto", p3 + `import "c.proto";`}, {"c.proto", p3 + `import "b.proto";`}}},
		"itself":                {p3 + `import "schema.proto"; message A {}`, nil},
		"an unknown option":     {p3 + `message A { option (secret) = 1; }`, nil},
		"the same name":         {`syntax = "proto2"; message A { optional int32 a_b = 1; optional int32 aB = 2; }`, nil},
		"a name with an @":      {p3 + `message A { int32 a = 1 [json_name = "@type"]; }`, nil},
		"a later edition":       {`edition = "2099"; message A {}`, nil},
	} {
		if _, err := protobuf.Compile(c.text, c.others...); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := compile(t, p3+`package x; import "a/b.proto"; import "confluent/meta.proto"; import "confluent/type/decimal.proto"; import public "c.proto"; import "google/type/date.proto"; import "google/protobuf/timestamp.proto";
		option (confluent.file_meta) = { doc: "x" };
		message A { y.B b = 1 [(confluent.field_meta) = { tags: ["PII"], params: { key: "a" value: "b" } }]; confluent.type.Decimal price = 2; google.type.Date day = 3; google.protobuf.Timestamp at = 4; }`,
		protobuf.File{Name: "a/b.proto", Text: p3 + `package y; import "c.proto"; message B { C c = 1; }`},
		protobuf.File{Name: "c.proto", Text: p3 + `package y; message C { int32 n = 1; }`},
		protobuf.File{Name: "google/type/date.proto", Text: p3 + `package google.type; message Date { int32 year = 1; }`},
		protobuf.File{Name: "google/protobuf/timestamp.proto", Text: p3 + `package google.protobuf; message Timestamp { string lie = 1; }`},
		protobuf.File{Name: "schema.proto", Text: p3 + `not used`},
	)
	const document = `{"b":{"c":{"n":1}},"price":{"value":"AQ==","precision":3,"scale":2},"day":{"year":2026},"at":"2026-11-29T12:00:00Z"}`
	value, result := message(t, s, "x.A").Encode(nil, []byte(document), limits)
	if got, err := s.AppendJSON(nil, value, 1000); err != nil || string(got) != document || len(result.Violations) > 0 {
		t.Errorf("got %s, %v, %v", got, err, result)
	}
	for _, name := range []string{"y.B", "google.type.Date"} {
		if _, err := s.Message(name); err == nil {
			t.Errorf("%s of another file can be chosen", name)
		}
	}
}

// hostile are texts that take as much as possible of what a compiler has, of at most so many
// bytes.
func hostile(size int) map[string]string {
	const p3, p2 = "syntax = \"proto3\";\n", "syntax = \"proto2\";\n"
	repeat := func(each string) string {
		var b strings.Builder
		for i := 1; b.Len() < size; i++ {
			b.WriteString(strings.ReplaceAll(each, "#", fmt.Sprint(i)))
		}
		return b.String()
	}
	all := map[string]string{
		"messages":            p3 + repeat("message M#{}"),
		"messages in another": p3 + "message A{" + repeat("message M#{}") + "}",
		"fields":              p3 + "message A{" + repeat("A a#=#;") + "}",
		"fields of proto2":    p2 + "message A{" + repeat("required A a#=#;") + "}",
		"groups":              p2 + "message A{" + repeat("optional group G#=#{}") + "}",
		"maps":                p3 + "message A{" + repeat("map<int32,A> a#=#;") + "}",
		"oneofs":              p3 + "message A{" + repeat("oneof o#{int32 a#=#;}") + "}",
		"one oneof":           p3 + "message A{oneof o{" + repeat("int32 a#=#;") + "}}",
		"optional":            p3 + "message A{" + repeat("optional int32 a#=#;") + "}",
		"names that collide":  p2 + "message A{" + repeat("optional int32 a_#=#;optional int32 a#=1#;") + "}",
		"values":              p3 + "message A{}enum E{Z=0;" + repeat("V#=#;") + "}",
		"aliases":             p3 + "message A{}enum E{option allow_alias=true;" + repeat("V#=0;") + "}",
		"enums":               p3 + "message A{}" + repeat("enum E#{V#=0;}"),
		"ranges":              p2 + "message A{" + repeat("extensions #;") + "}",
		"one list of ranges":  p2 + "message A{extensions 536870911" + repeat(",#") + ";}",
		"reserved":            p2 + "message A{reserved 536870911" + repeat(",#") + ";}",
		"reserved names":      p2 + "message A{reserved \"x\"" + repeat(",\"n#\"") + ";}",
		"extensions":          p2 + "message A{extensions 1 to max;}extend A{" + repeat("optional int32 x#=#;") + "}",
		"imports":             p3 + repeat("import \"a#.proto\";"),
		"one import":          p3 + strings.Repeat("import \"google/protobuf/any.proto\";", size/35) + "message A{}",
		"options":             p3 + "message A{" + strings.Repeat("option deprecated=true;", size/23) + "}",
		"option names":        p3 + "message A{" + repeat("option (a#)=#;") + "}",
		"an option's message": p3 + "import \"google/protobuf/descriptor.proto\";message A{repeated A a=1;repeated int32 n=2;}extend google.protobuf.MessageOptions{A x=1000;}message B{option (x)={" + strings.Repeat("a{n:1}", size/6) + "};}",
		"nested messages":     p3 + strings.Repeat("message M{", size/10),
		"nested as allowed":   p3 + strings.Repeat("message M{", 60) + repeat("message N#{M m=1;}") + strings.Repeat("}", 60),
		"long names":          p3 + "message " + strings.Repeat("M", size/2) + "{" + strings.Repeat("M", size/2) + " a=1;}",
		"long names, often":   p3 + "package " + strings.Repeat("p", 1000) + ";" + repeat("message M#{}"),
		"long paths":          p3 + "message A{ a" + strings.Repeat(".a", size/2) + " b=1;}",
		"strings":             p3 + "option java_package=" + strings.Repeat("\"a\" ", size/4) + ";message A{}",
		"semicolons":          p3 + strings.Repeat(";", size) + "message A{}",
		"comments":            p3 + strings.Repeat("/**/", size/4) + "message A{}",
		"line comments":       p3 + strings.Repeat("//\n", size/3) + "message A{}",
		"services":            p3 + "message A{}service S{" + repeat("rpc R#(A) returns(A);") + "}",
		"brackets":            p3 + "message A{int32 a=1" + strings.Repeat("[", size) + "}",
		"a string":            p3 + "message A{}option java_package=\"" + strings.Repeat("a", size),
		"numbers":             p3 + "message A{int32 a=" + strings.Repeat("9", size) + ";}",
		"a float":             p2 + "message A{optional double a=1[default=1e" + strings.Repeat("9", size) + "];}",
		"signs":               p2 + "message A{optional double a=1[default=" + strings.Repeat("-", size) + "1];}",
		"zeros":               strings.Repeat("\x00", size),
		"bytes":               strings.Repeat("\xff", size),
	}
	for name, text := range all {
		all[name] = text[:min(len(text), 1<<20)]
	}
	return all
}

// TestHostileSchemas: whatever the text is, it takes bounded time and memory. The bounds are
// those of a slow machine with much else to do.
func TestHostileSchemas(t *testing.T) {
	texts := hostile(24 << 10)
	for name, text := range hostile(150 << 10) {
		if name == "imports" || name == "reserved names" {
			texts[name] = text // of which the library takes the square, if they are in one line
		}
	}
	for name, text := range texts {
		var err error
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		took := bounds.Took(func() { _, err = protobuf.Compile(text) })
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; took > 5*time.Second || allocated > 512<<20 {
			t.Errorf("%s: took %s, allocated %d bytes: %v", name, took, allocated, err)
		}
	}
	if _, err := protobuf.Compile(strings.Repeat(" ", 1<<20)+"x", protobuf.File{}); err == nil {
		t.Error("more bytes than allowed")
	}
	if _, err := protobuf.Compile("", make([]protobuf.File, 65)...); err == nil {
		t.Error("more files than allowed")
	}
}

// FuzzCompile: whatever the text is, it is a schema or an error.
func FuzzCompile(f *testing.F) {
	for _, text := range []string{everything, older, newer, indexed, twenty} {
		f.Add(text)
	}
	for _, text := range hostile(500) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := protobuf.Compile(text)
		if err != nil {
			return
		}
		m, err := s.Message("")
		if err != nil {
			t.Fatal(err)
		}
		value, result := m.Encode(nil, []byte(`{}`), limits)
		if len(result.Violations) > 0 {
			return // a field is required
		}
		if got, err := s.AppendJSON(nil, value, 1000); err != nil || string(got) != "{}" {
			t.Fatalf("got %s, %v", got, err)
		}
	})
}
