package redact_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sluice/hub/event"
	"sluice/hub/record"
	"sluice/hub/redact"
)

// fataler is a test, or a run of a property.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func made(t fataler, removed, masked []string) *redact.Redaction {
	t.Helper()
	r, err := redact.New(removed, masked)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// of returns the redaction of paths, of which those that begin with ! are masked.
func of(t fataler, paths ...string) *redact.Redaction {
	t.Helper()
	var removed, masked []string
	for _, p := range paths {
		if text, ok := strings.CutPrefix(p, "!"); ok {
			masked = append(masked, text)
		} else {
			removed = append(removed, p)
		}
	}
	return made(t, removed, masked)
}

func encoded(t fataler, content event.Content, r record.Record) string {
	t.Helper()
	text, _, err := event.NewEncoder("s", content).Append(nil, &r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestRedactedData: what remains of values.
func TestRedactedData(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, paths, want string }{
		{`{"a":1,"card":{"number":"4","exp":2},"b":3}`, "/card/number", `{"a":1,"card":{"exp":2},"b":3}`},
		{`{"a":1,"card":{"number":"4","exp":2},"b":3}`, "!/card/number", `{"a":1,"card":{"number":"***","exp":2},"b":3}`},
		{`{"a":1,"card":{"number":"4"},"b":3}`, "/card", `{"a":1,"b":3}`},
		{`{"a":1,"card":{"number":"4"},"b":3}`, "!/card /card/number", `{"a":1,"card":"***","b":3}`},
		{`{"a":1}`, "/a", `{}`},
		{`{"a":1}`, "/a/b", `{"a":1}`},
		{`{"a":1}`, "/b", `{"a":1}`},
		{`{"a":null,"b":null}`, "/a !/b", `{"b":"***"}`},
		{` { "a" : 1 , "b" : [ 1 , { } ] }`, "/b/*/x", ` {"a":1,"b":[1,{}]}`},
		{`{"a":{"b":{"c":1}},"b":1}`, "/a/b", `{"a":{},"b":1}`},
		// Every occurrence of a name, however it is written.
		{`{"a":1,"x":2,"a":3}`, "/a", `{"x":2}`},
		{`{"a":{"b":1},"a":{"b":2,"c":3},"a":4}`, "/a/b", `{"a":{},"a":{"c":3},"a":4}`},
		{`{"\u0061":1,"b":2}`, "/a", `{"b":2}`},
		{`{"a\/b":1,"a~b":2,"":3,"x":4}`, "/a~1b /a~0b", `{"":3,"x":4}`},
		{`{"~1":1,"/":2}`, "/~01", `{"/":2}`},
		{`{"":{"":1,"b":2}}`, "//b", `{"":{"":1}}`},
		{`{"\ud83d\ude00":1,"\ud83d":2}`, "/😀", `{"\ud83d":2}`},
		{`{"\ud83d":2}`, "/*", `{}`},
		{`{"*":1,"b":2}`, "/*", `{}`},
		{`{"A":1}`, "/a", `{"A":1}`},
		// Elements.
		{`{"items":[{"price":1,"n":2},{"n":3},4,[{"price":5}]]}`, "/items/*/price", `{"items":[{"n":2},{"n":3},4,[{"price":5}]]}`},
		{`[{"price":1,"n":2},{"n":3}]`, "/*/price", `[{"n":2},{"n":3}]`},
		{`[1,2,3]`, "/0 !/2", `[2,"***"]`},
		{`[1,2,3]`, "/*", `[]`},
		{`[1,2,3]`, "!/*", `["***","***","***"]`},
		{`[1,2,3]`, "/01 /-", `[1,2,3]`},
		{`{"0":1,"1":[[1,2],[3]]}`, "/0 /1/0/1", `{"1":[[1],[3]]}`},
		{`{"items":{"a":{"price":1},"b":{"price":2,"n":3}}}`, "/items/*/price", `{"items":{"a":{},"b":{"n":3}}}`},
		{`{"a":{"b":1,"c":2},"d":{"b":3,"c":4}}`, "/*/b !/a/*", `{"a":{"c":"***"},"d":{"c":4}}`},
		{`[[],{},""]`, "/*/*", `[[],{},""]`},
		// What has no members.
		{`1`, "/a", `1`},
		{`true`, "/*", `true`},
		{`null`, "/a", `null`},
		{`"a"`, "/a", `null,"redacted":true`},
		{`"{\"a\":1}"`, "/a", `null,"redacted":true`},
		{`"a"`, "headers.x", `"a"`},
		{`{"headers":[["x","y"]],"data":{"a":1}}`, "headers.x /a", `{"headers":[["x","y"]],"data":{"a":1}}`},
		{`{"a":"}\",\\"}`, "/b", `{"a":"}\",\\"}`},
		// The whole value.
		{`{"a":1}`, "data", `null,"redacted":true`},
		{`{"a":1}`, "!data", `"***"`},
		{`{"a":1}`, "!data /a", `"***"`},
		{`1`, "data /a", `null,"redacted":true`},
		{`null`, "data", `null,"redacted":true`},
		{`"a"`, "!data", `"***"`},
		{`{"data":1}`, "/data", `{}`},
	} {
		r := of(t, strings.Fields(c.paths)...)
		text := encoded(t, event.ContentJSON, record.Record{Key: []byte("k"), Value: []byte(c.value)})
		head := `{"type":"event","stream":"s","partition":0,"offset":0,"ts":0,"key":"k","data":`
		if got := string(r.Append([]byte("before"), []byte(text))); got != "before"+head+c.want+"}" {
			t.Errorf("%s without %s\n got %s\nwant %s", c.value, c.paths, strings.TrimPrefix(got, "before"+head), c.want)
		}
	}
}

// TestWithheld: values that are not shown as JSON.
func TestWithheld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		content           event.Content
		value, paths, end string
	}{
		{event.ContentAny, "text", "/a", `"data":null,"redacted":true}`},
		{event.ContentAny, "\xff", "/a", `"data":null,"redacted":true}`},
		{event.ContentAny, `{"a":1}`, "/a", `"data":{}}`},
		{event.ContentText, `{"a":1}`, "/a", `"data":null,"redacted":true}`},
		{event.ContentBytes, `{"a":1}`, "!/a", `"data":null,"redacted":true}`},
		{event.ContentBytes, "a", "headers.x", `"data":"YQ==","encoding":"base64"}`},
		{event.ContentAny, "text", "headers.x", `"data":"text","encoding":"text"}`},
		{event.ContentAny, "text", "data", `"data":null,"redacted":true}`},
		{event.ContentBytes, "a", "!data", `"data":"***"}`},
	} {
		text := encoded(t, c.content, record.Record{Value: []byte(c.value)})
		if got := string(of(t, c.paths).Append(nil, []byte(text))); !strings.HasSuffix(got, `,"key":null,`+c.end) {
			t.Errorf("%q without %s: %s", c.value, c.paths, got)
		}
	}
	tombstone := encoded(t, event.ContentText, record.Record{})
	if got := string(of(t, "/a", "/*", "data").Append(nil, []byte(tombstone))); got != tombstone {
		t.Errorf("a tombstone became %s", got)
	}
	if got := string((*redact.Redaction)(nil).Append(nil, []byte(tombstone))); got != tombstone {
		t.Errorf("no redaction made %s", got)
	}
}

// TestRedactedHeaders: what remains of headers.
func TestRedactedHeaders(t *testing.T) {
	t.Parallel()
	headers := []record.Header{
		{Name: []byte("a"), Value: []byte("1")},
		{Name: []byte("b"), Value: []byte{0xff}},
		{Name: []byte("a")},
		{Name: []byte("x.y/z"), Value: []byte("2")},
		{Name: []byte(`"`), Value: []byte(`]`)},
	}
	for paths, want := range map[string]string{
		"headers.a":                     `,"headers":[["b","/w==","base64"],["x.y/z","2"],["\"","]"]]`,
		"!headers.a !headers.b":         `,"headers":[["a","***"],["b","***"],["a","***"],["x.y/z","2"],["\"","]"]]`,
		"headers.x.y/z headers.b":       `,"headers":[["a","1"],["a",null],["\"","]"]]`,
		`headers."`:                     `,"headers":[["a","1"],["b","/w==","base64"],["a",null],["x.y/z","2"]]`,
		"headers.*":                     ``,
		"!headers.*":                    `,"headers":[["a","***"],["b","***"],["a","***"],["x.y/z","***"],["\"","***"]]`,
		"!headers.* headers.a":          `,"headers":[["b","***"],["x.y/z","***"],["\"","***"]]`,
		"headers.A /a":                  `,"headers":[["a","1"],["b","/w==","base64"],["a",null],["x.y/z","2"],["\"","]"]]`,
		"headers.a headers.b headers.*": ``,
	} {
		text := encoded(t, event.ContentJSON, record.Record{Headers: headers, Value: []byte(`{"b":["headers"]}`)})
		got := string(of(t, strings.Fields(paths)...).Append(nil, []byte(text)))
		if full := `{"type":"event","stream":"s","partition":0,"offset":0,"ts":0,"key":null` + want + `,"data":{"b":["headers"]}}`; got != full {
			t.Errorf("without %s\n got %s\nwant %s", paths, got, full)
		}
	}
}

// TestPathFaults: texts that are no paths.
func TestPathFaults(t *testing.T) {
	t.Parallel()
	many := make([]string, redact.MaxPaths+1)
	for i := range many {
		many[i] = fmt.Sprintf("/a%d", i)
	}
	for name, c := range map[string]struct {
		removed, masked []string
		fault           string
	}{
		"empty":            {removed: []string{""}, fault: "begins neither"},
		"a name":           {removed: []string{"card"}, fault: "begins neither"},
		"dots":             {masked: []string{"data.card"}, fault: "begins neither"},
		"data twice":       {removed: []string{"data"}, masked: []string{"data"}, fault: "twice"},
		"all headers":      {removed: []string{"headers"}, fault: "begins neither"},
		"no header":        {removed: []string{"headers."}, fault: "names no header"},
		"a slash":          {removed: []string{"/"}, fault: "ends with a slash"},
		"slash at the end": {removed: []string{"/card/"}, fault: "ends with a slash"},
		"tilde":            {removed: []string{"/a~"}, fault: "followed by neither"},
		"tilde 2":          {removed: []string{"/a~2b"}, fault: "followed by neither"},
		"deep":             {removed: []string{strings.Repeat("/a", redact.MaxDepth+1)}, fault: "more than 32 names"},
		"long":             {removed: []string{"/" + strings.Repeat("a", redact.MaxPathBytes)}, fault: "longer than 1024"},
		"not UTF-8":        {removed: []string{"/\xff"}, fault: "UTF-8"},
		"twice":            {removed: []string{"/a", "/a"}, fault: "twice"},
		"both":             {removed: []string{"/a"}, masked: []string{"/a"}, fault: "twice"},
		"many":             {removed: many, fault: "more than 64 paths"},
		"many in all":      {removed: many[:40], masked: many[40:], fault: "more than 64 paths"},
	} {
		if r, err := redact.New(c.removed, c.masked); err == nil || r != nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", name, err, c.fault)
		}
	}
	made(t, many[:redact.MaxPaths], nil)
	made(t, []string{strings.Repeat("/a", redact.MaxDepth), "/" + strings.Repeat("a", redact.MaxPathBytes-1)}, nil)
	if r := made(t, nil, nil); r != nil || r.Canonical() != "" {
		t.Error("no paths are a redaction")
	}
}

// TestSame: which paths are the same redaction.
func TestSame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"/a /b", "/b /a", true},
		{"/a /a/b", "/a", true},
		{"/a /a/*", "/a", true},
		{"!/a /a/b", "!/a", true},
		{"/* /a", "/*", true},
		{"/* /a/b", "/*", true},
		{"/a/*/c /a/b/c/d", "/a/*/c", true},
		{"!/* !/a", "!/*", true},
		{"!/* /a", "!/*", false},
		{"/* !/a", "/*", true},
		{"/a/* /*/b /a/b", "/*/b /a/*", true},
		{"headers.* headers.a", "headers.*", true},
		{"headers.a", "/headers/a", false},
		{"/a", "!/a", false},
		{"/a", "/a/b", false},
		{"/a/b", "/a/b /a/c", false},
		{"/a~1b", "/a/b", false},
		{"/1", "/*", false},
		{"", "/a", false},
		{"data", "data /a /b/*", true},
		{"!data", "!data /a", true},
		{"data", "!data", false},
		{"data", "/*", false},
		{"data", "/data", false},
		{"data headers.a", "headers.a data", true},
	} {
		a, b := of(t, strings.Fields(c.a)...), of(t, strings.Fields(c.b)...)
		if a.Equal(b) != c.same || b.Equal(a) != c.same || (a.Canonical() == b.Canonical()) != c.same {
			t.Errorf("%s and %s: same %v, want %v: %q, %q", c.a, c.b, !c.same, c.same, a.Canonical(), b.Canonical())
		}
	}
}

// TestCombinations: unions and intersections.
func TestCombinations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ a, b, union, both string }{
		{"/a", "/b", "/a /b", "?"},
		{"/a", "/a", "/a", "/a"},
		{"/card", "/card/number", "/card", "/card/number"},
		{"/card/number", "/card /x", "/card /x", "/card/number"},
		{"/a /b", "/b /c", "/a /b /c", "/b"},
		{"/a", "!/a", "/a", "!/a"},
		{"/a/b", "!/a", "!/a", "/a/b"},
		{"!/a/b", "/a", "/a", "!/a/b"},
		{"!/a/b", "!/a", "!/a", "!/a/b"},
		{"/items/*/price", "/items/0", "/items/*/price /items/0", "/items/0/price"},
		{"/*/a", "/b/*", "/*/a /b/*", "/b/a"},
		{"/*", "!/a", "/*", "!/a"},
		{"!/*", "/a/b", "!/* ", "/a/b"},
		{"/items/*/x", "/items/*/x", "/items/*/x", "/items/*/x"},
		{"/a/b/c", "/a/x", "/a/b/c /a/x", "?"},
		{"headers.a", "headers.*", "headers.*", "headers.a"},
		{"headers.a", "/a", "/a headers.a", ""},
		{"headers.a !/x", "!headers.a /x/y", "headers.a !/x", "!headers.a /x/y"},
		{"/a", "", "/a", ""},
		{"", "", "", ""},
		{"data", "/a", "data", "/a"},
		{"data", "!data", "data", "!data"},
		{"!data", "/a !/b", "!data", "/a !/b"},
		{"data", "headers.a", "data headers.a", ""},
		{"data headers.a", "headers.* /x", "data headers.*", "headers.a /x"},
	} {
		a, b := of(t, strings.Fields(c.a)...), of(t, strings.Fields(c.b)...)
		for _, of2 := range [][]*redact.Redaction{{a, b}, {b, a}, {a, b, a}} {
			union, err := redact.Union(of2...)
			if want := of(t, strings.Fields(c.union)...); err != nil || !union.Equal(want) {
				t.Errorf("union of %s and %s: %q, %v, want %q", c.a, c.b, union.Canonical(), err, want.Canonical())
			}
			both, err := redact.Intersection(of2...)
			if c.both == "?" {
				text := encoded(t, event.ContentAny, record.Record{Value: []byte("text")})
				if got := string(both.Append(nil, []byte(text))); err != nil || !strings.HasSuffix(got, `"data":null,"redacted":true}`) || both.TouchesData("a") || !both.TouchesData() {
					t.Errorf("intersection of %s and %s: %q, %v: %s", c.a, c.b, both.Canonical(), err, got)
				}
				continue
			}
			if want := of(t, strings.Fields(c.both)...); err != nil || !both.Equal(want) {
				t.Errorf("intersection of %s and %s: %q, %v, want %q", c.a, c.b, both.Canonical(), err, want.Canonical())
			}
		}
	}
	if r, err := redact.Intersection(); r != nil || err != nil {
		t.Errorf("the intersection of nothing: %v, %v", r, err)
	}
}

// TestCombinationsAreBounded: however many redactions are combined.
func TestCombinationsAreBounded(t *testing.T) {
	t.Parallel()
	var many, wild []*redact.Redaction
	for n := range 17 {
		var paths []string
		for i := range redact.MaxPaths {
			paths = append(paths, fmt.Sprintf("/a%d/b%d", n, i))
		}
		many = append(many, made(t, paths, nil))
	}
	if _, err := redact.Union(many...); !errors.Is(err, redact.ErrTooManyPaths) {
		t.Errorf("union of 17: %v", err)
	}
	if r, err := redact.Union(many[:16]...); err != nil || r == nil {
		t.Errorf("union of 16: %v", err)
	}
	for level := range 3 {
		var paths []string
		for i := range redact.MaxPaths {
			paths = append(paths, strings.Repeat("/*", level)+fmt.Sprintf("/a%d", i)+strings.Repeat("/*", 2-level))
		}
		wild = append(wild, made(t, paths, nil))
	}
	if _, err := redact.Intersection(wild...); !errors.Is(err, redact.ErrTooManyPaths) {
		t.Errorf("intersection of stars: %v", err)
	}
}

// TestTouches: what a redaction may change.
func TestTouches(t *testing.T) {
	t.Parallel()
	r := of(t, "/card/number", "!/items/*/price", "headers.trace", "/x~1y")
	for path, want := range map[string]bool{
		"": true, "card": true, "card/number": true, "card/number/x": true, "card/exp": false, "user": false,
		"items": true, "items/0": true, "items/a/price": true, "items/a/n": false, "items/a/price/y": true, "x": false, "number": false,
	} {
		var names []string
		if path != "" {
			names = strings.Split(path, "/")
		}
		if r.TouchesData(names...) != want {
			t.Errorf("touches %q: %v", path, !want)
		}
	}
	if !r.TouchesData("x/y") || !r.TouchesHeader("trace") || r.TouchesHeader("card") || r.TouchesHeader("headers.trace") {
		t.Error("headers, or a slash in a name")
	}
	none := (*redact.Redaction)(nil)
	if h := of(t, "headers.*"); none.TouchesData() || none.TouchesHeader("a") || h.TouchesData() || !h.TouchesHeader("any") || of(t, "/a").TouchesHeader("a") {
		t.Error("without paths of a kind")
	}
	if d := of(t, "data"); !d.TouchesData() || !d.TouchesData("any", "name") || d.TouchesHeader("a") {
		t.Error("the whole value")
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	r := of(t, "/card/number", "!/items/*/price", "headers.b")
	text := []byte(encoded(t, event.ContentJSON, record.Record{
		Headers: []record.Header{{Name: []byte("a"), Value: []byte("1")}, {Name: []byte("b"), Value: []byte("1")}},
		Value:   []byte(`{"user":"u1","card":{"number":"1234"},"items":[{"price":1},{"n":1,"price":100}]}`),
	}))
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { dst = r.Append(dst[:0], text) }); n > 1 { // the pool drops some under the race detector
		t.Errorf("%v allocations: %s", n, dst)
	}
	if !slices.Contains(strings.Split(string(dst), ","), `"headers":[["a"`) {
		t.Errorf("made %s", dst)
	}
}

func BenchmarkAppend(b *testing.B) {
	value := []byte(`{"order":118273,"customer":"eu-991","total":129.95,"currency":"EUR","state":"paid","lines":[{"sku":"A-17","n":2},{"sku":"B-4","n":1}],"note":"leave it at the door","placed_at":1795245600123,"gift":false}`)
	for _, paths := range []string{"/card/number", "/lines/*/n !/customer /note", "headers.trace"} {
		b.Run(strings.ReplaceAll(paths, "/", "."), func(b *testing.B) {
			r := of(b, strings.Fields(paths)...)
			text := []byte(encoded(b, event.ContentJSON, record.Record{Key: []byte("eu-991"), Value: value}))
			dst := make([]byte, 0, 4096)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				dst = r.Append(dst[:0], text)
			}
		})
	}
}
