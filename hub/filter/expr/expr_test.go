package expr_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sluice/hub/filter/expr"
)

const order = `{"user":"u1","total":120.5,"n":7,"big":9007199254740993,"ok":true,"none":null,"a":{"b":{"c":"deep"}},
	"items":[{"price":5},{"price":50}],"tags":["x","y"],"u1":"twice","u1":"last"}`

// TestCompile: what an expression means for a record.
func TestCompile(t *testing.T) {
	t.Parallel()
	l := newLanguage()
	seen := row("eu-991", order, "kind", "old", "kind", "new", "empty", "")
	for text, want := range map[string]bool{
		`true`:                               true,
		`false`:                              false,
		`key == "eu-991"`:                    true,
		`"eu-991" == key`:                    true,
		`key == "eu-992"`:                    false,
		`key in ["a", "eu-991"]`:             true,
		`key in []`:                          false,
		`key.startsWith("eu-")`:              true,
		`key != null`:                        true,
		`key == null`:                        false,
		`key == 7`:                           false,
		`headers["kind"] == "new"`:           true, // the last one counts
		`headers.kind == "old"`:              false,
		`headers["empty"] == ""`:             true,
		`"kind" in headers`:                  true,
		`"other" in headers`:                 false,
		`headers["other"] == "x"`:            false,
		`ts == 1795245600123`:                true,
		`partition == 2 && offset == 7`:      true,
		`offset >= 8`:                        false,
		`data.user == "u1"`:                  true,
		`data["user"] == "u1"`:               true,
		`data.user in ["u0", "u1"]`:          true,
		`data.user in ["u0", 1]`:             false,
		`data.total > 100`:                   true,
		`data.total > 100.0`:                 true,
		`data.total == 120.5`:                true,
		`data.n == 7`:                        true,
		`data.n == 7.0`:                      true,
		`data.n in [6, 7]`:                   true,
		`data.n == "7"`:                      false,
		`data.ok`:                            true,
		`data.ok == true`:                    true,
		`!data.ok`:                           false,
		`data.none == null`:                  true,
		`data.missing == null`:               false, // an error, so it does not pass
		`data.missing != null`:               false,
		`!(data.missing == 7)`:               false,
		`has(data.missing)`:                  false,
		`!has(data.missing)`:                 true,
		`has(data.user) && data.n > 6`:       true,
		`data.missing == 7 || data.n == 7`:   true, // true || error is true
		`data.a.b.c == "deep"`:               true,
		`data.a.b["c"] == "deep"`:            true,
		`data.a.b == "deep"`:                 false,
		`data.user.name == "u1"`:             false,
		`data.u1 == "last"`:                  true,
		`data.items.exists(i, i.price > 10)`: true,
		`data.items.all(i, i.price > 10)`:    false,
		`data.items.size() == 2`:             true,
		`data.items[1].price == 50`:          true,
		`data.items[2].price == 50`:          false,
		`"x" in data.tags`:                   true,
		`data.tags == ["x", "y"]`:            true,
		`data.user.matches("^u[0-9]$")`:      true,
		`data.total / 2.0 > 60.0`:            true,
		`data.n / 0 == 1`:                    false,
		`data == "text"`:                     false,
		`type(data) == map`:                  true,
		`data.user == key`:                   false,
		`data.user + "x" == "u1x"`:           true,
		`(data.user == "u1" || data.user == "u2") && data.n == 7`:                     true,
		`(data.user == "u3" && data.n == 7) || (data.user == "u2")`:                   false,
		`data.user == "u1" && data.user == "u2"`:                                      false,
		`data.user == "u1" ? data.n == 7 : false`:                                     true,
		`timestamp("2026-01-01T00:00:00Z") < timestamp("2027-01-01T00:00:00Z")`:       true,
		`data.items.filter(i, i.price > 10).map(i, i.price) == [50.0]`:                true,
		"data.user == 'u1' // a comment":                                              true,
		`data.items.exists(key, key.price > 10)`:                                      true,
		`data.items.exists(data, data.price > 10)`:                                    true,
		`data.items.exists(i, i.price > 10) && data.user == "u1" && key == "eu-991"`:  true,
		`data.items.exists(i, i.price > 100) && data.user == "u1" && key == "eu-991"`: true == false,
	} {
		f, err := l.Compile(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := f.Passes(seen); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
}

// TestOtherRecords: expressions about records without a key, with text, bytes or no
// value.
func TestOtherRecords(t *testing.T) {
	t.Parallel()
	l := newLanguage()
	for _, c := range []struct {
		text       string
		key, value string
		want       bool
	}{
		{`key == null`, "", "1", true},
		{`key == ""`, "", "1", false},
		{`key == null`, "\xff", "1", true},
		{`data == null`, "k", "", true},
		{`data == "plain text"`, "k", "plain text", true},
		{`data == "/w=="`, "k", "\xff", true},
		{`data == 7`, "k", "7", true},
		{`data[1] == 2`, "k", "[1,2]", true},
		{`data.user == "x"`, "k", "[1,2]", false},
		{`data.user == "x"`, "k", "", false},
		{`data.n > 1e308`, "k", `{"n":1e400}`, false},
		{`data.n < 1e308`, "k", `{"n":1e400}`, false},
		{`data.s == "\ufffd"`, "k", `{"s":"\ud800"}`, false},
		{`size(data) > 0`, "k", `"é"`, true},
	} {
		f := must(l.Compile(c.text))
		if got, err := f.Passes(row(c.key, c.value)); got != c.want || err != nil {
			t.Errorf("%s on %q %q: %v, %v, want %v", c.text, c.key, c.value, got, err, c.want)
		}
	}
}

// TestNestedTooDeep: what is nested deeper than MaxDepth does not pass, and is not an
// error.
func TestNestedTooDeep(t *testing.T) {
	t.Parallel()
	l := newLanguage()
	nested := func(depth int) (path, value string) {
		return strings.Repeat(".a", depth), strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
	}
	for _, c := range []struct {
		depth int
		want  bool
	}{{expr.MaxDepth, true}, {expr.MaxDepth + 1, false}, {200, false}} {
		path, value := nested(c.depth)
		for _, text := range []string{"data" + path + " == 1", "data" + path + " > 0"} {
			f := must(l.Compile(text))
			if got, err := f.Passes(row("k", value)); got != c.want || err != nil {
				t.Errorf("depth %d, %s: %v, %v", c.depth, text[len(text)-4:], got, err)
			}
		}
	}
}

// TestIndexed: which expressions are found by index, and which records the rest is
// asked about.
func TestIndexed(t *testing.T) {
	t.Parallel()
	l := newLanguage()
	for text, want := range map[string]string{ // number of keys, fields, values; predicates
		`key == "a"`:                                 "1 0 1 false",
		`key in ["a", "b", "a"]`:                     "2 0 2 false",
		`data.user == "a"`:                           "0 1 1 false",
		`data.user in ["a", "b"]`:                    "0 1 2 false",
		`headers["x"] == "a"`:                        "0 1 1 false",
		`data.user == "a" && key == "k"`:             "1 1 2 false",
		`data.user == "a" || data.user == "b"`:       "0 1 2 false",
		`key == "a" || key in ["b", "c"]`:            "3 0 3 false",
		`key == "a" || data.user == "b"`:             "0 0 0 true",
		`data.user == "a" && data.n > 7`:             "0 1 1 true",
		`(data.n > 7 && key == "a") || key == "b"`:   "2 0 2 true",
		`data.n == 7 && data.ok == true`:             "0 2 2 false",
		`data.n == 9007199254740993`:                 "0 0 0 true", // no double
		`data.user == data.other`:                    "0 0 0 true",
		`!(data.user == "a")`:                        "0 0 0 true",
		`data.user != "a"`:                           "0 0 0 true",
		`data.items.exists(i, i == "a")`:             "0 0 0 true",
		`key == 7`:                                   "0 0 0 true",
		`data == "a"`:                                "0 0 0 true",
		`true`:                                       "0 0 0 false",
		`data.user == "a" && true`:                   "0 1 1 true",
		`data.user == "a" ? key == "b" : key == "c"`: "0 0 0 true",
		`data.items.exists(key, key == "a")`:         "0 0 0 true",
		`has(data.user) && data.user == "a"`:         "0 1 1 true",
	} {
		f := must(l.Compile(text))
		if got := fmt.Sprintln(f.Keys(), len(f.FieldSets()), f.Indexed(), f.HasPredicates()); strings.TrimSpace(got) != want {
			t.Errorf("%s: %s, want %s", text, strings.TrimSpace(got), want)
		}
	}
	if f := must(l.Compile(`false`)); !f.Nothing() {
		t.Error("false passes something")
	}
	for _, same := range [][2]string{
		{`key == "a"`, `key in ["a"]`},
		{`data.user == "a"`, `"a" == data["user"]`},
		{`data.n > 7 && data.user == "a"`, `data.user == "a"  &&  data.n  >  7`},
	} {
		a, b := must(l.Compile(same[0])), must(l.Compile(same[1]))
		if !a.Equal(&b) || a.Digest(nil) != b.Digest(nil) {
			t.Errorf("%s and %s are different filters", same[0], same[1])
		}
	}
}

// TestFaults: what is wrong with a text, and where.
func TestFaults(t *testing.T) {
	t.Parallel()
	l := newLanguage()
	for text, want := range map[string]string{
		`data.x ==`:                       "line 1, column 10: ",
		"data.x == 1 &&\n  foo == 2":      "line 2, column 3: undeclared reference to 'foo'",
		`data.x = 1`:                      "line 1, column 8: ",
		`claims.sub == key`:               "line 1, column 1: undeclared reference to 'claims'",
		`ts == "x"`:                       "line 1, column 4: found no matching overload",
		`1 + 1`:                           "not true or false but of type int",
		`"text"`:                          "not true or false but of type string",
		`data.s.matches(data.p)`:          "line 1, column 20: the pattern of matches is not a literal",
		`data.s.matches("a{1000}{1000}")`: "invalid matches argument",
		`data.s.matches("(")`:             "invalid matches argument",
		strings.Repeat("a", 5000):         "longer than 4096 bytes",
		"\xff":                            "not UTF-8",
		strings.Repeat("(", 1000):         "recursion limit",
		strings.Repeat("data.x == 1 || ", 250) + "data.x == 1": "",
	} {
		_, err := l.Compile(text)
		var faults *expr.Error
		if want == "" {
			if err != nil {
				t.Errorf("%.40s: %v", text, err)
			}
			continue
		}
		if !errors.As(err, &faults) || len(faults.Places) == 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %s", text, err, want)
		}
		if err != nil && len(err.Error()) > 2000 {
			t.Errorf("%.40s: the error has %d bytes", text, len(err.Error()))
		}
	}
}

// TestCost: an evaluation over the bound is an error, on the records where it costs so
// much, and not on others.
func TestCost(t *testing.T) {
	t.Parallel()
	l := newLanguage()
	few, many := `{"items":[1,2,3]}`, `{"items":[`+strings.Repeat("1,", 5000)+`1]}`
	long := `{"s":"` + strings.Repeat("a", 100_000) + `"}`
	for _, c := range []struct {
		text, cheap, dear string
	}{
		{`data.items.all(i, i > 0)`, few, many},
		{`data.items.exists(i, data.items.exists(j, i + j > 100.0)) || true`, few, many},
		{`data.s.contains("aab")`, `{"s":"x"}`, long},
		{`data.s.matches("^(a|aa)+$")`, `{"s":"x"}`, long},
		{`data.s + data.s + data.s != "x"`, `{"s":"x"}`, long},
		{`size(data.items.map(i, data.items)) > 0`, few, many},
		{`data.items == data.items`, few, many},
		{`7.0 in data.items`, few, many},
		{`data.s < data.s`, `{"s":"x"}`, long},
		{`data == data`, few, many},
		{`data[data.s] == 1 || true`, `{"s":"x","x":1}`, long},
		{`headers[data.s] == "x" || true`, `{"s":"x"}`, long},
		{`{data.s: 1} == {"x": 1}`, `{"s":"x"}`, long},
		{`size(data.s) > 3`, `{"s":"x"}`, long},
		{`timestamp(data.s) > timestamp("2026-01-01T00:00:00Z") || true`, `{"s":"x"}`, long},
		{`int(data.s) == 1 || double(data.s) == 1.0 || true`, `{"s":"1"}`, long},
		{strings.Repeat(`timestamp(1).getHours(data.zone) == 9 || `, 12) + `data.zone == "Asia/Tokyo"`, `{"zone":1}`, `{"zone":"UTC"}`},
	} {
		f := must(l.Compile(c.text))
		if _, err := f.Passes(row("k", c.cheap)); err != nil {
			t.Errorf("%s on a small record: %v", c.text, err)
		}
		if passes, err := f.Passes(row("k", c.dear)); passes || !errors.Is(err, expr.ErrCost) {
			t.Errorf("%s on a large record: %v, %v", c.text, passes, err)
		}
	}
}
