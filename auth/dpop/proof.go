package dpop

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
)

const (
	// maxProofBytes bounds a proof; one with an RSA key of 8192 bits has 3 KB.
	maxProofBytes = 8 << 10
	// maxID bounds `jti`, in bytes.
	maxID = 256
	// proofType is the `typ` of a proof.
	proofType = "dpop+jwt"
)

// Algorithms are the algorithms that a proof can be signed with.
func Algorithms() []string { return []string{auth.ES256, auth.EdDSA, auth.RS256} }

var parser = jwt.NewParser(
	jwt.WithValidMethods(Algorithms()),
	jwt.WithStrictDecoding(),
	jwt.WithJSONNumber(),
	jwt.WithoutClaimsValidation(),
)

// proof is what a proof says, and its signature has been checked.
type proof struct {
	id          string    // jti
	method, url string    // htm, htu
	issued      time.Time // iat
	token       string    // ath
}

// parse parses a proof and checks that the key with the thumbprint has signed it.
func parse(text, want string) (proof, error) {
	if len(text) > maxProofBytes {
		return proof{}, refused("it is too long")
	}
	claims := jwt.MapClaims{}
	var keyErr error
	parsed, err := parser.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		key, err := keyOf(t, want)
		keyErr = err
		return key, err
	})
	switch {
	case keyErr != nil:
		return proof{}, keyErr
	case errors.Is(err, jwt.ErrTokenMalformed):
		return proof{}, refused("it is not a JWT")
	case err != nil || !parsed.Valid:
		return proof{}, refused("its algorithm or signature is not valid")
	}
	return read(claims)
}

// keyOf returns the key that has to have signed a proof.
func keyOf(t *jwt.Token, want string) (any, error) {
	if kind, _ := t.Header["typ"].(string); kind != proofType {
		return nil, refused("its typ is not " + proofType)
	}
	if _, ok := t.Header["crit"]; ok {
		return nil, refused("it has critical header parameters")
	}
	key, err := keyIn(t.Header)
	switch {
	case err != nil:
		return nil, err
	case key.Algorithm != t.Method.Alg():
		return nil, refused("its algorithm is not that of its key")
	case subtle.ConstantTimeCompare([]byte(thumbprint(key)), []byte(want)) != 1:
		return nil, refused("it is signed by another key than the one that the token is bound to")
	}
	return key.Key, nil
}

// read reads the claims of a proof (RFC 9449 section 4.2).
func read(claims jwt.MapClaims) (proof, error) {
	var made proof
	for name, to := range map[string]*string{"jti": &made.id, "htm": &made.method, "htu": &made.url, "ath": &made.token} {
		if *to, _ = claims[name].(string); *to == "" {
			return proof{}, refused("it lacks one of jti, htm, htu and ath, or one is not a string")
		}
	}
	if len(made.id) > maxID {
		return proof{}, refused("its jti is too long")
	}
	number, _ := claims["iat"].(json.Number)
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds > math.MaxInt32*2 {
		return proof{}, refused("its iat is missing or not a time")
	}
	made.issued = time.UnixMilli(int64(seconds * 1000))
	return made, nil
}
