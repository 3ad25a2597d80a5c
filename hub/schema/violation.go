package schema

import (
	"fmt"
	"strconv"
	"strings"

	"sluice/hub/jsonscan"
)

// Violation is one thing that is wrong with a value.
type Violation struct {
	// Pointer is where in the value it is, as a JSON pointer (RFC 6901), "" for the value
	// itself. If it would be longer than MaxPointer bytes, it is that of the innermost
	// value around the place that is not.
	Pointer string
	// Message says what must be, for people. It contains nothing of the value but names
	// that the schema has, too.
	Message string
	// Keyword is the keyword of the schema that the value violates, or one of the words in
	// Keywords for what no schema allows.
	Keyword string
}

// MaxPointer bounds the pointer of a violation, in bytes.
const MaxPointer = 512

// maxShown bounds what a message shows of a schema, in bytes.
const maxShown = 120

// finding is a violation that has no words yet: most of them, in alternatives that do not
// fit, are never told.
type finding struct {
	what keyword
	at   int32
	of   *node
	// name and n are what the message needs beside the schema.
	name string
	n, m int
}

// join returns a path as a JSON pointer.
func join(path []string) string {
	var b strings.Builder
	for _, name := range path {
		name = escape(name)
		if b.Len()+1+len(name) > MaxPointer {
			break
		}
		b.WriteByte('/')
		b.WriteString(name)
	}
	return strings.ToValidUTF8(b.String(), "\ufffd")
}

// escape returns a name as it is written in a pointer.
func escape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

func (f *finding) message() string {
	switch f.what {
	case notJSON:
		return "is not JSON"
	case halfCharacter:
		return `has half of a character (\ud800 to \udfff without its other half), which readers take for different texts`
	case hugeExponent:
		return fmt.Sprintf("has an exponent beyond %d", jsonscan.MaxExponent)
	case tooLarge:
		return "is too large to be checked against the schema"
	case tooCostly:
		return "takes too many steps to be checked against the schema (limit schema_steps): send less in one request"
	case falseSchema:
		return "is not allowed here"
	case keywordType:
		return "must be " + typeNames(f.of.types)
	case keywordConst:
		return "must be " + shown(f.of.constant.doc)
	case keywordEnum:
		return "must be " + oneOf(f.of.enum)
	case keywordUnevaluatedProperties:
		return "is a property that the schema does not have"
	case keywordUnevaluatedItems:
		return "is an item that the schema does not have"
	case keywordNot:
		return "must not match the schema in not"
	case keywordAnyOf:
		return fmt.Sprintf("fits none of the %d alternatives in anyOf; what the closest one (%d) misses follows", len(f.of.anyOf), f.n)
	case keywordOneOf:
		if f.m >= 0 {
			return fmt.Sprintf("fits two of the alternatives in oneOf, %d and %d: must fit one", f.n, f.m)
		}
		return fmt.Sprintf("fits none of the %d alternatives in oneOf; what the closest one (%d) misses follows", len(f.of.oneOf), f.n)
	}
	if text := f.ofScalar(); text != "" {
		return text
	}
	if text := f.ofObject(); text != "" {
		return text
	}
	return f.ofArray()
}

func (f *finding) ofScalar() string {
	switch f.what {
	case keywordFormat:
		return "must be " + formatted(f.of.text.format.name)
	case keywordMinLength:
		return fmt.Sprintf("must have at least %s", count(f.of.text.minLength, "character"))
	case keywordMaxLength:
		return fmt.Sprintf("must have at most %s", count(f.of.text.maxLength, "character"))
	case keywordPattern:
		return "must match " + shown([]byte(f.of.text.pattern.text))
	case keywordMinimum:
		return "must be at least " + shown([]byte(f.of.number.minimum.text))
	case keywordMaximum:
		return "must be at most " + shown([]byte(f.of.number.maximum.text))
	case keywordExclusiveMinimum:
		return "must be more than " + shown([]byte(f.of.number.exclusiveMinimum.text))
	case keywordExclusiveMaximum:
		return "must be less than " + shown([]byte(f.of.number.exclusiveMaximum.text))
	case keywordMultipleOf:
		return "must be a multiple of " + shown([]byte(f.of.number.multiple))
	}
	return ""
}

func (f *finding) ofObject() string {
	switch f.what {
	case keywordMinProperties:
		return fmt.Sprintf("must have at least %s", count(f.of.object.minProperties, "property"))
	case keywordMaxProperties:
		return fmt.Sprintf("must have at most %s", count(f.of.object.maxProperties, "property"))
	case keywordRequired:
		return "must have the property " + shown([]byte(strconv.Quote(f.name)))
	case keywordDependentRequired:
		d := f.of.object.dependent[f.n]
		return fmt.Sprintf("must have the property %s, as it has %s", shown([]byte(strconv.Quote(d.required[f.m]))), shown([]byte(strconv.Quote(d.name))))
	case keywordAdditionalProperties:
		return "is a property that the schema does not have"
	case keywordPropertyNames:
		return "has a name that the schema does not allow"
	}
	return ""
}

func (f *finding) ofArray() string {
	switch f.what {
	case keywordMinItems:
		return fmt.Sprintf("must have at least %s", count(f.of.array.minItems, "item"))
	case keywordMaxItems:
		return fmt.Sprintf("must have at most %s", count(f.of.array.maxItems, "item"))
	case keywordUniqueItems:
		return fmt.Sprintf("must not have the same item twice: items %d and %d are equal", f.n, f.m)
	case keywordContains:
		return "must have an item that matches the schema in contains"
	case keywordMinContains:
		return fmt.Sprintf("must have at least %s matching the schema in contains", count(f.of.array.minContains, "item"))
	case keywordMaxContains:
		return fmt.Sprintf("must have at most %s matching the schema in contains", count(f.of.array.maxContains, "item"))
	}
	return ""
}

func count(n int, of string) string {
	switch {
	case n == 1:
		return "1 " + of
	case strings.HasSuffix(of, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(of, "y"))
	}
	return fmt.Sprintf("%d %ss", n, of)
}

func typeNames(set kind) string {
	var names []string
	for i, name := range kindNames {
		if set&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

// kindNames are the kinds with an article, in the order of their bits.
var kindNames = [...]string{"null", "a boolean", "a number", "an integer", "a string", "an array", "an object"}

func formatted(name string) string {
	if strings.ContainsRune("aei", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

// oneOf lists values, as long as they fit.
func oneOf(values []*tape) string {
	var b strings.Builder
	for i, v := range values {
		text := shown(v.doc)
		if i > 0 {
			if b.Len()+len(text) > maxShown {
				fmt.Fprintf(&b, " or one of %d more", len(values)-i)
				break
			}
			b.WriteString(", ")
		}
		b.WriteString(text)
	}
	if len(values) > 1 {
		return "one of " + b.String()
	}
	return b.String()
}

// shown returns the beginning of a text of a schema.
func shown(text []byte) string {
	if len(text) <= maxShown {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:maxShown]), "") + "…"
}
