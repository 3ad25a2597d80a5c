package schema

import (
	"bytes"
	"math"
	"strconv"

	"sluice/hub/jsonscan"
)

// kind is the type of a value, as one bit, so that several are a set.
type kind uint8

const (
	kindNull kind = 1 << iota
	kindBoolean
	kindNumber
	kindInteger // only in sets: a number without a fraction
	kindString
	kindArray
	kindObject
)

// item is a value within a document: offsets into its text.
type item struct {
	from, to         int32 // its text; of a string with the quotes
	nameFrom, nameTo int32 // of a member, its name with the quotes
	next             int32 // the item after it and all that is in it
	count            int32 // members or elements
	kind             kind
}

// tape is a document as the list of its values, in their order: a container is followed by
// what is in it. It refers to the document and copies nothing.
type tape struct {
	doc   []byte
	items []item
	open  []int32 // while it is read
}

// maxDocument is how many bytes offsets can address.
const maxDocument = math.MaxInt32

// read reads a document that jsonscan.Check and jsonscan.CheckNames have accepted. If it has
// something in it that readers would take for different values, read returns the item and a
// keyword that says why.
func (t *tape) read(doc []byte) (at int32, wrong keyword) {
	// Without spare capacity, the capacity of a name tells where in the document it is.
	t.doc, t.items, t.open = doc[:len(doc):len(doc)], t.items[:0], t.open[:0]
	i := len(doc) - len(jsonscan.TrimSpace(doc))
	var name []byte
	for i < len(doc) {
		at = int32(len(t.items))
		one := item{from: int32(i), next: math.MaxInt32, kind: kindOf(doc[i])}
		if name != nil {
			one.nameFrom = int32(len(doc) - cap(name))
			one.nameTo = one.nameFrom + int32(len(name))
		}
		t.items = append(t.items, one)
		if one.kind == kindArray || one.kind == kindObject {
			t.open = append(t.open, at)
			i++
		} else {
			i = jsonscan.EndOfValue(doc, i)
			t.items[at].to, t.items[at].next = int32(i), at+1
		}
		if wrong = t.ambiguous(at); wrong != noKeyword {
			return at, wrong
		}
		if name, i = t.advance(i); i < 0 {
			return 0, noKeyword
		}
	}
	return 0, notJSON
}

// advance finds the next value after i, and its name if it is a member, and closes the
// containers before it. It returns -1 at the end of the document.
func (t *tape) advance(i int) (name []byte, next int) {
	for len(t.open) > 0 {
		at := t.open[len(t.open)-1]
		var more bool
		if t.items[at].kind == kindObject {
			name, i, more = jsonscan.NextMember(t.doc, i)
		} else {
			i, more = jsonscan.NextElement(t.doc, i)
			name = nil
		}
		if more {
			t.items[at].count++
			return name, i
		}
		t.items[at].to, t.items[at].next = int32(i), int32(len(t.items))
		t.open = t.open[:len(t.open)-1]
	}
	return nil, -1
}

// ambiguous returns why readers could differ about an item or its name.
func (t *tape) ambiguous(at int32) keyword {
	one := &t.items[at]
	if one.nameTo > 0 && !whole(t.doc[one.nameFrom:one.nameTo]) {
		return halfCharacter
	}
	text := t.doc[one.from:max(one.from, one.to)]
	switch one.kind {
	case kindString:
		if !whole(text) {
			return halfCharacter
		}
	case kindNumber:
		if _, ok := jsonscan.Exponent(text); !ok {
			return hugeExponent
		}
	}
	return noKeyword
}

// whole reports whether a string consists of whole characters.
func whole(raw []byte) bool {
	if bytes.IndexByte(raw, '\\') < 0 {
		return true
	}
	_, ok := jsonscan.Unquote(raw)
	return ok
}

func kindOf(c byte) kind {
	switch c {
	case '{':
		return kindObject
	case '[':
		return kindArray
	case '"':
		return kindString
	case 't', 'f':
		return kindBoolean
	case 'n':
		return kindNull
	}
	return kindNumber
}

// text returns the text of an item as it is in the document.
func (t *tape) text(at int32) []byte { return t.doc[t.items[at].from:t.items[at].to] }

// content returns what a string says.
func (t *tape) content(at int32) []byte { return unquoted(t.text(at)) }

// name returns the name of a member.
func (t *tape) name(at int32) []byte {
	return unquoted(t.doc[t.items[at].nameFrom:t.items[at].nameTo])
}

// unquoted copies nothing unless there are escapes.
func unquoted(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	s, _ := jsonscan.Unquote(raw)
	return []byte(s)
}

// pointer returns the JSON pointer of an item: the path from the root to it.
func (t *tape) pointer(at int32) []string {
	var path []string
	for container := int32(0); container != at; {
		child, n := container+1, 0
		for t.items[child].next <= at {
			child = t.items[child].next
			n++
		}
		if t.items[container].kind == kindObject {
			path = append(path, string(t.name(child)))
		} else {
			path = append(path, strconv.Itoa(n))
		}
		container = child
	}
	return path
}
