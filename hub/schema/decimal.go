package schema

import "math/bits"

// maxExponent bounds the exponent with which a number is written, either way. All that
// programs calculate with is far within it.
const maxExponent = 10_000

// decimal is a number as it is written: 0.DIGITS × 10^exponent, exactly. Its digits
// neither begin nor end with a zero, so that equal numbers are equal decimals; those of
// zero are empty.
type decimal struct {
	negative bool
	digits   []byte
	exponent int
}

// set sets d to a number in JSON. It reports false if the exponent is out of bounds. It
// reuses the memory of d.
func (d *decimal) set(text []byte) bool {
	d.negative, d.digits, d.exponent = false, d.digits[:0], 0
	i := 0
	if i < len(text) && text[i] == '-' {
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
		if !leading {
			d.digits = append(d.digits, c)
		}
		switch {
		case !fraction && !leading:
			d.exponent++
		case fraction && leading:
			d.exponent--
		}
	}
	written, ok := exponentOf(text[i:])
	if !ok {
		return false
	}
	for len(d.digits) > 0 && d.digits[len(d.digits)-1] == '0' {
		d.digits = d.digits[:len(d.digits)-1]
	}
	if len(d.digits) == 0 {
		d.negative, d.exponent = false, 0
		return true
	}
	d.exponent += written
	return true
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

// isInteger reports whether the number has no fraction.
func (d *decimal) isInteger() bool { return len(d.digits) <= max(d.exponent, 0) }

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
	case len(d.digits) == 0:
		return 0
	case d.negative:
		return -1
	}
	return 1
}

// compareSize compares numbers without their signs. If one is 0 both are.
func (d *decimal) compareSize(o *decimal) int {
	if d.exponent != o.exponent {
		return order(d.exponent, o.exponent)
	}
	switch a, b := string(d.digits), string(o.digits); {
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
	if d.sign() <= 0 || len(d.digits) > maxDivisorDigits {
		return divisor{}, false
	}
	by := divisor{scale: d.exponent - len(d.digits)}
	for _, c := range d.digits {
		by.of = by.of*10 + uint64(c-'0')
	}
	return by, true
}

// divides reports whether d is a multiple, without making a number of all its digits:
// a number of a few bytes can have ten thousand.
func (by divisor) divides(d *decimal) bool {
	if len(d.digits) == 0 {
		return true
	}
	zeros := d.exponent - len(d.digits) - by.scale
	if zeros < 0 {
		return false // it would have to end in a zero, and its digits do not
	}
	rest := uint64(0)
	for _, c := range d.digits {
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
