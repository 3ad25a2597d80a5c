package expr

import (
	"strconv"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"sluice/hub/jsonscan"
)

// MaxDepth is how many arrays and objects may be nested for an expression to look into
// the innermost. Each level is scanned on the way to the next one.
const MaxDepth = 32

var (
	errTooDeep = types.NewErr("the value is nested deeper than %d levels", MaxDepth)
	errNotText = types.NewErr("the string is not text")
	errNumber  = types.NewErr("the number is out of range")
)

// lazy is a JSON value that is decoded when an expression first looks at it, and only
// then: a field of a large record costs no more than finding it.
type lazy struct {
	raw   []byte
	depth int     // how many arrays and objects it is in
	value ref.Val // nil until it has been decoded
}

// adapter makes values of the language of Go values, and so of the lazy members of an
// object.
type adapter struct{ types.Adapter }

var values = adapter{types.DefaultTypeAdapter}

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(native any) ref.Val {
	if l, ok := native.(*lazy); ok {
		return l.decoded()
	}
	return a.Adapter.NativeToValue(native)
}

func (l *lazy) decoded() ref.Val {
	if l.value == nil {
		l.value = decode(l.raw, l.depth)
	}
	return l.value
}

// decode makes the value of JSON text. Numbers are doubles, as the specification of
// the language has it for JSON. Of the members of an object with the same name the
// last one counts, as with most parsers.
func decode(raw []byte, depth int) ref.Val {
	raw = jsonscan.TrimSpace(raw)
	if len(raw) == 0 {
		return types.NullValue
	}
	if (raw[0] == '{' || raw[0] == '[') && depth >= MaxDepth {
		return errTooDeep
	}
	switch raw[0] {
	case '{':
		members := make(map[string]*lazy)
		for name, value := range jsonscan.Members(raw) {
			if text, ok := jsonscan.Unquote(name); ok {
				members[text] = &lazy{raw: value, depth: depth + 1}
			}
		}
		return types.NewMap(values, members)
	case '[':
		var elements []ref.Val
		for element := range jsonscan.Elements(raw) {
			elements = append(elements, decode(element, depth+1))
		}
		return types.NewRefValList(values, elements)
	case '"':
		if text, ok := jsonscan.Unquote(raw); ok {
			return types.String(text)
		}
		return errNotText
	case 't':
		return types.True
	case 'f':
		return types.False
	case 'n':
		return types.NullValue
	}
	number, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return errNumber
	}
	return types.Double(number)
}

// truth returns the result of an expression that is to be true or false.
func truth(v ref.Val) bool {
	b, ok := v.(types.Bool)
	return ok && bool(b)
}
