package schema

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// known are the keywords of all drafts.
var known = slices.Concat(withSchema, withList, withNames, plain, notes)

// withoutEffect collects the keywords of a schema that have no effect but may be meant to have
// one: those that its draft does not have, and those beside a $ref if that stands alone.
func (c *compiler) withoutEffect(draft Draft, alone bool, at string, keywords map[string]any) {
	for name := range keywords {
		switch {
		case strings.HasPrefix(name, "x-"), alone && name == "$ref":
		case slices.Contains(notes, name) && name != "id" && (name != "$id" || draft != Draft04):
		case !slices.Contains(known, name):
			c.unknown = append(c.unknown, at+"/"+escape(name))
		case alone, !draft.has(name):
			c.misplaced = append(c.misplaced, at+"/"+escape(name))
		}
	}
}

// keywords fills a node with the keywords of its schema.
func (c *compiler) keywords(n *node, s *jsonschema.Schema, at string, keywords map[string]any) {
	draft := Draft(s.DraftVersion)
	alone := s.Ref != nil && draft.RefAlone()
	c.withoutEffect(draft, alone, at, keywords)
	if n.ref = c.node(s.Ref); alone {
		return
	}
	if s.RecursiveRef != nil && draft == Draft2019 {
		n.dynamic = &dynamicRef{target: c.node(s.RecursiveRef)}
		if s.RecursiveRef.RecursiveAnchor {
			n.dynamic.anchor = recursive
		}
	}
	if s.DynamicRef != nil {
		n.dynamic = &dynamicRef{target: c.node(s.DynamicRef.Ref)}
		if s.DynamicRef.Ref.DynamicAnchor == s.DynamicRef.Anchor {
			n.dynamic.anchor = s.DynamicRef.Anchor
		}
	}
	n.allOf, n.anyOf, n.oneOf = c.list(s.AllOf), c.list(s.AnyOf), c.list(s.OneOf)
	n.not = c.node(s.Not)
	if n.condition = c.node(s.If); n.condition != nil {
		n.then, n.otherwise = c.node(s.Then), c.node(s.Else)
	}
	n.unevaluatedProperties, n.unevaluatedItems = c.node(s.UnevaluatedProperties), c.node(s.UnevaluatedItems)
	if s.Types != nil {
		n.types = kindsOf(s.Types.ToStrings())
		n.plainIntegers = draft == Draft04
	}
	if s.Const != nil {
		n.constant = c.literal(at+"/const", *s.Const)
	}
	if s.Enum != nil {
		n.enum = []*tape{}
		for _, v := range s.Enum.Values {
			n.enum = append(n.enum, c.literal(at+"/enum", v))
		}
	}
	n.text = c.textRules(s, at, keywords)
	n.number = c.numberRules(at, keywords)
	n.object = c.objectRules(s, at)
	n.array = c.arrayRules(s, at)
}

// kindsOf returns a set of types. A number can be an integer.
func kindsOf(names []string) (set kind) {
	for i, name := range []string{"null", "boolean", "number", "integer", "string", "array", "object"} {
		if slices.Contains(names, name) {
			set |= 1 << i
		}
	}
	return set
}

// literal returns a value of the schema in the form of those that are compared with it.
func (c *compiler) literal(at string, v any) *tape {
	text, err := json.Marshal(v)
	t := &tape{}
	if err != nil {
		c.fail(at, "cannot be written: %w", err)
		return t
	}
	if _, wrong := t.read(text); wrong != noKeyword {
		c.fail(at, "%s", (&finding{what: wrong}).message())
	}
	return t
}

// integer returns the value of a keyword, -1 for none.
func (c *compiler) integer(v *int, at, name string) int {
	switch {
	case v == nil:
		return -1
	case *v < 0 || *v > math.MaxInt32:
		c.fail(at+"/"+name, "is larger than %d", math.MaxInt32)
	}
	return *v
}

func (c *compiler) textRules(s *jsonschema.Schema, at string, keywords map[string]any) *textRules {
	rules := &textRules{minLength: c.integer(s.MinLength, at, "minLength"), maxLength: c.integer(s.MaxLength, at, "maxLength")}
	if s.Pattern != nil {
		rules.pattern = s.Pattern.(*pattern)
	}
	if name, ok := keywords["format"].(string); ok {
		switch {
		case s.Format != nil && slices.Contains(formatNames, name):
			rules.format = newFormat(s.Format)
		case c.anyFormat:
			c.formats = append(c.formats, at+"/format")
		default:
			c.fail(at+"/format", "is %.100q, which is not known: leave it out, or use one of %s", name, strings.Join(formatNames, ", "))
			return nil
		}
	}
	if *rules == (textRules{minLength: -1, maxLength: -1}) {
		return nil
	}
	return rules
}

func (c *compiler) numberRules(at string, keywords map[string]any) *numberRules {
	rules := &numberRules{}
	for name, to := range map[string]**bound{
		"minimum": &rules.minimum, "maximum": &rules.maximum,
		"exclusiveMinimum": &rules.exclusiveMinimum, "exclusiveMaximum": &rules.exclusiveMaximum,
	} {
		if text, ok := keywords[name].(json.Number); ok {
			*to = &bound{text: text.String()}
			(*to).Set([]byte(text))
		}
	}
	// In draft-04, these say what the bounds are.
	if keywords["exclusiveMinimum"] == true {
		rules.minimum, rules.exclusiveMinimum = nil, rules.minimum
	}
	if keywords["exclusiveMaximum"] == true {
		rules.maximum, rules.exclusiveMaximum = nil, rules.maximum
	}
	if text, ok := keywords["multipleOf"].(json.Number); ok {
		var d decimal
		d.Set([]byte(text))
		by, ok := newDivisor(&d)
		if !ok {
			c.fail(at+"/multipleOf", "has more than %d digits", maxDivisorDigits)
		}
		rules.multipleOf, rules.multiple = &by, text.String()
	}
	if *rules == (numberRules{}) {
		return nil
	}
	return rules
}

func (c *compiler) objectRules(s *jsonschema.Schema, at string) *objectRules {
	rules := &objectRules{
		minProperties: c.integer(s.MinProperties, at, "minProperties"), maxProperties: c.integer(s.MaxProperties, at, "maxProperties"),
		required: s.Required, nameSchema: c.node(s.PropertyNames), additional: c.additional(s.AdditionalProperties, at),
	}
	if len(s.Properties)+len(s.Required) > 0 {
		rules.names = make(map[string]member, len(s.Properties)+len(s.Required))
	}
	for name, sub := range s.Properties {
		rules.names[name] = member{schema: c.node(sub), required: slices.Index(s.Required, name)}
	}
	for i, name := range s.Required {
		if _, ok := rules.names[name]; !ok {
			rules.names[name] = member{required: i}
		}
	}
	for p, sub := range s.PatternProperties {
		rules.patterns = append(rules.patterns, patternRule{p.(*pattern), c.node(sub)})
	}
	slices.SortFunc(rules.patterns, func(a, b patternRule) int { return cmp.Compare(a.text, b.text) })
	c.dependencies(rules, s)
	if rules.minProperties < 0 && rules.maxProperties < 0 && rules.names == nil && rules.patterns == nil &&
		rules.additional == nil && rules.nameSchema == nil && rules.dependent == nil {
		return nil
	}
	return rules
}

// additional returns the schema of what additionalProperties or additionalItems allows, nil
// if all is allowed without being said.
func (c *compiler) additional(v any, at string) *node {
	switch v := v.(type) {
	case bool:
		return &node{always: v, never: !v, resource: c.resource(c.resourceOf(at))}
	case *jsonschema.Schema:
		return c.node(v)
	}
	return nil
}

// dependencies collects what members require when they are there, sorted by name.
func (c *compiler) dependencies(rules *objectRules, s *jsonschema.Schema) {
	for _, name := range slices.Sorted(maps.Keys(s.DependentRequired)) {
		rules.dependent = append(rules.dependent, dependency{name: name, required: s.DependentRequired[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(s.DependentSchemas)) {
		rules.dependent = append(rules.dependent, dependency{name: name, schema: c.node(s.DependentSchemas[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Dependencies)) {
		switch v := s.Dependencies[name].(type) {
		case []string:
			rules.dependent = append(rules.dependent, dependency{name: name, required: v})
		case *jsonschema.Schema:
			rules.dependent = append(rules.dependent, dependency{name: name, schema: c.node(v)})
		}
	}
}

func (c *compiler) arrayRules(s *jsonschema.Schema, at string) *arrayRules {
	rules := &arrayRules{
		minItems: c.integer(s.MinItems, at, "minItems"), maxItems: c.integer(s.MaxItems, at, "maxItems"), unique: s.UniqueItems,
		prefix: c.list(s.PrefixItems), items: c.node(s.Items2020),
		contains: c.node(s.Contains), evaluates: s.DraftVersion >= int(Draft2020), minContains: c.integer(s.MinContains, at, "minContains"), maxContains: c.integer(s.MaxContains, at, "maxContains"),
	}
	switch items := s.Items.(type) { // before 2020-12
	case *jsonschema.Schema:
		rules.items = c.node(items)
	case []*jsonschema.Schema:
		rules.prefix, rules.items = c.list(items), c.additional(s.AdditionalItems, at)
	}
	if rules.minItems < 0 && rules.maxItems < 0 && !rules.unique && rules.prefix == nil && rules.items == nil && rules.contains == nil {
		return nil
	}
	if rules.minContains < 0 {
		rules.minContains = 1
	}
	return rules
}
