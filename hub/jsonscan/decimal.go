package jsonscan

import "bytes"

// MaxExponent bounds the exponent that a Decimal is written with, either way. All that
// programs calculate with is far within it.
const MaxExponent = 10_000

// Decimal is a number as it is written: 0.DIGITS × 10^Exponent, exactly. Its digits
// neither begin nor end with a zero, so that equal numbers are equal decimals; those of
// zero are empty.
type Decimal struct {
	Negative bool
	Digits   []byte
	Exponent int
}

// Set sets d to a number in JSON. It reports false if the number is written with an
// exponent that is out of bounds, and d is then no number. It reuses the memory of d.
func (d *Decimal) Set(number []byte) bool {
	d.Negative, d.Digits, d.Exponent = false, d.Digits[:0], 0
	i := 0
	if i < len(number) && number[i] == '-' {
		d.Negative = true
		i++
	}
	for fraction := false; i < len(number); i++ {
		c := number[i]
		if c == '.' {
			fraction = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		leading := len(d.Digits) == 0 && c == '0'
		if !leading {
			d.Digits = append(d.Digits, c)
		}
		switch {
		case !fraction && !leading:
			d.Exponent++
		case fraction && leading:
			d.Exponent--
		}
	}
	written, ok := exponentOf(number[i:])
	if !ok {
		return false
	}
	for len(d.Digits) > 0 && d.Digits[len(d.Digits)-1] == '0' {
		d.Digits = d.Digits[:len(d.Digits)-1]
	}
	if len(d.Digits) == 0 {
		d.Negative, d.Exponent = false, 0
		return true
	}
	d.Exponent += written
	return true
}

// IsInteger reports whether the number has no fraction.
func (d *Decimal) IsInteger() bool { return d.Places() <= 0 }

// Places returns how many digits the number needs after the point. It is negative for
// an integer that ends in zeros.
func (d *Decimal) Places() int { return len(d.Digits) - d.Exponent }

// Exponent returns the exponent that a number in JSON is written with, 0 without one. It
// reports false if the exponent is out of bounds.
func Exponent(number []byte) (exponent int, ok bool) {
	e := bytes.IndexAny(number, "eE")
	if e < 0 {
		return 0, true
	}
	return exponentOf(number[e:])
}

// exponentOf reads an exponent, such as e+7, or nothing.
func exponentOf(text []byte) (exponent int, ok bool) {
	negative := false
	for _, c := range text {
		switch {
		case c == '-':
			negative = true
		case c >= '0' && c <= '9':
			if exponent = exponent*10 + int(c-'0'); exponent > MaxExponent {
				return 0, false
			}
		}
	}
	if negative {
		exponent = -exponent
	}
	return exponent, true
}
