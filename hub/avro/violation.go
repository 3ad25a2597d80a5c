package avro

import (
	"fmt"
	"strings"

	"sluice/hub/jsonscan"
)

// keyword is what is violated.
type keyword uint8

const (
	noKeyword keyword = iota
	notJSON
	halfCharacter
	hugeExponent
	tooDeep
	tooCostly
	keywordType
	keywordRange
	keywordScale
	keywordPrecision
	keywordEnum
	keywordFormat
	keywordBytes
	keywordSize
	keywordRequired
	keywordUnknown
	keywordUnion
)

// keywordNames are those of JSON Schema where they mean the same.
var keywordNames = [...]string{
	notJSON:          "not_json",
	halfCharacter:    "half_character",
	hugeExponent:     "huge_exponent",
	tooDeep:          "too_deep",
	tooCostly:        "too_costly",
	keywordType:      "type",
	keywordRange:     "range",
	keywordScale:     "scale",
	keywordPrecision: "precision",
	keywordEnum:      "enum",
	keywordFormat:    "format",
	keywordBytes:     "bytes",
	keywordSize:      "size",
	keywordRequired:  "required",
	keywordUnknown:   "additionalProperties",
	keywordUnion:     "anyOf",
}

// Keywords returns all that the keyword of a violation can be.
func Keywords() []string { return append([]string(nil), keywordNames[1:]...) }

// finding is a violation that has no words yet: those of branches that do not fit are never
// told.
type finding struct {
	what keyword
	at   int
	of   *node
	n    int // a field or a branch of it
}

// maxShown bounds what a message shows of a schema, in bytes.
const maxShown = 120

func (f *finding) message() string {
	switch f.what {
	case notJSON:
		return "is not JSON"
	case halfCharacter:
		return `has half of a character (\ud800 to \udfff without its other half), which readers take for different texts`
	case hugeExponent:
		return fmt.Sprintf("has an exponent beyond %d", jsonscan.MaxExponent)
	case tooDeep:
		return fmt.Sprintf("is more than %d levels deep in the schema", maxDepth)
	case tooCostly:
		return "takes too many steps to be encoded by the schema (limit schema_steps): send less in one request, or name the branches of unions"
	case keywordType:
		return "must be " + f.of.described()
	case keywordRange:
		return "is not in the range of " + f.of.name
	case keywordScale:
		return fmt.Sprintf("must have at most %d digits after the point", f.of.scale)
	case keywordPrecision:
		return fmt.Sprintf("must have at most %d digits, of which %d are after the point", f.of.precision, f.of.scale)
	case keywordEnum:
		return "must be one of " + listed(len(f.of.symbols), func(i int) string { return string(f.of.symbols[i]) })
	case keywordFormat:
		return "must be a UUID"
	case keywordBytes:
		return `must have only the characters \u0000 to \u00ff, one for each byte`
	case keywordSize:
		return fmt.Sprintf(`must have %d characters, one for each byte`, f.of.size)
	case keywordRequired:
		return "must have the field " + shown(strings.TrimSuffix(string(f.of.names[f.n]), ":"))
	case keywordUnknown:
		return "is a field that the schema does not have"
	case keywordUnion:
		message := "fits none of " + f.of.branches()
		if f.n >= 0 {
			message += "; what the closest one (" + shown(f.of.of[f.n].name) + ") misses follows"
		}
		return message
	}
	return "is not allowed here"
}

// described says what values of a type are in JSON.
func (n *node) described() string {
	switch n.kind {
	case kindNull:
		return "null"
	case kindBoolean:
		return "a boolean"
	case kindInt, kindLong:
		return "an integer (" + n.name + ")"
	case kindFloat, kindDouble:
		return "a number (" + n.name + ")"
	case kindString:
		return "a string"
	case kindEnum:
		return "a string, the symbol of an enum"
	case kindArray:
		return "an array"
	case kindMap:
		return "an object (map)"
	case kindRecord:
		return "an object (" + shown(n.name) + ")"
	case kindUnion:
		return "one of " + n.branches()
	case kindBytes, kindFixed:
	}
	if n.decimal {
		return "a number; a string would have a character for each byte of it, and must not look like a number"
	}
	return "a string with a character for each byte"
}

// branches lists the branches of a union.
func (n *node) branches() string {
	return listed(len(n.of), func(i int) string { return shown(n.of[i].name) })
}

// listed lists names, as long as they fit.
func listed(n int, name func(int) string) string {
	var b strings.Builder
	for i := range n {
		text := name(i)
		if i > 0 {
			if b.Len()+len(text) > maxShown {
				fmt.Fprintf(&b, " and %d more", n-i)
				break
			}
			b.WriteString(", ")
		}
		b.WriteString(shown(text))
	}
	return b.String()
}

// shown returns the beginning of a text of a schema.
func shown(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown], "") + "…"
}
