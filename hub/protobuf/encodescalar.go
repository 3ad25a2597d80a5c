package protobuf

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"sluice/hub/jsonscan"
)

// What integers of a kind are, in words.
const (
	mustInt32  = "an integer of 32 bits (-2147483648 to 2147483647)"
	mustUint32 = "an integer of 32 bits without a sign (0 to 4294967295)"
	mustInt64  = "an integer of 64 bits (-9223372036854775808 to 9223372036854775807)"
	mustUint64 = "an integer of 64 bits without a sign (0 to 18446744073709551615)"
)

// rangeOf returns the largest integer of a kind, the smallest one without its sign, and both in
// words.
func rangeOf(kind protoreflect.Kind) (most, low uint64, words string) {
	switch kind {
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return math.MaxUint32, 0, mustUint32
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return math.MaxInt64, 1 << 63, mustInt64
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return math.MaxUint64, 0, mustUint64
	}
	return math.MaxInt32, 1 << 31, mustInt32
}

// scalar encodes a value that has no fields.
func (e *encoder) scalar(f *field, at int) int {
	switch f.kind {
	case protoreflect.StringKind:
		text, end, ok := e.text(at, "must be a string")
		if ok {
			e.bytes(text)
		}
		return end
	case protoreflect.BytesKind:
		return e.base64(at)
	case protoreflect.BoolKind:
		if c := e.in[at]; c != 't' && c != 'f' {
			return e.wrong(at, wrongType, "must be a boolean")
		}
		e.out = append(e.out, 0)
		if e.in[at] == 't' {
			e.out[len(e.out)-1] = 1
		}
		return jsonscan.EndOfValue(e.in, at)
	case protoreflect.EnumKind:
		return e.symbol(f.enum, at)
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return e.float(f.kind, at)
	}
	return e.integer(f.kind, at)
}

// text returns what a string says, as content does. Anything else is a violation.
func (e *encoder) text(at int, must string) (text []byte, end int, ok bool) {
	if e.in[at] != '"' {
		return nil, e.wrong(at, wrongType, must), false
	}
	return e.content(at)
}

// numeric returns the text of a number, which may be that of a string.
func (e *encoder) numeric(at int, must string) (text []byte, end int, ok bool) {
	switch c := e.in[at]; {
	case c == '"':
		return e.content(at)
	case c == '-' || c >= '0' && c <= '9':
		end = jsonscan.EndOfValue(e.in, at)
		if !e.spend((end - at) / 16) {
			return nil, stopped, false
		}
		return e.in[at:end], end, true
	}
	return nil, e.wrong(at, wrongType, "must be "+must), false
}

func (e *encoder) integer(kind protoreflect.Kind, at int) int {
	most, low, words := rangeOf(kind)
	text, end, ok := e.numeric(at, words)
	if !ok {
		return end
	}
	if !isNumber(text) {
		return e.wrong(at, wrongType, "must be "+words)
	}
	n, became := parseInteger(text)
	switch {
	case became == hasFraction:
		return e.wrong(at, wrongType, "must be "+words)
	case became == isLarge || !n.within(most, low):
		return e.wrong(at, wrongRange, "must be "+words)
	}
	e.number(kind, n.bits())
	return end
}

// within reports whether the number is neither larger than one, nor smaller than another, which
// is without its sign.
func (n integer) within(most, low uint64) bool {
	if n.negative {
		return n.size <= low
	}
	return n.size <= most
}

// bits returns the number in two's complement.
func (n integer) bits() uint64 {
	if n.negative {
		return -n.size
	}
	return n.size
}

// number appends an integer that its kind holds.
func (e *encoder) number(kind protoreflect.Kind, bits uint64) {
	switch kind {
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		bits = protowire.EncodeZigZag(int64(bits))
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		e.out = binary.LittleEndian.AppendUint32(e.out, uint32(bits))
		return
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		e.out = binary.LittleEndian.AppendUint64(e.out, bits)
		return
	}
	e.out = protowire.AppendVarint(e.out, bits)
}

// symbol encodes an enumerated value by its name or number.
func (e *encoder) symbol(of *enum, at int) int {
	if of.null && e.in[at] == 'n' {
		e.out = append(e.out, 0)
		return jsonscan.EndOfValue(e.in, at)
	}
	if e.in[at] == '"' {
		text, end, ok := e.content(at)
		if !ok {
			return end
		}
		number, known := of.numbers[string(text)]
		if !known {
			return e.wrong(at, wrongSymbol, of.must)
		}
		e.number(protoreflect.EnumKind, uint64(int64(number)))
		return end
	}
	if c := e.in[at]; c != '-' && (c < '0' || c > '9') {
		return e.wrong(at, wrongType, of.must)
	}
	text, end, ok := e.numeric(at, "")
	if !ok {
		return end
	}
	n, became := parseInteger(text)
	if became != isInteger || !n.within(math.MaxInt32, 1<<31) || of.closed && of.shown[protoreflect.EnumNumber(n.bits())] == nil {
		return e.wrong(at, wrongSymbol, of.must)
	}
	e.number(protoreflect.EnumKind, n.bits())
	return end
}

func (e *encoder) float(kind protoreflect.Kind, at int) int {
	const must = "a number, or one of \"NaN\", \"Infinity\" and \"-Infinity\""
	text, end, ok := e.numeric(at, must)
	if !ok {
		return end
	}
	bits := 64
	if kind == protoreflect.FloatKind {
		bits = 32
	}
	var v float64
	switch string(text) {
	case "NaN":
		v = math.NaN()
	case "Infinity":
		v = math.Inf(1)
	case "-Infinity":
		v = math.Inf(-1)
	default:
		if !isNumber(text) {
			return e.wrong(at, wrongType, "must be "+must)
		}
		var err error
		if v, err = strconv.ParseFloat(string(text), bits); err != nil {
			return e.wrong(at, wrongRange, fmt.Sprintf("must be a number that a float of %d bits can hold", bits))
		}
	}
	if bits == 32 {
		e.out = binary.LittleEndian.AppendUint32(e.out, math.Float32bits(float32(v)))
	} else {
		e.out = binary.LittleEndian.AppendUint64(e.out, math.Float64bits(v))
	}
	return end
}

// base64 encodes bytes. Both alphabets are accepted, with and without padding.
func (e *encoder) base64(at int) int {
	const must = "must be a string of base64"
	text, end, ok := e.text(at, must)
	if !ok {
		return end
	}
	alphabet := base64.StdEncoding
	if bytes.ContainsAny(text, "-_") {
		alphabet = base64.URLEncoding
	}
	if len(text)%4 != 0 {
		alphabet = alphabet.WithPadding(base64.NoPadding)
	}
	begin := e.open()
	decoded, err := alphabet.AppendDecode(e.out, text)
	if err != nil || bytes.ContainsAny(text, "\r\n") {
		return e.wrong(at, wrongFormat, must)
	}
	e.out = decoded
	e.close(begin)
	return end
}

// key encodes the key of an entry of a map, and returns what is wrong with it. Numbers have one
// way to be written, so that no key is there twice.
func (e *encoder) key(f *field, raw []byte) (fault string) {
	name, ok := nameOf(raw)
	if !ok {
		return "has half of a character in its name"
	}
	switch f.kind {
	case protoreflect.StringKind:
		e.bytes(name)
		return ""
	case protoreflect.BoolKind:
		switch string(name) {
		case "true":
			e.out = append(e.out, 1)
		case "false":
			e.out = append(e.out, 0)
		default:
			return "must have the name true or false"
		}
		return ""
	}
	most, low, words := rangeOf(f.kind)
	if !isNumber(name) || bytes.ContainsAny(name, ".eE") || string(name) == "-0" {
		return "must have a name that is " + words
	}
	n, became := parseInteger(name)
	if became != isInteger || !n.within(most, low) {
		return "must have a name that is " + words
	}
	e.number(f.kind, n.bits())
	return ""
}
