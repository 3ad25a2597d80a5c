package avro

import (
	"math/big"

	"sluice/hub/jsonscan"
)

// number is a number that is encoded digit for digit.
type number struct{ jsonscan.Decimal }

// integer returns the number times 10^scale, which is an integer. It reports false if that
// does not fit into 64 bits.
func (d *number) integer(scale int) (v int64, ok bool) {
	length := d.Exponent + scale
	if len(d.Digits) == 0 {
		return 0, true
	}
	if length > 19 {
		return 0, false
	}
	var size uint64
	for i := range length {
		size *= 10
		if i < len(d.Digits) {
			size += uint64(d.Digits[i] - '0')
		}
	}
	switch {
	case d.Negative && size <= 1<<63:
		return -int64(size), true
	case d.Negative || size >= 1<<63:
		return 0, false
	}
	return int64(size), true
}

// large returns the number times 10^scale in two's complement.
func (d *number) large(scale int) []byte {
	digits := append([]byte(nil), d.Digits...)
	for range d.Exponent + scale - len(d.Digits) {
		digits = append(digits, '0')
	}
	v, _ := new(big.Int).SetString(string(digits), 10)
	if !d.Negative {
		return append([]byte{0}, v.Bytes()...)
	}
	b := append([]byte{0}, v.Sub(v, big.NewInt(1)).Bytes()...)
	for i := range b {
		b[i] = ^b[i]
	}
	return b
}
