package schema

import (
	"math/bits"

	"sluice/hub/jsonscan"
)

// decimal is a number that others are compared with.
type decimal struct{ jsonscan.Decimal }

// compare returns -1 if d is less than o, 0 if they are equal, and 1 if it is greater.
func (d *decimal) compare(o *decimal) int {
	switch sign, other := d.sign(), o.sign(); {
	case sign != other:
		return order(sign, other)
	case sign < 0:
		return o.compareSize(d)
	default:
		return d.compareSize(o)
	}
}

func (d *decimal) sign() int {
	switch {
	case len(d.Digits) == 0:
		return 0
	case d.Negative:
		return -1
	}
	return 1
}

// compareSize compares numbers without their signs. If one is 0 both are.
func (d *decimal) compareSize(o *decimal) int {
	if d.Exponent != o.Exponent {
		return order(d.Exponent, o.Exponent)
	}
	switch a, b := string(d.Digits), string(o.Digits); {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func order(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// divisor is what numbers are multiples of: of × 10^scale.
type divisor struct {
	of    uint64
	scale int
}

// maxDivisorDigits is how many digits fit into a divisor.
const maxDivisorDigits = 18

// newDivisor reports false for a number that is not positive, or has too many digits.
func newDivisor(d *decimal) (divisor, bool) {
	if d.sign() <= 0 || len(d.Digits) > maxDivisorDigits {
		return divisor{}, false
	}
	by := divisor{scale: d.Exponent - len(d.Digits)}
	for _, c := range d.Digits {
		by.of = by.of*10 + uint64(c-'0')
	}
	return by, true
}

// divides reports whether d is a multiple, without making a number of all its digits:
// a number of a few bytes can have ten thousand.
func (by divisor) divides(d *decimal) bool {
	if len(d.Digits) == 0 {
		return true
	}
	zeros := d.Exponent - len(d.Digits) - by.scale
	if zeros < 0 {
		return false // it would have to end in a zero, and its digits do not
	}
	rest := uint64(0)
	for _, c := range d.Digits {
		rest = by.times(rest, 10)
		rest = (rest + uint64(c-'0')) % by.of // both are below 10^18
	}
	for power := 10 % by.of; zeros > 0 && rest != 0; zeros >>= 1 {
		if zeros&1 == 1 {
			rest = by.times(rest, power)
		}
		power = by.times(power, power)
	}
	return rest == 0
}

// times multiplies modulo the divisor.
func (by divisor) times(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return bits.Rem64(high, low, by.of)
}
