package auth_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
)

func TestBearerAcceptsEachAlgorithm(t *testing.T) {
	t.Parallel()
	a := newAuth(t)
	for name, token := range map[string]string{
		"HS256":          fleetToken(nil),
		"RS256":          sign(jwt.SigningMethodRS256, rsaKey(), map[string]any{"kid": "rsa"}, said(provider, nil)),
		"ES256":          sign(jwt.SigningMethodES256, ecKey(), map[string]any{"kid": "ec"}, said(provider, nil)),
		"EdDSA":          sign(jwt.SigningMethodEdDSA, edKey(), map[string]any{"kid": "ed"}, said(provider, nil)),
		"no key id":      sign(jwt.SigningMethodES256, ecKey(), nil, said(provider, nil)),
		"array audience": fleetToken(map[string]any{"aud": []string{"other", audience}}),
		"nbf has come":   fleetToken(map[string]any{"nbf": time.Now().Add(-time.Minute).Unix()}),
		"float times":    fleetToken(map[string]any{"exp": float64(time.Now().Unix()) + 3599.5, "nbf": 0.5}),
	} {
		for range 2 { // verified, then from the cache
			p, err := a.Authenticate(t.Context(), auth.Bearer(token))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if p.ID() != "u42" || p.Anonymous() {
				t.Errorf("%s: got principal %q", name, p.ID())
			}
		}
	}
}

// bearerCases are tokens that must be refused, with the error.
func bearerCases() map[string]struct {
	token string
	want  error
} {
	hs := []byte(fleetSecret.Reveal())
	rsaPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(rsaKey().Public()))})
	rsaDER := must(x509.MarshalPKIXPublicKey(rsaKey().Public()))
	good := fleetToken(nil)
	parts := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	claim := func(name string, value any) string { return fleetToken(map[string]any{name: value}) }
	raw := func(claims string) string {
		text := parts[0] + "." + b64([]byte(claims))
		return text + "." + b64(must(jwt.SigningMethodHS256.Sign(text, hs)))
	}
	header := func(name string, value any) string {
		return sign(jwt.SigningMethodHS256, hs, map[string]any{name: value}, said(fleet, nil))
	}
	type c = struct {
		token string
		want  error
	}
	no := auth.ErrUnauthenticated
	return map[string]c{
		"empty":                       {"", no},
		"not a token":                 {"hunter2hunter2", no},
		"two parts":                   {parts[0] + "." + parts[1], no},
		"five parts":                  {good + ".a.b", no},
		"alg none":                    {sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, said(fleet, nil)), no},
		"alg none, provider":          {sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, said(provider, nil)), no},
		"alg missing":                 {b64([]byte(`{"typ":"JWT"}`)) + "." + parts[1] + "." + parts[2], no},
		"alg HS384":                   {sign(jwt.SigningMethodHS384, hs, nil, said(fleet, nil)), no},
		"HS256 with public PEM":       {sign(jwt.SigningMethodHS256, rsaPEM, map[string]any{"kid": "rsa"}, said(provider, nil)), no},
		"HS256 with public DER":       {sign(jwt.SigningMethodHS256, rsaDER, map[string]any{"kid": "rsa"}, said(provider, nil)), no},
		"RS256 for a secret":          {sign(jwt.SigningMethodRS256, rsaKey(), nil, said(fleet, nil)), no},
		"PS256":                       {sign(jwt.SigningMethodPS256, rsaKey(), map[string]any{"kid": "rsa"}, said(provider, nil)), no},
		"key of another alg":          {sign(jwt.SigningMethodES256, ecKey(), map[string]any{"kid": "rsa"}, said(provider, nil)), no},
		"another key":                 {sign(jwt.SigningMethodES256, newECKey(), map[string]any{"kid": "ec"}, said(provider, nil)), no},
		"unknown key id":              {sign(jwt.SigningMethodES256, ecKey(), map[string]any{"kid": "nope"}, said(provider, nil)), no},
		"key id a number":             {sign(jwt.SigningMethodES256, ecKey(), map[string]any{"kid": 7}, said(provider, nil)), no},
		"key id huge":                 {sign(jwt.SigningMethodES256, ecKey(), map[string]any{"kid": strings.Repeat("k", 300)}, said(provider, nil)), no},
		"another secret":              {sign(jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), nil, said(fleet, nil)), no},
		"signature written otherwise": {good[:len(good)-1] + twin(good[len(good)-1]), no},
		"signature cut":               {good[:len(good)-4], no},
		"claims changed":              {parts[0] + "." + b64([]byte(`{"iss":"fleet","aud":"sluice","sub":"root","exp":9999999999}`)) + "." + parts[2], no},
		"crit":                        {header("crit", []string{"exp"}), no},
		"crit b64":                    {header("crit", []string{"b64"}), no},
		"crit not a list":             {header("crit", "x"), no},
		"claims null":                 {raw(`null`), no},
		"claims an array":             {raw(`[]`), no},
		"claims not JSON":             {raw(`{"iss":`), no},
		"two JSON texts":              {raw(`{"iss":"fleet"}{}`), no},
		"exp 1e400":                   {raw(`{"iss":"fleet","aud":"sluice","sub":"a","exp":1e400}`), no},
		"exp null":                    {raw(`{"iss":"fleet","aud":"sluice","sub":"a","exp":null}`), no},
		"issuer missing":              {claim("iss", nil), no},
		"issuer unknown":              {claim("iss", "elsewhere"), no},
		"issuer a list":               {claim("iss", []string{fleet}), no},
		"issuer with a slash":         {sign(jwt.SigningMethodRS256, rsaKey(), nil, said(provider+"/", nil)), no},
		"audience missing":            {claim("aud", nil), no},
		"audience wrong":              {claim("aud", "sluice2"), no},
		"audience empty":              {claim("aud", ""), no},
		"audience list wrong":         {claim("aud", []string{"a", "b"}), no},
		"audience list empty":         {claim("aud", []string{}), no},
		"audience list of others":     {claim("aud", []any{audience, 7}), no},
		"audience a number":           {claim("aud", 7), no},
		"expiry missing":              {claim("exp", nil), no},
		"expiry a text":               {claim("exp", "9999999999"), no},
		"expiry huge":                 {claim("exp", 1e300), no},
		"expiry 2^63":                 {raw(`{"iss":"fleet","aud":"sluice","sub":"a","exp":9223372036854775808}`), no},
		"expiry negative":             {claim("exp", -5), no},
		"expired":                     {claim("exp", time.Now().Add(-time.Second).Unix()), auth.ErrTokenExpired},
		"expired, a float":            {claim("exp", float64(time.Now().Unix())-0.5), auth.ErrTokenExpired},
		"expired, wrong audience":     {fleetToken(map[string]any{"exp": 1, "aud": "x"}), no},
		"expired, wrong key":          {sign(jwt.SigningMethodHS256, rsaPEM, nil, said(fleet, map[string]any{"exp": 1})), no},
		"not valid yet":               {claim("nbf", time.Now().Add(time.Hour).Unix()), no},
		"nbf huge":                    {claim("nbf", 1e300), no},
		"nbf a text":                  {claim("nbf", "0"), no},
		"subject missing":             {claim("sub", nil), no},
		"subject empty":               {claim("sub", ""), no},
		"subject a number":            {claim("sub", 7), no},
		"subject long":                {claim("sub", strings.Repeat("s", 257)), no},
		"subject two lines":           {claim("sub", "a\r\nb"), no},
		"bound to a certificate":      {claim("cnf", map[string]any{"x5t#S256": "abc"}), no},
		"bound to a key":              {claim("cnf", map[string]any{"jkt": "abc"}), no},
		"bound in an unknown way":     {claim("cnf", map[string]any{"kid": "abc"}), no},
		"bound in two ways, one new":  {claim("cnf", map[string]any{"jkt": "abc", "kid": "abc"}), no},
		"bound to nothing":            {claim("cnf", map[string]any{}), no},
		"bound to a number":           {claim("cnf", 7), no},
		"one byte too long":           {strings.Repeat("a", auth.DefaultTokenBytes+1), no},
		"1 MB":                        {claim("pad", strings.Repeat("p", 1<<20)), no},
	}
}

// twin returns the other base64url digit that a lenient decoder takes for the last
// one of 32 bytes: the two lowest bits are not used.
func twin(digit byte) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return digits[strings.IndexByte(digits, digit)+1:][:1]
}

func TestBearerRefuses(t *testing.T) {
	t.Parallel()
	a := newAuth(t)
	for name, c := range bearerCases() {
		for range 2 {
			p, err := a.Authenticate(t.Context(), auth.Bearer(c.token))
			if p != nil || !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, %v; want %v", name, p, err, c.want)
				continue
			}
			if errors.Is(err, auth.ErrTokenExpired) && errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("%s: %v is two errors at once", name, err)
			}
			for part := range strings.SplitSeq(c.token, ".") {
				if len(part) > 7 && strings.Contains(err.Error(), part) {
					t.Errorf("%s: the error %q holds a part of the token", name, err)
				}
			}
		}
	}
}

// A token that is too long must be refused for its length before it is examined:
// this one is good otherwise.
func TestBearerBoundsTheToken(t *testing.T) {
	t.Parallel()
	token := fleetToken(nil)
	for _, bound := range []int{len(token), len(token) - 1} {
		a := must(auth.New(auth.Config{Issuers: []auth.Issuer{fleetIssuer()}, TokenBytes: bound}))
		if _, err := a.Authenticate(t.Context(), auth.Bearer(token)); (err == nil) != (bound == len(token)) {
			t.Errorf("bound %d, token of %d bytes: %v", bound, len(token), err)
		}
	}
}

// Header parameters that contain a key or its location must neither help nor cause a
// request.
func TestBearerFollowsNoHeader(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write(jwks(jwk("mine", ecKey().Public(), nil)))
	}))
	defer server.Close()
	a := newAuth(t)
	mine := newECKey()
	for name, value := range map[string]any{
		"jku": server.URL, "x5u": server.URL, "jwk": jwk("ec", mine.Public(), nil), "x5c": []string{"MIIB"},
	} {
		headers := map[string]any{name: value, "kid": "ec"}
		if _, err := a.Authenticate(t.Context(), auth.Bearer(sign(jwt.SigningMethodES256, mine, headers, said(provider, nil)))); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s with a key of its own: %v", name, err)
		}
		if _, err := a.Authenticate(t.Context(), auth.Bearer(sign(jwt.SigningMethodES256, ecKey(), headers, said(provider, nil)))); err != nil {
			t.Errorf("%s beside a good signature: %v", name, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestBearerEndsWithTheToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const skew = 5 * time.Second
		a := must(auth.New(auth.Config{Issuers: []auth.Issuer{fleetIssuer()}, ClockSkew: skew}))
		begins, ends := time.Now().Add(time.Minute), time.Now().Add(time.Hour)
		token := fleetToken(map[string]any{"nbf": begins.Unix(), "exp": ends.Unix()})
		at := func(when time.Time) error {
			time.Sleep(time.Until(when))
			_, err := a.Authenticate(t.Context(), auth.Bearer(token))
			return err
		}
		if err := at(begins.Add(-skew - time.Second)); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("before its time: %v", err)
		}
		if err := at(begins.Add(-skew)); err != nil {
			t.Errorf("within the skew before its time: %v", err)
		}
		if p, err := a.Authenticate(t.Context(), auth.Bearer(token)); err != nil || !p.ExpiresAt().Equal(ends.Add(skew)) {
			t.Errorf("got end %v, %v; want %v", p.ExpiresAt(), err, ends.Add(skew))
		}
		if err := at(ends.Add(skew - time.Nanosecond)); err != nil {
			t.Errorf("within the skew after its end: %v", err)
		}
		if err := at(ends.Add(skew)); !errors.Is(err, auth.ErrTokenExpired) {
			t.Errorf("at its end: %v", err)
		}
	})
}

func TestRenew(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Grant{When: map[string]string{"scope": "live"}, Subscribe: []string{"*"}})
	before := must(a.Authenticate(t.Context(), auth.Bearer(fleetToken(nil))))
	after, err := a.Renew(t.Context(), before, auth.Bearer(fleetToken(map[string]any{"scope": "none"})))
	if err != nil || after.May(auth.Subscribe, "x") || !before.May(auth.Subscribe, "x") {
		t.Errorf("narrower rights: got %v, %v", after, err)
	}
	if _, err := a.Renew(t.Context(), before, auth.Bearer(fleetToken(map[string]any{"sub": "u43"}))); !errors.Is(err, auth.ErrPrincipalChanged) || !errors.Is(err, auth.ErrForbidden) {
		t.Errorf("another subject: %v", err)
	}
	same := sign(jwt.SigningMethodES256, ecKey(), nil, said(provider, nil))
	if _, err := a.Renew(t.Context(), before, auth.Bearer(same)); !errors.Is(err, auth.ErrPrincipalChanged) {
		t.Errorf("the same subject of another issuer: %v", err)
	}
	if _, err := a.Renew(t.Context(), before, auth.Bearer(fleetToken(map[string]any{"exp": 1}))); !errors.Is(err, auth.ErrTokenExpired) {
		t.Errorf("an expired token: %v", err)
	}
}

// More valid tokens than the cache holds must all be accepted.
func TestBearerManyTokens(t *testing.T) {
	t.Parallel()
	a := newAuth(t)
	first := fleetToken(nil)
	for i := range 10_500 {
		token := must(auth.Mint(fleetSecret, auth.TokenClaims{
			Issuer: fleet, Audience: audience, Subject: "u", ValidFor: time.Hour, More: map[string]any{"n": i},
		}))
		if _, err := a.Authenticate(t.Context(), auth.Bearer(token)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Authenticate(t.Context(), auth.Bearer(first)); err != nil {
		t.Fatal(err)
	}
}

func FuzzBearer(f *testing.F) {
	for _, c := range bearerCases() {
		if len(c.token) < 4096 {
			f.Add(c.token)
		}
	}
	f.Add(fleetToken(nil))
	a := newAuth(f, auth.Grant{When: map[string]string{"/a/b": "x", "scope": "live"}, Subscribe: []string{"*"}})
	f.Fuzz(func(t *testing.T, token string) {
		p, err := a.Authenticate(context.Background(), auth.Bearer(token))
		switch {
		case (p == nil) == (err == nil):
			t.Fatalf("got %v, %v", p, err)
		case err == nil && (p.ID() == "" || !p.ExpiresAt().After(time.Now())):
			t.Fatalf("accepted a token without subject or past its end: %q", token)
		case err != nil && !errors.Is(err, auth.ErrUnauthenticated) && !errors.Is(err, auth.ErrTokenExpired):
			t.Fatalf("an error of another kind: %v", err)
		case err != nil && len(token) > 16 && strings.Contains(err.Error(), token):
			t.Fatalf("the error holds the token: %v", err)
		}
	})
}
