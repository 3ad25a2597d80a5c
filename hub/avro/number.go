package avro

import (
	"bytes"
	"math/big"
)

// maxExponent bounds the exponent with which a number is written, either way, as for JSON
// Schemas.
const maxExponent = 10_000

// number is a number as it is written: 0.DIGITS × 10^exponent, exactly. Its digits neither
// begin nor end with a zero; those of zero are empty.
type number struct {
	negative bool
	digits   []byte
	exponent int
}

// set sets d to a number in JSON. It reports false if the exponent is out of bounds. It
// reuses the memory of d.
func (d *number) set(text []byte) bool {
	d.negative, d.digits, d.exponent = false, d.digits[:0], 0
	i := 0
	if text[i] == '-' {
		d.negative = true
		i++
	}
	for fraction := false; i < len(text); i++ {
		c := text[i]
		if c == '.' {
			fraction = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		leading := len(d.digits) == 0 && c == '0'
		switch {
		case !leading && !fraction:
			d.exponent++
		case leading && fraction:
			d.exponent--
		}
		if !leading {
			d.digits = append(d.digits, c)
		}
	}
	written, ok := exponentOf(text[i:])
	d.digits = bytes.TrimRight(d.digits, "0")
	if d.exponent += written; len(d.digits) == 0 {
		d.negative, d.exponent = false, 0
	}
	return ok
}

// exponentOf reads an exponent, such as e+7. Without one it is 0.
func exponentOf(text []byte) (exponent int, ok bool) {
	negative := false
	for _, c := range text {
		switch {
		case c == '-':
			negative = true
		case c >= '0' && c <= '9':
			if exponent = exponent*10 + int(c-'0'); exponent > maxExponent {
				return 0, false
			}
		}
	}
	if negative {
		exponent = -exponent
	}
	return exponent, true
}

// hasModerateExponent reports whether the exponent of a number in JSON is within bounds.
func hasModerateExponent(text []byte) bool {
	e := bytes.IndexAny(text, "eE")
	if e < 0 {
		return true
	}
	_, ok := exponentOf(text[e:])
	return ok
}

// isInteger reports whether the number has no fraction.
func (d *number) isInteger() bool { return d.places() <= 0 }

// places returns how many digits the number needs after the point.
func (d *number) places() int { return len(d.digits) - d.exponent }

// integer returns the number times 10^scale, which is an integer. It reports false if that
// does not fit into 64 bits.
func (d *number) integer(scale int) (v int64, ok bool) {
	length := d.exponent + scale
	if len(d.digits) == 0 {
		return 0, true
	}
	if length > 19 {
		return 0, false
	}
	var size uint64
	for i := range length {
		size *= 10
		if i < len(d.digits) {
			size += uint64(d.digits[i] - '0')
		}
	}
	switch {
	case d.negative && size <= 1<<63:
		return -int64(size), true
	case d.negative || size >= 1<<63:
		return 0, false
	}
	return int64(size), true
}

// large returns the number times 10^scale in two's complement.
func (d *number) large(scale int) []byte {
	digits := append([]byte(nil), d.digits...)
	for range d.exponent + scale - len(d.digits) {
		digits = append(digits, '0')
	}
	v, _ := new(big.Int).SetString(string(digits), 10)
	if !d.negative {
		return append([]byte{0}, v.Bytes()...)
	}
	b := append([]byte{0}, v.Sub(v, big.NewInt(1)).Bytes()...)
	for i := range b {
		b[i] = ^b[i]
	}
	return b
}
