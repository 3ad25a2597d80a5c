package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"sluice/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	fleet    = "fleet"
	provider = "https://id.example.com"
	audience = "sluice"
)

var (
	fleetSecret = auth.NewSecret("0123456789abcdef0123456789abcdef")
	rsaKey      = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey       = sync.OnceValue(newECKey)
	edKey       = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		return key
	})
)

func newECKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func must[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}

// jwk encodes a public key as a JSON Web Key, with additional members.
func jwk(id string, public crypto.PublicKey, more map[string]any) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	key := map[string]any{"kid": id}
	switch public := public.(type) {
	case *rsa.PublicKey:
		key["kty"], key["n"], key["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point := must(public.Bytes())
		size := (len(point) - 1) / 2
		key["kty"], key["crv"] = "EC", public.Params().Name
		key["x"], key["y"] = b64(point[1:1+size]), b64(point[1+size:])
	case ed25519.PublicKey:
		key["kty"], key["crv"], key["x"] = "OKP", "Ed25519", b64(public)
	}
	maps.Copy(key, more)
	return key
}

func jwks(keys ...map[string]any) []byte {
	if keys == nil {
		keys = []map[string]any{}
	}
	return must(json.Marshal(map[string]any{"keys": keys}))
}

func keyFile(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// said returns the claims of a valid token of an issuer, with changes: nil removes a
// claim.
func said(issuer string, changes map[string]any) jwt.MapClaims {
	claims := jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": "u42", "scope": "live other", "role": []string{"device", "x"},
		"exp": time.Now().Add(time.Hour).Unix(),
	}
	for name, value := range changes {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	return claims
}

// sign makes a token with additional headers.
func sign(method jwt.SigningMethod, key any, headers map[string]any, claims jwt.Claims) string {
	token := jwt.NewWithClaims(method, claims)
	maps.Copy(token.Header, headers)
	return must(token.SignedString(key))
}

func fleetToken(changes map[string]any) string {
	return sign(jwt.SigningMethodHS256, []byte(fleetSecret.Reveal()), nil, said(fleet, changes))
}

func fleetIssuer() auth.Issuer {
	return auth.Issuer{Issuer: fleet, Audience: audience, Algorithms: []string{auth.HS256}, Secret: fleetSecret}
}

// newAuth makes an Authenticator with a fleet that shares a secret, and a provider
// with a key of each kind.
func newAuth(t testing.TB, grants ...auth.Grant) *auth.Authenticator {
	t.Helper()
	a, err := auth.New(auth.Config{
		Issuers: []auth.Issuer{
			fleetIssuer(),
			{
				Issuer: provider, Audience: audience, Algorithms: []string{auth.RS256, auth.ES256, auth.EdDSA},
				JWKSFile: keyFile(t, jwks(
					jwk("rsa", rsaKey().Public(), map[string]any{"use": "sig", "alg": "RS256"}),
					jwk("ec", ecKey().Public(), nil),
					jwk("ed", edKey().Public(), map[string]any{"key_ops": []string{"verify"}, "alg": "Ed25519"}),
				)),
			},
		},
		Grants: grants,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}
