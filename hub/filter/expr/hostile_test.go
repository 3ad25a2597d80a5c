package expr_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sluice/hub/hubtest/bounds"
)

// hostile returns texts of up to n bytes that take long to compile, or would without bounds,
// by name.
func hostile(n int) map[string]string {
	fill := func(before, unit, after string) string {
		return before + strings.Repeat(unit, max(0, n-len(before)-len(after))/len(unit)) + after
	}
	nest := func(open, in, end, after string, most int) string {
		k := min(most, (n-len(in)-len(after))/(len(open)+len(end)))
		return strings.Repeat(open, k) + in + strings.Repeat(end, k) + after
	}
	const deep = 1 << 20
	texts := map[string]string{
		"strings":                fill("data.s in [", `"a",`, `"b"]`),
		"numbers":                fill("data.s in [", "1,", "1]"),
		"mixed":                  fill("data.s in [", `1,"a",1.0,[1],`, "1]"),
		"disjunction":            fill("", "data.x==1||", "true"),
		"shortest":               fill("", "key||", "true"),
		"different fields":       "",
		"sum":                    fill("data.s", "+data.s", "==1"),
		"fields":                 fill("data", ".a", ""),
		"negations":              fill("", "-", "1==1"),
		"nots":                   fill("", "!", "true"),
		"choices":                fill("", "true?true:", "true"),
		"choices in parentheses": nest("(true?", "true", ":false)", "", deep),
		"presence":               fill("", "has(data.a)&&", "true"),
		"conversions":            fill("", `timestamp("x")==1||`, "true"),
		"constants":              fill("", `timestamp("2026-01-01T00:00:00Z")==timestamp("2026-01-01T00:00:00Z")||`, "true"),
		"comment":                fill("true//", "x", ""),
		"comparisons":            fill("", "1<", "1"),
		"equalities":             fill("", "1==", "1"),
		"long text":              fill(`data.s=="`, "a", `"`),
		"escapes":                fill(`data.s=="`, `\u00e4`, `"`),
		"lines":                  fill("true", "\n", ""),
		"maps in a row":          fill("data", ".map(a,[a,a])", "==1"),
		"loops in a row":         fill("", "data.all(a,a)&&", "true"),
		"filters":                fill("", "data.filter(a,a)==[]||", "true"),
		"two variables":          fill("", "[[1]].all(a,a.all(b,a==b))||", "true"),
		"undeclared":             fill("", "a&&", "b"),
		"wrong types":            fill("", `ts=="x"||`, "true"),
		"no overload":            fill("", `size(1)==1||`, "true"),
		"lists in a row":         fill("", "[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]==[]||", "true"),
		"maps of maps in a row":  fill("", "{1:{1:{1:{1:{1:{1:{1:1}}}}}}}=={}||", "true"),
		"lists of all kinds":     fill("[", `[1],["a"],[[1]],[{1:1}],[null],`, "1]==[]"),
		"patterns":               fill("", `data.s.matches("a{999}")||`, "true"),
		"repetitions":            fill(`data.s.matches("`, "a{1000}", `")`),
		"nested repetitions":     fill(`data.s.matches("`, "(a{30}){30}", `")`),
		"classes":                fill(`data.s.matches("`, `\\pL`, `")`),
		"classes without case":   fill(`data.s.matches("(?i)`, `[\\pL\\pN]`, `")`),
		"named classes":          fill(`data.s.matches("(?i)`, `[[:alpha:]]`, `")`),
		"wide ranges":            fill(`data.s.matches("(?i)`, `[A-\\x{1e942}]`, `")`),
		"wide ranges in one":     fill(`data.s.matches("(?i)[`, `A-\\x{1e942}`, `]")`),
		"wide ranges of letters": fill(`data.s.matches("(?i)`, "[A-\U0001e942]", `")`),
		"wide ranges below":      fill(`data.s.matches("(?is:`, `[\\x{41}-\\x{1e942}]`, `)")`),
		"ranges":                 fill(`data.s.matches("(?i)`, `[a-z]`, `")`),
		"octal ranges":           fill(`data.s.matches("(?i)`, `[\\1-\\777]`, `")`),
		"negated":                fill(`data.s.matches("(?i)`, `[^a]\\D\\W\\S`, `")`),
		"groups":                 fill(`data.s.matches("`, "(a|b)?", `")`),
		"alternatives":           fill(`data.s.matches("`, "ab|ac|", `")`),
		"many matches":           fill("", `data.s.matches("a")||`, "true"),
		"raw strings":            fill("", `r'''a'''==key||`, "true"),
		"bytes":                  fill("", `b"\xff"==b"a"||`, "true"),
		"messages":               fill("", "google.protobuf.Struct{}==1||", "true"),
		"types":                  fill("", "type(key)==string||", "true"),
		"indexes":                fill("data", "[data.a]", "==1"),
		"nested in a function":   nest("size(", "data", ")", "==1", deep),
		"identities":             nest("dyn(", "data", ")", "==1", deep),
		"commas":                 fill("data.f(", "1,", "1)"),
		"templates":              fill("[", "[],[[]],[[[]]],", "1]==[]"),
	}
	var different strings.Builder
	for i := 0; different.Len() < n-30; i++ {
		fmt.Fprintf(&different, "data.f%d>%d||", i, i)
	}
	texts["different fields"] = different.String() + "true"
	for _, depth := range []int{10, 20, 50, 120, 240, deep} {
		for name, one := range map[string][4]string{
			"parentheses": {"(", "true", ")", ""}, "lists": {"[", "1", "]", "==[]"}, "maps": {"{1:", "1", "}", "=={}"},
			"uneven lists": {"[[],", "1", "]", "==[]"}, "keys": {"{", "1", ":1}", "==1"},
			"all": {"data.all(a,", "true", ")", ""}, "exists_one": {"[1].exists_one(a,", "true", ")", ""},
			"map": {"data.map(a,", "a", ")", "==[]"}, "map of lists": {"[1].map(a,", "[a]", ")", "==[]"},
			"ranges": {"", "[1]", ".map(a,[a,a])", "==[]"}, "filter": {"[1].filter(a,", "true", ")", "==[]"},
			"open": {"(", "", "", ""}, "open lists": {"[", "", "", ""}, "open calls": {"f(", "", "", ""}, "open maps": {"{", "", "", ""},
		} {
			texts[fmt.Sprint(name, " ", depth)] = nest(one[0], one[1], one[2], one[3], depth)
		}
	}
	for _, junk := range []string{"a b ", "+*", "@#$", "'a'", "in ", "a.b(c)[", "a?.b[?c]", "a{b:", "a?", "[a,[", "\"", "`a`", ".", "a[", ")", "0x", "1e9", "'''", "\\", "\u00e4", "&&||", "?:"} {
		texts["junk "+junk] = fill("", junk, "")
	}
	return texts
}

// random returns a text of parts that fit together now and then.
func random(r *rand.Rand, n int) string {
	parts := []string{
		"data", ".a", ".b", "[0]", "key", "headers", "(", ")", "[", "]", "{", "}", ":", ",", "&&", "||", "==", "!=", "<", "+", "-", "!", "?",
		".all(x,", ".map(x,", ".exists(x,", ".filter(x,", "x", "1", "1.5", `"a"`, "true", "null", "size(", "dyn(", "type(", "in", " ", "has(data.a)",
		`.matches("a+")`, ".contains(", ".startsWith(", "timestamp(", "int(", "string(",
	}
	var b strings.Builder
	closing := ""
	for b.Len() < n-40 {
		part := parts[r.IntN(len(parts))]
		if open := strings.IndexAny(part, "([{"); open >= 0 && strings.Count(part, "(") > strings.Count(part, ")") && len(closing) < 30 {
			closing = ")" + closing
		}
		b.WriteString(part)
		if r.IntN(6) == 0 {
			b.WriteString(closing)
			b.WriteString("||")
			closing = ""
		}
	}
	return b.String() + closing
}

// compileWithin bounds the time to compile or refuse a text of 4 KiB. It is several times
// what any takes on a processor of its own, so that a busy machine does not fail.
const compileWithin = 100 * time.Millisecond

// TestNoTextTakesLongToCompile: texts that are made to take long are compiled or refused in
// little time.
func TestNoTextTakesLongToCompile(t *testing.T) {
	t.Parallel()
	const n = 4 << 10
	texts := hostile(n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 50 {
		texts[fmt.Sprint("random ", i)] = random(r, n)
	}
	l := newLanguage()
	worst := time.Duration(0)
	for name, text := range texts {
		if len(text) > n {
			text = text[:n]
		}
		least := time.Hour
		var err error
		for range 3 {
			least = min(least, bounds.Took(func() { _, _, err = l.CompileAlone(text) }))
			if least < compileWithin/10 {
				break
			}
		}
		worst = max(worst, least)
		t.Logf("%8.2f ms  %s: %.60s: %.100v", float64(least.Microseconds())/1000, name, text, err)
		if least > compileWithin {
			t.Errorf("%s takes %v, of which %v are allowed", name, least, compileWithin)
		}
	}
	t.Logf("at most %v", worst)
}
