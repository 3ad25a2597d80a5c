package auth_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
)

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// newLogoutAuth makes an Authenticator of the provider, with back-channel logout, and of
// the fleet, without.
func newLogoutAuth(t testing.TB) *auth.Authenticator {
	t.Helper()
	a, err := auth.New(auth.Config{
		Issuers: []auth.Issuer{
			fleetIssuer(),
			{
				Issuer: provider, Audience: audience, Algorithms: []string{auth.ES256}, BackchannelLogout: true, LogoutAudience: "client",
				JWKSFile: keyFile(t, jwks(jwk("ec", ecKey().Public(), nil))),
			},
		},
		Grants: []auth.Grant{{When: map[string]string{}, Subscribe: []string{"*"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var ids atomic.Int64

// logoutToken makes a valid logout token with changes: nil removes a claim or header.
func logoutToken(changes map[string]any, headers map[string]any) string {
	claims := jwt.MapClaims{
		"iss": provider, "aud": "client", "sub": "u42", "sid": "s1", "jti": fmt.Sprint("logout-", ids.Add(1)),
		"iat": time.Now().Unix(), "exp": time.Now().Add(2 * time.Minute).Unix(), "events": map[string]any{logoutEvent: map[string]any{}},
	}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	all := map[string]any{"kid": "ec", "typ": "logout+jwt"}
	maps.Copy(all, headers)
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	for name, value := range all {
		if token.Header[name] = value; value == nil {
			delete(token.Header, name)
		}
	}
	return must(token.SignedString(ecKey()))
}

func TestLogout(t *testing.T) {
	t.Parallel()
	a := newLogoutAuth(t)
	began := time.Now()
	for name, c := range map[string]struct {
		token string
		want  auth.Revocation
	}{
		"a session":             {logoutToken(nil, nil), auth.Revocation{Issuer: provider, SessionID: "s1"}},
		"a session alone":       {logoutToken(map[string]any{"sub": nil}, nil), auth.Revocation{Issuer: provider, SessionID: "s1"}},
		"a subject":             {logoutToken(map[string]any{"sid": nil}, nil), auth.Revocation{Issuer: provider, Subject: "u42"}},
		"no type":               {logoutToken(nil, map[string]any{"typ": nil}), auth.Revocation{Issuer: provider, SessionID: "s1"}},
		"the type of any token": {logoutToken(nil, map[string]any{"typ": "JWT"}), auth.Revocation{Issuer: provider, SessionID: "s1"}},
		"the type in full":      {logoutToken(nil, map[string]any{"typ": "application/Logout+JWT"}), auth.Revocation{Issuer: provider, SessionID: "s1"}},
		"several audiences":     {logoutToken(map[string]any{"aud": []string{audience, "client"}}, nil), auth.Revocation{Issuer: provider, SessionID: "s1"}},
	} {
		r, err := a.Logout(t.Context(), c.token)
		if err != nil || r.Issuer != c.want.Issuer || r.Subject != c.want.Subject || r.SessionID != c.want.SessionID || r.TokenID != "" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if (r.Subject != "") == r.Before.IsZero() || !r.Before.IsZero() && (r.Before.Before(began) || r.Before.After(time.Now().Add(time.Second))) {
			t.Errorf("%s: before %v", name, r.Before)
		}
		if left := time.Until(r.Until); left < 23*time.Hour || left > 25*time.Hour {
			t.Errorf("%s: kept for %v", name, left)
		}
		if _, err := a.Logout(t.Context(), c.token); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s, again: %v", name, err)
		}
		a.ForgetLogout(t.Context(), c.token)
		if _, err := a.Logout(t.Context(), c.token); err != nil {
			t.Errorf("%s, after it was forgotten: %v", name, err)
		}
		if _, err := a.Authenticate(t.Context(), auth.Bearer(c.token)); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s, as a credential: %v", name, err)
		}
	}
}

// TestLogoutTokenIsNoCredential: neither one that says so, nor one that only has the
// event, for the audience of tokens.
func TestLogoutTokenIsNoCredential(t *testing.T) {
	t.Parallel()
	a := newLogoutAuth(t)
	for name, c := range map[string]struct {
		claims, header map[string]any
		good           bool
	}{
		"a logout token":           {map[string]any{"aud": audience}, nil, false},
		"one without the type":     {map[string]any{"aud": audience}, map[string]any{"typ": nil}, false},
		"one without the event":    {map[string]any{"aud": audience, "events": nil}, nil, false},
		"a token, for comparison":  {map[string]any{"aud": audience, "events": nil}, map[string]any{"typ": "at+jwt"}, true},
		"a token with other event": {map[string]any{"aud": audience, "events": map[string]any{"x": 1}}, map[string]any{"typ": "JWT"}, true},
	} {
		_, err := a.Authenticate(t.Context(), auth.Bearer(logoutToken(c.claims, c.header)))
		if (err == nil) != c.good || err != nil && !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLogoutFaults(t *testing.T) {
	t.Parallel()
	a := newLogoutAuth(t)
	now := time.Now()
	change := func(name string, value any) string { return logoutToken(map[string]any{name: value}, nil) }
	good := logoutToken(nil, nil)
	for name, token := range map[string]string{
		"an access token":            sign(jwt.SigningMethodES256, ecKey(), map[string]any{"kid": "ec"}, said(provider, map[string]any{"aud": "client", "jti": "x", "iat": now.Unix()})),
		"type at+jwt":                logoutToken(nil, map[string]any{"typ": "at+jwt"}),
		"type secevent+jwt":          logoutToken(nil, map[string]any{"typ": "secevent+jwt"}),
		"crit":                       logoutToken(nil, map[string]any{"crit": []string{"x"}}),
		"another key":                sign(jwt.SigningMethodES256, newECKey(), map[string]any{"kid": "ec"}, jwt.MapClaims{}),
		"a bad signature":            good[:len(good)-8] + "AAAAAAAA",
		"alg none":                   must(jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": provider}).SignedString(jwt.UnsafeAllowNoneSignatureType)),
		"the audience of tokens":     change("aud", audience),
		"no audience":                change("aud", nil),
		"an unknown issuer":          change("iss", "https://evil.example"),
		"an issuer without logout":   fleetToken(map[string]any{"events": map[string]any{logoutEvent: map[string]any{}}, "jti": "x", "iat": now.Unix()}),
		"no events":                  change("events", nil),
		"other events":               change("events", map[string]any{"x": map[string]any{}}),
		"events as a list":           change("events", []string{logoutEvent}),
		"an event that is no object": change("events", map[string]any{logoutEvent: "x"}),
		"a nonce":                    change("nonce", "n"),
		"a null nonce":               logoutToken(map[string]any{"nonce": jwt.ClaimStrings(nil)}, nil),
		"no jti":                     change("jti", nil),
		"an empty jti":               change("jti", ""),
		"a jti that is a number":     change("jti", 7),
		"a long jti":                 change("jti", strings.Repeat("j", 2000)),
		"no iat":                     change("iat", nil),
		"an iat in the future":       change("iat", now.Add(time.Hour).Unix()),
		"no exp":                     change("exp", nil),
		"valid for long":             change("exp", now.Add(2*time.Hour).Unix()),
		"neither sub nor sid":        logoutToken(map[string]any{"sub": nil, "sid": nil}, nil),
		"empty sub and sid":          logoutToken(map[string]any{"sub": "", "sid": ""}, nil),
		"a sid that is a number":     change("sid", 7),
		"a sub that is a list":       change("sub", []string{"u42"}),
		"a long sid":                 change("sid", strings.Repeat("s", 2000)),
		"control characters":         change("sid", "a\nb"),
		"no token":                   "",
		"garbage":                    "a.b.c",
		"a line end":                 good + "\n",
		"too long":                   strings.Repeat("a", auth.DefaultTokenBytes+1),
	} {
		_, err := a.Logout(t.Context(), token)
		if !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := a.Logout(t.Context(), logoutToken(map[string]any{"iat": now.Add(-time.Hour).Unix(), "exp": now.Add(-time.Minute).Unix()}, nil)); !errors.Is(err, auth.ErrTokenExpired) {
		t.Errorf("an expired one: %v", err)
	}
	if _, err := a.Logout(t.Context(), good); err != nil {
		t.Errorf("the good one: %v", err)
	}
	if _, err := newAuth(t, auth.Grant{When: map[string]string{}, Subscribe: []string{"*"}}).Logout(t.Context(), good); !errors.Is(err, auth.ErrUnsupportedCredential) {
		t.Errorf("where it is not enabled: %v", err)
	}
}

func FuzzLogout(f *testing.F) {
	a := newLogoutAuth(f)
	f.Add(logoutToken(nil, nil))
	f.Add(fleetToken(nil))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		r, err := a.Logout(t.Context(), token)
		if (err == nil) == (r == auth.Revocation{}) {
			t.Errorf("%q: %+v, %v", token, r, err)
		}
	})
}
