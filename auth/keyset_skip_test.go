package auth_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
)

// Keys that cannot be used, or with which anybody could sign, are skipped with a
// reason, and do not affect the other keys.
func TestKeySetSkips(t *testing.T) {
	t.Parallel()
	b64 := base64.RawURLEncoding.EncodeToString
	short := must(rsa.GenerateKey(rand.Reader, 1024))
	even := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}
	bad := map[string]map[string]any{
		"for encryption":               jwk("k", rsaKey().Public(), map[string]any{"use": "enc"}),
		"for a use of its own":         jwk("k", ecKey().Public(), map[string]any{"use": "tls"}),
		"to encrypt":                   jwk("k", rsaKey().Public(), map[string]any{"key_ops": []string{"encrypt", "wrapKey"}}),
		"to sign":                      jwk("k", ecKey().Public(), map[string]any{"key_ops": []string{"sign"}}),
		"for no operation":             jwk("k", edKey().Public(), map[string]any{"key_ops": []string{}}),
		"sig, yet to derive":           jwk("k", ecKey().Public(), map[string]any{"use": "sig", "key_ops": []string{"deriveKey"}}),
		"another algorithm":            jwk("k", rsaKey().Public(), map[string]any{"alg": "RSA-OAEP"}),
		"1024 bits":                    jwk("k", short.Public(), nil),
		"exponent 1":                   jwk("k", rsaKey().Public(), map[string]any{"e": b64([]byte{1})}),
		"exponent even":                jwk("k", rsaKey().Public(), map[string]any{"e": b64([]byte{1, 0, 0})}),
		"exponent of 64 bits and more": jwk("k", rsaKey().Public(), map[string]any{"e": b64([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})}),
		"exponent of 2^32-1":           jwk("k", rsaKey().Public(), map[string]any{"e": b64([]byte{255, 255, 255, 255})}),
		"modulus even":                 jwk("k", even, nil),
		"P-384":                        jwk("k", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)).Public(), nil),
		"not on the curve":             {"kty": "EC", "crv": "P-256", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))},
		"symmetric":                    {"kty": "oct", "k": b64(make([]byte, 32))},
		"X25519":                       {"kty": "OKP", "crv": "X25519", "x": b64(make([]byte, 32))},
		"Ed25519 too short":            {"kty": "OKP", "crv": "Ed25519", "x": b64(make([]byte, 31))},
	}
	for _, y := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		for _, sign := range []byte{0, 0x80} {
			point := must(hex.DecodeString(y))
			point[31] |= sign
			bad["small order "+hex.EncodeToString(point)] = jwk("k", ed25519.PublicKey(point), nil)
		}
	}
	for name, key := range bad {
		var log bytes.Buffer
		a, err := auth.New(auth.Config{
			Issuers: []auth.Issuer{{
				Issuer: provider, Audience: audience, Algorithms: []string{auth.RS256, auth.ES256, auth.EdDSA},
				JWKSFile: keyFile(t, jwks(key, jwk("good", ecKey().Public(), nil))),
			}},
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.Contains(log.String(), "keys=1 ") || !strings.Contains(log.String(), `"[key 1: `) {
			t.Errorf("%s: got the log %s", name, log.String())
		}
		if _, err := a.Authenticate(t.Context(), auth.Bearer(ecToken("good", ecKey(), "u"))); err != nil {
			t.Errorf("%s: the other key: %v", name, err)
		}
	}
}

// Anybody can sign for a point of order 1: R is that point, and S is 0.
func TestKeyOfSmallOrderSignsNothing(t *testing.T) {
	t.Parallel()
	point := make([]byte, ed25519.PublicKeySize)
	point[0] = 1
	forged := append(bytes.Clone(point), make([]byte, 32)...)
	if !ed25519.Verify(point, []byte("anything"), forged) {
		t.Fatal("the signature is not one that the library takes: this test shows nothing")
	}
	a := must(auth.New(auth.Config{Issuers: []auth.Issuer{{
		Issuer: provider, Audience: audience, Algorithms: []string{auth.EdDSA, auth.ES256},
		JWKSFile: keyFile(t, jwks(jwk("weak", ed25519.PublicKey(point), nil), jwk("good", ecKey().Public(), nil))),
	}}}))
	text := must(jwt.NewWithClaims(jwt.SigningMethodEdDSA, said(provider, nil)).SigningString())
	if _, err := a.Authenticate(t.Context(), auth.Bearer(text+"."+base64.RawURLEncoding.EncodeToString(forged))); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("got %v", err)
	}
}
