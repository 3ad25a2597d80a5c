package avro

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"unicode/utf8"

	"sluice/hub/jsonscan"
)

// scalar encodes a value that has no others in it. If it has to be exact, a number is not
// rounded, and a string is not taken for something else than text.
func (e *encoder) scalar(n *node, i, end int, exact bool) bool {
	text, is := e.doc[i:end], formOf(e.doc[i])
	switch {
	case is == formString:
		return e.string(n, i, text, exact)
	case n.kind == kindNull && is == formNull:
		return true
	case n.kind == kindBoolean && is == formBoolean:
		e.out = append(e.out, 0)
		if text[0] == 't' {
			e.out[len(e.out)-1] = 1
		}
		return true
	case is != formNumber:
	case n.kind == kindInt || n.kind == kindLong:
		return e.integer(n, i, text)
	case n.kind == kindFloat || n.kind == kindDouble:
		return e.float(n, i, text, exact)
	case n.decimal:
		return e.decimal(n, i, text)
	}
	return e.fail(finding{what: keywordType, at: i, of: n})
}

// string encodes a string.
func (e *encoder) string(n *node, i int, raw []byte, exact bool) bool {
	text, whole := unquoted(raw)
	if !whole {
		return e.fail(finding{what: halfCharacter, at: i})
	}
	switch n.kind { //nolint:exhaustive // the others are no strings
	case kindString:
		if n.uuid && !isUUID(text) {
			return e.fail(finding{what: keywordFormat, at: i})
		}
		return e.appendText(raw)
	case kindEnum:
		symbol, known := n.places[string(text)]
		if !known {
			return e.fail(finding{what: keywordEnum, at: i, of: n})
		}
		e.out = binary.AppendVarint(e.out, int64(symbol))
		return true
	case kindBytes, kindFixed:
		if n.uuid && isUUID(text) {
			e.out, _ = hex.AppendDecode(e.out, bytes.ReplaceAll(text, []byte("-"), nil))
			return true
		}
		return !exact && e.bytes(n, i, text)
	case kindFloat, kindDouble:
		if f, ok := special[string(text)]; ok && !exact {
			e.out = appendFloat(e.out, n.kind, f)
			return true
		}
	}
	return e.fail(finding{what: keywordType, at: i, of: n})
}

// bytes encodes a string with a character for each byte.
func (e *encoder) bytes(n *node, i int, text []byte) bool {
	if n.decimal && isNumber(text) {
		return e.fail(finding{what: keywordType, at: i, of: n})
	}
	size := utf8.RuneCount(text)
	if n.kind == kindFixed {
		if size != n.size {
			return e.fail(finding{what: keywordSize, at: i, of: n})
		}
	} else {
		e.out = binary.AppendVarint(e.out, int64(size))
	}
	start := len(e.out)
	for _, c := range string(text) {
		if c > 0xff {
			return e.fail(finding{what: keywordBytes, at: i})
		}
		e.out = append(e.out, byte(c))
	}
	if n.decimal && (size == 0 || size > maxDecimal || !n.holds(e.out[start:])) {
		return e.fail(finding{what: keywordPrecision, at: i, of: n})
	}
	return true
}

// isNumber reports whether a text is a number in JSON. As the bytes of a decimal it would be
// another one.
func isNumber(text []byte) bool {
	return len(text) > 0 && formOf(text[0]) == formNumber && jsonscan.Check(text, 0) == nil
}

func (e *encoder) integer(n *node, i int, text []byte) bool {
	bits := 64
	if n.kind == kindInt {
		bits = 32
	}
	v, err := strconv.ParseInt(string(text), 10, bits)
	if err != nil {
		switch {
		case !e.number.Set(text):
			return e.fail(finding{what: hugeExponent, at: i})
		case !e.number.IsInteger():
			return e.fail(finding{what: keywordType, at: i, of: n})
		}
		var fits bool
		if v, fits = e.number.integer(0); !fits || n.kind == kindInt && (v < math.MinInt32 || v > math.MaxInt32) {
			return e.fail(finding{what: keywordRange, at: i, of: n})
		}
	}
	e.out = binary.AppendVarint(e.out, v)
	return true
}

// special are the numbers that JSON does not have.
var special = map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}

func (e *encoder) float(n *node, i int, text []byte, exact bool) bool {
	if _, ok := jsonscan.Exponent(text); !ok {
		return e.fail(finding{what: hugeExponent, at: i})
	}
	bits := 64
	if n.kind == kindFloat {
		bits = 32
	}
	f, err := strconv.ParseFloat(string(text), bits)
	if err != nil {
		return e.fail(finding{what: keywordRange, at: i, of: n})
	}
	if exact && !e.isExact(n.kind, f, text) {
		return e.fail(finding{what: keywordRange, at: i, of: n})
	}
	e.out = appendFloat(e.out, n.kind, f)
	return true
}

// isExact reports whether a floating-point number is the integer that is written, and a float
// is as close to what is written as a double.
func (e *encoder) isExact(k kind, f float64, text []byte) bool {
	e.number.Set(text)
	if e.number.IsInteger() {
		v, ok := e.number.integer(0)
		return ok && math.Abs(f) < 1<<63 && int64(f) == v
	}
	if k == kindFloat {
		double, err := strconv.ParseFloat(string(text), 64)
		return err == nil && double == f
	}
	return true
}

// isUUID reports whether a text is a UUID in hexadecimal groups.
func isUUID(text []byte) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range text {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c-'0' > 9 && (c|0x20)-'a' > 5:
			return false
		}
	}
	return true
}
