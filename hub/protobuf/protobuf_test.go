package protobuf_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"sluice/hub/hubtest/bounds"
	"sluice/hub/protobuf"
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
		"negative nanos":            {all, bytesField(51, 11, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
		"no value":                  {all, bytesField(55, 0, "")},
		"a value that is no number": {all, bytesField(55, 9, "\x11\x00\x00\x00\x00\x00\x00\xf8\x7f")},
		"a path":                    {all, bytesField(53, 5, "\x0a\x03a_B")},
		"a type that is not UTF-8":  {all, bytesField(58, 3, "\x0a\x01\xff")},
	} {
		var allocated float64
		took := bounds.Took(func() {
			allocated = testing.AllocsPerRun(1, func() {
				if got, err := c.schema.AppendJSON(nil, []byte("\x00"+c.in), 1<<20); err == nil {
					t.Errorf("%s: %.100s", name, got)
				}
			})
		})
		if took > 5*time.Second || allocated > 1000 {
			t.Errorf("%s: took %s, %.0f allocations", name, took, allocated)
		}
	}
	var before, after runtime.MemStats
	booleans := []byte("\x00" + bytesField(24, 1<<20, strings.Repeat("\x00", 1<<20)))
	runtime.ReadMemStats(&before)
	if _, err := all.AppendJSON(nil, booleans, 1000); !errors.Is(err, protobuf.ErrTooLarge) {
		t.Error(err)
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Errorf("a list of booleans takes %d bytes", after.TotalAlloc-before.TotalAlloc)
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
