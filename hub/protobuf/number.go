package protobuf

import (
	"bytes"
	"math"

	"sluice/hub/jsonscan"
)

// integer is a number as it is written, without a fraction: 5.0 and 1e3 are integers.
type integer struct {
	negative bool
	size     uint64
}

// parsed is what became of reading an integer.
type parsed uint8

const (
	isInteger parsed = iota
	hasFraction
	isLarge // beyond 64 bits
)

// maxDigits is how many digits 64 bits have.
const maxDigits = 20

// parseInteger reads a number in JSON, with all of its digits.
func parseInteger(text []byte) (integer, parsed) {
	var of integer
	if text[0] == '-' {
		of.negative, text = true, text[1:]
	}
	if len(text) < maxDigits-1 && !bytes.ContainsAny(text, ".eE") {
		for _, c := range text {
			of.size = of.size*10 + uint64(c-'0')
		}
		return of, isInteger
	}
	return of, of.parse(text)
}

// parse reads a number that is long, or has a point or an exponent.
func (of *integer) parse(text []byte) parsed {
	var digits [maxDigits]byte
	n, zeros := 0, 0 // digits, and zeros behind them
	exponent, fraction := 0, false
	i := 0
	for ; i < len(text) && text[i]|0x20 != 'e'; i++ {
		c := text[i]
		if c == '.' {
			fraction = true
			continue
		}
		if fraction {
			exponent--
		}
		switch {
		case c == '0' && n == 0:
		case c == '0':
			zeros++
		case n+zeros >= maxDigits:
			return large(text[i:], exponent, fraction)
		default:
			for ; zeros > 0; zeros-- {
				digits[n] = '0'
				n++
			}
			digits[n] = c
			n++
		}
	}
	if n == 0 {
		return isInteger // 0, whatever its exponent is
	}
	exponent += zeros + exponentOf(text[i:])
	switch {
	case exponent < 0:
		return hasFraction
	case exponent+n > maxDigits:
		return isLarge
	}
	for i := range n + exponent {
		digit := uint64(0)
		if i < n {
			digit = uint64(digits[i] - '0')
		}
		if of.size > (math.MaxUint64-digit)/10 {
			return isLarge
		}
		of.size = of.size*10 + digit
	}
	return isInteger
}

// large says what a number is that has more digits than 64 bits, from the one that is too many.
func large(rest []byte, exponent int, fraction bool) parsed {
	for i, c := range rest {
		if c|0x20 == 'e' {
			exponent += exponentOf(rest[i:])
			break
		}
		if fraction && i > 0 {
			exponent--
		}
		fraction = fraction || c == '.'
	}
	if exponent < 0 {
		return hasFraction
	}
	return isLarge
}

// maxExponent is where exponents stop being read: no number of bytes makes up for more.
const maxExponent = math.MaxInt32

// exponentOf reads an exponent, such as e+7. Without one it is 0.
func exponentOf(text []byte) int {
	exponent, negative := 0, false
	for _, c := range text {
		switch {
		case c == '-':
			negative = true
		case c >= '0' && c <= '9' && exponent < maxExponent:
			exponent = exponent*10 + int(c-'0')
		}
	}
	if negative {
		return -exponent
	}
	return exponent
}

// isNumber reports whether a text, which may be that of a string, is a number in JSON.
func isNumber(text []byte) bool {
	if len(text) == 0 || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return false
	}
	last := text[len(text)-1]
	return last >= '0' && last <= '9' && jsonscan.Check(text, 0) == nil
}
