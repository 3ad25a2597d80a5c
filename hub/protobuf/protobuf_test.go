package protobuf_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"sluice/hub/jsonscan"
	"sluice/hub/protobuf"
	"sluice/hub/schema"
)

// TestVectors: messages of the implementation for Python, with the JSON that it shows, both ways.
func TestVectors(t *testing.T) {
	t.Parallel()
	of := map[string]pair{"test.All": compilePair(t, everything, "test.All"), "test.Old": compilePair(t, older, "test.Old")}
	file, err := os.Open("testdata/python.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	n := 0
	for lines := bufio.NewScanner(file); lines.Scan(); n++ {
		var vector struct {
			Of, Binary string
			JSON       json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &vector); err != nil {
			t.Fatal(err)
		}
		binary, err := hex.DecodeString("00" + vector.Binary)
		if err != nil {
			t.Fatal(err)
		}
		p := of[vector.Of]
		got, err := p.schema.AppendJSON(nil, binary, 1<<20)
		if err != nil || numbers(t, got) != numbers(t, vector.JSON) {
			t.Errorf("%x is shown as %s, %v, want %s", binary, got, err, vector.JSON)
		}
		encoded, result := p.message.Encode(nil, vector.JSON, limits)
		back, err := p.schema.AppendJSON(nil, encoded, 1<<20)
		if err != nil || !bytes.Equal(back, got) || len(result.Violations) > 0 {
			t.Errorf("%s is encoded as %x, %v, and shown as %s, %v", vector.JSON, encoded, result, back, err)
		}
	}
	if n < 100 {
		t.Errorf("only %d vectors", n)
	}
}

// numbers returns JSON with numbers in one form, as they are written in several.
func numbers(t *testing.T, document []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func compile(t testing.TB, text string, others ...protobuf.File) *protobuf.Schema {
	t.Helper()
	s, err := protobuf.Compile(text, others...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func message(t testing.TB, s *protobuf.Schema, name string) *protobuf.Message {
	t.Helper()
	m, err := s.Message(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const indexed = `syntax = "proto2";
message A { map<string, int32> m = 1; optional group G = 2 { } message B { optional int32 b = 1; message C { optional int32 c = 1; } } message D { optional int32 d = 1; } }
message E { optional int32 e = 1; }`

// TestIndexes: which message a value is, by the indexes before it, which count neither entries
// of maps nor groups.
func TestIndexes(t *testing.T) {
	t.Parallel()
	s := compile(t, indexed)
	for name, c := range map[string]struct{ indexes, field string }{
		"": {"\x00", ""}, "A": {"\x00", ""}, "E": {"\x02\x02", "e"}, "A.B": {"\x04\x00\x00", "b"}, "A.B.C": {"\x06\x00\x00\x00", "c"}, "A.D": {"\x04\x00\x02", "d"},
	} {
		document := `{}`
		if c.field != "" {
			document = `{"` + c.field + `":7}`
		}
		got, result := message(t, s, name).Encode([]byte("x"), []byte(document), limits)
		if !strings.HasPrefix(string(got), "x"+c.indexes) || len(result.Violations) > 0 {
			t.Errorf("%s is encoded as %x, %v", name, got, result)
		}
		if back, err := s.AppendJSON([]byte("y"), got[1:], 100); err != nil || string(back) != "y"+document {
			t.Errorf("%s is shown as %s, %v", name, back, err)
		}
	}
	if got, err := s.AppendJSON(nil, []byte("\x02\x00"), 100); err != nil || string(got) != "{}" {
		t.Errorf("the long form of the first message: %s, %v", got, err)
	}
	huge := "\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"
	for _, wrong := range []string{"", "\x01", "\x02", "\x02\x01", "\x02\x04", "\x04\x00\x04", "\x08\x00\x00\x00\x00", huge, huge + "\x00\x00", "\x02" + huge, "\x80", strings.Repeat("\xff", 12)} {
		if got, err := s.AppendJSON(nil, []byte(wrong), 100); err == nil {
			t.Errorf("%x is shown as %s", wrong, got)
		}
	}
	for _, name := range []string{"B", "A.G", "A.MEntry", "nothing", ".A"} {
		if m, err := s.Message(name); err == nil {
			t.Errorf("there is a message %s", m.Name())
		}
	}
}

// TestBounds: JSON is never larger than allowed, and a value that is cut off is no other.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := compile(t, everything)
	document := `{"aDouble":-1.5,"aString":"a\"b","someBytes":"AAH/","color":"GREEN","child":{"an_int64":"5"},"bools":[true,false],"byString":{"a":1,"b":2},"byBool":{"true":{}},"at":"2026-11-29T12:00:00.120Z","took":"-1.000000005s","mask":"aB,c","object":{"k":[null,1,"x",{}]},"any":{"@type":"x/test.All","aBool":true},"wInt64":"7"}`
	value, result := message(t, s, "").Encode(nil, []byte(document), limits)
	if len(result.Violations) > 0 {
		t.Fatal(result)
	}
	want, err := s.AppendJSON(nil, value, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for most := range len(want) {
		if _, err := s.AppendJSON(nil, value, most); !errors.Is(err, protobuf.ErrTooLarge) {
			t.Errorf("%d bytes of JSON are allowed: %v", most, err)
		}
	}
	if got, err := s.AppendJSON(nil, value, len(want)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("just as large as allowed: %v", err)
	}
	for n := range len(value) {
		if got, err := s.AppendJSON(nil, value[:n], 10_000); err == nil && len(got) >= len(want) {
			t.Errorf("cut off after %d bytes: %s", n, got)
		}
	}
}

// bytesField returns a field of bytes, with a size that may be a lie.
func bytesField(number protowire.Number, size uint64, content string) string {
	return string(append(protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.BytesType), size), content...))
}

func nested(number protowire.Number, levels int) string {
	s := ""
	for range levels {
		s = bytesField(number, uint64(len(s)), s)
	}
	return s
}

// TestHostileValues: lies in lengths, and trees without end, take little time and memory.
func TestHostileValues(t *testing.T) {
	all, old := compile(t, everything), compile(t, older)
	group := func(levels int) string {
		return strings.Repeat("\xa3\x06", levels) + strings.Repeat("\xa4\x06", levels)
	}
	structs := ""
	for range 60 {
		structs = bytesField(1, uint64(len(structs)), structs)
		structs = bytesField(6, uint64(len(structs)), structs)
	}
	for name, c := range map[string]struct {
		schema *protobuf.Schema
		in     string
	}{
		"a long string":             {all, bytesField(14, 1<<62, "")},
		"the longest string":        {all, bytesField(14, 1<<64-1, "")},
		"long bytes":                {all, bytesField(15, 3, "ab")},
		"a long list":               {all, bytesField(21, 1<<62, "")},
		"a list cut off":            {all, bytesField(21, 2, "\x01\x80")},
		"fixed cut off":             {all, bytesField(25, 9, "123456789")},
		"booleans":                  {all, bytesField(24, 1<<20, strings.Repeat("\x00", 1<<20))},
		"empty messages":            {all, strings.Repeat(bytesField(23, 0, ""), 1<<19)},
		"entries":                   {all, strings.Repeat(bytesField(33, 0, ""), 1<<19) + bytesField(14, 1, "")},
		"deep messages":             {all, nested(17, 101)},
		"deep for ever":             {all, nested(17, 3000)},
		"deep structs":              {all, bytesField(55, uint64(len(structs)), structs)},
		"deep groups":               {old, "\x08\x01" + group(101)},
		"groups for ever":           {old, "\x08\x01" + strings.Repeat("\xa3\x06", 1<<19)},
		"a group without end":       {old, "\x08\x01\x1b"},
		"a group with another end":  {old, "\x08\x01\x1b\x24"},
		"an end":                    {old, "\x08\x01\x1c"},
		"no required field":         {old, ""},
		"field 0":                   {all, "\x00\x00"},
		"a large field number":      {all, "\x80\x80\x80\x80\x80\x01\x00"},
		"wire type 6":               {all, "\x0e"},
		"wire type 7":               {all, "\x0f\x00"},
		"a long integer":            {all, "\x18" + strings.Repeat("\xff", 10) + "\x01"},
		"an integer cut off":        {all, "\x18\xff"},
		"text that is not UTF-8":    {all, "\x72\x01\xff"},
		"a key that is not UTF-8":   {all, bytesField(31, 3, "\x0a\x01\xff")},
		"a late timestamp":          {all, bytesField(51, 6, "\x08\xff\xff\xff\xff\x7f")[:2] + "\x07\x08\xff\xff\xff\xff\xff\x7f"},
		"no value":                  {all, bytesField(55, 0, "")},
		"a value that is no number": {all, bytesField(55, 9, "\x11\x00\x00\x00\x00\x00\x00\xf8\x7f")},
		"a path":                    {all, bytesField(53, 5, "\x0a\x03a_B")},
		"a type that is not UTF-8":  {all, bytesField(58, 3, "\x0a\x01\xff")},
	} {
		began := time.Now()
		allocated := testing.AllocsPerRun(1, func() {
			if got, err := c.schema.AppendJSON(nil, []byte("\x00"+c.in), 1<<20); err == nil {
				t.Errorf("%s: %.100s", name, got)
			}
		})
		if took := time.Since(began); took > 5*time.Second || allocated > 1000 {
			t.Errorf("%s: took %s, %.0f allocations", name, took, allocated)
		}
	}
	for name, c := range map[string]struct {
		schema   *protobuf.Schema
		in, want string
	}{
		"just as deep":         {all, nested(17, 100), ""},
		"just as deep groups":  {old, "\x08\x01" + strings.Repeat("\xf3\x06", 100) + strings.Repeat("\xf4\x06", 100), `{"id":1}`},
		"unknown fields":       {all, "\xf8\x07\x05" + bytesField(999, 3, "abc") + "\x18\x07\xfd\x07abcd\xf9\x07abcdefgh", `{"anInt32":7}`},
		"another wire type":    {all, "\x1d\x00\x00\x00\x00\x18\x07", `{"anInt32":7}`},
		"keys twice":           {all, bytesField(31, 5, "\x0a\x01a\x10\x01") + bytesField(31, 5, "\x0a\x01b\x10\x02") + bytesField(31, 5, "\x0a\x01a\x10\x03"), `{"byString":{"a":3,"b":2}}`},
		"a key that is absent": {all, bytesField(31, 2, "\x10\x01") + bytesField(32, 0, "") + bytesField(33, 0, ""), `{"byString":{"":1},"byInt32":{"0":""},"byBool":{"false":{}}}`},
		"a oneof twice":        {all, "\xc8\x02\x01" + bytesField(42, 1, "a"), `{"oneString":"a"}`},
		"a oneof three times":  {all, bytesField(43, 2, "\x18\x01") + "\xc8\x02\x01" + bytesField(43, 2, "\x68\x01"), `{"oneChild":{"aBool":true}}`},
		"parts":                {all, bytesField(17, 2, "\x18\x01") + "\x18\x09" + bytesField(17, 4, "\x18\x02\x68\x01"), `{"anInt32":9,"child":{"anInt32":2,"aBool":true}}`},
		"packed and not":       {all, bytesField(21, 0, "") + "\xa8\x01\x05" + bytesField(21, 2, "\x06\x07") + bytesField(21, 0, ""), `{"int32s":[5,6,7]}`},
		"an empty list":        {all, bytesField(21, 0, ""), `{}`},
		"an unknown type":      {all, bytesField(58, 8, "\x0a\x03x/y\x12\x01\xff"), `{"any":{"@type":"x/y","@value":"/w=="}}`},
		"an empty any":         {all, bytesField(58, 0, ""), `{"any":{}}`},
	} {
		got, err := c.schema.AppendJSON(nil, []byte("\x00"+c.in), 1<<20)
		if err != nil || c.want != "" && string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, c.want)
		}
	}
}

// TestViolations: all that is wrong with a document, with where it is.
func TestViolations(t *testing.T) {
	t.Parallel()
	p, old := compilePair(t, everything, "test.All"), compilePair(t, older, "test.Old")
	for document, want := range map[string]string{
		`[]`:                                  ` type must be an object`,
		`null`:                                ` type must be an object`,
		`{"nothing":1,"child":{"nothing":2}}`: `/nothing additionalProperties is a property that the schema does not have; /child/nothing additionalProperties is a property that the schema does not have`,
		`{"anInt32":1,"an_int32":1}`:          `/an_int32 oneOf is the same field as another property: a field has two names`,
		`{"an_int32":null,"anInt32":2}`:       ``,
		`{"oneInt32":1,"oneString":"a"}`:      `/oneString oneOf is one of several properties that exclude each other, and another one is set`,
		`{"oneInt32":null,"oneString":"a"}`:   ``,
		`{"oneNull":null,"oneInt32":1}`:       `/oneInt32 oneOf is one of several properties that exclude each other, and another one is set`,
		`{"int32s":[1,"x",null,2.5,{}],"strings":[1],"children":[{},{"bools":[0]}]}`: `/int32s/1 type must be an integer of 32 bits (-2147483648 to 2147483647); /int32s/2 type must be an integer of 32 bits (-2147483648 to 2147483647); ` +
			`/int32s/3 type must be an integer of 32 bits (-2147483648 to 2147483647); /int32s/4 type must be an integer of 32 bits (-2147483648 to 2147483647); /strings/0 type must be a string; /children/1/bools/0 type must be a boolean`,
		`{"anInt32":2147483648}`:          `/anInt32 range must be an integer of 32 bits (-2147483648 to 2147483647)`,
		`{"aUint32":-1}`:                  `/aUint32 range must be an integer of 32 bits without a sign (0 to 4294967295)`,
		`{"anInt64":9223372036854775808}`: `/anInt64 range must be an integer of 64 bits (-9223372036854775808 to 9223372036854775807)`,
		`{"anInt64":" 1"}`:                `/anInt64 type must be an integer of 64 bits (-9223372036854775808 to 9223372036854775807)`,
		`{"aUint64":1e20}`:                `/aUint64 range must be an integer of 64 bits without a sign (0 to 18446744073709551615)`,
		`{"aDouble":1e999,"aFloat":1e39}`: `/aDouble range must be a number that a float of 64 bits can hold; /aFloat range must be a number that a float of 32 bits can hold`,
		`{"color":"PINK"}`:                `/color enum must be one of RED, GREEN, BLUE`,
		`{"color":true}`:                  `/color type must be one of RED, GREEN, BLUE`,
		`{"color":2147483648}`:            `/color enum must be one of RED, GREEN, BLUE`,
		`{"someBytes":"*"}`:               `/someBytes format must be a string of base64`,
		`{"someBytes":"AA\n=="}`:          `/someBytes format must be a string of base64`,
		`{"aString":"\ud800"}`:            `/aString half_character has half of a character (\ud800 to \udfff without its other half), which readers take for different texts`,
		`{"byInt32":{"a~/":"x","01":"","1":1,"-0":""}}`: `/byInt32/a~0~1 propertyNames must have a name that is an integer of 32 bits (-2147483648 to 2147483647); /byInt32/01 propertyNames must have a name that is an integer of 32 bits (-2147483648 to 2147483647); ` +
			`/byInt32/1 type must be a string; /byInt32/-0 propertyNames must have a name that is an integer of 32 bits (-2147483648 to 2147483647)`,
		`{"byBool":{"True":{}}}`:                   `/byBool/True propertyNames must have the name true or false`,
		`{"at":"2026-1-01T00:00:00Z"}`:             `/at format must be a timestamp of RFC 3339 in the years 0001 to 9999, such as 2026-11-29T12:00:00.5Z`,
		`{"at":"2026-01-01T00:00:00,5Z"}`:          `/at format must be a timestamp of RFC 3339 in the years 0001 to 9999, such as 2026-11-29T12:00:00.5Z`,
		`{"took":"1"}`:                             `/took format must be a duration in seconds of up to 10,000 years, such as 1.5s`,
		`{"took":"1.s"}`:                           `/took format must be a duration in seconds of up to 10,000 years, such as 1.5s`,
		`{"took":"315576000000.1s"}`:               `/took format must be a duration in seconds of up to 10,000 years, such as 1.5s`,
		`{"mask":"a_b"}`:                           `/mask format must be a list of fields in lowerCamelCase with commas between them, such as user.displayName,photo`,
		`{"any":{"a":1}}`:                          `/any required must have the property "@type"`,
		`{"any":{"@type":"x/nothing"}}`:            `/any/@type enum must be type.googleapis.com/ and the name of a message of the schema`,
		`{"any":{"aBool":1,"@type":"x/test.All"}}`: `/any/aBool type must be a boolean`,
		`{"any":{"@type":"x/google.protobuf.Duration","value":"x"}}`: `/any/value format must be a duration in seconds of up to 10,000 years, such as 1.5s`,
		`{"any":{"@type":"x/google.protobuf.Duration"}}`:             `/any required must have the properties "@type" and "value", and no others`,
		`{"wInt32":"x"}`: `/wInt32 type must be an integer of 32 bits (-2147483648 to 2147483647)`,
	} {
		_, result := p.message.Encode(nil, []byte(document), limits)
		if got := words(result.Violations); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", document, got, want)
		}
	}
	if _, result := old.message.Encode(nil, []byte(`{"inner":{"deeper":{"text":1}},"Many":[{}]}`), limits); words(result.Violations) !=
		` required must have the property "id"; /inner/deeper required must have the property "id"; /inner/deeper/text type must be a string; /Many/0 required must have the property "n"` {
		t.Errorf("got %s", words(result.Violations))
	}
	_, result := p.message.Encode(nil, []byte(`{"strings":[1,2,3,4]}`), schema.Limits{Steps: 1000, Violations: 2})
	if len(result.Violations) != 2 || !result.More {
		t.Errorf("got %+v", result)
	}
	if _, result = p.message.Encode(nil, []byte(`{"strings":[1,2]}`), schema.Limits{Steps: 1000, Violations: 2}); result.More {
		t.Errorf("got %+v", result)
	}
	if _, result = p.message.Encode(nil, []byte(`{"strings":[`+strings.Repeat(`"",`, 2000)+`""]}`), schema.Limits{Steps: 1000, Violations: 2}); words(result.Violations) !=
		" too_costly takes too many steps to be encoded (limit schema_steps): send less in one request" {
		t.Errorf("got %+v", result)
	}
}

func words(violations []schema.Violation) string {
	var all []string
	for _, v := range violations {
		all = append(all, v.Pointer+" "+v.Keyword+" "+v.Message)
	}
	return strings.Join(all, "; ")
}

// TestDigits: integers keep all of their digits, however they are written.
func TestDigits(t *testing.T) {
	t.Parallel()
	s := compile(t, everything)
	m := message(t, s, "")
	for in, want := range map[string]string{
		`{"anInt64":9007199254740993}`:                    `{"anInt64":"9007199254740993"}`,
		`{"anInt64":"9007199254740993"}`:                  `{"anInt64":"9007199254740993"}`,
		`{"anInt64":9223372036854775807}`:                 `{"anInt64":"9223372036854775807"}`,
		`{"anInt64":-9223372036854775808}`:                `{"anInt64":"-9223372036854775808"}`,
		`{"anInt64":900719925474099.3e1}`:                 `{"anInt64":"9007199254740993"}`,
		`{"aUint64":1844674407370955161500000000e-8}`:     `{"aUint64":"18446744073709551615"}`,
		`{"aUint64":0.00018446744073709551615e23}`:        `{"aUint64":"18446744073709551615"}`,
		`{"anInt32":-0}`:                                  `{}`,
		`{"anInt32":0e999999999999999999999}`:             `{}`,
		`{"anInt32":1000000000000000000000000000000e-30}`: `{"anInt32":1}`,
		`{"anInt32":5.0}`:                                 `{"anInt32":5}`,
		`{"aDouble":-0.0}`:                                `{"aDouble":-0}`,
		`{"aDouble":"1e3"}`:                               `{"aDouble":1000}`,
	} {
		value, result := m.Encode(nil, []byte(in), limits)
		if len(result.Violations) > 0 {
			t.Errorf("%s: %v", in, result)
			continue
		}
		if got, err := s.AppendJSON(nil, value, 1000); err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", in, got, err, want)
		}
	}
}

// TestHostileDocuments: documents that nest, or have much in them, take bounded time.
func TestHostileDocuments(t *testing.T) {
	t.Parallel()
	p := compilePair(t, everything, "test.All")
	deep := func(begin, end string, levels int) string {
		return strings.Repeat(begin, levels) + strings.Repeat(end, levels)
	}
	for document, fine := range map[string]bool{
		`{"child":` + deep(`{"child":`, "", 99) + `{}` + strings.Repeat("}", 100):                                true,
		`{"child":` + deep(`{"child":`, "", 100) + `{}` + strings.Repeat("}", 101):                               false,
		`{"anyValue":` + deep("[", "]", 40) + `}`:                                                                true,
		`{"anyValue":` + deep("[", "]", 60) + `}`:                                                                false,
		`{"object":` + deep(`{"a":`, "", 60) + "1" + strings.Repeat("}", 61):                                     false,
		`{"any":` + deep(`{"@type":"x/google.protobuf.Any","value":`, "", 120) + "{}" + strings.Repeat("}", 121): false,
	} {
		value, result := p.message.Encode(nil, []byte(document), limits)
		if (len(result.Violations) == 0) != fine {
			t.Errorf("%.100s: %v", document, result)
		}
		if !fine {
			continue
		}
		if _, err := p.schema.AppendJSON(nil, value, 1<<20); err != nil {
			t.Errorf("%.100s: cannot be shown: %v", document, err)
		}
	}
}

// FuzzAppendJSON: whatever the bytes are, the result is JSON within its bound, or an error.
func FuzzAppendJSON(f *testing.F) {
	f.Add([]byte("\x00\x18\x01"), uint8(0))
	f.Add([]byte("\x00\x08\x01\x1b\x1c"), uint8(1))
	f.Add([]byte("\x00"+bytesField(58, 8, "\x0a\x03x/y\x12\x01\xff")), uint8(0))
	f.Add([]byte("\x00"+nested(17, 99)), uint8(0))
	all := pairs(f)
	f.Fuzz(func(t *testing.T, in []byte, which uint8) {
		p := all[int(which)%len(all)]
		got, err := p.schema.AppendJSON(nil, in, 5000)
		if err != nil {
			return
		}
		if len(got) > 5000 || jsonscan.Check(got, 600) != nil || jsonscan.CheckNames(got, 0) != nil {
			t.Fatalf("%x is shown as %s", in, got)
		}
		if again, err := p.schema.AppendJSON(nil, in, 5000); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%x is shown as %s, then as %s, %v", in, got, again, err)
		}
		if len(in) > 1 && in[0] == 0 {
			if want, err := p.show(in[1:]); err == nil && plain(t, want) != plain(t, got) {
				t.Fatalf("%x is shown as %s, and not %s", in, got, want)
			}
		}
	})
}

// FuzzEncode: whatever the document is, what is encoded is what the other implementation reads,
// which accepts all that is accepted here.
func FuzzEncode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"anInt64":"5","child":{"a_bool":true}}`, `{"id":1,"size":"LARGE"}`, `{"required":1,"delimited":{"required":2}}`, `{"any":{"@type":"x/test.All","aBool":true},"at":"2026-11-29T12:00:00Z","took":"1s","mask":"aB"}`, `{"object":{"a":[1]},"byInt32":{"1":"x"}}`} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(1))
		f.Add([]byte(seed), uint8(2))
	}
	all := pairs(f)
	f.Fuzz(func(t *testing.T, in []byte, which uint8) {
		if jsonscan.Check(in, 200) != nil || jsonscan.CheckNames(in, 0) != nil {
			return
		}
		p := all[int(which)%len(all)]
		got, result := p.message.Encode(nil, in, limits)
		for _, v := range result.Violations {
			if v.Message == "" || v.Keyword == "" || len(v.Pointer) > schema.MaxPointer {
				t.Fatalf("%s: %v", in, v)
			}
		}
		if len(result.Violations) > 0 {
			return
		}
		if !p.agreeJSON(t, in) {
			t.Fatalf("%s is encoded as %x", in, got)
		}
	})
}

// twenty is a message of twenty fields.
const twenty = `syntax = "proto3";
message Reading {
  string device = 1; int64 seq = 2; double temperature = 3; double humidity = 4; bool on = 5; string firmware = 6; int32 rssi = 7; uint32 uptime = 8;
  enum Mode { AUTO = 0; MANUAL = 1; } Mode mode = 9; message Position { double lat = 1; double lon = 2; } Position position = 10;
  repeated int32 samples = 11; repeated string tags = 12; map<string, string> labels = 13; bytes raw = 14; fixed64 serial = 15;
  float voltage = 16; sint32 offset = 17; string site = 18; string room = 19; string note = 20;
}`

const reading = `{"device":"eu-991","seq":"118273","temperature":21.5,"humidity":0.61,"on":true,"firmware":"1.2.3","rssi":-71,"uptime":86400,"mode":"MANUAL","position":{"lat":52.5,"lon":13.4},` +
	`"samples":[1,2,3],"tags":["a","b"],"labels":{"k":"v"},"raw":"AAECAw==","serial":"12345678901","voltage":3.3,"offset":-2,"site":"Berlin","room":"A-17","note":"leave it at the door"}`

func BenchmarkAppendJSON(b *testing.B) {
	s := compile(b, twenty)
	value, result := message(b, s, "").Encode(nil, []byte(reading), limits)
	dst, err := s.AppendJSON(nil, value, 5000)
	if err != nil || string(dst) != reading || len(result.Violations) > 0 {
		b.Fatal(string(dst), err, result)
	}
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.AppendJSON(dst[:0], value, 5000); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	m, document := message(b, compile(b, twenty), ""), []byte(reading)
	dst, _ := m.Encode(nil, document, limits)
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		if _, result := m.Encode(dst[:0], document, limits); len(result.Violations) > 0 {
			b.Fatal(result)
		}
	}
}

// BenchmarkOther is what the library takes for the same.
func BenchmarkOther(b *testing.B) {
	p := compilePair(b, twenty, "Reading")
	value, _ := p.message.Encode(nil, []byte(reading), limits)
	b.Run("show", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.show(value[1:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.read([]byte(reading)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
