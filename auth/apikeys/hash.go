package apikeys

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Bounds of the costs that an entry may ask for.
const (
	maxBcryptCost    = 14
	maxBcryptSecret  = 72 // bcrypt ignores what follows
	maxArgon2Memory  = 128 << 10
	maxArgon2Passes  = 10
	maxArgon2Threads = 16
	minArgon2Salt    = 8
	maxArgon2Output  = 64
	minArgon2Output  = 16
)

const sha256Prefix = "sha256:"

// hash is the hash of a secret.
type hash struct {
	text string // as in the entry
	// slow is nil if sum is the SHA-256 sum of the secret.
	slow func(secret string) bool
	sum  [sha256.Size]byte
}

// hashOf returns the text of the hash of a secret of 256 random bits.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return sha256Prefix + hex.EncodeToString(sum[:])
}

// parseHash parses the text of a hash. Its error contains nothing of the text.
func parseHash(text string) (hash, error) {
	switch {
	case text == "":
		return hash{}, errors.New("hash is missing")
	case strings.HasPrefix(text, sha256Prefix):
		sum, err := hex.DecodeString(text[len(sha256Prefix):])
		if err != nil || len(sum) != sha256.Size {
			return hash{}, errors.New("hash is not sha256: and 64 hex digits")
		}
		return hash{text: text, sum: [sha256.Size]byte(sum)}, nil
	case strings.HasPrefix(text, "$2"):
		return parseBcrypt(text)
	case strings.HasPrefix(text, "$argon2id$"):
		return parseArgon2(text)
	default:
		return hash{}, errors.New("hash is of no known kind: sha256:…, $2b$… (bcrypt) or $argon2id$…")
	}
}

func parseBcrypt(text string) (hash, error) {
	// The library checks the rest of the text only when it compares.
	cost, err := bcrypt.Cost([]byte(text))
	switch {
	case err != nil || len(text) != len("$2b$10$")+53:
		return hash{}, errors.New("hash is not a bcrypt hash, $2b$COST$ and 53 characters")
	case cost > maxBcryptCost:
		return hash{}, fmt.Errorf("hash has the bcrypt cost %d: at most %d is allowed", cost, maxBcryptCost)
	}
	return hash{text: text, slow: func(secret string) bool {
		return len(secret) <= maxBcryptSecret && bcrypt.CompareHashAndPassword([]byte(text), []byte(secret)) == nil
	}}, nil
}

// parseArgon2 parses the encoding of the reference implementation:
// $argon2id$v=19$m=65536,t=3,p=4$SALT$HASH, both in base64 without padding.
func parseArgon2(text string) (hash, error) {
	parts := strings.Split(text, "$")
	var (
		memory, passes uint32
		threads        uint8
	)
	errForm := errors.New("hash is not an argon2id hash, $argon2id$v=19$m=…,t=…,p=…$SALT$HASH")
	if len(parts) != 6 || parts[2] != "v=19" {
		return hash{}, errForm
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil ||
		fmt.Sprintf("m=%d,t=%d,p=%d", memory, passes, threads) != parts[3] {
		return hash{}, errForm
	}
	salt, err := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	if err != nil || len(salt) < minArgon2Salt || len(salt) > maxArgon2Output {
		return hash{}, errForm
	}
	want, err := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err != nil || len(want) < minArgon2Output || len(want) > maxArgon2Output {
		return hash{}, errForm
	}
	if memory == 0 || memory > maxArgon2Memory || passes == 0 || passes > maxArgon2Passes || threads == 0 || threads > maxArgon2Threads {
		return hash{}, fmt.Errorf("hash has argon2id costs out of bounds: m is at most %d, t %d, p %d", maxArgon2Memory, maxArgon2Passes, maxArgon2Threads)
	}
	return hash{text: text, slow: func(secret string) bool {
		have := argon2.IDKey([]byte(secret), salt, passes, memory, threads, uint32(len(want)))
		return subtle.ConstantTimeCompare(have, want) == 1
	}}, nil
}

// is reports whether a fast hash is that of a secret.
func (h hash) is(secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(sum[:], h.sum[:]) == 1
}
