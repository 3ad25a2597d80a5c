package hub

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Errors of CheckJSON.
var (
	// ErrNotJSON: the text does not follow the grammar of RFC 8259.
	ErrNotJSON = errors.New("the text is not JSON")
	// ErrNotUTF8: the text is not UTF-8, which RFC 8259 (section 8.1) asks for.
	ErrNotUTF8 = errors.New("the text is not UTF-8")
	// ErrJSONTooDeep: arrays and objects are nested too deeply.
	ErrJSONTooDeep = errors.New("the JSON is nested too deeply")
)

// CheckJSON reports whether b is one JSON text in UTF-8 whose arrays and
// objects are nested at most maxDepth deep; a scalar has depth 0. Its own use
// of the stack is bounded by maxDepth, whatever b holds. It returns nil,
// ErrNotUTF8, ErrJSONTooDeep or ErrNotJSON.
func CheckJSON(b []byte, maxDepth int) error {
	if !utf8.Valid(b) {
		return ErrNotUTF8
	}
	// The validator recurses at each level, so the depth is bounded first.
	if deeperThan(b, maxDepth) {
		return ErrJSONTooDeep
	}
	if !gjson.ValidBytes(b) {
		return ErrNotJSON
	}
	return nil
}

// deeperThan finds the nesting of a text that may or may not be JSON. As far
// as the text is valid the count is exact, and a validator goes no further.
func deeperThan(b []byte, maxDepth int) bool {
	// So few brackets cannot nest deeper. Counting is vectorised, and spares
	// all ordinary records the walk.
	if bytes.Count(b, openBrace)+bytes.Count(b, openBracket) <= maxDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			if depth++; depth > maxDepth {
				return true
			}
		case '}', ']':
			depth--
		case '"':
			i = stringEnd(b, i+1)
		}
	}
	return false
}

// stringEnd finds the quote that ends the string whose text begins at i, or
// the end of b.
func stringEnd(b []byte, i int) int {
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return i
}

var (
	openBrace   = []byte{'{'}
	openBracket = []byte{'['}
)

// AppendJSONString appends s as a JSON string. Control characters and the line
// separators U+2028 and U+2029 are escaped, so that the text is one line in
// SSE and in JavaScript sources too. Bytes that are not UTF-8 become U+FFFD.
func AppendJSONString[T string | []byte](dst []byte, s T) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plainInString[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := decodeRune(s, i)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\uFFFD"...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\u202`...)
			dst = append(dst, hex[r&15])
			start = i + size
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// decodeRune reads the rune at i; the copy of at most four bytes stays on the
// stack and makes it work for strings and byte slices alike.
func decodeRune[T string | []byte](s T, i int) (rune, int) {
	var window [utf8.UTFMax]byte
	n := copy(window[:], s[i:])
	return utf8.DecodeRune(window[:n])
}

// plainInString tells which bytes stand in a JSON string as they are.
var plainInString = func() (plain [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()
