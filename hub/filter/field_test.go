package filter_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/hub/event"
	"sluice/hub/filter"
	"sluice/hub/jsonscan"
	"sluice/hub/record"
)

// fataler is a test, or a run of a property.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

// eventOf returns the event of a record.
func eventOf(t fataler, content event.Content, r record.Record) string {
	t.Helper()
	text, _, err := event.NewEncoder("s", content).Append(nil, &r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestFieldEquality: which values of a field are equal.
func TestFieldEquality(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		json   string // of the field
		equal  []filter.Value
		differ []filter.Value
	}{
		{`"a"`, []filter.Value{filter.String("a")}, []filter.Value{filter.String(""), filter.String("A"), filter.String("ab"), filter.String(`"a"`), {}}},
		{`"\u0061\/\"\n"`, []filter.Value{filter.String("a/\"\n")}, []filter.Value{filter.String(`\u0061\/\"\n`)}},
		{`"\ud83d\ude00€"`, []filter.Value{filter.String("😀€")}, nil},
		{"\"\u2028\"", []filter.Value{filter.String("\u2028")}, nil},
		{`"\ud83d"`, nil, []filter.Value{filter.String("\uFFFD"), filter.String("\xed\xa0\xbd"), filter.String("")}},
		{`""`, []filter.Value{filter.String("")}, []filter.Value{filter.Null(), {}}},
		{`1`, []filter.Value{filter.Number(1)}, []filter.Value{filter.String("1"), filter.Bool(true), filter.Number(-1)}},
		{`1.0`, []filter.Value{filter.Number(1)}, nil},
		{`10e-1`, []filter.Value{filter.Number(1)}, nil},
		{`-0.0`, []filter.Value{filter.Number(0)}, nil},
		{`-0`, []filter.Value{filter.Number(0), filter.Number(math.Copysign(0, -1))}, nil},
		{`-17`, []filter.Value{filter.Number(-17)}, []filter.Value{filter.Number(17)}},
		{`0.1`, []filter.Value{filter.Number(0.1)}, nil},
		{`0.10000000000000000001`, []filter.Value{filter.Number(0.1)}, nil},
		{`1E2`, []filter.Value{filter.Number(100)}, nil},
		{`999999999999999`, []filter.Value{filter.Number(999999999999999)}, nil},
		{`1000000000000000`, []filter.Value{filter.Number(1e15)}, []filter.Value{filter.Number(1e15 + 1)}},
		{`1000000000000000.0`, []filter.Value{filter.Number(1e15)}, nil},
		{`9007199254740993`, []filter.Value{filter.Number(1 << 53)}, []filter.Value{filter.Number(1<<53 + 2)}},
		{`1e300`, []filter.Value{filter.Number(1e300)}, nil},
		{`1e-400`, []filter.Value{filter.Number(0)}, nil},
		{`1e400`, nil, []filter.Value{filter.Number(math.Inf(1)), filter.Number(math.MaxFloat64)}},
		{`true`, []filter.Value{filter.Bool(true)}, []filter.Value{filter.Bool(false), filter.String("true")}},
		{`false`, []filter.Value{filter.Bool(false)}, []filter.Value{filter.Null(), filter.Number(0)}},
		{`null`, []filter.Value{filter.Null()}, []filter.Value{filter.String("null"), filter.Bool(false), {}}},
		{`["a"]`, nil, []filter.Value{filter.String("a"), filter.String(`["a"]`)}},
		{`{"a":1}`, nil, []filter.Value{filter.Number(1), filter.String(`{"a":1}`)}},
	} {
		run := events{
			eventOf(t, event.ContentAny, record.Record{Value: fmt.Appendf(nil, ` {"x":0,"of":{"f" : %s } }`, c.json)}),
			eventOf(t, event.ContentAny, record.Record{Value: []byte(" " + c.json + " ")}),
		}
		for i, field := range []filter.Field{filter.Data("of", "f"), filter.Data()} {
			for want, values := range map[filter.Verdict][]filter.Value{filter.Yes: c.equal, filter.No: c.differ} {
				for n, v := range values {
					f := filter.In(field, v, filter.String("other"))
					if said := f.Ask(new(filter.Verdicts), &run, i, nil); said != want {
						t.Errorf("%s, value %d, field %d: %v, want %v", c.json, n, i, said, want)
					}
				}
			}
		}
	}
}

// TestFieldsOfRecords: which records have which fields.
func TestFieldsOfRecords(t *testing.T) {
	t.Parallel()
	header := func(pairs ...string) record.Record {
		r := record.Record{Value: []byte("{}")}
		for i := 0; i < len(pairs); i += 2 {
			h := record.Header{Name: []byte(pairs[i])}
			if pairs[i+1] != "null" {
				h.Value = []byte(pairs[i+1])
			}
			r.Headers = append(r.Headers, h)
		}
		return r
	}
	value := func(v string) record.Record { return record.Record{Value: []byte(v)} }
	x, y := filter.String("x"), filter.String("y")
	for name, c := range map[string]struct {
		content event.Content
		r       record.Record
		f       filter.Filter
		passes  bool
	}{
		"header":                    {r: header("a", "x"), f: filter.In(filter.Header("a"), x), passes: true},
		"another header":            {r: header("b", "x"), f: filter.In(filter.Header("a"), x)},
		"no headers":                {r: value(`{"a":"x"}`), f: filter.In(filter.Header("a"), x)},
		"last header":               {r: header("a", "x", "b", "x", "a", "y", "b", "x"), f: filter.In(filter.Header("a"), y), passes: true},
		"first header":              {r: header("a", "x", "a", "y"), f: filter.In(filter.Header("a"), x)},
		"null header":               {r: header("a", "x", "a", "null"), f: filter.In(filter.Header("a"), filter.Null()), passes: true},
		"not the null header":       {r: header("a", "null"), f: filter.In(filter.Header("a"), filter.String("null"))},
		"bytes in the last header":  {r: header("a", "x", "a", "\xff"), f: filter.In(filter.Header("a"), x, filter.String("/w=="), filter.Null())},
		"bytes before":              {r: header("a", "\xff", "a", "x"), f: filter.In(filter.Header("a"), x), passes: true},
		"header name with escapes":  {r: header("a\"\n\u2028", "x"), f: filter.In(filter.Header("a\"\n\u2028"), x), passes: true},
		"header without a name":     {r: header("", "x"), f: filter.In(filter.Header(""), x), passes: true},
		"no header, but data":       {r: value(`{"headers":[["a","x"]]}`), f: filter.In(filter.Header("a"), x)},
		"member":                    {r: value(`{"a":"x"}`), f: filter.In(filter.Data("a"), x), passes: true},
		"member without a name":     {r: value(`{"":"x"}`), f: filter.In(filter.Data(""), x), passes: true},
		"whole and empty name":      {r: value(`{"":"x"}`), f: filter.In(filter.Data(), x)},
		"escaped name":              {r: value(`{"\u0061\\":"x"}`), f: filter.In(filter.Data(`a\`), x), passes: true},
		"name with a surrogate":     {r: value(`{"\ud800":"x"}`), f: filter.In(filter.Data("\uFFFD"), x)},
		"nested":                    {r: value(`{"b":{"a":"y"},"a":{"b":{"a":"x"}}}`), f: filter.In(filter.Data("a", "b", "a"), x), passes: true},
		"dots":                      {r: value(`{"a":{"b":"x"}}`), f: filter.In(filter.Data("a.b"), x)},
		"deeper":                    {r: value(`{"a":"x"}`), f: filter.In(filter.Data("a", "a"), x)},
		"less deep":                 {r: value(`{"a":{"a":"x"}}`), f: filter.In(filter.Data("a"), x)},
		"in an array":               {r: value(`[{"a":"x"}]`), f: filter.In(filter.Data("a"), x)},
		"in a member's array":       {r: value(`{"a":[{"a":"x"}]}`), f: filter.In(filter.Data("a", "a"), x)},
		"the last of two":           {r: value(`{"a":"x","a":"y"}`), f: filter.In(filter.Data("a"), y), passes: true},
		"the first of two":          {r: value(`{"a":"x","a":"y"}`), f: filter.In(filter.Data("a"), x)},
		"the last is no scalar":     {r: value(`{"a":"x","a":["x"]}`), f: filter.In(filter.Data("a"), x)},
		"within the first of two":   {r: value(`{"a":{"b":"x"},"a":{"c":"x"}}`), f: filter.In(filter.Data("a", "b"), x)},
		"first object, then scalar": {r: value(`{"a":{"b":"x"},"a":"x"}`), f: filter.In(filter.Data("a", "b"), x)},
		"first scalar, then object": {r: value(`{"a":"x","a":{"b":"x"}}`), f: filter.In(filter.Data("a", "b"), x), passes: true},
		"twice, escaped":            {r: value(`{"a":"x","\u0061":"y"}`), f: filter.In(filter.Data("a"), x)},
		"text":                      {r: value("x y"), f: filter.In(filter.Data(), filter.String("x y")), passes: true},
		"text content":              {content: event.ContentText, r: value(`{"a":"x"}`), f: filter.In(filter.Data("a"), x)},
		"all of a text":             {content: event.ContentText, r: value(`x`), f: filter.In(filter.Data(), x), passes: true},
		"bytes":                     {content: event.ContentBytes, r: value("x"), f: filter.In(filter.Data(), filter.String("eA=="), x)},
		"tombstone":                 {r: record.Record{}, f: filter.In(filter.Data(), filter.Null()), passes: true},
		"member of a tombstone":     {r: record.Record{}, f: filter.In(filter.Data("a"), filter.Null())},
		"missing":                   {r: value(`{}`), f: filter.In(filter.Data("a"), filter.Null(), filter.String(""), filter.Value{})},
		"like a member of an event": {r: record.Record{Key: []byte("x"), Value: []byte("{}")}, f: filter.In(filter.Data("key"), x)},
		"both":                      {r: header("a", "x"), f: filter.In(filter.Header("a"), x).And(filter.In(filter.Data("a"), x))},
		"a long name":               {r: value(`{"` + strings.Repeat("a", 300) + `":{"b":"x"}}`), f: filter.In(filter.Data(strings.Repeat("a", 300), "b"), x), passes: true},
	} {
		run := events{eventOf(t, c.content, c.r)}
		if said := c.f.Ask(new(filter.Verdicts), &run, 0, nil); (said == filter.Yes) != c.passes {
			t.Errorf("%s: %v on %s", name, said, run[0])
		}
		if found := findsAll(&run, 0, c.f); found != c.passes {
			t.Errorf("%s: found in %s: %v", name, run[0], found)
		}
	}
}

// findsAll reports whether Fields finds values of all field sets of a filter.
func findsAll(run *events, i int, f filter.Filter) bool {
	var (
		fields filter.Fields[filter.FieldSet]
		view   filter.View
	)
	for _, set := range f.FieldSets() {
		*fields.Add(set.Field()) = set
	}
	found := 0
	for set, text := range fields.All(view.At(run, i)) {
		for k := range set.Len() {
			if set.Value(k) == string(text) {
				found++
			}
		}
	}
	return found == len(f.FieldSets())
}

// model is a filter as the test knows it.
type model struct {
	keys  map[string]bool // nil for any
	sets  map[string]map[string]bool
	where []string
}

// names are those of headers and of the value's members.
var names = []string{"a", "b", "é\"", ""}

// scalars are JSON texts of different values.
var scalars = []string{`"x"`, `"y\n"`, `"1"`, `1`, `-2.5`, `1e300`, `true`, `false`, `null`, `""`}

func valueOf(text string) filter.Value {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	switch v := v.(type) {
	case string:
		return filter.String(v)
	case float64:
		return filter.Number(v)
	case bool:
		return filter.Bool(v)
	}
	return filter.Null()
}

// drawPart draws a filter of one part, and its model.
func drawPart(t *rapid.T) (filter.Filter, model) {
	switch rapid.IntRange(0, 5).Draw(t, "part") {
	case 0:
		keys := rapid.SliceOfN(rapid.SampledFrom([]string{"k1", "k2", "k3"}), 0, 3).Draw(t, "keys")
		m := model{keys: map[string]bool{}}
		for _, key := range keys {
			m.keys[key] = true
		}
		return filter.Keys(keys...), m
	case 1:
		text := rapid.SampledFrom([]string{"odd", "even"}).Draw(t, "predicate")
		passes := func(r *filter.Record) (bool, error) { return (r.Offset%2 == 1) == (text == "odd"), nil }
		return filter.Where(says{text: text, passes: passes}), model{where: []string{text}}
	}
	texts := rapid.SliceOfN(rapid.SampledFrom(scalars), 0, 4).Draw(t, "values")
	set := make(map[string]bool)
	var values []filter.Value
	for _, text := range texts {
		set[text] = true
		values = append(values, valueOf(text))
	}
	if rapid.Bool().Draw(t, "header") {
		name := rapid.SampledFrom(names).Draw(t, "name")
		return filter.In(filter.Header(name), values...), model{sets: map[string]map[string]bool{"header " + name: set}}
	}
	path := rapid.SliceOfN(rapid.SampledFrom(names), 0, 3).Draw(t, "path")
	return filter.In(filter.Data(path...), values...), model{sets: map[string]map[string]bool{fmt.Sprintf("data %q", path): set}}
}

func (m model) and(other model) model {
	both := model{keys: m.keys, sets: maps.Clone(m.sets), where: slices.Clone(m.where)}
	if both.keys = m.keys; m.keys == nil {
		both.keys = other.keys
	} else if other.keys != nil {
		both.keys = inBoth(m.keys, other.keys)
	}
	if both.sets == nil {
		both.sets = make(map[string]map[string]bool)
	}
	for field, set := range other.sets {
		if own, ok := both.sets[field]; ok {
			set = inBoth(own, set)
		}
		both.sets[field] = set
	}
	for _, text := range other.where {
		if !slices.Contains(both.where, text) {
			both.where = append(both.where, text)
		}
	}
	return both
}

func inBoth(a, b map[string]bool) map[string]bool {
	both := make(map[string]bool)
	for text := range a {
		if b[text] {
			both[text] = true
		}
	}
	return both
}

// String is equal for equal filters.
func (m model) String() string {
	if m.keys != nil && len(m.keys) == 0 {
		return "nothing"
	}
	for _, set := range m.sets {
		if len(set) == 0 {
			return "nothing"
		}
	}
	text := fmt.Sprintf("%q %q", slices.Sorted(maps.Keys(m.keys)), m.where)
	for _, field := range slices.Sorted(maps.Keys(m.sets)) {
		text += fmt.Sprintf(" %q %q", field, slices.Sorted(maps.Keys(m.sets[field])))
	}
	return text
}

// passes is what the filter says of a record, decided with encoding/json alone.
func (m model) passes(t *rapid.T, text string, offset int) bool {
	var e struct {
		Key     *string
		Headers [][]*string
		Data    any
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	if m.keys != nil && (e.Key == nil || !m.keys[*e.Key]) {
		return false
	}
	for _, text := range m.where {
		if (offset%2 == 1) != (text == "odd") {
			return false
		}
	}
	for field, set := range m.sets {
		kind, name, _ := strings.Cut(field, " ")
		var has any = struct{}{} // equal to nothing
		if kind == "header" {
			for _, h := range e.Headers {
				switch {
				case *h[0] != name:
				case len(h) > 2:
					has = struct{}{}
				case h[1] == nil:
					has = nil
				default:
					has = *h[1]
				}
			}
		} else {
			has = inside(e.Data, name)
		}
		if !slices.ContainsFunc(slices.Collect(maps.Keys(set)), func(text string) bool {
			var want any
			return json.Unmarshal([]byte(text), &want) == nil && want == has
		}) {
			return false
		}
	}
	return true
}

// inside returns the value at a path in the form in which a model writes it: the names
// in quotes, between brackets. It is equal to nothing if it is not a scalar.
func inside(data any, path string) any {
	for names := strings.Trim(path, "[]"); names != ""; {
		quoted, err := strconv.QuotedPrefix(names)
		if err != nil {
			panic(err)
		}
		names = strings.TrimPrefix(names[len(quoted):], " ")
		name, _ := strconv.Unquote(quoted)
		object, ok := data.(map[string]any)
		if !ok {
			return struct{}{}
		}
		if data, ok = object[name]; !ok {
			return struct{}{}
		}
	}
	switch data.(type) {
	case map[string]any, []any:
		return struct{}{}
	}
	return data
}

// drawValue draws a JSON text, in which names may occur twice in an object.
func drawValue(t *rapid.T, depth int) string {
	space := rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, "space")
	more := 0
	if depth < 3 {
		more = 6
	}
	switch n := rapid.IntRange(0, len(scalars)+1+more).Draw(t, "kind"); {
	case n < len(scalars):
		text := scalars[n]
		switch text {
		case "1":
			text = rapid.SampledFrom([]string{"1", "1.0", "10e-1"}).Draw(t, "one")
		case `"x"`:
			text = rapid.SampledFrom([]string{`"x"`, `"\u0078"`}).Draw(t, "x")
		}
		return space + text + space
	case n == len(scalars):
		return space + `"other"`
	case n == len(scalars)+1:
		return "[" + drawScalar(t) + "," + space + `{"a":1}]`
	}
	object := "{" + space
	for k := range rapid.IntRange(0, 4).Draw(t, "members") {
		if k > 0 {
			object += "," + space
		}
		name, _ := json.Marshal(rapid.SampledFrom(append(names, "other")).Draw(t, "name"))
		if rapid.Bool().Draw(t, "escaped") {
			name = []byte(strings.Replace(string(name), "a", `\u0061`, 1))
		}
		object += string(name) + space + ":" + drawValue(t, depth+1)
	}
	return object + space + "}"
}

func drawScalar(t *rapid.T) string { return rapid.SampledFrom(scalars).Draw(t, "scalar") }

// drawRecord draws a record whose value is mostly JSON.
func drawRecord(t *rapid.T) record.Record {
	var r record.Record
	switch rapid.IntRange(0, 9).Draw(t, "value") {
	case 0: // a tombstone
	case 1:
		r.Value = []byte(rapid.SampledFrom([]string{"x", "\xff", ""}).Draw(t, "text"))
	default:
		r.Value = []byte(drawValue(t, 0))
	}
	r.Key = []byte(rapid.SampledFrom([]string{"k1", "k2", "k3", "\xff"}).Draw(t, "key"))
	for range rapid.IntRange(0, 4).Draw(t, "headers") {
		h := record.Header{Name: []byte(rapid.SampledFrom(names).Draw(t, "header"))}
		if text := rapid.SampledFrom([]string{"x", "y\n", "1", "null", "", "\xff", "none"}).Draw(t, "text"); text != "none" {
			h.Value = []byte(text)
		}
		r.Headers = append(r.Headers, h)
	}
	return r
}

// TestFilterProperty: a conjunction of random parts passes what each part passes, as
// decided with encoding/json. It is equal to another, and its canonical bytes are, if
// both are the same sets and the same predicates in the same order, whatever the order
// of the sets. And a record is found by each of the field sets that it passes.
func TestFilterProperty(t *testing.T) {
	t.Parallel()
	type drawn struct {
		f filter.Filter
		m model
	}
	rapid.Check(t, func(t *rapid.T) {
		var filters []drawn
		for range rapid.IntRange(1, 4).Draw(t, "filters") {
			var d drawn
			for range rapid.IntRange(0, 4).Draw(t, "parts") {
				f, m := drawPart(t)
				if all := d.f.And(f); len(d.m.where)+len(m.where) == 0 {
					if reverse := f.And(d.f); !reverse.Equal(&all) || canonicalOf(reverse) != canonicalOf(all) {
						t.Fatalf("the order of %v and %v matters", d.m, m)
					}
				}
				d.f, d.m = d.f.And(f), d.m.and(m)
			}
			filters = append(filters, d)
		}
		for _, a := range filters {
			for _, b := range filters {
				equal := a.m.String() == b.m.String()
				if a.f.Equal(&b.f) != equal || (canonicalOf(a.f) == canonicalOf(b.f)) != equal || (a.f.Digest(secret) == b.f.Digest(secret)) != equal {
					t.Fatalf("%v equals %v: %v, by bytes %v", a.m, b.m, a.f.Equal(&b.f), canonicalOf(a.f) == canonicalOf(b.f))
				}
			}
			if nothing := a.m.String() == "nothing"; a.f.Nothing() != nothing || a.f.All() != (a.m.String() == new(model).String()) {
				t.Fatalf("%v is nothing: %v, all: %v", a.m, a.f.Nothing(), a.f.All())
			}
		}
		var fields filter.Fields[[]*filter.FieldSet]
		for i := range filters {
			sets := filters[i].f.FieldSets()
			for k := range sets {
				of := fields.Add(sets[k].Field())
				*of = append(*of, &sets[k])
			}
		}
		var run events
		for range rapid.IntRange(1, 3).Draw(t, "records") {
			run = append(run, eventOf(t, event.ContentAny, drawRecord(t)))
		}
		var (
			v    filter.Verdicts
			view filter.View
		)
		for i := range run {
			found := make(map[*filter.FieldSet]bool)
			for sets, text := range fields.All(view.At(&run, i)) {
				for _, set := range *sets {
					for k := range set.Len() {
						if set.Value(k) == string(text) {
							if found[set] {
								t.Fatalf("%v is found twice in %s", set, run[i])
							}
							found[set] = true
						}
					}
				}
			}
			for _, d := range filters {
				passes := !d.f.Nothing() && keyPasses(t, d.f, run[i]) && d.f.Ask(&v, &run, i, &view) == filter.Yes
				if passes != d.m.passes(t, run[i], i) {
					t.Fatalf("%v passes %s: %v", d.m, run[i], passes)
				}
				sets, all := d.f.FieldSets(), true
				for k := range sets {
					all = all && found[&sets[k]]
				}
				if only := len(d.m.where) == 0; only && all != (d.f.Ask(&v, &run, i, &view) == filter.Yes) {
					t.Fatalf("%v is found in %s: %v", d.m, run[i], all)
				}
			}
		}
	})
}

// keyPasses reports whether the key of an event is one of a filter's.
func keyPasses(t *rapid.T, f filter.Filter, text string) bool {
	var e struct{ Key string }
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	return hasKey(f, e.Key)
}

// TestFieldsForgetRemoved: a field is found from when it is added until it is removed,
// whatever other fields there are.
func TestFieldsForgetRemoved(t *testing.T) {
	t.Parallel()
	all := map[string]filter.Field{
		"a": filter.Data("a"), "a b": filter.Data("a", "b"), "a b c": filter.Data("a", "b", "c"),
		"header a": filter.Header("a"), "whole": filter.Data(),
	}
	run := events{eventOf(t, event.ContentAny, record.Record{Headers: []record.Header{{Name: []byte("a"), Value: []byte("1")}}, Value: []byte(`{"a":{"b":{"c":1}}}`)})}
	has := []string{"a b c", "header a"} // the others are no scalars
	rapid.Check(t, func(t *rapid.T) {
		var (
			fields filter.Fields[string]
			view   filter.View
			there  = make(map[string]bool)
		)
		for range 20 {
			name := rapid.SampledFrom(slices.Sorted(maps.Keys(all))).Draw(t, "field")
			if rapid.Bool().Draw(t, "add") {
				*fields.Add(all[name]) = name
				there[name] = true
			} else {
				fields.Remove(all[name])
				delete(there, name)
			}
			for name, f := range all {
				if got := fields.Get(f); (got != nil) != there[name] || got != nil && *got != name {
					t.Fatalf("%s is there: %v", name, got != nil)
				}
			}
			var found []string
			for of, text := range fields.All(view.At(&run, 0)) {
				found = append(found, *of)
				if string(text) != "1" && string(text) != `"1` {
					t.Fatalf("%s is %s", *of, text)
				}
			}
			slices.Sort(found)
			want := slices.DeleteFunc(slices.Clone(has), func(name string) bool { return !there[name] })
			if !slices.Equal(found, want) {
				t.Fatalf("found %v, want %v", found, want)
			}
		}
	})
}

// TestFieldsDoNotAllocate: nothing is allocated to find the fields of a record, however
// many fields there are, for values as JSON is usually written.
func TestFieldsDoNotAllocate(t *testing.T) {
	var fields filter.Fields[int]
	for i := range 1000 {
		fields.Add(filter.Data(fmt.Sprint("field", i)))
	}
	fields.Add(filter.Data("user", "id"))
	fields.Add(filter.Data("n"))
	fields.Add(filter.Header("x"))
	run := &events{eventOf(t, event.ContentAny, record.Record{Headers: []record.Header{{Name: []byte("x"), Value: []byte("1")}}, Value: []byte(`{"pad":"x","user":{"id":"u17"},"n":17}`)})}
	var view filter.View
	found := 0
	if n := testing.AllocsPerRun(100, func() {
		view.Release()
		found = 0
		for range fields.All(view.At(run, 0)) {
			found++
		}
	}); n > 1 || found != 3 { // one for the Load of the test's run, from a string
		t.Errorf("%.0f allocations, %d fields", n, found)
	}
}

// FuzzField: whatever a publisher writes, a field has the value that encoding/json
// finds, in both ways of finding it.
func FuzzField(f *testing.F) {
	for _, value := range []string{
		`{"a":{"b":"x"}}`, `{"a":{"b":1},"a":2}`, `{"\u0061":{"\u0062":"\ud800"}}`, `{"a":{"b":1e999}}`, `{"a":{"b":-0}, "a" : {"b":[]}}`,
		`{"a":{"b":12345678901234567890}}`, `{"":{}}`, `[]`, `x`, `{"a":{"b":"\\"}}`, `{"a":{"b":{"b":true}}}`,
	} {
		f.Add(value, "a", "b")
	}
	f.Fuzz(func(t *testing.T, value, first, second string) {
		run := events{eventOf(t, event.ContentAny, record.Record{Value: []byte(value)})}
		var (
			fields filter.Fields[int]
			view   filter.View
		)
		field := filter.Data(first, second)
		if field == (filter.Field{}) {
			return
		}
		fields.Add(filter.Data(first))
		fields.Add(field)
		for of, text := range fields.All(view.At(&run, 0)) {
			if of == fields.Get(field) && len(text) == 0 {
				t.Error("a value without a text")
			}
		}
		if jsonscan.Check([]byte(value), event.MaxDataDepth) != nil {
			return
		}
		var e struct{ Data any }
		if json.Unmarshal([]byte(run[0]), &e) != nil {
			return // a number that is out of range
		}
		has := inside(e.Data, fmt.Sprintf("[%q %q]", first, second))
		var want filter.Value
		switch has := has.(type) {
		case string:
			want = filter.String(has)
		case float64:
			want = filter.Number(has)
		case bool:
			want = filter.Bool(has)
		case nil:
			want = filter.Null()
		}
		if strings.Contains(value, `\u`) {
			return // encoding/json replaces lone surrogates
		}
		is := filter.In(field, want)
		if passes := !is.Nothing() && is.Ask(new(filter.Verdicts), &run, 0, &view) == filter.Yes; passes != (want != filter.Value{}) || passes && !findsAll(&run, 0, is) {
			t.Errorf("the field is %v: %v, found %v", has, passes, findsAll(&run, 0, is))
		}
	})
}
