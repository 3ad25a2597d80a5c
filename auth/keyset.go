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
	"slices"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxKeySetBytes bounds a JWK Set.
	maxKeySetBytes = 1 << 20
	// maxKeys bounds what a token without a key id makes us try.
	maxKeys = 32
	// Shorter RSA keys are refused by RFC 7518 section 3.3, longer ones cost
	// more to check than any token is worth.
	minRSABits, maxRSABits = 2048, 8192
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
	// skipped counts the keys that are of no use for verifying.
	skipped int
}

// parseKeySet reads a JWK Set. Keys that are not understood, are damaged or
// serve another purpose are skipped, as the RFC asks for, so that one of them
// does not take the others along.
func parseKeySet(text []byte) (*keySet, error) {
	var document struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, errors.New("it is not a JWK Set: not a JSON object")
	}
	if document.Keys == nil {
		return nil, errors.New("it is not a JWK Set: it has no keys member")
	}
	if len(*document.Keys) > maxKeys {
		return nil, fmt.Errorf("the JWK Set has more than %d keys", maxKeys)
	}
	set := &keySet{}
	for _, raw := range *document.Keys {
		if k, ok := parseKey(raw); ok {
			set.keys = append(set.keys, k)
		} else {
			set.skipped++
		}
	}
	return set, nil
}

func parseKey(raw []byte) (key, bool) {
	var marshal jwkset.JWKMarshal
	if err := json.Unmarshal(raw, &marshal); err != nil {
		return key{}, false
	}
	if marshal.USE != "" && marshal.USE != jwkset.UseSig {
		return key{}, false
	}
	if len(marshal.KEYOPS) > 0 && !slices.Contains(marshal.KEYOPS, jwkset.KeyOpsVerify) {
		return key{}, false
	}
	// Certificates are not looked at, and above all not fetched.
	marshal.X5U, marshal.X5C, marshal.X5T, marshal.X5TS256 = "", nil, "", ""
	// The library's validation marshals the key again, which panics with an
	// elliptic curve coordinate that is too long. publicKey checks instead.
	jwk, err := jwkset.NewJWKFromMarshal(marshal, jwkset.JWKMarshalOptions{},
		jwkset.JWKValidateOptions{SkipAll: true})
	if err != nil {
		return key{}, false
	}
	algorithm, ok := algorithmOf(jwk.Key())
	if !ok {
		return key{}, false
	}
	switch named := marshal.ALG.String(); {
	case named == "" || named == algorithm:
	case named == "Ed25519" && algorithm == EdDSA: // RFC 9864
	default:
		return key{}, false
	}
	return key{id: marshal.KID, algorithm: algorithm, public: jwk.Key()}, true
}

// algorithmOf tells the one algorithm that a public key serves here, so that no
// token chooses what a key is used as.
func algorithmOf(public any) (string, bool) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		bits := public.N.BitLen()
		return RS256, bits >= minRSABits && bits <= maxRSABits && public.E >= 3 && public.E%2 == 1
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return "", false
		}
		_, err := public.ECDH() // checks that the point is on the curve
		return ES256, err == nil
	case ed25519.PublicKey:
		return EdDSA, true
	default:
		return "", false
	}
}

// find gives the keys that may have signed a token. Without a key id these are
// all of the algorithm (RFC 7515 section 4.1.4 makes it optional). Known tells
// whether the set has the key id at all. A nil set has no keys.
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

// keySource finds the keys of one issuer. All methods are safe for concurrent
// use.
type keySource interface {
	// find gives keys that may have signed a token with this key id and
	// algorithm: at least one, or an error.
	find(ctx context.Context, id, algorithm string) (jwt.VerificationKeySet, error)
	// version changes whenever the keys do.
	version() uint64
	// ready tells whether there are keys, or why not.
	ready() error
	// run keeps the keys up to date until the context ends.
	run(ctx context.Context)
}

// secretKey is the key of an issuer that shares a secret with us. There is
// nothing to keep up to date.
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
