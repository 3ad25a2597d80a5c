package schema

import (
	"encoding/json"

	"sluice/hub/jsonscan"
)

// Decode reads a value as a check does, in the form in which encoding/json gives it with
// UseNumber. It reports false for a value that no schema allows.
func Decode(doc []byte) (any, bool) {
	var t tape
	if _, wrong := t.read(doc); wrong != noKeyword {
		return nil, false
	}
	return t.decoded(0), true
}

func (t *tape) decoded(at int32) any {
	switch t.items[at].kind {
	case kindString:
		return string(t.content(at))
	case kindNumber:
		return json.Number(t.text(at))
	case kindBoolean:
		return t.text(at)[0] == 't'
	case kindArray:
		list := []any{}
		for child, end := at+1, t.items[at].next; child < end; child = t.items[child].next {
			list = append(list, t.decoded(child))
		}
		return list
	case kindObject:
		members := map[string]any{}
		for child, end := at+1, t.items[at].next; child < end; child = t.items[child].next {
			members[string(t.name(child))] = t.decoded(child)
		}
		return members
	}
	return nil
}

// MaxExponent is the largest exponent that a number may be written with.
const MaxExponent = jsonscan.MaxExponent

// Compare compares two numbers as schemas do, and reports whether the first is an integer.
func Compare(a, b string) (order int, isInteger bool) {
	var x, y decimal
	x.Set([]byte(a))
	y.Set([]byte(b))
	return x.compare(&y), x.IsInteger()
}

// Divides reports whether a number is a multiple of another one.
func Divides(by, number string) bool {
	var d, n decimal
	d.Set([]byte(by))
	n.Set([]byte(number))
	divisor, ok := newDivisor(&d)
	return ok && divisor.divides(&n)
}

// Has reports whether a keyword is one of the draft.
func (d Draft) Has(keyword string) bool { return d.has(keyword) }
