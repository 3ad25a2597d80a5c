package schema_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/tidwall/gjson"

	"sluice/hub/hubtest/bounds"
	"sluice/hub/jsonscan"
	"sluice/hub/schema"
)

// TestAgreesWithTheLibrary compares results for generated schemas and values with those of
// the library that compiles the schemas, which reads values with another parser and has
// another way of checking them.
func TestAgreesWithTheLibrary(t *testing.T) {
	t.Parallel()
	for _, draft := range allDrafts {
		t.Run(draft.String(), func(t *testing.T) {
			t.Parallel()
			if draft == schema.Draft2020 {
				agrees(t, draft, 300)
			} else {
				agrees(t, draft, 100)
			}
		})
	}
}

func agrees(t *testing.T, draft schema.Draft, schemas int) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	g := generator{rand.New(rand.NewPCG(seed, 1)), draft}
	valid, invalid, endless := 0, 0, 0
	for range schemas {
		text := g.file()
		s, err := schema.Compile([]byte(text))
		if err != nil {
			if strings.Contains(err.Error(), "never ends") {
				endless++
				continue
			}
			t.Fatalf("seed %d: %s: %v", seed, text, err)
		}
		if s.Draft() != draft {
			t.Fatalf("seed %d: %s: is of %s", seed, text, s.Draft())
		}
		library := libraryOf(t, text)
		for range 20 {
			value := g.respelt(written(g.value(3)))
			want := library.Validate(decoded(t, value))
			got := s.Validate([]byte(value), limits).Violations
			if (len(got) == 0) != (want == nil) {
				t.Fatalf("seed %d: %s of %s: got %v, the library %v", seed, value, text, got, want)
			}
			if want == nil {
				valid++
			} else {
				invalid++
			}
		}
	}
	if valid < 2*schemas || invalid < 2*schemas || endless > schemas/2 {
		t.Errorf("seed %d: %d valid, %d invalid, %d schemas never end", seed, valid, invalid, endless)
	}
}

func decoded(t testing.TB, value string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(value))
	if err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	return v
}

// FuzzSchema: no schema and no value makes a check panic, take too long or too much memory, or say
// anything of another value, and it agrees with the library.
func FuzzSchema(f *testing.F) {
	for _, draft := range allDrafts {
		g := generator{rand.New(rand.NewPCG(1, 1)), draft}
		for range 40 {
			f.Add([]byte(g.file()), []byte(written(g.value(3))))
		}
	}
	f.Add([]byte(`{"$ref": "#/%24defs/a%25", "$defs": {"a%": {"$dynamicRef": "#x", "$dynamicAnchor": "x"}}}`), []byte(`1`))
	f.Add([]byte(`{"$id": "http://a/b#", "$defs": {"": {"$id": "//"}}, "$ref": "//#"}`), []byte(`{}`))
	before, err := schema.Compile([]byte(`{"properties": {"a": {"type": "string", "maxLength": 3}}, "additionalProperties": false}`))
	if err != nil {
		f.Fatal(err)
	}
	costs := bounds.Limits{Bytes: 8 << 20, PerByte: 100, Time: slowest}
	f.Fuzz(func(t *testing.T, text, value []byte) {
		if lenient, err := (schema.Options{Draft: schema.Draft07, AnyFormat: true}).Compile(text); err == nil && jsonscan.Check(value, 64) == nil && jsonscan.CheckNames(value, 0) == nil {
			lenient.Validate(value, limits)
		}
		s, err := schema.Compile(text)
		if err != nil || jsonscan.Check(value, 64) != nil || jsonscan.CheckNames(value, 0) != nil {
			return
		}
		before.Validate([]byte(`{"a": "`+bounds.Foreign+`", "`+bounds.Foreign+`": 1}`), limits) // whose memory is used again
		var got []schema.Violation
		costs.Check(t, len(value), func() { got = s.Validate(value, limits).Violations })
		for _, v := range got {
			bounds.Own(t, []byte(v.Pointer+v.Message), value, text)
		}
		if bytes.Contains(text, []byte(`format`)) || bytes.Contains(text, []byte(`$dynamic`)) {
			return // the library follows other formats, and dynamic references into what is no schema
		}
		if otherInLibrary(s.Draft(), text, value) {
			return
		}
		if _, ok := schema.Decode(value); !ok || len(got) == 1 && got[0].Keyword == "too_costly" {
			return
		}
		library, err := compileLibrary(string(text))
		if err != nil {
			return // a pattern that the library alone cannot compile
		}
		if want := library.Validate(decoded(t, string(value))); (want == nil) != (len(got) == 0) {
			t.Errorf("%s of %s: got %v, the library %v", value, text, got, want)
		}
	})
}

// otherInLibrary reports whether the library could follow a draft in another way: it takes 1.0
// for an integer in draft-04, checks const beside a $ref, and follows recursive references to
// where a resource was entered, and in draft 2020-12, too.
func otherInLibrary(draft schema.Draft, text, value []byte) bool {
	old := draft != schema.Draft2020 || bytes.Contains(text, []byte("draft")) || bytes.Contains(text, []byte(`\u`))
	return bytes.Contains(text, []byte("ecursive")) || old && (bytes.ContainsAny(value, ".eE") || bytes.Contains(text, []byte("const")) || bytes.Contains(text, []byte(`\u`)))
}

// FuzzReading: what is checked is what other readers find in the value: encoding/json and
// gjson, which have nothing in common with the scanner.
func FuzzReading(f *testing.F) {
	g := generator{rand.New(rand.NewPCG(2, 1)), schema.Draft2020}
	for range 100 {
		f.Add([]byte(g.respelt(written(g.value(4)))))
	}
	for _, text := range []string{`{"a":1,"\u0061":2}`, `"\ud83d\ude00"`, `"\ud83d"`, `-0.0e+00`, `[1e5,{"":[]}]`, " [\t]\r\n", `{"a":{"b":[{}, null]}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, value []byte) { sameForAll(t, value) })
}

// TestOneReading is what FuzzReading does, with values that are nearly the same.
func TestOneReading(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	g := generator{rand.New(rand.NewPCG(seed, 2)), schema.Draft2020}
	read := 0
	for range 4_000 {
		value := []byte(g.respelt(written(g.value(4))))
		if g.IntN(2) == 0 {
			value[g.IntN(len(value))] = `{}[]",:\u0d8e-.+ a`[g.IntN(18)]
		}
		if sameForAll(t, value) {
			read++
		}
	}
	if read < 1_600 {
		t.Errorf("seed %d: only %d values were read", seed, read)
	}
}

// sameForAll reports whether a value is read, and fails if others read another one.
func sameForAll(t *testing.T, value []byte) bool {
	t.Helper()
	if jsonscan.Check(value, 64) != nil || jsonscan.CheckNames(value, 0) != nil {
		return false
	}
	got, ok := schema.Decode(value)
	if !ok {
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var want any
	if err := decoder.Decode(&want); err != nil {
		t.Fatalf("%q: encoding/json: %v", value, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: got %#v, encoding/json %#v", value, got, want)
	}
	if !gjson.ValidBytes(value) {
		t.Fatalf("%q: not JSON for gjson", value)
	}
	if other := gjsonValue(gjson.ParseBytes(value)); !reflect.DeepEqual(got, other) {
		t.Fatalf("%q: got %#v, gjson %#v", value, got, other)
	}
	return true
}

// gjsonValue returns what gjson has read in the form of encoding/json.
func gjsonValue(r gjson.Result) any {
	switch r.Type {
	case gjson.String:
		return r.Str
	case gjson.Number:
		return json.Number(strings.TrimRight(r.Raw, " \n\r\t"))
	case gjson.True, gjson.False:
		return r.Bool()
	case gjson.JSON:
		if r.IsArray() {
			list := []any{}
			r.ForEach(func(_, v gjson.Result) bool {
				list = append(list, gjsonValue(v))
				return true
			})
			return list
		}
		members := map[string]any{}
		r.ForEach(func(name, v gjson.Result) bool {
			members[name.Str] = gjsonValue(v)
			return true
		})
		return members
	}
	return nil
}
