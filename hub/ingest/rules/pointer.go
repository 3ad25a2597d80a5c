package rules

import (
	"errors"
	"strconv"
	"strings"

	"sluice/hub/jsonscan"
)

// maxPointer bounds the text of a pointer, in bytes, and maxSteps the levels that it
// passes.
const (
	maxPointer = 256
	maxSteps   = 32
)

// Pointer is a place in a JSON document: a JSON pointer (RFC 6901) of one or more names.
type Pointer struct {
	text  string
	names []string
}

// NewPointer parses a pointer, such as /device/id.
func NewPointer(text string) (Pointer, error) {
	switch {
	case len(text) > maxPointer:
		return Pointer{}, errors.New("the pointer is longer than 256 bytes")
	case !strings.HasPrefix(text, "/"), len(text) < 2:
		return Pointer{}, errors.New("a pointer begins with / and names a field, such as /device/id")
	}
	p := Pointer{text: text}
	for name := range strings.SplitSeq(text[1:], "/") {
		for i := range len(name) {
			if name[i] == '~' && (i+1 == len(name) || name[i+1] != '0' && name[i+1] != '1') {
				return Pointer{}, errors.New("in a pointer, ~ is written as ~0, and / within a name as ~1")
			}
		}
		p.names = append(p.names, strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~"))
	}
	if len(p.names) > maxSteps {
		return Pointer{}, errors.New("the pointer has more than 32 names")
	}
	return p, nil
}

// String returns the pointer as it was written.
func (p Pointer) String() string { return p.text }

// in returns the value that the pointer finds in a document, which jsonscan.Check and
// jsonscan.CheckNames have accepted. It returns nil if there is none.
func (p Pointer) in(doc []byte) []byte {
	at := jsonscan.TrimSpace(doc)
	at = at[:jsonscan.EndOfValue(at, 0)]
	for _, name := range p.names {
		if at = child(at, name); at == nil {
			return nil
		}
	}
	return at
}

// child returns the member or element of a value with a name, nil for none.
func child(value []byte, name string) []byte {
	switch value[0] {
	case '{':
		for raw, member := range jsonscan.Members(value) {
			if string(raw[1:len(raw)-1]) == name {
				return member
			}
			if found, ok := jsonscan.Unquote(raw); ok && found == name {
				return member
			}
		}
	case '[':
		n, err := strconv.Atoi(name)
		if err != nil || strconv.Itoa(n) != name {
			return nil // RFC 6901 (section 4) has no leading zeros, and - is no element
		}
		for element := range jsonscan.Elements(value) {
			if n == 0 {
				return element
			}
			n--
		}
	}
	return nil
}

// plainText returns a string, or an integer as its digits. It reports false for any other
// value, and for numbers that can be written in several ways, which would be several texts.
func plainText(value []byte) (string, bool) {
	if len(value) == 0 {
		return "", false
	}
	switch c := value[0]; {
	case c == '"':
		return jsonscan.Unquote(value)
	case c == '-' && len(value) > 1 && value[1] != '0', c >= '0' && c <= '9':
		for _, d := range value[1:] {
			if d < '0' || d > '9' {
				return "", false
			}
		}
		return string(value), true
	}
	return "", false
}
