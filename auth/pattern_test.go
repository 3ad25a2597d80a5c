package auth_test

import (
	"regexp"
	"strings"
	"testing"

	"sluice/auth"
)

func TestPatternMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, stream string
		want            bool
	}{
		{"market.ticks", "market.ticks", true},
		{"market.ticks", "market.ticks2", false},
		{"market.ticks", "xmarket.ticks", false},
		{"market.ticks", "marketxticks", false},
		{"market.ticks", "Market.ticks", false},
		{"market.ticks", "*", false},
		{"market.*", "market.ticks", true},
		{"market.*", "market.a.b", true},
		{"market.*", "market.", true},
		{"market.*", "market", false},
		{"market.*", "marketing.x", false},
		{"*", "", true},
		{"*", "anything.at.all", true},
		{"*.public", "a.public", true},
		{"*.public", "a.public.x", false},
		{"a*b*c", "abc", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "acb", false},
		{"a*b*c", "axc", false},
		{"a*b*c", "abxc", true},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"**", "x", true},
		{"a?c", "abc", false},
		{"a?c", "a?c", true},
		{"[ab]", "a", false},
		{"(a+)+", "aaaa", false},
	} {
		if got := must(auth.NewPattern(c.pattern)).Match(c.stream); got != c.want {
			t.Errorf("pattern %q on %q: got %v", c.pattern, c.stream, got)
		}
	}
	if (auth.Pattern{}).Match("") {
		t.Error("the zero pattern matches")
	}
}

func TestNewPatternRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " ", "a b", "a\n", "a\x00", "a\u200b", strings.Repeat("a", 257), strings.Repeat("a*", 9)} {
		if _, err := auth.NewPattern(text); err == nil {
			t.Errorf("pattern %q was taken", text)
		}
	}
}

// A pattern must match the same streams as the equivalent regular expression.
func FuzzPattern(f *testing.F) {
	f.Add("market.*", "market.ticks")
	f.Add("a*b*c", "aXbYbZc")
	f.Add("*a*a*", "aa")
	f.Add("[a", "[a")
	f.Fuzz(func(t *testing.T, text, stream string) {
		pattern, err := auth.NewPattern(text)
		if err != nil {
			return
		}
		if pattern.String() != text {
			t.Fatalf("%q is written %q", text, pattern)
		}
		like, err := regexp.Compile(`(?s)\A` + strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, `.*`) + `\z`)
		if err != nil || strings.ToValidUTF8(stream, "") != stream {
			return // not UTF-8, where a regular expression and bytes differ
		}
		if got, want := pattern.Match(stream), like.MatchString(stream); got != want {
			t.Fatalf("pattern %q on %q: got %v, want %v", text, stream, got, want)
		}
	})
}
