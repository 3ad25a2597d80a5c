package apikeys

import (
	"crypto/rand"
	"encoding/base32"
	"strings"

	"sluice/auth"
)

const (
	// maxID and maxSecret bound the parts of a key, in bytes.
	maxID     = 64
	maxSecret = 256

	idBytes     = 10 // 80 random bits: no two keys have the same ID
	secretBytes = 32
)

// encoding has only letters and digits, so that a double click selects a whole key.
var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// split returns the parts of a key. It reports false for a text that is no key.
func split(key string) (id, secret string, ok bool) {
	rest, ok := strings.CutPrefix(key, auth.APIKeyPrefix)
	if !ok {
		return "", "", false
	}
	id, secret, ok = strings.Cut(rest, "_")
	return id, secret, ok && validID(id) && validSecret(secret)
}

// validID reports whether a text is an ID: 1 to 64 letters, digits and hyphens.
func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
		default:
			return false
		}
	}
	return true
}

// validSecret reports whether a text is a secret: printable ASCII without spaces, as
// headers can carry it.
func validSecret(secret string) bool {
	if secret == "" || len(secret) > maxSecret {
		return false
	}
	for i := range len(secret) {
		if secret[i] <= ' ' || secret[i] > '~' {
			return false
		}
	}
	return true
}

// random returns n random bytes in the encoding.
func random(n int) string {
	bytes := make([]byte, n)
	_, _ = rand.Read(bytes)
	return encoding.EncodeToString(bytes)
}
