package auth_test

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/auth"
)

func TestParseClaims(t *testing.T) {
	t.Parallel()
	got, err := auth.ParseClaims([]byte(`{"iss":"i","sub":"s","aud":["a","b"],"exp":2000000000,"nbf":1,"iat":2.5,"jti":"j","sid":"x","cnf":{"jkt":"k"},"more":[1]}`))
	if err != nil || got.Issuer != "i" || got.Subject != "s" || !slices.Equal(got.Audience, []string{"a", "b"}) ||
		!got.ExpiresAt.Equal(time.Unix(2000000000, 0)) || !got.NotBefore.Equal(time.Unix(1, 0)) || !got.IssuedAt.Equal(time.Unix(2, 5e8)) ||
		got.TokenID != "j" || got.SessionID != "x" || got.Bound != (auth.Binding{KeyThumbprint: "k"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := auth.ParseClaims([]byte(`{}`)); err != nil || !got.ExpiresAt.IsZero() || got.Subject != "" || got.Audience != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{
		``, `[]`, `"x"`, `{"sub":1}`, `{"iss":[]}`, `{"jti":{}}`, `{"sid":true}`, `{"exp":"1"}`, `{"nbf":-1}`, `{"iat":1e300}`, `{"exp":null}`,
		`{"aud":1}`, `{"aud":[1]}`, `{"cnf":{}}`, `{"cnf":"x"}`, `{"cnf":{"jwk":{}}}`, "{\"sub\":\"\xff\"}", `{"sub":"\ud800"}`,
	} {
		if got, err := auth.ParseClaims([]byte(bad)); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%q: got %+v, %v", bad, got, err)
		}
	}
}

func TestParsePublicKey(t *testing.T) {
	t.Parallel()
	key, err := auth.ParsePublicKey(must(json.Marshal(jwk("k", ecKey().Public(), nil))))
	if public, ok := key.Key.(*ecdsa.PublicKey); err != nil || key.Algorithm != auth.ES256 || !ok || !public.Equal(ecKey().Public()) {
		t.Errorf("got %+v, %v", key, err)
	}
	key, err = auth.ParsePublicKey(must(json.Marshal(jwk("k", rsaKey().Public(), nil))))
	if _, ok := key.Key.(*rsa.PublicKey); err != nil || key.Algorithm != auth.RS256 || !ok {
		t.Errorf("got %+v, %v", key, err)
	}
	for _, bad := range []string{``, `{}`, `{"kty":"oct","k":"AAAA"}`, `{"kty":"OKP","crv":"Ed25519","x":"` + strings.Repeat("A", 43) + `"}`} {
		if key, err := auth.ParsePublicKey([]byte(bad)); err == nil || key.Key != nil {
			t.Errorf("%q: got %+v, %v", bad, key, err)
		}
	}
}

func TestHasIssuer(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Grant{Subscribe: []string{"orders"}})
	if !a.HasIssuer(fleet) || a.HasIssuer("other") || a.HasIssuer("") {
		t.Error("the issuers are not those of the configuration")
	}
	if err := a.SetIssuers([]auth.Issuer{{Issuer: "other", Audience: audience, Algorithms: []string{auth.HS256}, Secret: fleetSecret}}); err != nil {
		t.Fatal(err)
	}
	if a.HasIssuer(fleet) || !a.HasIssuer("other") {
		t.Error("the issuers are not those in force")
	}
}
