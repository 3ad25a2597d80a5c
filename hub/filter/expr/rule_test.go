package expr_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/hub/filter/expr"
)

// TestRules: which records a rule passes for the claims of a principal, and that what
// depends on claims alone is gone before a record is looked at.
func TestRules(t *testing.T) {
	t.Parallel()
	const claims = `{"sub":"u1","tenants":["a","b"],"role":"user","level":7,"admin":false,"org":{"ids":["o1"]},"odd":"x\"'\\\n*%","pattern":".*"}`
	l := newLanguage()
	for _, c := range []struct {
		rule, claims, key, value string
		want                     bool
	}{
		{`key == claims.sub`, claims, "u1", `1`, true},
		{`key == claims.sub`, claims, "u2", `1`, false},
		{`key == claims.missing`, claims, "u1", `1`, false},
		{`key != claims.missing`, claims, "u1", `1`, false},
		{`key == claims.sub`, "", "u1", `1`, false},
		{`data.tenant in claims.tenants`, claims, "k", `{"tenant":"b"}`, true},
		{`data.tenant in claims.tenants`, claims, "k", `{"tenant":"c"}`, false},
		{`data.tenant in claims.tenants`, `{"tenants":[]}`, "k", `{"tenant":"a"}`, false},
		{`data.tenant in claims.tenants`, `{"tenants":"a"}`, "k", `{"tenant":"a"}`, false},
		{`data.tenant in claims.org.ids`, claims, "k", `{"tenant":"o1"}`, true},
		{`claims.role == "admin" || key == claims.sub`, claims, "u1", `1`, true},
		{`claims.role == "admin" || key == claims.sub`, `{"role":"admin"}`, "u9", `1`, true},
		{`claims.admin || data.public`, claims, "k", `{"public":true}`, true},
		{`claims.admin || data.public`, claims, "k", `{"public":false}`, false},
		{`data.level <= claims.level`, claims, "k", `{"level":7}`, true},
		{`data.level <= claims.level`, claims, "k", `{"level":8}`, false},
		{`key == claims.odd`, claims, "x\"'\\\n*%", `1`, true},
		{`key == claims.odd`, claims, "x", `1`, false},
		{`key.startsWith(claims.sub + "/")`, claims, "u1/7", `1`, true},
		{`data.items.exists(i, i.owner == claims.sub)`, claims, "k", `{"items":[{"owner":"u1"}]}`, true},
		{`data.items.exists(i, i.owner == claims.sub)`, claims, "k", `{"items":[{"owner":"u2"}]}`, false},
		{`data.items.all(i, i in claims.tenants)`, claims, "k", `{"items":["a","b"]}`, true},
		{`data.items.all(i, i in claims.tenants)`, claims, "k", `{"items":["a","c"]}`, false},
		{`claims[data.field] == key`, claims, "u1", `{"field":"sub"}`, true},
		{`claims[data.field] == key`, claims, "u1", `{"field":"role"}`, false},
		{`has(claims.role) && key == "k"`, claims, "k", `1`, true},
		{`has(claims.missing) || key == "k"`, claims, "k", `1`, true},
		{`!has(claims.missing) && key == "k"`, claims, "k", `1`, true},
		{`claims.tenants.exists(c, c == data.tenant)`, claims, "k", `{"tenant":"b"}`, true},
		{"claims.role.x == key // never", claims, "k", `1`, false},
		{`claims.tenants.exists(c, c == data.tenant)`, claims, "k", `{"tenant":"c"}`, false},
	} {
		rule := must(l.Rule(c.rule))
		var known []byte
		if c.claims != "" {
			known = []byte(c.claims)
		}
		f, err := expr.For(known, rule)
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		if got, err := f.Passes(row(c.key, c.value)); got != c.want || err != nil {
			t.Errorf("%s, key %q, %s: %v, %v, want %v", c.rule, c.key, c.value, got, err, c.want)
		}
	}
	for rule, keys := range map[string]int{`key == claims.sub`: 1, `key in claims.tenants`: 2, `claims.level > 5 && key == claims.sub`: 1} {
		if f := must(expr.For([]byte(claims), must(l.Rule(rule)))); f.Keys() != keys || f.HasPredicates() {
			t.Errorf("%s: %d keys, predicates %v", rule, f.Keys(), f.HasPredicates())
		}
	}
	for rule, want := range map[string]bool{`claims.level > 5`: true, `claims.level > 7`: false, `"a" in claims.tenants`: true} {
		if f := must(expr.For([]byte(claims), must(l.Rule(rule)))); f.All() != want || f.Nothing() == want {
			t.Errorf("%s: all %v, nothing %v", rule, f.All(), f.Nothing())
		}
	}
	if f := must(expr.For([]byte(claims))); !f.Nothing() {
		t.Error("without rules something passes")
	}
	union := must(expr.For([]byte(claims), must(l.Rule(`key == claims.sub`)), must(l.Rule(`key in claims.tenants`))))
	if union.Keys() != 3 || union.HasPredicates() {
		t.Errorf("a union of keys has %d keys, predicates %v", union.Keys(), union.HasPredicates())
	}
	for _, text := range []string{`key.matches(claims.pattern)`, `claims.sub`, `claims == 7`} {
		rule, err := l.Rule(text)
		if err != nil {
			continue
		}
		if f, err := expr.For([]byte(claims), rule); err == nil && !f.Nothing() {
			if passes, _ := f.Passes(row("u1", `1`)); passes {
				t.Errorf("%s passes a record", text)
			}
		}
	}
}

// rules draws expressions over records and claims.
func rules() *rapid.Generator[string] {
	names := rapid.SampledFrom([]string{"a", "b", "missing"})
	literals := rapid.SampledFrom([]string{`"x"`, `"y"`, "1", "2.0", "true", "null", `["x", 1]`, "[]"})
	side := rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 6).Draw(t, "side") {
		case 0:
			return "claims." + names.Draw(t, "claim")
		case 1:
			return "claims.nested." + names.Draw(t, "nested")
		case 2:
			return "data." + names.Draw(t, "member")
		case 3:
			return `headers["` + names.Draw(t, "header") + `"]`
		case 4:
			return "key"
		case 5:
			return "claims[" + rapid.SampledFrom([]string{`"a"`, "key", "data.b"}).Draw(t, "index") + "]"
		default:
			return literals.Draw(t, "literal")
		}
	})
	var draw func(t *rapid.T, depth int) string
	draw = func(t *rapid.T, depth int) string {
		kind := rapid.IntRange(0, 9).Draw(t, "kind")
		if depth == 0 {
			kind %= 4
		}
		switch kind {
		case 0, 1:
			return side.Draw(t, "left") + " == " + side.Draw(t, "right")
		case 2:
			return side.Draw(t, "left") + " in " + rapid.SampledFrom([]string{"claims.list", `["x", "y"]`, "data.list", "claims.missing"}).Draw(t, "list")
		case 3:
			return rapid.SampledFrom([]string{"has(claims.a)", "has(data.a)", "has(claims.missing)", "claims.flag", "claims.a != data.a"}).Draw(t, "has")
		case 4, 5:
			return "(" + draw(t, depth-1) + " && " + draw(t, depth-1) + ")"
		case 6, 7:
			return "(" + draw(t, depth-1) + " || " + draw(t, depth-1) + ")"
		case 8:
			return "!(" + draw(t, depth-1) + ")"
		default:
			return "data.list.exists(i, i == " + side.Draw(t, "element") + ")"
		}
	}
	return rapid.Custom(func(t *rapid.T) string { return draw(t, 3) })
}

// values draws JSON values.
func values() *rapid.Generator[any] {
	return rapid.SampledFrom([]any{"x", "y", 1, 2, true, nil, []any{"x", 1}, map[string]any{"a": "x"}})
}

// members draws an object.
func members(t *rapid.T, label string) map[string]any {
	made := map[string]any{}
	for _, name := range []string{"a", "b", "list", "flag", "nested"} {
		if rapid.Bool().Draw(t, label+" has "+name) {
			made[name] = values().Draw(t, label+"."+name)
		}
	}
	if rapid.Bool().Draw(t, label+" list") {
		made["list"] = []any{"x", 1, "y"}
	}
	return made
}

// TestRulesAreEvaluatedInPartsProperty: replacing the claims beforehand, and finding
// equalities by index, pass the same records as evaluating the text as it stands with
// the claims in the record.
func TestRulesAreEvaluatedInPartsProperty(t *testing.T) {
	t.Parallel()
	l := newLanguage()
	rapid.Check(t, func(t *rapid.T) {
		text := rules().Draw(t, "rule")
		claims := must(json.Marshal(members(t, "claims")))
		rule, err := l.Rule(text)
		if err != nil {
			t.Skip(err)
		}
		f, err := expr.For(claims, rule)
		if err != nil {
			t.Fatalf("%s for %s: %v", text, claims, err)
		}
		whole := l.Whole(rule, claims)
		for i := range 4 {
			label := fmt.Sprint("record ", i)
			value := must(json.Marshal(members(t, label)))
			r := row(rapid.SampledFrom([]string{"", "x", "y", "a"}).Draw(t, label+" key"), string(value), "a", rapid.SampledFrom([]string{"x", "y"}).Draw(t, label+" header"))
			got, gotErr := f.Passes(r)
			want, wantErr := whole.Passes(r)
			if got != want || (gotErr == nil) != (wantErr == nil) {
				t.Fatalf("%s for %s on %s: %v %v, evaluated as a whole %v %v", text, claims, value, got, gotErr, want, wantErr)
			}
		}
	})
}

func FuzzCompile(f *testing.F) {
	for _, text := range []string{`key == "a"`, `data.items.exists(i, i.price > 10)`, `data.s.matches("^a")`, `headers["x"] in ["a"]`, "has(data.x)", `"\u00e9" + '''x'''`} {
		f.Add(text, `{"items":[{"price":11}],"s":"a"}`)
	}
	l := newLanguage()
	f.Fuzz(func(t *testing.T, text, value string) {
		made, err := l.Compile(text)
		if err != nil {
			if len(err.Error()) > 4<<10 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			return
		}
		again := must(l.Compile(text))
		if !made.Equal(&again) {
			t.Error("the same text is two filters")
		}
		if len(value) < 1<<16 {
			_, _ = made.Passes(row("key", value, "x", "a"))
		}
	})
}

// TestPublishRules: a rule about records that are to be published does not refer to what they
// get when they are stored.
func TestPublishRules(t *testing.T) {
	t.Parallel()
	l := newLanguage()
	for text, want := range map[string]string{
		`key == claims.sub && data.n > 1`:         "",
		`headers.kind == "x"`:                     "",
		`data.items.exists(offset, offset > 1.0)`: "", // another one
		`data.offset > 1.0 && has(data.ts)`:       "",
		`offset > 100`:                            "line 1, column 1: offset is not known",
		`key == claims.sub && ts > 0`:             "line 1, column 22: ts is not known",
		"data.n == 1 ||\n  partition in [1, 2]":   "line 2, column 3: partition is not known",
		`other == 1`:                              "undeclared reference to 'other'",
	} {
		_, err := l.PublishRule(text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if _, err := l.Rule(text); err != nil && !strings.Contains(want, "other") {
			t.Errorf("%s as the rule of a reader: %v", text, err)
		}
	}
}
