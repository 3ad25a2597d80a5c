package expr

import (
	"math/rand/v2"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/parser"
)

// written returns a random expression, most often one that can be parsed.
func written(r *rand.Rand, depth int) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	if depth == 0 {
		return pick("data", "key", "x", "1", "-1", "2u", "0x1f", "1.5", "-1.5e3", ".5", `"a"`, `'a"b'`, `"\n\u00e4\x41"`, `r"\d"`, `b"\xff"`, `"""a"b"""`,
			"true", "false", "null", "headers", "[]", "{}", "a.b", ".a", "ts", "`x`", "in", "1..2", "a.`b-c`", "9223372036854775808", "-9223372036854775808")
	}
	sub := func() string { return written(r, r.IntN(depth)) }
	space := pick("", " ", "\n", "// c\n")
	switch r.IntN(15) {
	case 0, 1:
		return sub() + space + pick("+", "-", "*", "/", "%") + sub()
	case 2, 3:
		return sub() + space + pick("==", "!=", "<", "<=", ">", ">=", " in ") + sub()
	case 4:
		return sub() + pick("&&", "||") + space + sub() + pick("&&", "||") + sub()
	case 5:
		return sub() + "?" + sub() + ":" + space + sub()
	case 6:
		return "(" + sub() + ")"
	case 7:
		return pick("!", "-", "--", "!!", "-!") + sub()
	case 8:
		return sub() + pick(".a", ".size()", "[0]", `["a"]`, "."+sub(), "["+sub()+"]", "?.a", ".in")
	case 9:
		return pick("has(a.b)", "has("+sub()+")", "size("+sub()+")", "dyn("+sub()+","+sub()+")")
	case 10:
		return sub() + "." + pick("all", "exists", "exists_one", "map", "filter") + "(x," + space + sub() + ")"
	case 11:
		return "[" + sub() + "," + sub() + pick("]", ",]")
	case 12:
		return "{" + sub() + ":" + sub() + pick("}", ",}")
	case 13:
		return sub() + ".matches(" + sub() + ")"
	}
	return pick("a{b: "+sub()+"}", sub(), sub()+sub())
}

// TestParsers: the parser that is used reads a text like the other one of the library, which
// follows the grammar of the language.
func TestParsers(t *testing.T) {
	t.Parallel()
	l, err := New(Limits{Bytes: 4 << 10, Cost: 1000, Memory: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	grammar, err := parser.NewParser(parser.Macros(cel.StandardMacros...), parser.PopulateMacroCalls(true), parser.MaxExpressionNodeCount(maxNodes))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	valid, differ := 0, 0
	for range 3000 {
		text := written(r, 1+r.IntN(5))
		source := common.NewTextSource(text)
		want, faults := grammar.Parse(source)
		got, others := l.parser.Parse(source)
		bad, worse := len(faults.GetErrors()) > 0, len(others.GetErrors()) > 0
		if bad != worse {
			differ++
			t.Logf("%q: %s; %s", text, faults.ToDisplayString(), others.ToDisplayString())
			continue
		}
		if bad {
			continue
		}
		valid++
		a, err := parser.Unparse(want.Expr(), want.SourceInfo())
		b, other := parser.Unparse(got.Expr(), got.SourceInfo())
		if a != b || (err == nil) != (other == nil) {
			t.Errorf("%q is read as %q, and by the grammar as %q", text, b, a)
		}
	}
	t.Logf("%d texts are valid", valid)
	if valid < 1000 || differ > 0 {
		t.Errorf("%d texts are valid, and %d for one parser only", valid, differ)
	}
}
