package schema

// node is a schema of a file: the file itself, or one within it. It is immutable once the
// file is compiled.
type node struct {
	// always and never are true and false as schemas.
	always, never bool
	// resource is the part of the file that the schema is in.
	resource *resource

	// In place: schemas for the same value.
	ref                 *node
	dynamic             *dynamicRef
	allOf, anyOf, oneOf []*node
	not                 *node
	condition           *node // if
	then, otherwise     *node

	// For any value.
	types kind // 0 for all
	// plainIntegers are only those that are written without a fraction and an exponent.
	plainIntegers bool
	constant      *tape
	enum          []*tape

	text   *textRules
	number *numberRules
	object *objectRules
	array  *arrayRules
	// unevaluatedProperties and unevaluatedItems are for what no other keyword has
	// evaluated, in this schema and those in place.
	unevaluatedProperties, unevaluatedItems *node
}

// resource is a schema with an $id of its own, and all that is in it up to the next one. In
// it anchors have their names.
type resource struct {
	dynamicAnchors map[string]*node
}

// dynamicRef refers to an anchor of the outermost resource through which a check has come
// that has one of the name, or else to target.
type dynamicRef struct {
	target *node
	anchor string // "" if it is not dynamic
}

type textRules struct {
	minLength, maxLength int // -1 for none
	pattern              *pattern
	format               *format
}

type numberRules struct {
	minimum, maximum                   *bound
	exclusiveMinimum, exclusiveMaximum *bound
	multipleOf                         *divisor
	multiple                           string // multipleOf as it is written
}

// bound is a number and how it is written.
type bound struct {
	decimal
	text string
}

type objectRules struct {
	minProperties, maxProperties int // -1 for none
	// names has what is known of members by their names.
	names    map[string]member
	required []string
	patterns []patternRule
	// additional is for members that neither names nor patterns have; nil if anything goes.
	additional *node
	// nameSchema is for the names themselves.
	nameSchema *node
	dependent  []dependency
}

// member is what a schema says about a member.
type member struct {
	schema   *node // nil for none
	required int   // its place in required, -1 if it is not
}

type patternRule struct {
	*pattern
	schema *node
}

// dependency is what is required when there is a member of the name.
type dependency struct {
	name     string
	required []string
	schema   *node // in place; nil for none
}

type arrayRules struct {
	minItems, maxItems       int // -1 for none
	unique                   bool
	prefix                   []*node
	items                    *node // for those after prefix
	contains                 *node
	evaluates                bool // contains evaluates the elements that match it
	minContains, maxContains int  // maxContains is -1 for none
}

// inPlace calls yield for the schemas that apply to the same value.
func (s *node) inPlace(yield func(*node)) {
	one := func(sub *node) {
		if sub != nil {
			yield(sub)
		}
	}
	one(s.ref)
	if s.dynamic != nil {
		one(s.dynamic.target)
	}
	for _, list := range [][]*node{s.allOf, s.anyOf, s.oneOf} {
		for _, sub := range list {
			yield(sub)
		}
	}
	one(s.not)
	one(s.condition)
	one(s.then)
	one(s.otherwise)
	if s.object != nil {
		for _, d := range s.object.dependent {
			one(d.schema)
		}
	}
}
