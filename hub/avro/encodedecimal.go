package avro

import (
	"encoding/binary"
	"math/big"
)

// maxDigits is how many digits a decimal of maxDecimal bytes can have.
const maxDigits = 616

// decimal encodes a number as a decimal.
func (e *encoder) decimal(n *node, i int, text []byte) bool {
	d := &e.number
	switch {
	case !d.Set(text):
		return e.fail(finding{what: hugeExponent, at: i})
	case d.Places() > n.scale:
		return e.fail(finding{what: keywordScale, at: i, of: n})
	case len(d.Digits) > 0 && d.Exponent+n.scale > min(n.precision, maxDigits):
		return e.fail(finding{what: keywordPrecision, at: i, of: n})
	}
	room := [8]byte{}
	var b []byte
	if v, ok := d.integer(n.scale); ok {
		b = binary.BigEndian.AppendUint64(room[:0], uint64(v))
	} else {
		// A number of a few bytes can have hundreds of digits.
		if !e.spend((d.Exponent + n.scale) / 2) {
			return false
		}
		b = d.large(n.scale)
	}
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	if n.kind == kindBytes {
		e.out = append(binary.AppendVarint(e.out, int64(len(b))), b...)
		return true
	}
	if len(b) > n.size {
		return e.fail(finding{what: keywordPrecision, at: i, of: n})
	}
	for range n.size - len(b) {
		e.out = append(e.out, byte(int8(b[0])>>7))
	}
	e.out = append(e.out, b...)
	return true
}

// holds reports whether a number in two's complement has no more digits than a decimal.
func (n *node) holds(b []byte) bool {
	v := new(big.Int).SetBytes(b)
	if b[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return len(v.Abs(v).String()) <= n.precision
}
