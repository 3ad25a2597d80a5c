package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxKeySetBytes bounds a JWK Set.
	maxKeySetBytes = 1 << 20
	// maxKeys bounds how many keys are tried for a token without a key id.
	maxKeys = 32
	// RFC 7518 section 3.3 forbids shorter RSA keys; longer keys make a check too
	// expensive.
	minRSABits, maxRSABits = 2048, 8192
	// maxRSAExponent is the maximum length of an exponent in base64: four bytes.
	maxRSAExponent = 6
)

// key verifies signatures of one algorithm.
type key struct {
	id        string
	algorithm string
	public    any
}

// keySet is a JWK Set (RFC 7517 section 5). It is never changed.
type keySet struct {
	keys []key
	// skipped lists the keys that cannot be used for verifying, with the reason.
	skipped []string
}

// parseKeySet parses a JWK Set. Keys that are unknown, damaged or for another
// purpose are skipped, as the RFC requires, so that they do not invalidate the other
// keys.
func parseKeySet(text []byte) (*keySet, error) {
	var document struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, errors.New("not a JWK Set: not a JSON object")
	}
	if document.Keys == nil {
		return nil, errors.New("not a JWK Set: no keys member")
	}
	if len(*document.Keys) > maxKeys {
		return nil, fmt.Errorf("the JWK Set has more than %d keys", maxKeys)
	}
	set := &keySet{}
	for i, raw := range *document.Keys {
		k, why := parseKey(raw)
		if why != "" {
			// The key's id is not logged, because it may be anything.
			set.skipped = append(set.skipped, fmt.Sprintf("key %d: %s", i+1, why))
			continue
		}
		set.keys = append(set.keys, k)
	}
	return set, nil
}

// log logs the keys that were read and the skipped ones. Skipped keys are not a
// warning: they matter only if one of them is needed.
func (s *keySet) log(log *slog.Logger, read string) {
	if len(s.skipped) > 0 {
		log.Info(read, "keys", len(s.keys), "skipped", s.skipped)
		return
	}
	log.Info(read, "keys", len(s.keys))
}

// parseKey parses a key, or returns why it cannot be used.
func parseKey(raw []byte) (k key, why string) {
	var marshal jwkset.JWKMarshal
	if err := json.Unmarshal(raw, &marshal); err != nil {
		return key{}, "not a JSON Web Key"
	}
	// RFC 7517 sections 4.2 and 4.3. An empty list is no operation at all.
	if marshal.USE != "" && marshal.USE != jwkset.UseSig {
		return key{}, "use is not sig"
	}
	if marshal.KEYOPS != nil && !slices.Contains(marshal.KEYOPS, jwkset.KeyOpsVerify) {
		return key{}, "key_ops does not include verify"
	}
	// Certificates are ignored, and in particular never fetched.
	marshal.X5U, marshal.X5C, marshal.X5T, marshal.X5TS256 = "", nil, "", ""
	// The library's validation marshals the key again, which panics if an elliptic
	// curve coordinate is too long. algorithmOf checks instead.
	jwk, err := jwkset.NewJWKFromMarshal(marshal, jwkset.JWKMarshalOptions{},
		jwkset.JWKValidateOptions{SkipAll: true})
	if err != nil {
		return key{}, "unknown key type or damaged key"
	}
	if _, isRSA := jwk.Key().(*rsa.PublicKey); isRSA && len(marshal.E) > maxRSAExponent {
		return key{}, "the exponent is too large" // the library keeps the low 64 bits of it
	}
	algorithm, why := algorithmOf(jwk.Key())
	if why != "" {
		return key{}, why
	}
	switch named := marshal.ALG.String(); {
	case named == "" || named == algorithm:
	case named == "Ed25519" && algorithm == EdDSA: // RFC 9864
	default:
		return key{}, "alg is not " + algorithm
	}
	return key{id: marshal.KID, algorithm: algorithm, public: jwk.Key()}, ""
}

// algorithmOf returns the one algorithm that a public key may be used for, so that a
// token cannot choose it, or why the key cannot be used.
func algorithmOf(public any) (algorithm, why string) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		switch bits := public.N.BitLen(); {
		case bits < minRSABits || bits > maxRSABits:
			return "", fmt.Sprintf("the modulus does not have %d to %d bits", minRSABits, maxRSABits)
		case public.N.Bit(0) == 0:
			return "", "the modulus is even"
		case public.E < 3 || public.E%2 == 0 || public.E > math.MaxInt32:
			return "", "the exponent is not an odd number from 3 to 2147483647"
		}
		return RS256, ""
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return "", "the curve is not P-256"
		}
		if _, err := public.ECDH(); err != nil {
			return "", "the point is not on the curve"
		}
		return ES256, ""
	case ed25519.PublicKey:
		if hasSmallOrder(public) {
			return "", "the point has a small order: signatures could be forged"
		}
		return EdDSA, ""
	default:
		return "", "not a public key for signatures"
	}
}

// find returns the keys that may have signed a token. Without a key id, which RFC
// 7515 section 4.1.4 makes optional, these are all keys of the algorithm. known
// reports whether the set has the key id at all. A nil set has no keys.
func (s *keySet) find(id, algorithm string) (keys jwt.VerificationKeySet, known bool) {
	if s == nil {
		return keys, false
	}
	for _, k := range s.keys {
		if id != "" && k.id != id {
			continue
		}
		if k.algorithm == algorithm {
			keys.Keys = append(keys.Keys, k.public)
		}
		known = known || id != "" || k.algorithm == algorithm
	}
	return keys, known
}

// keySource provides the keys of one issuer. All methods are safe for concurrent
// use.
type keySource interface {
	// find returns the keys that may have signed a token with this key id and
	// algorithm: at least one, or an error.
	find(ctx context.Context, id, algorithm string) (jwt.VerificationKeySet, error)
	// version changes whenever the keys change.
	version() uint64
	// ready returns nil if there are keys, otherwise the reason.
	ready() error
	// run keeps the keys up to date until the context ends.
	run(ctx context.Context)
}

// secretKey is the shared secret of an issuer. It never changes.
type secretKey struct{ key []byte }

func (s secretKey) find(_ context.Context, _, algorithm string) (jwt.VerificationKeySet, error) {
	if algorithm != HS256 {
		return jwt.VerificationKeySet{}, errUnknownKey
	}
	return jwt.VerificationKeySet{Keys: []jwt.VerificationKey{s.key}}, nil
}

func (s secretKey) version() uint64     { return 0 }
func (s secretKey) ready() error        { return nil }
func (s secretKey) run(context.Context) {}
