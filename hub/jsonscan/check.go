// Package jsonscan checks and walks JSON text in place: without recursion, so
// that no input can exhaust the stack, and without building values. A Decimal is a
// number in it, digit for digit.
package jsonscan

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"unicode/utf8"
)

// Errors of Check.
var (
	// ErrNotJSON means that the text does not follow the grammar of RFC 8259.
	ErrNotJSON = errors.New("the text is not JSON")
	// ErrNotUTF8 means that the text is not UTF-8, which RFC 8259 (section 8.1)
	// requires.
	ErrNotUTF8 = errors.New("the text is not UTF-8")
	// ErrTooDeep means that arrays and objects are nested too deeply.
	ErrTooDeep = errors.New("the JSON is nested too deeply")
)

// Check checks that b is one JSON text in UTF-8 whose arrays and objects are
// nested at most maxDepth deep; a scalar has depth 0. It does not recurse, so
// that no input can exhaust the stack. It returns nil, or ErrNotUTF8, ErrTooDeep
// or ErrNotJSON, whichever it finds first.
//
// It is implemented here because every record that is read passes through it, and
// existing validators recurse, or take up to twice the time.
func Check(b []byte, maxDepth int) error {
	if !utf8.Valid(b) {
		return ErrNotUTF8
	}
	var room [64]byte
	open := room[:0] // the brackets that are not closed yet
	i := 0
	for {
		// A value must follow, or the end of an empty array.
		i = skipSpace(b, i)
		if i == len(b) {
			return ErrNotJSON
		}
		switch c := b[i]; c {
		case '{', '[':
			if len(open) >= maxDepth {
				return ErrTooDeep
			}
			open = append(open, c)
			i = skipSpace(b, i+1)
			if i < len(b) && b[i] == c+2 { // '}' and ']' are two code points after their opening brackets
				break
			}
			if c == '{' {
				i = skipName(b, i)
			}
			if i < 0 {
				return ErrNotJSON
			}
			continue
		case '"':
			i = skipString(b, i+1)
		case 't':
			i = skipWord(b, i, "true")
		case 'f':
			i = skipWord(b, i, "false")
		case 'n':
			i = skipWord(b, i, "null")
		default:
			i = skipNumber(b, i)
		}
		if i < 0 {
			return ErrNotJSON
		}
		// After a value: all brackets that close with it, and the comma before
		// the next.
		for {
			i = skipSpace(b, i)
			if len(open) == 0 {
				if i < len(b) {
					return ErrNotJSON
				}
				return nil
			}
			if i == len(b) {
				return ErrNotJSON
			}
			within := open[len(open)-1]
			if b[i] == within+2 {
				open = open[:len(open)-1]
				i++
				continue
			}
			if b[i] != ',' {
				return ErrNotJSON
			}
			i++
			if within == '{' {
				if i = skipName(b, skipSpace(b, i)); i < 0 {
					return ErrNotJSON
				}
			}
			break
		}
	}
}

// The skip functions return the end of what begins at i, or -1 if it is not what
// is expected there.

// skipSpace never fails.
func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipName skips the name of an object member and the colon after it.
func skipName(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	if i = skipString(b, i+1); i < 0 {
		return -1
	}
	if i = skipSpace(b, i); i == len(b) || b[i] != ':' {
		return -1
	}
	return i + 1
}

// skipString skips a string whose opening quote is just before i.
func skipString(b []byte, i int) int {
	const each = 0x0101010101010101 // a multiple of it is one byte eight times
	for i < len(b) {
		if i+8 <= len(b) {
			// The subtraction borrows in bytes that are less. With bit 1 flipped,
			// the quote comes right after the control characters. Borrows
			// propagate upwards, so the lowest byte found is correct.
			w := binary.LittleEndian.Uint64(b[i:])
			quoteOrControl, backslash := w^each*2-each*('"'^2+1), w^each*'\\'-each
			found := (quoteOrControl | backslash) &^ w & (each * 0x80)
			if found == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(found) / 8
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i = skipEscape(b, i+1); i < 0 {
				return -1
			}
		case c < ' ':
			return -1
		default:
			i++
		}
	}
	return -1
}

// skipEscape skips what follows a backslash.
func skipEscape(b []byte, i int) int {
	if i == len(b) {
		return -1
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 > len(b) {
			return -1
		}
		for _, c := range b[i+1 : i+5] {
			if digit := c-'0' <= 9; !digit && (c|0x20)-'a' >= 6 {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

func skipWord(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	whole := i
	i = skipDigits(b, i)
	if i < 0 || b[whole] == '0' && i > whole+1 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		i = skipDigits(b, i)
	}
	return i
}

// skipDigits skips one or more digits.
func skipDigits(b []byte, i int) int {
	from := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

// AppendString appends s as a JSON string. Control characters and the line
// separators U+2028 and U+2029 are escaped, so that the text is a single line in
// SSE and in JavaScript source. Bytes that are not UTF-8 become U+FFFD.
func AppendString[T string | []byte](dst []byte, s T) []byte {
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

// decodeRune decodes the rune at i. Copying at most four bytes to the stack makes
// it work for strings and byte slices alike.
func decodeRune[T string | []byte](s T, i int) (rune, int) {
	var window [utf8.UTFMax]byte
	n := copy(window[:], s[i:])
	return utf8.DecodeRune(window[:n])
}

// plainInString reports which bytes need no escape in a JSON string.
var plainInString = func() (plain [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()
