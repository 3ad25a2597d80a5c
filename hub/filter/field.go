package filter

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"sluice/hub/jsonscan"
)

// Field names a part of a record whose value a filter can be found by: a header, or
// a member of the record's value. Fields are comparable. The zero Field is one that
// no record has.
type Field struct {
	// text identifies the field: its kind, then the name of the header, or each name
	// of the path after its length.
	text string
}

// The kinds of fields, in a field's text.
const (
	kindHeader = 'h'
	kindData   = 'd'
)

// Header returns the field of the last header with a name. Its value is the text of
// the header, or null. A record has no such field if the last header with the name is
// not UTF-8.
func Header(name string) Field {
	if !utf8.ValidString(name) {
		return Field{}
	}
	return Field{text: string(kindHeader) + name}
}

// Data returns the field of a member of the record's value or, with several names, of
// nested objects in it. If a name occurs twice in an object, the last one counts, as in
// [Record.Field]. Without names it is the whole value, unless that is bytes.
func Data(path ...string) Field {
	text := []byte{kindData}
	for _, name := range path {
		if !utf8.ValidString(name) {
			return Field{}
		}
		text = binary.AppendUvarint(text, uint64(len(name)))
		text = append(text, name...)
	}
	return Field{text: string(text)}
}

// header returns the name of the header.
func (f Field) header() (name string, ok bool) {
	return strings.CutPrefix(f.text, string(kindHeader))
}

// data returns the names of the path, for split.
func (f Field) data() (path string, ok bool) {
	return strings.CutPrefix(f.text, string(kindData))
}

// split returns the first name of a path, which has one, and the others.
func split(path string) (name, others string) {
	n, size, shift := 0, 0, 0
	for {
		c := path[size]
		n |= int(c&0x7f) << shift
		size++
		if c < 0x80 {
			return path[size : size+n], path[size+n:]
		}
		shift += 7
	}
}

// isNamed reports whether a JSON string is a name.
func isNamed(raw []byte, name string) bool {
	if content, plain := unescaped(raw); plain {
		return string(content) == name
	}
	text, ok := jsonscan.Unquote(raw)
	return ok && text == name
}

// unescaped returns the content of a JSON string without escapes.
func unescaped(raw []byte) (content []byte, ok bool) {
	if len(raw) < 2 || raw[len(raw)-1] != '"' {
		return nil, false
	}
	content = raw[1 : len(raw)-1]
	return content, bytes.IndexByte(content, '\\') < 0
}
