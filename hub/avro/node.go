package avro

import "sluice/hub/jsonscan"

// kind is what is special about a type.
type kind uint8

const (
	kindNull kind = iota
	kindBoolean
	kindInt
	kindLong
	kindFloat
	kindDouble
	kindBytes
	kindString
	kindEnum
	kindFixed
	kindArray
	kindMap
	kindRecord
	kindUnion
)

var primitives = map[string]kind{
	"null": kindNull, "boolean": kindBoolean, "int": kindInt, "long": kindLong,
	"float": kindFloat, "double": kindDouble, "bytes": kindBytes, "string": kindString,
}

// maxDepth is the deepest nesting of a value.
const maxDepth = 512

// maxDecimal bounds the bytes of a decimal: converting it takes the square of them.
const maxDecimal = 256

// node is a type.
type node struct {
	kind      kind
	name      string // as unions name the type
	decimal   bool   // of bytes and fixed
	uuid      bool   // of string, and fixed of 16 bytes
	scale     int    // of a decimal
	precision int
	size      int      // of fixed
	symbols   [][]byte // of an enum, as JSON
	names     [][]byte // of the fields of a record, as JSON, with a colon
	of        []*node  // fields, branches, items or values

	// places finds symbols, fields and branches by their names.
	places map[string]int
	// longest is how long a name in places can be as it is written in JSON, in bytes.
	longest int
	// defaults are those of the fields of a record, encoded; nil for none. required counts
	// the fields without one.
	defaults [][]byte
	required int
	// fitting are the branches of a union that values of a form can be of.
	fitting [forms][]int
}

// form is what JSON tells of a value by its first character.
type form uint8

const (
	formNull form = iota
	formBoolean
	formNumber
	formString
	formArray
	formObject
	forms
)

func formOf(c byte) form {
	switch c {
	case '{':
		return formObject
	case '[':
		return formArray
	case '"':
		return formString
	case 't', 'f':
		return formBoolean
	case 'n':
		return formNull
	}
	return formNumber
}

// takes reports whether values of a form can be of a type.
func (n *node) takes(f form) bool {
	switch n.kind {
	case kindNull:
		return f == formNull
	case kindBoolean:
		return f == formBoolean
	case kindInt, kindLong:
		return f == formNumber
	case kindFloat, kindDouble:
		return f == formNumber || f == formString
	case kindBytes, kindFixed:
		return f == formString || f == formNumber && n.decimal
	case kindString, kindEnum:
		return f == formString
	case kindArray:
		return f == formArray
	case kindMap, kindRecord:
		return f == formObject
	case kindUnion:
		return len(n.fitting[f]) > 0
	}
	return false
}

// put notes the place of a symbol, field or branch.
func (n *node) put(name string, place int) {
	n.places[name] = place
	n.longest = max(n.longest, len(`""`)+len(`\u0000`)*len(name))
}

// field returns the place of a field by its name as it is written, -1 for none. Most often it
// is the next.
func (n *node) field(name []byte, next int) int {
	if next < len(n.names) {
		if written := n.names[next]; string(written[:len(written)-1]) == string(name) {
			return next
		}
	}
	if len(name) > n.longest {
		return -1
	}
	text, ok := jsonscan.Unquote(name)
	if f, known := n.places[text]; ok && known {
		return f
	}
	return -1
}
