package auth

import (
	"crypto"
	"fmt"
)

// PublicKey is a public key for signatures.
type PublicKey struct {
	// Algorithm is the only one that the key may be used for: RS256, ES256 or EdDSA.
	Algorithm string
	// Key is an *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey.
	Key crypto.PublicKey
}

// ParsePublicKey parses a JSON Web Key (RFC 7517 section 4). Keys that are too short,
// damaged, for another purpose, or for which anybody can make signatures are refused.
// Private parts are ignored. The error contains nothing of the key.
func ParsePublicKey(jwk []byte) (PublicKey, error) {
	parsed, why := parseKey(jwk)
	if why != "" {
		return PublicKey{}, fmt.Errorf("parse key: %s", why)
	}
	return PublicKey{Algorithm: parsed.algorithm, Key: parsed.public}, nil
}
