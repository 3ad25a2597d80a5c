package avro_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/hub/avro"
	"sluice/hub/hubtest/bounds"
	"sluice/hub/schema"
)

// limits are those that the server has by default.
var limits = schema.Limits{Steps: 500_000, Violations: 20}

// encoded returns a value in binary, or its violations.
func encoded(s *avro.Schema, value string, limits schema.Limits) (binary string, violations []string) {
	got, result := s.Encode([]byte("x"), []byte(value), limits)
	for _, v := range result.Violations {
		violations = append(violations, fmt.Sprintf("%s %s (%s)", v.Pointer, v.Message, v.Keyword))
	}
	if len(violations) > 0 && string(got) != "x" {
		violations = append(violations, "and a value")
	}
	return string(got[1:]), violations
}

// TestPublished: all types, as plain JSON, as Avro's JSON encoding, and as subscribers are
// shown them.
func TestPublished(t *testing.T) {
	t.Parallel()
	s := compile(t, order)
	tagged := strings.NewReplacer(`"note":"a\"b"`, `"note":{"string":"a\"b"}`, `"by":{"k":"DONE"}`, `"by":{"k":{"com.example.State":"DONE"}}`,
		`"uid":"30313233-3435-3637-3839-616263646566"`, `"uid":"0123456789abcdef"`, `-1.23`, `"\u0085"`)
	// Without the size of a block, and with a decimal of as few bytes as possible.
	plainOne := strings.Replace(strings.Replace(value, "\x01\x08\x02k\x02\x02\x00", "\x02\x02k\x02\x02\x00", 1), "\x04\xff\x85", "\x02\x85", 1)
	for in, want := range map[string]string{
		shown + "null}":                 plainOne + "\x00",
		shown + shown + "null}}":        plainOne + "\x02" + plainOne + "\x00",
		tagged.Replace(shown) + "null}": plainOne + "\x00",
		shown + `{"com.example.Order":` + tagged.Replace(shown) + "null}}}":                  plainOne + "\x02" + plainOne + "\x00",
		" " + strings.NewReplacer(",", " ,\n", "{", "{\t", "}", " }").Replace(shown+"null}"): plainOne + "\x00",
		`{"next":null,"by":{"k":"DONE"},"tags":["a","b"],"at":64,"price":-1.230,"uid":"30313233-3435-3637-3839-616263646566","hash":"\u0001\u0002","state":"DONE",` +
			`"none":null,"raw":"\u0000ÿ","note":"a\u0022b","d":"NaN","f":1e0,"ok":true,"n":-2.0,"i\u0064":1}`: plainOne + "\x00",
	} {
		if got, wrong := encoded(s, in, limits); got != want || wrong != nil {
			t.Errorf("%s\nis %q, %q\nwant %q", in, got, wrong, want)
		}
	}
}

// TestValues: single values, and why they are refused.
func TestValues(t *testing.T) {
	t.Parallel()
	const (
		decimal = `{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}`
		large   = `{"type":"bytes","logicalType":"decimal","precision":40,"scale":0}`
		fixed   = `{"type":"fixed","name":"F","size":4,"logicalType":"decimal","precision":5,"scale":2}`
		uuid    = `{"type":"string","logicalType":"uuid"}`
		state   = `{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}`
		two     = `{"type":"fixed","name":"F","size":2}`
	)
	for of, values := range map[string]map[string]string{
		`"null"`:    {`null`: "", `0`: "! must be null (type)", `[]`: "! must be null (type)"},
		`"boolean"`: {`true`: "\x01", `false`: "\x00", `"true"`: "! must be a boolean (type)", `null`: "! must be a boolean (type)"},
		`"int"`: {
			`0`: "\x00", `-0`: "\x00", `2147483647`: "\xfe\xff\xff\xff\x0f", `-2147483648`: "\xff\xff\xff\xff\x0f", `1.0`: "\x02", `1e2`: "\xc8\x01", `120e-1`: "\x18", `0e99`: "\x00",
			`2147483648`: "! is not in the range of int (range)", `1e10`: "! is not in the range of int (range)", `1e999`: "! is not in the range of int (range)", `1.5`: "! must be an integer (int) (type)", `1e-3`: "! must be an integer (int) (type)",
			`1e10001`: "! has an exponent beyond 10000 (huge_exponent)", `"1"`: "! must be an integer (int) (type)", `true`: "! must be an integer (int) (type)",
		},
		`"long"`: {
			`9223372036854775807`: "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", `-9223372036854775808`: "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", `9007199254740993`: "\x82\x80\x80\x80\x80\x80\x80\x20",
			`9223372036854775808`: "! is not in the range of long (range)", `-9223372036854775809`: "! is not in the range of long (range)", `9223372036854775807.0`: "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",
			`-92233720368547758080e-1`: "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", `9223372036854775807.5`: "! must be an integer (long) (type)", `99999999999999999999`: "! is not in the range of long (range)",
		},
		`"float"`: {
			`1`: "\x00\x00\x80\x3f", `0.1`: "\xcd\xcc\xcc\x3d", `-0.0`: "\x00\x00\x00\x80", `-0`: "\x00\x00\x00\x80", `"NaN"`: "\x00\x00\xc0\x7f", `"-Infinity"`: "\x00\x00\x80\xff", `3.4028235e38`: "\xff\xff\x7f\x7f",
			`3.5e38`: "! is not in the range of float (range)", `"nan"`: "! must be a number (float) (type)", `1e-10001`: "! has an exponent beyond 10000 (huge_exponent)",
		},
		`"double"`: {
			`0.1`: "\x9a\x99\x99\x99\x99\x99\xb9\x3f", `"NaN"`: "\x00\x00\x00\x00\x00\x00\xf8\x7f", `"Infinity"`: "\x00\x00\x00\x00\x00\x00\xf0\x7f", `1e309`: "! is not in the range of double (range)", `5e-324`: "\x01\x00\x00\x00\x00\x00\x00\x00",
			`null`: "! must be a number (double) (type)",
		},
		`"string"`: {`""`: "\x00", `"é\n"`: "\x06é\n", `"\ud83d\ude00"`: "\x08😀", `"\ud83d"`: "! has half of a character (\\ud800 to \\udfff without its other half), which readers take for different texts (half_character)", `1`: "! must be a string (type)"},
		`"bytes"`:  {`""`: "\x00", `"aÿ\u0000"`: "\x06a\xff\x00", `"€"`: "! must have only the characters \\u0000 to \\u00ff, one for each byte (bytes)", `1`: "! must be a string with a character for each byte (type)"},
		two:        {`"aÿ"`: "a\xff", `"a"`: "! must have 2 characters, one for each byte (size)", `"abc"`: "! must have 2 characters, one for each byte (size)"},
		state:      {`"A"`: "\x00", `"\u0042"`: "\x02", `"C"`: `! must be one of "A", "B" (enum)`, `1`: "! must be a string, the symbol of an enum (type)"},
		uuid: {
			`"30313233-3435-3637-3839-61626364656F"`: "\x4830313233-3435-3637-3839-61626364656F", `"30313233-3435-3637-3839-61626364656G"`: "! must be a UUID (format)", `"0123456789abcdef"`: "! must be a UUID (format)", `"30313233-3435-3637-3839+616263646566"`: "! must be a UUID (format)",
		},
		decimal: {
			`0`: "\x02\x00", `0.00`: "\x02\x00", `1.28`: "\x04\x00\x80", `-1.28`: "\x02\x80", `-1.29`: "\x04\xff\x7f", `12.5`: "\x04\x04\xe2", `1e2`: "\x04\x27\x10", `999.99`: "\x06\x01\x86\x9f", `-0.01`: "\x02\xff", `12.5000`: "\x04\x04\xe2", `100e-4`: "\x02\x01",
			`0.001`: "! must have at most 2 digits after the point (scale)", `1000`: "! must have at most 5 digits, of which 2 are after the point (precision)", `1e9999`: "! must have at most 5 digits, of which 2 are after the point (precision)",
			`"\u0004\u00e2"`: "\x04\x04\xe2", `""`: "! must have at most 5 digits, of which 2 are after the point (precision)", `"\u0001\u0086\u00a0"`: "! must have at most 5 digits, of which 2 are after the point (precision)",
			`"12.5"`: "! must be a number; a string would have a character for each byte of it, and must not look like a number (type)", `"1"`: "! must be a number; a string would have a character for each byte of it, and must not look like a number (type)",
		},
		large: {
			`1234567890123456789012345678901234567890`: "\x22\x03\xa0\xc9\x20\x75\xc0\xdb\xf3\xb8\xac\xbc\x5f\x96\xce\x3f\x0a\xd2", `-1e39`: "\x22\xfd\x0f\xaf\x01\x6c\x76\xbc\x53\x3b\xa0\x9a\xa9\x80\x00\x00\x00\x00",
			`12345678901234567890123456789012345678901`: "! must have at most 40 digits, of which 0 are after the point (precision)",
		},
		fixed:                                         {`1.28`: "\x00\x00\x00\x80", `-1.28`: "\xff\xff\xff\x80", `"\u0000\u0000\u0004\u00e2"`: "\x00\x00\x04\xe2", `"\u0004\u00e2"`: "! must have 4 characters, one for each byte (size)"},
		`{"type":"array","items":"int"}`:              {`[]`: "\x00", `[1,2]`: "\x04\x02\x04\x00", `{}`: "! must be an array (type)", `[1,"a",2,null]`: "!/1 must be an integer (int) (type)|/3 must be an integer (int) (type)"},
		`{"type":"array","items":"null"}`:             {`[null,null]`: "\x04\x00", "[" + strings.Repeat("null,", 99) + "null]": "\xc8\x01\x00"},
		`{"type":"map","values":"int"}`:               {`{}`: "\x00", `{"b":1,"a":2}`: "\x04\x02b\x02\x02a\x04\x00", `{"a/~b":"x"}`: "!/a~1~0b must be an integer (int) (type)", `[]`: "! must be an object (map) (type)", `{"\ud800":1}`: "!/\xef\xbf\xbd has half of a character (\\ud800 to \\udfff without its other half), which readers take for different texts (half_character)"},
		`{"type":"int","logicalType":"date"}`:         {`19000`: "\xf0\xa8\x02"},
		`{"type":"long","logicalType":"time-micros"}`: {`1`: "\x02"},
	} {
		s := compile(t, of)
		for in, want := range values {
			got, wrong := encoded(s, in, limits)
			if len(wrong) > 0 {
				got = "!" + strings.Join(wrong, "|")
			}
			if got != want {
				t.Errorf("%s, %s: got %q, want %q", of, in, got, want)
			}
		}
	}
}

// TestRecords: fields in any order, defaults, and all that is wrong, in the order of the
// value.
func TestRecords(t *testing.T) {
	t.Parallel()
	s := compile(t, `{"type":"record","name":"R","namespace":"a.b","fields":[
	  {"name":"id","type":"int","aliases":["old"]},
	  {"name":"name","type":"string"},
	  {"name":"n","type":["null","int"],"default":null},
	  {"name":"list","type":{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"x","type":"int"},{"name":"y","type":"long","default":7}]}},"default":[{"x":1},{"x":2,"y":3}]},
	  {"name":"m","type":{"type":"map","values":"double"},"default":{"a":"NaN"}},
	  {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]},"default":"B"},
	  {"name":"b","type":"bytes","default":"\u00ff"},
	  {"name":"f","type":{"type":"fixed","name":"F","size":1},"default":"\u0001"},
	  {"name":"i","type":"I","default":{"x":-1}},
	  {"name":"u","type":["string","bytes"],"default":"s"},
	  {"name":"t","type":"boolean","default":true}]}`)
	const rest = "\x04\x02\x0e\x04\x06\x00" + "\x02\x02a\x00\x00\x00\x00\x00\x00\xf8\x7f\x00" + "\x02" + "\x02\xff" + "\x01" + "\x01\x0e" + "\x00\x02s" + "\x01"
	for in, want := range map[string]string{
		`{"id":1,"name":"a"}`:                        "\x02\x02a\x00" + rest,
		`{"n":5,"name":"a","id":1}`:                  "\x02\x02a\x02\x0a" + rest,
		`{"name":"a","t":true,"id":1,"n":{"int":5}}`: "\x02\x02a\x02\x0a" + rest,
		`{}`:                   `! must have the field "id" (required)| must have the field "name" (required)`,
		`{"old":1,"name":"a"}`: `! must have the field "id" (required)|/old is a field that the schema does not have (additionalProperties)`,
		`{"name":1,"zz":{"a":[1]},"list":[{"x":1,"y":"a"},{"y":1},3],"i":{"x":"a","q":1,"y":{}}}`: `! must have the field "id" (required)|/name must be a string (type)|/zz is a field that the schema does not have (additionalProperties)|` +
			`/list/0/y must be an integer (long) (type)|/list/1 must have the field "x" (required)|/list/2 must be an object (a.b.I) (type)|/i/x must be an integer (int) (type)|/i/q is a field that the schema does not have (additionalProperties)|/i/y must be an integer (long) (type)`,
		`[]`:                                   "! must be an object (a.b.R) (type)",
		`{"id":1,"name":null,"n":"x","e":"C"}`: `!/name must be a string (type)|/n must be one of null, int (type)|/e must be one of "A", "B" (enum)`,
	} {
		got, wrong := encoded(s, in, limits)
		if len(wrong) > 0 {
			got = "!" + strings.Join(wrong, "|")
		}
		if got != want {
			t.Errorf("%s:\ngot  %q\nwant %q", in, got, want)
		}
	}
	_, two := encoded(s, `{"name":1,"n":"x","e":"C"}`, schema.Limits{Steps: 1000, Violations: 2})
	if want := []string{` must have the field "id" (required)`, "/name must be a string (type)"}; !slices.Equal(two, want) {
		t.Errorf("two violations are %q", two)
	}
	if _, r := s.Encode(nil, []byte(`{"name":1,"n":"x","e":"C"}`), schema.Limits{Steps: 1000, Violations: 2}); !r.More {
		t.Error("there are no more violations")
	}
}

// TestViolationsAreCounted: in whatever order they are found, the first ones are told.
func TestViolationsAreCounted(t *testing.T) {
	t.Parallel()
	s := compile(t, `{"type":"array","items":{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}}`)
	all := []string{"/0/a must be an integer (int) (type)", `/1 must have the field "a" (required)`, `/1 must have the field "b" (required)`, "/1/c is a field that the schema does not have (additionalProperties)", `/2 must have the field "b" (required)`, "/2/a must be an integer (int) (type)"}
	for room := 1; room < 9; room++ {
		bounds := schema.Limits{Steps: 1000, Violations: room}
		_, wrong := encoded(s, `[{"a":"x","b":1},{"c":1},{"a":"x"}]`, bounds)
		if !slices.Equal(wrong, all[:min(room, len(all))]) {
			t.Errorf("%d are %q", room, wrong)
		}
		if _, result := s.Encode(nil, []byte(`[{"a":"x","b":1},{"c":1},{"a":"x"}]`), bounds); result.More != (room < len(all)) {
			t.Errorf("%d: more is %v", room, result.More)
		}
	}
}

// TestDepth: what is encoded can be decoded, up to the same depth.
func TestDepth(t *testing.T) {
	t.Parallel()
	s := compile(t, `{"type":"record","name":"R","fields":[{"name":"n","type":["null","R"]}]}`)
	deepest := 0
	for n := 1; n < 300; n++ {
		got, wrong := encoded(s, strings.Repeat(`{"n":`, n)+"null"+strings.Repeat(`}`, n), limits)
		_, err := s.AppendJSON(nil, []byte(strings.Repeat("\x02", n-1)+"\x00"), 1<<20)
		if (err == nil) != (wrong == nil) || err == nil && got != strings.Repeat("\x02", n-1)+"\x00" {
			t.Errorf("%d levels: encoded %x, %q, decoded %v", n, got, wrong, err)
		}
		if err == nil {
			deepest = n
		}
	}
	if deepest != 256 {
		t.Errorf("the deepest has %d levels", deepest)
	}
}

// TestUnions: which branch a value is of, and what is said if it is of none.
func TestUnions(t *testing.T) {
	t.Parallel()
	const (
		event   = `{"type":"record","name":"Event","namespace":"x","fields":[{"name":"a","type":"int"},{"name":"b","type":"string","default":""}]}`
		other   = `{"type":"record","name":"Other","namespace":"x","fields":[{"name":"a","type":"string"},{"name":"c","type":["null","int"],"default":null}]}`
		closing = `{"type":"record","name":"End","namespace":"x","fields":[{"name":"map","type":"int"}]}`
		decimal = `{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}`
		enum    = `{"type":"enum","name":"E","symbols":["A","B"]}`
		tree    = `{"type":"record","name":"T","fields":[{"name":"v","type":"int"},{"name":"of","type":["null","T"],"default":null}]}`
	)
	for of, values := range map[string]map[string]string{
		`["null","string"]`: {`null`: "\x00", `"a"`: "\x02\x02a", `{"string":"a"}`: "\x02\x02a", `1`: "! must be one of null, string (type)", `{"string":1}`: "!/string must be a string (type)", `{"int":1}`: "! must be one of null, string (type)", `{"null":null}`: "\x00", `{"string":"a","b":1}`: "! must be one of null, string (type)"},
		`["string","int"]`:  {`null`: "! must be one of string, int (type)"},
		`["int","long","double","string"]`: {
			`1`: "\x00\x02", `3000000000`: "\x02\x80\xf8\x82\xad\x16", `0.5`: "\x04\x00\x00\x00\x00\x00\x00\xe0\x3f", `1e30`: "\x04\xea\x8c\xa0\x39\x59\x3e\x29\x46", `{"double":1}`: "\x04\x00\x00\x00\x00\x00\x00\xf0\x3f", `{"long":1}`: "\x02\x02",
			`"NaN"`: "\x06\x06NaN", `{"double":"NaN"}`: "\x04\x00\x00\x00\x00\x00\x00\xf8\x7f", `1e999`: "! fits none of int, long, double, string (anyOf)",
		},
		`["float","double","long"]`:      {`0.5`: "\x00\x00\x00\x00\x3f", `0.1`: "\x02\x9a\x99\x99\x99\x99\x99\xb9\x3f", `16777217`: "\x02\x00\x00\x00\x10\x00\x00\x70\x41", `9007199254740993`: "\x04\x82\x80\x80\x80\x80\x80\x80\x20", `9223372036854775808`: "\x00\x00\x00\x00\x5f", `"Infinity"`: "\x00\x00\x00\x80\x7f"},
		`["float","string"]`:             {`0.1`: "\x00\xcd\xcc\xcc\x3d"},
		`["bytes","string"]`:             {`"a"`: "\x02\x02a", `"€"`: "\x02\x06€", `{"bytes":"a"}`: "\x00\x02a"},
		`["null",` + enum + `,"string"]`: {`"A"`: "\x02\x00", `"C"`: "\x04\x02C", `{"E":"B"}`: "\x02\x02", `{"E":"C"}`: `!/E must be one of "A", "B" (enum)`},
		`["null",` + decimal + `]`:       {`1.28`: "\x02\x04\x00\x80", `{"bytes":1.28}`: "\x02\x04\x00\x80", `{"bytes":"\u0000\u0080"}`: "\x02\x04\x00\x80", `1.234`: "! must have at most 2 digits after the point (scale)"},
		`[` + event + `,` + other + `]`: {
			`{"a":1}`: "\x00\x02\x00", `{"a":"x"}`: "\x02\x02x\x00", `{"a":1,"b":"y"}`: "\x00\x02\x02y", `{"a":"x","c":1}`: "\x02\x02x\x02\x02", `{"x.Other":{"a":"z"}}`: "\x02\x02z\x00", `{"Other":{"a":"z"}}`: `! fits none of x.Event, x.Other; what the closest one (x.Event) misses follows (anyOf)| must have the field "a" (required)|/Other is a field that the schema does not have (additionalProperties)`,
			`{"x.Other":{"a":1}}`:   "!/x.Other/a must be a string (type)",
			`{"a":1,"c":1}`:         "!/a must be a string (type)",
			`{"a":null}`:            "! fits none of x.Event, x.Other; what the closest one (x.Event) misses follows (anyOf)|/a must be an integer (int) (type)",
			`{"a":"x","c":1,"d":2}`: "! fits none of x.Event, x.Other; what the closest one (x.Other) misses follows (anyOf)|/d is a field that the schema does not have (additionalProperties)",
			`[]`:                    "! must be one of x.Event, x.Other (type)",
		},
		// A name can be that of a branch, or part of a map or a record.
		`["int",{"type":"map","values":"string"}]`:        {`{"int":1}`: "\x00\x02", `{"int":"x"}`: "\x02\x02\x06int\x02x\x00", `{"map":{"a":"b"}}`: "\x02\x02\x02a\x02b\x00", `{"map":"b"}`: "\x02\x02\x06map\x02b\x00", `{"int":null}`: "!/int must be a string (type)"},
		`[` + closing + `,{"type":"map","values":"int"}]`: {`{"map":1}`: "\x00\x02", `{"map":{"a":1}}`: "\x02\x02\x02a\x02\x00", `{"b":1}`: "\x02\x02\x02b\x02\x00", `{"x.End":{"map":1}}`: "\x00\x02"},
		tree: {`{"v":1,"of":{"v":2,"of":{"T":{"v":3}}}}`: "\x02\x02\x04\x02\x06\x00", `{"of":{"of":{"v":"x"},"v":1},"v":2}`: "!/of/of/v must be an integer (int) (type)"},
	} {
		s := compile(t, of)
		for in, want := range values {
			got, wrong := encoded(s, in, limits)
			if len(wrong) > 0 {
				got = "!" + strings.Join(wrong, "|")
			}
			if got != want {
				t.Errorf("%s, %s:\ngot  %q\nwant %q", of, in, got, want)
			}
		}
	}
}

// TestEncodingIsBounded: trees without end, choices without end, and defaults without end
// take little time and memory.
func TestEncodingIsBounded(t *testing.T) {
	choice := func(name string, last string) string {
		return `{"type":"record","name":"` + name + `","fields":[{"name":"l","type":["null","A","B"]},{"name":"r","type":["null","A","B"]},{"name":"op","type":` + last + `}]}`
	}
	both := strings.Replace(choice("A", `{"type":"enum","name":"OA","symbols":["a"]}`), `"B"`, choice("B", `{"type":"enum","name":"OB","symbols":["b"]}`), 1)
	deep := `{"l":null,"r":null,"op":"b"}`
	for range 30 {
		deep = `{"l":` + deep + `,"r":null,"op":"b"}`
	}
	several := func(n int, shape string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(shape, i)
		}
		return strings.Join(list, ",")
	}
	nested := func(n int, inner string) string { return strings.Repeat(`{"n":`, n) + inner + strings.Repeat(`}`, n) }
	for name, c := range map[string]struct{ schema, in, want string }{
		"deep":            {`{"type":"record","name":"R","fields":[{"name":"n","type":["null","R"]}]}`, nested(600, "null"), "levels deep in the schema (too_deep)"},
		"choices":         {`["null",` + both + `]`, deep, "too many steps"},
		"large":           {`{"type":"array","items":"string"}`, `["` + strings.Repeat("a", 9<<20) + `"]`, "too many steps"},
		"items":           {`{"type":"array","items":"null"}`, `[` + strings.Repeat("null,", 600_000) + `null]`, "too many steps"},
		"large defaults":  {`{"type":"array","items":{"type":"record","name":"R","fields":[{"name":"s","type":"string","default":"` + strings.Repeat("d", 10_000) + `"}]}}`, `[` + strings.Repeat("{},", 100) + `{}]`, "too many steps"},
		"digits":          {`{"type":"bytes","logicalType":"decimal","precision":1000,"scale":0}`, strings.Repeat("9", 1<<20), "digits"},
		"a long number":   {`"int"`, strings.Repeat("9", 1<<20), "range of int"},
		"missing fields":  {`{"type":"array","items":{"type":"record","name":"R","fields":[` + several(1000, `{"name":"f%d","type":"int"}`) + `]}}`, `[` + strings.Repeat("{},", 20_000) + `{}]`, "too many steps"},
		"empty records":   {`{"type":"array","items":[` + several(1000, `{"type":"record","name":"R%d","fields":[{"name":"f","type":"int"}]}`) + `]}`, `[` + strings.Repeat("{},", 20_000) + `{}]`, "too many steps"},
		"a long name":     {`[` + several(1000, `{"type":"record","name":"R%d","fields":[{"name":"f","type":"int"}]}`) + `]`, `{"` + strings.Repeat(`\n`, 30_000) + `":1}`, "too many steps"},
		"a long symbol":   {`[` + several(1000, `{"type":"enum","name":"E%d","symbols":["a"]}`) + `]`, `"` + strings.Repeat(`\n`, 30_000) + `"`, "too many steps"},
		"large decimals":  {`{"type":"array","items":{"type":"bytes","logicalType":"decimal","precision":600,"scale":300}}`, `[` + strings.Repeat("1e299,", 20_000) + `0]`, "too many steps"},
		"unknown members": {`[` + both + `,"null",{"type":"map","values":"null"}]`, `{"x":[` + strings.Repeat("1,", 1<<20) + `1]}`, "/x must be null"},
	} {
		steps := limits
		switch name { // they take all of them
		case "choices":
			steps.Steps /= 10
		case "a long name", "a long symbol", "large decimals":
			steps.Steps /= 100
		}
		s := compile(t, c.schema)
		var allocated float64
		took := bounds.Took(func() {
			allocated = testing.AllocsPerRun(1, func() {
				if _, wrong := encoded(s, c.in, steps); len(wrong) != 1 || !strings.Contains(wrong[0], c.want) {
					t.Errorf("%s: %.1000q", name, wrong)
				}
			})
		})
		if took > 5*time.Second || allocated > 1000 {
			t.Errorf("%s: took %s, %.0f allocations", name, took, allocated)
		}
	}
}

// TestDefaultsAreBounded: schemas whose defaults stand for very much are refused, before they
// are expanded; and what is usual is not.
func TestDefaultsAreBounded(t *testing.T) {
	t.Parallel()
	const leaf = `{"type":"record","name":"R0","namespace":"a.b","fields":[{"name":"n","type":"int","default":0}]}`
	doubling := func(levels int, leaf, shape string) string {
		text := leaf
		for n := range levels {
			text = fmt.Sprintf(strings.ReplaceAll(shape, "N", "%[2]d"), text, n, n+1)
		}
		return text
	}
	const records = `{"type":"record","name":"R%[3]d","namespace":"a.b","fields":[{"name":"a","type":%[1]s,"default":{}},{"name":"b","type":"RN","default":{}}]}`
	const flat = `{"type":"record","name":"R%[3]d","namespace":"a.b","fields":[{"name":"a","type":["null",%[1]s],"default":{}},{"name":"b","type":{"type":"array","items":"a.b.RN"},"default":[{},{}]}]}`
	for name, c := range map[string]struct {
		text   string
		others []string
	}{
		"records":          {doubling(40, leaf, records), nil},
		"empty records":    {doubling(40, `{"type":"record","name":"R0","namespace":"a.b","fields":[]}`, records), nil},
		"arrays in unions": {doubling(40, leaf, flat), nil},
		"of others":        {`{"type":"record","name":"T","fields":[{"name":"a","type":"a.b.R40","default":{}}]}`, []string{doubling(40, leaf, records)}},
		"itself":           {`{"type":"record","name":"R","fields":[{"name":"a","type":"R","default":{}}]}`, nil},
	} {
		var err error
		if took := bounds.Took(func() { _, err = avro.Compile(c.text, c.others...) }); err == nil || took > 5*time.Second {
			t.Errorf("%s: took %s, %v", name, took, err)
		}
	}
	s := compile(t, doubling(8, leaf, records))
	if got, wrong := encoded(s, `{}`, limits); got != strings.Repeat("\x00", 256) || wrong != nil {
		t.Errorf("got %x, %q", got, wrong)
	}
	var many []string
	for n := range 2000 {
		many = append(many, fmt.Sprintf(`{"name":"f%d","type":["null",{"type":"map","values":"string"}],"default":null},{"name":"g%d","type":{"type":"map","values":"int"},"default":{}}`, n, n))
	}
	if s := compile(t, `{"type":"record","name":"Wide","fields":[`+strings.Join(many, ",")+`]}`); s.Encodes() != nil {
		t.Error(s.Encodes())
	}
}
