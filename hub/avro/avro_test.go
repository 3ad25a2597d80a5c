package avro_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	library "github.com/twmb/avro"

	"sluice/hub/avro"
	"sluice/hub/hubtest/bounds"
	"sluice/hub/jsonscan"
)

const order = `{"type":"record","name":"Order","namespace":"com.example","fields":[
  {"name":"id","type":"long"},{"name":"n","type":"int"},{"name":"ok","type":"boolean"},{"name":"f","type":"float"},{"name":"d","type":"double"},
  {"name":"note","type":["null","string","int"]},{"name":"raw","type":"bytes"},{"name":"none","type":"null"},
  {"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","DONE"]}},
  {"name":"hash","type":{"type":"fixed","name":"Hash","size":2}},
  {"name":"uid","type":{"type":"fixed","name":"UID","size":16,"logicalType":"uuid"}},
  {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
  {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
  {"name":"tags","type":{"type":"array","items":"string"}},
  {"name":"by","type":{"type":"map","values":["null","State"]}},
  {"name":"next","type":["null","Order"]}]}`

func compile(t testing.TB, text string, others ...string) *avro.Schema {
	t.Helper()
	s, err := avro.Compile(text, others...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// value is an order in binary: without the last field, which says whether there is another.
const value = "\x02\x03\x01\x00\x00\x80\x3f\x00\x00\x00\x00\x00\x00\xf8\x7f" + "\x02\x06a\"b" + "\x04\x00\xff" + "\x02" + "\x01\x02" +
	"0123456789abcdef" + "\x04\xff\x85" + "\x80\x01" + "\x04\x02a\x02b\x00" + "\x01\x08\x02k\x02\x02\x00"

const shown = `{"id":1,"n":-2,"ok":true,"f":1,"d":"NaN","note":"a\"b","raw":"\u0000\u00ff","none":null,"state":"DONE","hash":"\u0001\u0002",` +
	`"uid":"30313233-3435-3637-3839-616263646566","price":-1.23,"at":64,"tags":["a","b"],"by":{"k":"DONE"},"next":`

// TestShown: all types, in the JSON that subscribers are shown.
func TestShown(t *testing.T) {
	t.Parallel()
	s := compile(t, order)
	for in, want := range map[string]string{
		value + "\x00":                  shown + "null}",
		value + "\x02" + value + "\x00": shown + shown + "null}}",
	} {
		got, err := s.AppendJSON([]byte("x"), []byte(in), 10_000)
		if err != nil || string(got) != "x"+want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
		for n := range len(in) {
			if got, err := s.AppendJSON(nil, []byte(in[:n]), 10_000); err == nil {
				t.Errorf("cut off after %d bytes: %s", n, got)
			}
		}
		if _, err := s.AppendJSON(nil, []byte(in+"\x00"), 10_000); err == nil {
			t.Error("a byte more is accepted")
		}
		for most := range len(want) {
			if _, err := s.AppendJSON(nil, []byte(in), most); !errors.Is(err, avro.ErrTooLarge) {
				t.Errorf("%d bytes of JSON are allowed: %v", most, err)
			}
		}
		if got, err := s.AppendJSON(nil, []byte(in), len(want)); err != nil || string(got) != want {
			t.Errorf("just as large as allowed: %v", err)
		}
	}
	for digits, c := range map[string]struct {
		in    string
		scale int
	}{"0.05": {"\x02\x05", 2}, "-0.01": {"\x02\xff", 2}, "127": {"\x02\x7f", 0}, "-128": {"\x02\x80", 0}, "0.00": {"\x02\x00", 2}, "1.28": {"\x04\x00\x80", 2}} {
		schema := strings.Replace(`{"type":"bytes","logicalType":"decimal","precision":5,"scale":S}`, "S", string(rune('0'+c.scale)), 1)
		if got, err := compile(t, schema).AppendJSON(nil, []byte(c.in), 100); err != nil || string(got) != digits {
			t.Errorf("got %s, %v, want %s", got, err, digits)
		}
	}
}

// TestHostile: lies in lengths and counts, and trees without end, take little time and memory.
func TestHostile(t *testing.T) {
	huge := "\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"          // 2^62 - 1
	least := "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"     // -2^63
	minusHuge := "\xfd\xff\xff\xff\xff\xff\xff\xff\x7f\x00" // -(2^62-1), of 0 bytes
	deep := `{"type":"record","name":"R","fields":[{"name":"n","type":["null","R"]}]}`
	for name, c := range map[string]struct{ schema, in string }{
		"nulls":                     {`{"type":"array","items":"null"}`, huge},
		"nulls, negative":           {`{"type":"array","items":"null"}`, minusHuge},
		"the least":                 {`{"type":"array","items":"null"}`, least + "\x00\x00"},
		"nulls of nulls":            {`{"type":"array","items":{"type":"array","items":"null"}}`, huge + strings.Repeat("\x80\x40\x00", 100_000)},
		"empty records":             {`{"type":"array","items":{"type":"record","name":"E","fields":[]}}`, huge},
		"empty fixed":               {`{"type":"array","items":{"type":"fixed","name":"F","size":0}}`, huge},
		"a map":                     {`{"type":"map","values":"null"}`, huge},
		"a map, negative":           {`{"type":"map","values":"null"}`, minusHuge},
		"integers":                  {`{"type":"array","items":"int"}`, huge},
		"a string":                  {`"string"`, huge},
		"a negative string":         {`"string"`, "\x01"},
		"bytes":                     {`"bytes"`, huge},
		"a key":                     {`{"type":"map","values":"null"}`, "\x02" + huge},
		"a branch":                  {`["null","int"]`, "\x04"},
		"a negative branch":         {`["null","int"]`, "\x01"},
		"a symbol":                  {`{"type":"enum","name":"E","symbols":["A"]}`, "\x02"},
		"a boolean":                 {`"boolean"`, "\x02"},
		"an int":                    {`"int"`, "\x80\x80\x80\x80\x10"},
		"a long":                    {`"long"`, strings.Repeat("\xff", 10) + "\x01"},
		"text that is not UTF-8":    {`"string"`, "\x02\xff"},
		"deep":                      {deep, strings.Repeat("\x02", 600) + "\x00"},
		"deep for ever":             {deep, strings.Repeat("\x02", 1<<20)},
		"a decimal without digits":  {`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, "\x00"},
		"a decimal of many":         {`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, "\x82\x04" + strings.Repeat("\x7f", 257)},
		"a block larger than all":   {`{"type":"array","items":"null"}`, "\x01\x02"},
		"a block of negative bytes": {`{"type":"array","items":"null"}`, "\x01\x01\x00"},
		"nothing":                   {`"int"`, ""},
	} {
		s := compile(t, c.schema)
		var allocated float64
		took := bounds.Took(func() {
			allocated = testing.AllocsPerRun(1, func() {
				if got, err := s.AppendJSON(nil, []byte(c.in), 1<<20); err == nil {
					t.Errorf("%s: %.100s", name, got)
				}
			})
		})
		if took > 5*time.Second || allocated > 1000 {
			t.Errorf("%s: took %s, %.0f allocations", name, took, allocated)
		}
	}
}

// TestSchemas: what is a schema, with types of others.
func TestSchemas(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text   string
		others []string
	}{
		"no JSON":         {`{`, nil},
		"no schema":       {`{"type":"shape"}`, nil},
		"a missing type":  {`{"type":"array","items":"com.example.Order"}`, nil},
		"a broken other":  {`"int"`, []string{`{"type":"record"}`}},
		"a missing inner": {`{"type":"array","items":"B"}`, []string{`{"type":"record","name":"B","fields":[{"name":"a","type":"A"}]}`}},
		"many digits":     {`{"type":"bytes","logicalType":"decimal","precision":5000,"scale":4000}`, nil},
		"many bytes":      {`{"type":"fixed","name":"F","size":257,"logicalType":"decimal","precision":5,"scale":0}`, nil},
	} {
		if _, err := avro.Compile(c.text, c.others...); err == nil || strings.Contains(err.Error(), "shape") {
			t.Errorf("%s: %v", name, err)
		}
	}
	a := `{"type":"record","name":"A","namespace":"x.y","fields":[{"name":"v","type":"int"}]}`
	b := `{"type":"record","name":"B","namespace":"x.y","fields":[{"name":"a","type":"A"},{"name":"o","type":"x.y.A"}]}`
	s := compile(t, `{"type":"array","items":["x.y.B","x.y.A"]}`, a, b)
	if got, err := s.AppendJSON(nil, []byte("\x04\x00\x02\x04\x02\x06\x00"), 100); err != nil || string(got) != `[{"a":{"v":1},"o":{"v":2}},{"v":3}]` {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestAgreesWithTheLibrary: generated values of the schema are what the library says.
func TestAgreesWithTheLibrary(t *testing.T) {
	t.Parallel()
	const text = `{"type":"record","name":"T","fields":[{"name":"l","type":"long"},{"name":"d","type":"double"},{"name":"f","type":"float"},{"name":"s","type":"string"},
	 {"name":"b","type":"bytes"},{"name":"u","type":["null","int","string"]},{"name":"a","type":{"type":"array","items":["null","T"]}},{"name":"m","type":{"type":"map","values":"int"}}]}`
	of, err := library.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	s, random := compile(t, text), rand.New(rand.NewPCG(1, 2))
	var make1 func(depth int) map[string]any
	make1 = func(depth int) map[string]any {
		raw := make([]byte, random.IntN(10))
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		items := []any{}
		for range random.IntN(4 - depth) {
			items = append(items, any(make1(depth+1)))
		}
		if random.IntN(3) == 0 {
			items = append(items, nil)
		}
		return map[string]any{
			"l": random.Int64() - random.Int64(), "d": random.NormFloat64() * 1e30, "f": float32(random.NormFloat64()), "s": string([]rune{rune(random.IntN(0xd000)), 'x'}),
			"b": raw, "u": []any{nil, int32(-7), "text"}[random.IntN(3)], "a": items, "m": map[string]any{"k": int32(random.IntN(9))},
		}
	}
	for range 500 {
		v := make1(0)
		binary, err := of.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		want, err := of.EncodeJSON(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.AppendJSON(nil, binary, 1<<20)
		if err != nil {
			t.Fatalf("%x: %v", binary, err)
		}
		var x, y any
		if json.Unmarshal(got, &x) != nil || json.Unmarshal(want, &y) != nil {
			t.Fatalf("%s, %s", got, want)
		}
		a, _ := json.Marshal(x)
		b, _ := json.Marshal(y)
		if string(a) != string(b) {
			t.Fatalf("got %s\nwant %s", a, b)
		}
	}
}

// FuzzAppendJSON: whatever the bytes are, the result is JSON within its bound, or an error.
func FuzzAppendJSON(f *testing.F) {
	f.Add([]byte(value + "\x00"))
	f.Add([]byte(value + "\x02" + value + "\x00"))
	s := compile(f, order)
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := s.AppendJSON(nil, in, 5000)
		if err == nil && (len(got) > 5000 || jsonscan.Check(got, 600) != nil) {
			t.Fatalf("%x is shown as %s", in, got)
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	s, in := compile(b, order), []byte(value+"\x00")
	dst, err := s.AppendJSON(nil, in, 5000)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.AppendJSON(dst[:0], in, 5000); err != nil {
			b.Fatal(err)
		}
	}
}
