package forwarded_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/auth"
	"sluice/auth/forwarded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func settings() forwarded.Config {
	return forwarded.Config{
		SubjectHeader:     "x-forwarded-user",
		ClaimsHeaders:     map[string]string{"email": "X-FORWARDED-EMAIL", "groups": "X-Forwarded-Groups"},
		ListClaims:        []string{"groups"},
		CertificateHeader: "Client-Cert",
		Lifetime:          time.Hour,
	}
}

func headers(t testing.TB, change func(*forwarded.Config)) *forwarded.Headers {
	t.Helper()
	c := settings()
	if change != nil {
		change(&c)
	}
	h, err := forwarded.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestRead: what headers say; which of them are refused is generated in package
// transport.
func TestRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header http.Header
		want   string // the claims; "" for no identity
		err    error
	}{
		"none":          {http.Header{}, "", nil},
		"others":        {http.Header{"X-Forwarded-For": {"a", "b"}, "X-User": {"root"}}, "", nil},
		"user":          {http.Header{"X-Forwarded-User": {"u42"}}, `{"sub":"u42","iss":"forwarded"}`, nil},
		"spaces inside": {http.Header{"X-Forwarded-User": {"Jane Doe, née Ü"}}, `{"sub":"Jane Doe, née Ü","iss":"forwarded"}`, nil},
		"all": {
			http.Header{"X-Forwarded-User": {"u"}, "X-Forwarded-Email": {"a,admin@b"}, "X-Forwarded-Groups": {" a ,b c,, admin,"}},
			`{"sub":"u","iss":"forwarded","email":"a,admin@b","groups":["a","b c","admin"]}`, nil,
		},
		"empty claims": {http.Header{"X-Forwarded-User": {"u"}, "X-Forwarded-Email": {""}, "X-Forwarded-Groups": {""}}, `{"sub":"u","iss":"forwarded"}`, nil},
		"an empty list": {
			http.Header{"X-Forwarded-User": {"u"}, "X-Forwarded-Groups": {" , "}},
			`{"sub":"u","iss":"forwarded","groups":[]}`, nil,
		},
		"quotes":          {http.Header{"X-Forwarded-User": {`"},{"sub":"root`}}, `{"sub":"\"},{\"sub\":\"root","iss":"forwarded"}`, nil},
		"user twice":      {http.Header{"X-Forwarded-User": {"u", "v"}}, "", auth.ErrAmbiguousCredentials},
		"groups twice":    {http.Header{"X-Forwarded-User": {"u"}, "X-Forwarded-Groups": {"a", "b"}}, "", auth.ErrAmbiguousCredentials},
		"empty":           {http.Header{"X-Forwarded-User": {""}}, "", auth.ErrUnauthenticated},
		"claims alone":    {http.Header{"X-Forwarded-Email": {"a@b"}}, "", auth.ErrUnauthenticated},
		"control":         {http.Header{"X-Forwarded-User": {"u\n"}}, "", auth.ErrUnauthenticated},
		"control, claim":  {http.Header{"X-Forwarded-User": {"u"}, "X-Forwarded-Groups": {"a\u0000"}}, "", auth.ErrUnauthenticated},
		"not UTF-8":       {http.Header{"X-Forwarded-User": {"\xfc"}}, "", auth.ErrUnauthenticated},
		"256 bytes":       {http.Header{"X-Forwarded-User": {strings.Repeat("u", 256)}}, `{"sub":"` + strings.Repeat("u", 256) + `","iss":"forwarded"}`, nil},
		"257 bytes":       {http.Header{"X-Forwarded-User": {strings.Repeat("u", 257)}}, "", auth.ErrUnauthenticated},
		"claims too long": {http.Header{"X-Forwarded-User": {"u"}, "X-Forwarded-Groups": {strings.Repeat("g,", 1500)}}, "", auth.ErrUnauthenticated},
		"bad certificate": {http.Header{"X-Forwarded-User": {"u"}, "Client-Cert": {"::"}}, "", auth.ErrUnauthenticated},
	} {
		h := headers(t, nil)
		said, err := h.Read(c.header)
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%s: got %v, want %v", name, err, c.err)
			continue
		}
		if err != nil {
			continue
		}
		if said.Assertion == nil {
			if c.want != "" {
				t.Errorf("%s: no identity", name)
			}
			continue
		}
		var got, want map[string]any
		if json.Unmarshal(said.Assertion.Claims, &got) != nil || json.Unmarshal([]byte(c.want), &want) != nil || !reflect.DeepEqual(got, want) || got["sub"] != said.Assertion.Subject {
			t.Errorf("%s: got %s, want %s", name, said.Assertion.Claims, c.want)
		}
	}
}

func TestSent(t *testing.T) {
	t.Parallel()
	h := headers(t, nil)
	for name, want := range map[string]bool{
		"X-Forwarded-User": true, "X-Forwarded-Email": true, "X-Forwarded-Groups": true, "Client-Cert": true,
		"X-Forwarded-For": false, "Authorization": false,
	} {
		if got := h.Sent(http.Header{name: {""}}); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestVerify: an identity ends after the lifetime; what is no assertion is left to
// others.
func TestVerify(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := headers(t, nil)
		asserted := &auth.Assertion{Subject: "u", Claims: []byte(`{"sub":"u"}`)}
		id, err := h.Verify(t.Context(), auth.Credential{Source: auth.FromProxy, Scheme: auth.SchemeForwarded, Asserted: asserted})
		if err != nil || id.Issuer != forwarded.Issuer || id.Subject != "u" || string(id.Claims) != `{"sub":"u"}` || time.Until(id.ExpiresAt) != time.Hour {
			t.Errorf("got %+v, %v", id, err)
		}
		for _, c := range []auth.Credential{auth.Bearer("u"), {Scheme: auth.SchemeForwarded}, {Scheme: auth.SchemeBearer, Asserted: asserted}} {
			if id, err := h.Verify(t.Context(), c); !errors.Is(err, auth.ErrOtherCredential) {
				t.Errorf("%+v: %v, %v", c, id, err)
			}
		}
	})
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*forwarded.Config)
		says   string // empty: the configuration is valid
	}{
		"good":               {func(*forwarded.Config) {}, ""},
		"certificate alone":  {func(c *forwarded.Config) { *c = forwarded.Config{CertificateHeader: "Client-Cert"} }, ""},
		"nothing":            {func(c *forwarded.Config) { *c = forwarded.Config{Lifetime: 1} }, "there is none"},
		"no subject":         {func(c *forwarded.Config) { c.SubjectHeader = "" }, "require a subject"},
		"no lifetime":        {func(c *forwarded.Config) { c.Lifetime = 0 }, "must end"},
		"claim sub":          {func(c *forwarded.Config) { c.ClaimsHeaders["sub"] = "X-Sub" }, `"sub" cannot be set`},
		"claim iss":          {func(c *forwarded.Config) { c.ClaimsHeaders["iss"] = "X-Iss" }, `"iss" cannot be set`},
		"claim without name": {func(c *forwarded.Config) { c.ClaimsHeaders[""] = "X-Iss" }, "cannot be set"},
		"list of nothing":    {func(c *forwarded.Config) { c.ListClaims = []string{"roles"} }, "roles has no header"},
		"header twice":       {func(c *forwarded.Config) { c.ClaimsHeaders["name"] = "X-Forwarded-User" }, "is there twice"},
		"claims share one":   {func(c *forwarded.Config) { c.ClaimsHeaders["mail"] = "x-forwarded-email" }, "is there twice"},
		"Authorization":      {func(c *forwarded.Config) { c.SubjectHeader = "authorization" }, "another meaning"},
		"X-Forwarded-For":    {func(c *forwarded.Config) { c.SubjectHeader = "x-forwarded-for" }, "another meaning"},
		"Cookie":             {func(c *forwarded.Config) { c.ClaimsHeaders["c"] = "Cookie" }, "another meaning"},
		"DPoP":               {func(c *forwarded.Config) { c.CertificateHeader = "DPoP" }, "another meaning"},
		"space":              {func(c *forwarded.Config) { c.SubjectHeader = "X User" }, "not the name"},
		"empty":              {func(c *forwarded.Config) { c.ClaimsHeaders["c"] = "" }, "not the name"},
		"colon":              {func(c *forwarded.Config) { c.SubjectHeader = "X:" }, "not the name"},
		"letters":            {func(c *forwarded.Config) { c.SubjectHeader = "Üser" }, "not the name"},
	} {
		config := settings()
		c.change(&config)
		_, err := forwarded.New(config)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		}
	}
}

// FuzzRead: whatever the headers are, an identity has a subject as it is in the header,
// and claims of the configured names.
func FuzzRead(f *testing.F) {
	f.Add("u42", "u@example.com", "a, b,c", ":MIIB:")
	f.Add("", "", "", "")
	f.Add("u\u0085", "\xff", ",,", `Hash=1;Cert="-----BEGIN%20CERTIFICATE-----"`)
	h := headers(f, nil)
	f.Fuzz(func(t *testing.T, user, email, groups, certificate string) {
		header := http.Header{"X-Forwarded-User": {user}, "X-Forwarded-Email": {email}, "X-Forwarded-Groups": {groups}}
		if certificate != "" {
			header.Set("Client-Cert", certificate)
		}
		said, err := h.Read(header)
		if err != nil {
			if !errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("got %v", err)
			}
			return
		}
		var claims struct {
			Sub, Iss string
			Email    *string
			Groups   []string
		}
		if err := json.Unmarshal(said.Assertion.Claims, &claims); err != nil || said.Assertion.Subject != user || claims.Sub != user || claims.Iss != forwarded.Issuer {
			t.Errorf("%q became %s", user, said.Assertion.Claims)
		}
		if email == "" != (claims.Email == nil) || claims.Email != nil && *claims.Email != email {
			t.Errorf("%q became %s", email, said.Assertion.Claims)
		}
		for _, group := range claims.Groups {
			if !strings.Contains(groups, group) || strings.Contains(group, ",") || group == "" {
				t.Errorf("%q became %q", groups, claims.Groups)
			}
		}
		if len(said.Assertion.Claims) > 4<<10 || said.Certificate == nil != (certificate == "") {
			t.Errorf("%q: %+v", certificate, said)
		}
	})
}
