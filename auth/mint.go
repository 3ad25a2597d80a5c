package auth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TokenClaims are the claims of a token made by Mint.
type TokenClaims struct {
	Issuer   string
	Audience string
	Subject  string
	// ValidFor is the time until the token expires, at least a second.
	ValidFor time.Duration
	// More are further claims. They cannot replace those above, `iat`, `nbf` or
	// `cnf`.
	More map[string]any
}

// Mint makes a token signed with HS256, for trials and tests. In production an
// identity provider issues the tokens. The secret has 32 bytes or more.
func Mint(secret Secret, c TokenClaims) (string, error) {
	key := []byte(secret.Reveal())
	switch {
	case len(key) < minSecretBytes:
		return "", fmt.Errorf("mint token: the secret is shorter than %d bytes", minSecretBytes)
	case c.Issuer == "" || c.Audience == "" || c.Subject == "":
		return "", errors.New("mint token: an issuer, an audience and a subject are required")
	case c.ValidFor < time.Second:
		return "", errors.New("mint token: the token is valid for less than a second")
	}
	for _, name := range slices.Sorted(maps.Keys(c.More)) {
		if slices.Contains([]string{"iss", "aud", "sub", "exp", "iat", "nbf", "cnf"}, name) {
			return "", fmt.Errorf("mint token: the claim %q cannot be set this way", name)
		}
	}
	now := time.Now()
	said := jwt.MapClaims{
		"iss": c.Issuer,
		"aud": c.Audience,
		"sub": c.Subject,
		"iat": now.Unix(),
		"exp": now.Add(c.ValidFor).Unix(),
	}
	maps.Copy(said, c.More)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, said).SignedString(key)
	if err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	return token, nil
}
