package webhook_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/auth"
	"sluice/auth/webhook"
)

// identity is a Verifier that returns itself.
type identity struct{ *auth.Identity }

func (i identity) Verify(context.Context, auth.Credential) (*auth.Identity, error) {
	return i.Identity, nil
}

// sumOfDER is the base64url SHA-256 sum of "der".
const sumOfDER = "UFDYDSLs1HHqVd9wNAQsHgQTQf9AZuf2_zjiC3IN-Oo"

func TestCredentialIsHandedOver(t *testing.T) {
	t.Parallel()
	s := &service{answer: says(200, `{"subject":"u42","claims":{"role":"reader"},"expires_at":32503680000000}`)}
	h := hook(t, s)
	c := auth.Bearer("secret-token")
	c.Proof = auth.Proof{
		Address: "192.0.2.7", Headers: http.Header{"X-Tenant": {"a", "b"}},
		Certificate: &x509.Certificate{Raw: []byte("der")}, URL: "https://sluice/v1/ws", DPoP: []string{"proof"},
	}
	id, err := h.Verify(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := asJSON(t, string(id.Claims)), asJSON(t, `{"role":"reader","sub":"u42","iss":"webhook"}`); !reflect.DeepEqual(got, want) {
		t.Errorf("the claims are %v", got)
	}
	if left := time.Until(id.ExpiresAt); id.Issuer != "webhook" || id.Subject != "u42" || left > time.Hour || left < 59*time.Minute {
		t.Errorf("the identity is %+v", id)
	}
	want := `{"event":"connect","credential":{"scheme":"bearer","token":"secret-token"},"address":"192.0.2.7",` +
		`"certificate_sha256":"` + sumOfDER + `","headers":{"X-Tenant":["a","b"]}}`
	if !reflect.DeepEqual(asJSON(t, s.bodies[0]), asJSON(t, want)) {
		t.Errorf("the question is %s", s.bodies[0])
	}
	r := s.requests[0]
	if r.Method != http.MethodPost || r.URL.String() != address || r.Header.Get("Authorization") != "" || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the request is %s %s %v", r.Method, r.URL, r.Header)
	}
}

// TestIdentityAnswers: every answer about a credential, and what it means.
func TestIdentityAnswers(t *testing.T) {
	t.Parallel()
	const (
		yes  = "yes"
		no   = "no"
		none = "unavailable"
	)
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"subject alone":       {200, `{"subject":"u"}`, yes},
		"spaces":              {200, " \n{ \"subject\" : \"u\" }\n", yes},
		"claims":              {200, `{"subject":"u","claims":{"a":{"b":[1,2,{"c":null}]}}}`, yes},
		"claims that agree":   {200, `{"subject":"u","claims":{"sub":"u","iss":"webhook"}}`, yes},
		"a later end":         {200, `{"subject":"u","expires_at":253402300799000}`, yes},
		"401":                 {401, `{"subject":"u"}`, no},
		"403":                 {403, ``, no},
		"201":                 {201, `{"subject":"u"}`, none},
		"204":                 {204, ``, none},
		"206":                 {206, `{"subject":"u"}`, none},
		"302":                 {302, `{"subject":"u"}`, none},
		"400":                 {400, `{"subject":"u"}`, none},
		"404":                 {404, `{"subject":"u"}`, none},
		"407":                 {407, `{"subject":"u"}`, none},
		"429":                 {429, ``, none},
		"500":                 {500, `{"subject":"u"}`, none},
		"503":                 {503, ``, none},
		"nothing":             {200, ``, none},
		"null":                {200, `null`, none},
		"true":                {200, `true`, none},
		"array":               {200, `[{"subject":"u"}]`, none},
		"empty object":        {200, `{}`, none},
		"HTML":                {200, `<html>`, none},
		"two values":          {200, `{"subject":"u"}{"subject":"v"}`, none},
		"cut":                 {200, `{"subject":"u"`, none},
		"trailing":            {200, `{"subject":"u"}x`, none},
		"NUL":                 {200, "{\"subject\":\"u\"}\x00", none},
		"BOM":                 {200, "\ufeff{\"subject\":\"u\"}", none},
		"unknown member":      {200, `{"subject":"u","admin":true}`, none},
		"other case":          {200, `{"Subject":"u"}`, none},
		"other case too":      {200, `{"subject":"u","SUBJECT":"root"}`, none},
		"member twice":        {200, `{"subject":"u","subject":"root"}`, none},
		"member escaped":      {200, `{"subject":"u","\u0073ubject":"root"}`, none},
		"claim twice":         {200, `{"subject":"u","claims":{"a":1,"a":2}}`, none},
		"nested claim twice":  {200, `{"subject":"u","claims":{"x":[{"a":1,"a":2}]}}`, none},
		"no subject":          {200, `{"claims":{}}`, none},
		"subject null":        {200, `{"subject":null}`, none},
		"subject empty":       {200, `{"subject":""}`, none},
		"subject number":      {200, `{"subject":1}`, none},
		"subject long":        {200, `{"subject":"` + strings.Repeat("u", 257) + `"}`, none},
		"subject control":     {200, `{"subject":"u\u0000"}`, none},
		"subject line break":  {200, `{"subject":"u\nroot"}`, none},
		"subject C1":          {200, `{"subject":"u\u0085"}`, none},
		"subject surrogate":   {200, `{"subject":"u\ud800"}`, none},
		"not UTF-8":           {200, "{\"subject\":\"u\xff\"}", none},
		"claims null":         {200, `{"subject":"u","claims":null}`, none},
		"claims array":        {200, `{"subject":"u","claims":[]}`, none},
		"claims text":         {200, `{"subject":"u","claims":"{}"}`, none},
		"claims of another":   {200, `{"subject":"u","claims":{"sub":"root"}}`, none},
		"claims of an issuer": {200, `{"subject":"u","claims":{"iss":"https://id.example.com"}}`, none},
		"sub as list":         {200, `{"subject":"u","claims":{"sub":["u"]}}`, none},
		"claims large":        {200, `{"subject":"u","claims":{"a":"` + strings.Repeat("x", 4090) + `"}}`, none},
		"claims deep":         {200, `{"subject":"u","claims":` + deep + `}`, none},
		"answer large":        {200, `{"subject":"u"}` + strings.Repeat(" ", 17<<10), none},
		"expires null":        {200, `{"subject":"u","expires_at":null}`, none},
		"expires text":        {200, `{"subject":"u","expires_at":"1795245600000"}`, none},
		"expires fraction":    {200, `{"subject":"u","expires_at":1.5}`, none},
		"expires negative":    {200, `{"subject":"u","expires_at":-1}`, none},
		"expires too late":    {200, `{"subject":"u","expires_at":1e18}`, none},
		"expires overflow":    {200, `{"subject":"u","expires_at":99999999999999999999}`, none},
	} {
		s := &service{answer: says(c.status, c.body)}
		id, err := hook(t, s).Verify(t.Context(), auth.Bearer("token-7731"))
		got := none
		switch {
		case err == nil && id != nil && id.Subject == "u":
			got = yes
		case errors.Is(err, auth.ErrUnauthenticated):
			got = no
		case !errors.Is(err, auth.ErrVerifierUnavailable):
			t.Errorf("%s: %v, %v", name, id, err)
		}
		if got != c.want {
			t.Errorf("%s: %s (%v), want %s", name, got, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "7731") || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "root")) {
			t.Errorf("%s: the error says too much: %v", name, err)
		}
	}
}

func TestAnswerOfAnotherType(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"", "text/html", "application/jsonx", "application/json; =", "text/html, application/json"} {
		s := &service{answer: func(*http.Request) (reply, error) { return reply{200, kind, `{"subject":"u"}`}, nil }}
		if _, err := hook(t, s).Verify(t.Context(), auth.Bearer("t")); !errors.Is(err, auth.ErrVerifierUnavailable) {
			t.Errorf("%q: %v", kind, err)
		}
	}
}

// TestEndIsTheSoonerOne: an identity ends when the service says, and after the
// lifetime at the latest.
func TestEndIsTheSoonerOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			says string
			want time.Duration
		}{
			{``, time.Hour},
			{fmt.Sprintf(`,"expires_at":%d`, time.Now().Add(time.Minute).UnixMilli()), time.Minute},
			{fmt.Sprintf(`,"expires_at":%d`, time.Now().Add(24*time.Hour).UnixMilli()), time.Hour},
			{`,"expires_at":1`, time.Until(time.UnixMilli(1))},
		} {
			id, err := hook(t, &service{answer: says(200, `{"subject":"u"`+c.says+`}`)}).Verify(t.Context(), auth.Bearer("t"))
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Until(id.ExpiresAt); got != c.want {
				t.Errorf("%s: it ends in %v, want %v", c.says, got, c.want)
			}
		}
	})
}

// TestFallbackIsLast: a token of an issuer never reaches the service, whatever is wrong
// with it, and what no issuer knows does.
func TestFallbackIsLast(t *testing.T) {
	t.Parallel()
	s := &service{answer: says(200, `{"subject":"u","claims":{"role":"guest"}}`)}
	secret := auth.NewSecret(strings.Repeat("k", 32))
	is := auth.Issuer{Issuer: "fleet", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}
	a, err := auth.New(auth.Config{
		Issuers: []auth.Issuer{is}, Fallback: hook(t, s),
		Grants: []auth.Grant{
			{When: map[string]string{"role": "guest", "iss": "webhook"}, Subscribe: []string{"news"}},
			{When: map[string]string{"iss": "fleet"}, Subscribe: []string{"secret"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mint := func(issuer, audience string, of auth.Secret, lifetime time.Duration) string {
		token, err := auth.Mint(of, auth.TokenClaims{Issuer: issuer, Audience: audience, Subject: "d1", ValidFor: lifetime})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := mint("fleet", "sluice", secret, time.Hour)
	for name, c := range map[string]struct {
		token string
		asked bool
		want  error
	}{
		"of the issuer":        {good, false, nil},
		"for another audience": {mint("fleet", "other", secret, time.Hour), false, auth.ErrUnauthenticated},
		"forged":               {mint("fleet", "sluice", auth.NewSecret(strings.Repeat("x", 32)), time.Hour), false, auth.ErrUnauthenticated},
		"changed":              {good[:len(good)-4] + "AAAA", false, auth.ErrUnauthenticated},
		"of another issuer":    {mint("others", "sluice", secret, time.Hour), true, nil},
		"opaque":               {"opaque-token", true, nil},
		"with two dots":        {"a.b.c", true, nil},
		"alg of another":       {"eyJhbGciOiJSUzUxMiJ9.eyJpc3MiOiJvdGhlcnMifQ.AAAA", true, nil},
		"alg none, known":      {"eyJhbGciOiJub25lIn0.eyJpc3MiOiJmbGVldCJ9.", false, auth.ErrUnauthenticated},
	} {
		before := s.count()
		p, err := a.Authenticate(t.Context(), auth.Bearer(c.token))
		if asked := s.count() > before; asked != c.asked || !errors.Is(err, c.want) {
			t.Errorf("%s: asked %v, %v", name, asked, err)
		}
		if err == nil && (p.May(auth.Subscribe, "news") != c.asked || p.May(auth.Subscribe, "secret") == c.asked) {
			t.Errorf("%s: wrong rights", name)
		}
	}
	for _, scheme := range []auth.Scheme{auth.SchemeDPoP, auth.SchemeTicket, auth.SchemeCertificate, auth.SchemeForwarded} {
		before := s.count()
		if _, err := a.Authenticate(t.Context(), auth.Credential{Source: auth.FromHeader, Scheme: scheme, Token: auth.NewSecret("x")}); !errors.Is(err, auth.ErrUnauthenticated) || s.count() > before {
			t.Errorf("%s: %v, asked %v", scheme, err, s.count() > before)
		}
	}
}

// TestNothingIsSaidOfTheCredential: neither errors nor logs contain it, or the query
// of the URL.
func TestNothingIsSaidOfTheCredential(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	s := &service{}
	h := hook(t, s, func(c *webhook.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Secret = auth.NewSecret("whsec_" + strings.Repeat("TUlO", 12))
	})
	said := ""
	for _, answer := range []func(*http.Request) (reply, error){
		says(200, `{"subject":"token-7731"`), says(401, "token-7731"), says(200, `{"token-7731":1}`), says(500, "token-7731"),
		fails(context.DeadlineExceeded), fails(errors.New("connection refused")),
	} {
		s.set(answer)
		for i := range 3 {
			_, err := h.Verify(t.Context(), auth.Bearer(fmt.Sprintf("token-7731-%p-%d", answer, i)))
			if err == nil {
				t.Error("it is accepted")
				continue
			}
			said += err.Error() + "\n"
		}
	}
	said += logged.String()
	for _, secret := range []string{"7731", "hidden", "TUlO", "app.example.com"} {
		if strings.Contains(said, secret) {
			t.Errorf("%q is in\n%s", secret, said)
		}
	}
	if !strings.Contains(said, "the webhook fails") {
		t.Error("the log does not say that the webhook fails")
	}
}

// TestRedirectIsNotFollowed: the credential goes to the configured URL only.
func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect was followed")
	}))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		h := hook(t, nil, func(c *webhook.Config) { c.URL, c.Client = server.URL, nil })
		if _, err := h.Verify(t.Context(), auth.Bearer("t")); !errors.Is(err, auth.ErrVerifierUnavailable) {
			t.Errorf("%d: %v", status, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.Run(ctx); err != nil {
			t.Error(err)
		}
		server.Close()
	}
}
