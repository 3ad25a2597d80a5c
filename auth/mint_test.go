package auth_test

import (
	"strings"
	"testing"
	"time"

	"sluice/auth"
)

func TestMint(t *testing.T) {
	t.Parallel()
	good := auth.TokenClaims{Issuer: fleet, Audience: audience, Subject: "u1", ValidFor: time.Minute, More: map[string]any{"scope": "live"}}
	token, err := auth.Mint(fleetSecret, good)
	if err != nil {
		t.Fatal(err)
	}
	a := newAuth(t, auth.Grant{When: map[string]string{"scope": "live"}, Subscribe: []string{"x"}})
	p, err := a.Authenticate(t.Context(), auth.Bearer(token))
	if err != nil || p.ID() != "u1" || !p.May(auth.Subscribe, "x") || time.Until(p.ExpiresAt()) > time.Minute {
		t.Errorf("got %+v, %v", p, err)
	}
	for name, change := range map[string]func(*auth.TokenClaims){
		"no issuer":     func(c *auth.TokenClaims) { c.Issuer = "" },
		"no audience":   func(c *auth.TokenClaims) { c.Audience = "" },
		"no subject":    func(c *auth.TokenClaims) { c.Subject = "" },
		"no time":       func(c *auth.TokenClaims) { c.ValidFor = 0 },
		"expiry twice":  func(c *auth.TokenClaims) { c.More = map[string]any{"exp": 1} },
		"subject twice": func(c *auth.TokenClaims) { c.More = map[string]any{"sub": "root"} },
		"no JSON":       func(c *auth.TokenClaims) { c.More = map[string]any{"x": func() {}} },
	} {
		c := good
		change(&c)
		if token, err := auth.Mint(fleetSecret, c); err == nil {
			t.Errorf("%s: minted %s", name, token)
		}
	}
	if _, err := auth.Mint(auth.NewSecret(strings.Repeat("k", 31)), good); err == nil {
		t.Error("minted with a short secret")
	}
}
