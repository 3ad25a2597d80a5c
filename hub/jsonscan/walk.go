package jsonscan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions of this file walk JSON that Check has accepted, without recursion
// and without copying. On other input they stay within bounds and terminate.

// Members yields the names and values of an object's members as they are in the
// text.
func Members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		i := skipSpace(object, 0) + 1
		for {
			name, at, ok := NextMember(object, i)
			if !ok {
				return
			}
			i = skipValue(object, at)
			if at >= i || !yield(name, object[at:i]) {
				return
			}
		}
	}
}

// NextMember finds the next member of an object: i is after the opening bracket or
// after the value before, and value is where the member's value begins. It reports
// false if there is none; value is then after the closing bracket.
func NextMember(b []byte, i int) (name []byte, value int, ok bool) {
	if i = skipSpace(b, i); i < len(b) && b[i] == ',' {
		i = skipSpace(b, i+1)
	}
	if i >= len(b) || b[i] != '"' {
		return nil, min(i+1, len(b)), false
	}
	end := endOfString(b, i)
	name = b[i:end]
	i = skipSpace(b, end) + 1 // after the colon
	return name, min(skipSpace(b, i), len(b)), true
}

// NextElement finds the next element of an array: i is after the opening bracket or
// after the element before, and value is where the element begins. It reports false if
// there is none; value is then after the closing bracket.
func NextElement(b []byte, i int) (value int, ok bool) {
	if i = skipSpace(b, i); i < len(b) && b[i] == ',' {
		i = skipSpace(b, i+1)
	}
	if i >= len(b) {
		return len(b), false
	}
	switch b[i] {
	case ']', '}', ',', ':':
		return i + 1, false
	}
	return i, true
}

// EndOfValue returns the end of the value that begins at i.
func EndOfValue(b []byte, i int) int { return skipValue(b, i) }

// Elements yields the elements of an array as they are in the text.
func Elements(array []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		i := skipSpace(array, 0) + 1
		for {
			i = skipSpace(array, i)
			if i >= len(array) || array[i] == ']' {
				return
			}
			end := skipValue(array, i)
			if i >= end || !yield(array[i:end]) {
				return
			}
			i = skipSpace(array, end) + 1 // after the comma
		}
	}
}

// TrimSpace removes leading JSON whitespace.
func TrimSpace(b []byte) []byte { return b[skipSpace(b, 0):] }

// skipValue returns the end of the value that begins at i.
func skipValue(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		for depth > 0 && i < len(b) && !structural[b[i]] {
			i++
		}
		if i == len(b) {
			break
		}
		switch b[i] {
		case '"':
			i = endOfString(b, i) - 1
			if depth == 0 {
				return min(i+1, len(b))
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
			if depth < 0 { // after a number or a word
				return i
			}
		case ',', ':', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}

// structural marks the characters that matter within an array or an object.
var structural = [256]bool{'"': true, '{': true, '}': true, '[': true, ']': true}

// endOfString returns the end of the string whose opening quote is at i.
func endOfString(b []byte, i int) int {
	if end := skipString(b, i+1); end >= 0 {
		return end
	}
	return len(b)
}

// Unquote decodes a JSON string. It reports false if raw is not a string, or if
// it contains a lone surrogate, which UTF-8 cannot represent.
func Unquote(raw []byte) (s string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return "", false
	}
	text, lone := unescape(raw[1 : len(raw)-1])
	return string(text), !lone
}

// unescape resolves the escapes in the content of a string, and reports whether
// it contains lone surrogates; these are encoded like other characters, so that
// different ones stay different. Without escapes it returns its argument.
func unescape(in []byte) (out []byte, lone bool) {
	first := bytes.IndexByte(in, '\\')
	if first < 0 {
		return in, false
	}
	out = append(make([]byte, 0, len(in)), in[:first]...)
	for i := first; i < len(in); {
		if in[i] != '\\' || i+1 >= len(in) {
			out = append(out, in[i])
			i++
			continue
		}
		c := in[i+1]
		i += 2
		switch c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hex4(in, i)
			i += 4
			if utf16.IsSurrogate(r) {
				var second rune = -1
				if i+1 < len(in) && in[i] == '\\' && in[i+1] == 'u' {
					second = hex4(in, i+2)
				}
				if pair := utf16.DecodeRune(r, second); pair != utf8.RuneError {
					out = utf8.AppendRune(out, pair)
					i += 6
					continue
				}
				lone = true
				out = append(out, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
				continue
			}
			out = utf8.AppendRune(out, r)
		default: // '"', '\\', '/'
			out = append(out, c)
		}
	}
	return out, lone
}

func hex4(b []byte, i int) rune {
	if i < 0 || i+4 > len(b) {
		return utf8.RuneError
	}
	n, err := strconv.ParseUint(string(b[i:i+4]), 16, 32)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}

// ErrTooManyNames means that objects have more members in total than allowed.
var ErrTooManyNames = errors.New("the JSON has too many fields")

// RepeatedNameError means that an object has a name twice.
type RepeatedNameError struct{ Name string }

// Error implements error.
func (e *RepeatedNameError) Error() string {
	return fmt.Sprintf("duplicate field %q in an object", e.Name)
}

// CheckNames counts the members of all objects in b and finds names that occur
// twice in an object, however they are escaped. maxNames 0 means no limit. It
// returns nil, ErrTooManyNames or a *RepeatedNameError.
func CheckNames(b []byte, maxNames int) error {
	var (
		names = make([][]byte, 0, 32) // of the open objects
		open  = make([]int, 0, 16)    // where the names of each begin
		count = 0
	)
	for i := 0; i < len(b); i++ {
		if !structural[b[i]] {
			continue
		}
		switch b[i] {
		case '{':
			open = append(open, len(names))
		case '}':
			if len(open) == 0 {
				return nil
			}
			first := open[len(open)-1]
			if name, twice := repeated(names[first:]); twice {
				return &RepeatedNameError{Name: name}
			}
			names, open = names[:first], open[:len(open)-1]
		case '"':
			end := endOfString(b, i)
			if next := skipSpace(b, end); next < len(b) && b[next] == ':' {
				if count++; maxNames > 0 && count > maxNames {
					return ErrTooManyNames
				}
				name, _ := unescape(b[i+1 : max(i+1, end-1)])
				names = append(names, name)
			}
			i = end - 1
		}
	}
	return nil
}

// repeated returns an entry that occurs twice.
func repeated(names [][]byte) (string, bool) {
	if len(names) > maxPaired {
		seen := make(map[string]struct{}, len(names))
		for _, name := range names {
			if _, ok := seen[string(name)]; ok {
				return string(name), true
			}
			seen[string(name)] = struct{}{}
		}
		return "", false
	}
	// A name is compared with others only if one of them may be equal.
	var seen [4]uint64
	for i, name := range names {
		bit := hashName(name)
		word := &seen[bit>>6]
		if *word&(1<<(bit&63)) != 0 {
			for _, other := range names[:i] {
				if string(name) == string(other) {
					return string(name), true
				}
			}
		}
		*word |= 1 << (bit & 63)
	}
	return "", false
}

// maxPaired is for how many names comparing them in pairs, at worst, takes less time than a
// map.
const maxPaired = 48

// hashName returns a number that is the same for equal names, and differs for most others.
func hashName(name []byte) uint8 {
	n := len(name)
	switch {
	case n == 0:
		return 0
	case n < 8:
		h := uint64(n)
		for _, c := range name {
			h = h<<8 | uint64(c)
		}
		return uint8(h * hashFactor >> 56)
	}
	h := binary.LittleEndian.Uint64(name) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(name[n-8:]), 23) ^ uint64(n)
	return uint8(h * hashFactor >> 56)
}

// hashFactor is 2^64 divided by the golden ratio, which spreads numbers that differ little.
const hashFactor = 0x9E3779B97F4A7C15
