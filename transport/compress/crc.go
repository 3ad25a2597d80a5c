package compress

import "hash/crc32"

// The checksum of gzip is the remainder of a polynomial over GF(2). The checksum
// of two concatenated texts is that of the first text times x^(8n), where n is
// the length of the second text, plus that of the second text. So the checksum of
// what a session is sent follows from those of the blocks, each of which is known
// with its x^(8n).

// crcOne is the polynomial 1; x is the next bit to the right.
const crcOne = 1 << 31

// crcTimes multiplies two polynomials modulo the polynomial of CRC-32.
func crcTimes(a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		product ^= b & -(a >> 31)
		b = b>>1 ^ crc32.IEEE&-(b&1)
	}
	return product
}

// crcPowers holds x^(8·2^k).
var crcPowers = func() (powers [31]uint32) {
	p := uint32(crcOne >> 8)
	for k := range powers {
		powers[k] = p
		p = crcTimes(p, p)
	}
	return powers
}()

// crcShift returns x^(8n).
func crcShift(n int) uint32 {
	shift := uint32(crcOne)
	for k := 0; n > 0; k, n = k+1, n>>1 {
		if n&1 != 0 {
			shift = crcTimes(shift, crcPowers[k])
		}
	}
	return shift
}
