package schema_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"sluice/hub/schema"
)

// generator makes schemas of a draft, and values, at random. They use few names and texts, so
// that many values fit many schemas.
type generator struct {
	*rand.Rand
	draft schema.Draft
}

// allDrafts are the drafts.
var allDrafts = []schema.Draft{schema.Draft04, schema.Draft06, schema.Draft07, schema.Draft2019, schema.Draft2020}

func (g generator) one(of ...any) any { return of[g.IntN(len(of))] }

func (g generator) name() string {
	return g.one("a", "b", "c", "ab", "x-1", "", "a/b", "é").(string)
}

func (g generator) number() json.Number {
	if g.draft == schema.Draft04 { // 1.0 is an integer for the library
		return json.Number(g.one("0", "1", "2", "3", "-1", "2.5", "0.1", "10", "100", "9007199254740993", "1e-9").(string))
	}
	return json.Number(g.one("0", "1", "2", "3", "-1", "1.0", "2.5", "0.1", "0.3", "10", "1e1", "100e-2", "-0", "-0.0", "1E+2",
		"9007199254740993", "9007199254740992", "123456789012345678901234567890", "0.000001", "1e-9", "3e20").(string))
}

func (g generator) text() string {
	return g.one("", "a", "ab", "abc", "é", "😀", "x-1", "2026-01-02", "10:00:00Z", "::1", "1.2.3.4", "a\"\\\n", "0").(string)
}

func (g generator) small() json.Number { return json.Number(fmt.Sprint(g.IntN(4))) }

// value makes a value.
func (g generator) value(depth int) any {
	kinds := 6
	if depth == 0 {
		kinds = 4
	}
	switch g.IntN(kinds) {
	case 0:
		return g.one(nil, true, false)
	case 1:
		return g.number()
	case 2, 3:
		return g.text()
	case 4:
		list := []any{}
		for range g.IntN(5) {
			list = append(list, g.value(depth-1))
		}
		return list
	}
	members := map[string]any{}
	for range g.IntN(5) {
		members[g.name()] = g.value(depth - 1)
	}
	return members
}

// file makes the file of a schema.
func (g generator) file() string {
	root := g.schema(4)
	s, ok := root.(map[string]any)
	if !ok {
		s = map[string]any{}
	}
	if g.draft != schema.Draft2020 || g.IntN(2) == 0 {
		s["$schema"] = strings.TrimSuffix(g.draft.URI(), "#") + g.one("", "#").(string)
	}
	anchored := map[string]any{"properties": map[string]any{"a": map[string]any{"$ref": "#"}}}
	if g.draft.RefAlone() {
		anchored[g.draft.ID()] = "#c"
	} else {
		anchored["$anchor"] = "c"
	}
	named := map[string]any{"a": g.schema(3), "b": g.schema(2), "c": anchored}
	s[g.draft.Definitions()] = named
	switch {
	case g.IntN(4) > 0:
	case g.draft == schema.Draft2020:
		s["$dynamicAnchor"] = "d"
		named["r"] = map[string]any{"$id": "r.json", "items": map[string]any{"$dynamicRef": "#d"}, "$defs": map[string]any{"x": map[string]any{"$dynamicAnchor": "d", "type": "string"}}}
	case g.draft == schema.Draft2019:
		s["$recursiveAnchor"] = g.IntN(2) == 0
		named["r"] = map[string]any{"$id": "r.json", "$recursiveAnchor": g.IntN(2) == 0, "items": map[string]any{"$recursiveRef": "#"}, "maxItems": 2}
	default:
		named["r"] = map[string]any{g.draft.ID(): "r.json", "items": []any{map[string]any{"$ref": "#"}}, "additionalItems": false}
	}
	if named["r"] != nil && g.IntN(2) == 0 {
		s["properties"] = map[string]any{"a": map[string]any{"$ref": "r.json"}}
	}
	return written(s)
}

func written(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// schema makes a schema with a few keywords.
func (g generator) schema(depth int) any {
	if g.draft != schema.Draft04 && g.IntN(12) == 0 {
		return g.IntN(3) > 0
	}
	s := map[string]any{}
	for range 1 + g.IntN(4) {
		name, v := g.keyword(depth)
		for !g.draft.Has(name) {
			name, v = g.keyword(depth)
		}
		s[name] = v
	}
	if s["$ref"] != nil && g.draft.RefAlone() {
		delete(s, "const") // which the library does not ignore
	}
	for name, of := range map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"} {
		if s[name] != nil && g.draft == schema.Draft04 {
			s[name], s[of] = g.IntN(3) > 0, g.number()
		}
	}
	return s
}

func (g generator) keyword(depth int) (string, any) {
	if depth == 0 || g.IntN(3) == 0 {
		return g.plain()
	}
	sub := func() any { return g.schema(depth - 1) }
	list := func() any {
		all := []any{sub()}
		for range g.IntN(3) {
			all = append(all, sub())
		}
		return all
	}
	named := func() any {
		all := map[string]any{}
		for range 1 + g.IntN(3) {
			all[g.name()] = sub()
		}
		return all
	}
	switch name := g.one("allOf", "anyOf", "oneOf", "prefixItems", "properties", "properties", "properties", "patternProperties", "dependentSchemas",
		"dependencies", "not", "if", "then", "else", "items", "items", "contains", "additionalProperties", "propertyNames",
		"additionalItems", "unevaluatedProperties", "unevaluatedItems", "$ref", "$ref").(string); name {
	case "allOf", "anyOf", "oneOf", "prefixItems":
		return name, list()
	case "dependencies":
		return name, map[string]any{g.name(): []any{g.name()}, g.name(): sub()}
	case "properties", "dependentSchemas":
		return name, named()
	case "patternProperties":
		return name, map[string]any{g.one("^a", "b$", "x", "^$").(string): sub()}
	case "additionalProperties", "additionalItems", "unevaluatedProperties", "unevaluatedItems":
		return name, g.one(false, false, sub())
	case "items":
		if g.draft < schema.Draft2020 && g.IntN(2) == 0 {
			return name, list()
		}
		return name, sub()
	case "$ref":
		return name, g.one("#", "#/"+g.draft.Definitions()+"/a", "#/"+g.draft.Definitions()+"/b", "#c")
	default:
		return name, sub()
	}
}

func (g generator) plain() (string, any) {
	switch name := g.one("type", "type", "const", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
		"maxLength", "pattern", "format", "minProperties", "maxProperties", "required", "required", "dependentRequired", "minItems", "maxItems", "uniqueItems",
		"minContains", "maxContains").(string); name {
	case "type":
		kinds := []any{"null", "boolean", "number", "integer", "string", "array", "object"}
		if g.IntN(2) == 0 {
			return name, g.one(kinds...)
		}
		first := g.IntN(6)
		return name, kinds[first : first+2]
	case "const":
		return name, g.value(2)
	case "enum":
		if g.draft <= schema.Draft07 { // where no two may be equal
			return name, []any{g.value(2)}
		}
		return name, []any{g.value(1), g.value(2), g.value(1)}
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		return name, g.number()
	case "multipleOf":
		return name, json.Number(g.one("1", "2", "0.1", "0.01", "2.5", "3", "1e1").(string))
	case "pattern":
		return name, g.one("^a", "b", "^.$", "^[a-c]{1,2}$", "\\d")
	case "format":
		return name, g.one("date", "time", "ipv6", "json-pointer", "uuid")
	case "required":
		return name, []any{g.name()}
	case "dependentRequired":
		return name, map[string]any{g.name(): []any{g.name()}}
	case "uniqueItems":
		return name, g.IntN(4) > 0
	default:
		return name, g.small()
	}
}

// respelt writes a value in another way that means the same: with other white space,
// escapes and numbers.
func (g generator) respelt(text string) string {
	var b strings.Builder
	for _, c := range text {
		switch {
		case c == 'x' && g.IntN(3) == 0: // only in strings
			b.WriteString(`\u0078`)
			continue
		case c == ',' && g.IntN(3) == 0:
			b.WriteString(" ,\n")
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}
