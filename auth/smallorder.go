package auth

import (
	"bytes"
	"crypto/ed25519"
)

// smallOrder are the encodings of the points of edwards25519 whose order divides the
// cofactor 8, without the sign bit, in all forms that a verifier accepts (RFC 8032
// section 5.1.3; the list is libsodium's). Signatures for such a key can be made
// without a private key.
var smallOrder = [][ed25519.PublicKeySize]byte{
	{},  // y = 0, order 4
	{1}, // y = 1, order 1
	{ // order 8
		0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
	},
	{ // order 8
		0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
	},
	nearPrime(0xec), // y = p-1, order 2
	nearPrime(0xed), // y = p, another form of 0
	nearPrime(0xee), // y = p+1, another form of 1
}

// nearPrime returns a number that differs from p = 2^255-19 in its lowest byte.
func nearPrime(lowest byte) (y [ed25519.PublicKeySize]byte) {
	for i := range y {
		y[i] = 0xff
	}
	y[0], y[len(y)-1] = lowest, 0x7f
	return y
}

// hasSmallOrder reports whether a public key is a point of small order.
func hasSmallOrder(public ed25519.PublicKey) bool {
	y := bytes.Clone(public)
	y[len(y)-1] &= 0x7f // the sign of x
	for _, point := range smallOrder {
		if bytes.Equal(y, point[:]) {
			return true
		}
	}
	return false
}
