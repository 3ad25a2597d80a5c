package filter

import (
	"math"
	"strconv"
	"unicode/utf8"

	"sluice/hub/jsonscan"
)

// Value is a JSON scalar, to be compared with the fields of records. The zero Value
// equals no field.
type Value struct {
	// text identifies the value: a quotation mark and the characters of a string, or
	// the JSON text of another scalar, in which equal numbers have equal texts.
	text string
}

// String returns the value of a string. No field equals one that is not UTF-8.
func String(s string) Value {
	if !utf8.ValidString(s) {
		return Value{}
	}
	return Value{text: `"` + s}
}

// Number returns the value of a number. Numbers are compared as float64: 1, 1.0 and
// 1e0 are equal, and so are integers beyond 2^53 that have the same float64. No field
// equals an infinity or NaN.
func Number(n float64) Value {
	text, _ := appendNumber(nil, n)
	return Value{text: string(text)}
}

// Bool returns the value of true or false.
func Bool(b bool) Value { return Value{text: strconv.FormatBool(b)} }

// Null returns the value of null. A field that a record does not have is not null.
func Null() Value { return Value{text: "null"} }

// exactDigits is how many decimal digits every float64 can tell apart.
const exactDigits = 15

func appendNumber(dst []byte, n float64) (text []byte, ok bool) {
	switch {
	case math.IsInf(n, 0) || math.IsNaN(n):
		return dst, false
	case n == math.Trunc(n) && math.Abs(n) < 1e15:
		return strconv.AppendInt(dst, int64(n), 10), true // also of -0
	}
	return strconv.AppendFloat(dst, n, 'g', -1, 64), true
}

// scalar returns the text that identifies the value of a JSON text, which is usually
// a part of that text. It reports false if the text is not a scalar, or is one that no
// Value equals: a string with a lone surrogate, or a number that float64 does not
// reach.
func scalar(raw []byte) (text []byte, ok bool) {
	if len(raw) == 0 {
		return nil, false
	}
	switch raw[0] {
	case '{', '[':
		return nil, false
	case 't', 'f', 'n':
		return raw, true
	case '"':
		if _, plain := unescaped(raw); plain {
			return raw[:len(raw)-1], true
		}
		s, ok := jsonscan.Unquote(raw)
		return append([]byte{'"'}, s...), ok
	}
	if isPlainInteger(raw) {
		return raw, true
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return nil, false
	}
	return appendNumber(nil, n)
}

// isPlainInteger reports whether the JSON text of a number is the one that
// appendNumber writes.
func isPlainInteger(raw []byte) bool {
	digits := raw
	if raw[0] == '-' {
		digits = raw[1:]
	}
	if len(digits) == 0 || len(digits) > exactDigits || digits[0] == '0' && len(raw) > 1 {
		return false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
