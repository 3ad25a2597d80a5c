package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func sumOf(i int) sums {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	return sums{signed: sum, token: sum}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := cache{tokens: make(map[[sha256.Size]byte]verified)}
	add := func(i int, ends time.Time) {
		c.add(sumOf(i), verified{identity: &Identity{ExpiresAt: ends}, keys: secretKey{}}, now)
	}
	for i := range 2 * maxVerified {
		add(i, now.Add(time.Hour))
	}
	if len(c.tokens) != maxVerified {
		t.Errorf("%d tokens are remembered", len(c.tokens))
	}
	last := 2*maxVerified - 1
	if c.find(sumOf(last), now) == nil {
		t.Error("the latest token is not remembered")
	}
	if c.find(sumOf(last), now.Add(time.Hour)) != nil {
		t.Error("a token is remembered past its end")
	}
	if len(c.tokens) != maxVerified-1 {
		t.Error("a token that has ended takes up room")
	}
}

// Expired tokens are removed before valid ones.
func TestCacheDropsWhatHasEnded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := cache{tokens: make(map[[sha256.Size]byte]verified)}
	for i := range maxVerified {
		c.add(sumOf(i), verified{identity: &Identity{ExpiresAt: now.Add(time.Minute)}, keys: secretKey{}}, now)
	}
	later := now.Add(time.Hour)
	for i := range maxVerified {
		c.add(sumOf(maxVerified+i), verified{identity: &Identity{ExpiresAt: later.Add(time.Hour)}, keys: secretKey{}}, later)
	}
	kept := 0
	for i := range maxVerified {
		if c.find(sumOf(maxVerified+i), later) != nil {
			kept++
		}
	}
	if kept < maxVerified*8/10 {
		t.Errorf("only %d of %d living tokens were kept over dead ones", kept, maxVerified)
	}
}

// Each token has one entry, however it is written: with ECDSA, the holder of a token
// can make a second signature of it.
func TestCacheHasOneEntryForAToken(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	path := filepath.Join(t.TempDir(), "keys.json")
	keys := fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","x":%q,"y":%q}]}`, b64(point[1:33]), b64(point[33:]))
	if err := os.WriteFile(path, []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := New(Config{Issuers: []Issuer{{Issuer: "i", Audience: "a", Algorithms: []string{ES256}, JWKSFile: path}}})
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "i", "aud": "a", "sub": "u", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	signed := strings.LastIndexByte(token, '.') + 1
	signature, err := base64.RawURLEncoding.DecodeString(token[signed:])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	twin := token[:signed] + b64(signature)
	for i, text := range []string{token, twin, token, token + "\n", "\r" + token, twin, token[:signed] + "\n" + token[signed:]} {
		_, err := a.Authenticate(t.Context(), Bearer(text))
		if good := text == token || text == twin; (err == nil) != good {
			t.Errorf("form %d: %v", i, err)
		}
		if len(a.tokens.Load().verified.tokens) != 1 {
			t.Fatalf("form %d: %d entries", i, len(a.tokens.Load().verified.tokens))
		}
	}
	// A wrong signature neither adds an entry nor replaces the valid one.
	signature[40] ^= 1
	if _, err := a.Authenticate(t.Context(), Bearer(token[:signed]+b64(signature))); err == nil {
		t.Error("a wrong signature was accepted")
	}
	if sum, _ := sumsOf(twin); a.tokens.Load().verified.find(sum, time.Now()) == nil {
		t.Error("a wrong signature put the good one out")
	}
}
