package protobuf

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"sluice/hub/jsonscan"
)

var errText = errors.New("the value has text that is not UTF-8")

// scalar shows a value that has no fields.
func (d *decoder) scalar(f *field, from, to uint32) error {
	raw := d.in[from:to]
	switch f.kind {
	case protoreflect.StringKind:
		return d.text(raw)
	case protoreflect.BytesKind:
		if len(d.out)+base64.StdEncoding.EncodedLen(len(raw)) > d.end {
			return ErrTooLarge
		}
		d.out = append(d.out, '"')
		d.out = base64.StdEncoding.AppendEncode(d.out, raw)
		d.out = append(d.out, '"')
		return nil
	}
	d.number(f, integerOf(f.kind, raw))
	return nil
}

// text shows a string.
func (d *decoder) text(raw []byte) error {
	switch {
	case len(d.out)+len(raw) > d.end:
		return ErrTooLarge
	case !utf8.Valid(raw):
		return errText
	}
	d.out = jsonscan.AppendString(d.out, raw)
	return nil
}

// integerOf returns what stands for a number: an integer, or the bits of one that is not. Signed
// ones are extended, and those of 32 bits cut off.
func integerOf(kind protoreflect.Kind, raw []byte) uint64 {
	switch wireOf(kind) {
	case protowire.Fixed32Type:
		v := binary.LittleEndian.Uint32(raw)
		if kind == protoreflect.Sfixed32Kind {
			return uint64(int64(int32(v)))
		}
		return uint64(v)
	case protowire.Fixed64Type:
		return binary.LittleEndian.Uint64(raw)
	}
	v, _ := varint(raw)
	switch kind {
	case protoreflect.BoolKind:
		return min(v, 1)
	case protoreflect.Int32Kind, protoreflect.EnumKind:
		return uint64(int64(int32(v)))
	case protoreflect.Uint32Kind:
		return uint64(uint32(v))
	case protoreflect.Sint32Kind:
		return uint64(int64(int32(protowire.DecodeZigZag(v & math.MaxUint32))))
	case protoreflect.Sint64Kind:
		return uint64(protowire.DecodeZigZag(v))
	}
	return v
}

// number shows a number, a boolean or an enumerated value.
func (d *decoder) number(f *field, v uint64) {
	switch f.kind {
	case protoreflect.BoolKind:
		d.out = strconv.AppendBool(d.out, v != 0)
	case protoreflect.EnumKind:
		d.symbol(f.enum, protoreflect.EnumNumber(v))
	case protoreflect.FloatKind:
		d.float(float64(math.Float32frombits(uint32(v))), 32)
	case protoreflect.DoubleKind:
		d.float(math.Float64frombits(v), 64)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		d.out = strconv.AppendInt(d.out, int64(v), 10)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		d.out = strconv.AppendUint(d.out, v, 10)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		d.out = append(strconv.AppendUint(append(d.out, '"'), v, 10), '"')
	default:
		d.out = append(strconv.AppendInt(append(d.out, '"'), int64(v), 10), '"')
	}
}

func (d *decoder) symbol(e *enum, number protoreflect.EnumNumber) {
	switch name := e.shown[number]; {
	case e.null:
		d.out = append(d.out, "null"...)
	case name != nil:
		d.out = append(d.out, name...)
	default:
		d.out = strconv.AppendInt(d.out, int64(number), 10)
	}
}

func (d *decoder) float(f float64, bits int) {
	switch {
	case math.IsNaN(f):
		d.out = append(d.out, `"NaN"`...)
	case math.IsInf(f, 1):
		d.out = append(d.out, `"Infinity"`...)
	case math.IsInf(f, -1):
		d.out = append(d.out, `"-Infinity"`...)
	default:
		// As JSON is written by JavaScript: only the very large and small have an exponent.
		format := byte('f')
		if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
			format = 'e'
		}
		d.out = strconv.AppendFloat(d.out, f, format, -1, bits)
	}
}

// zero shows the default value of a kind.
func (d *decoder) zero(f *field) {
	if f.kind == protoreflect.StringKind || f.kind == protoreflect.BytesKind {
		d.out = append(d.out, `""`...)
		return
	}
	d.number(f, 0)
}
