package rights_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub/filter/expr"
	"sluice/hub/redact"
	"sluice/transport/rights"
)

var secret = auth.NewSecret(strings.Repeat("k", 32))

// TestRedactionOfGrants: what of several grants a principal is not shown.
func TestRedactionOfGrants(t *testing.T) {
	t.Parallel()
	language, err := expr.New(expr.Limits{Bytes: 1000, Cost: 1000, Memory: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	of := rights.New(language)
	grant := func(filter string, replay time.Duration, paths ...string) auth.Grant {
		g := auth.Grant{Subscribe: []string{"orders"}, Filter: filter, Replay: replay}
		for _, p := range paths {
			if text, ok := strings.CutPrefix(p, "!"); ok {
				g.Mask = append(g.Mask, text)
			} else {
				g.Redact = append(g.Redact, p)
			}
		}
		return g
	}
	const day = 24 * time.Hour
	own := "key == claims.sub"
	for name, c := range map[string]struct {
		grants []auth.Grant
		want   []string
	}{
		"none":                     {[]auth.Grant{grant("", 0)}, nil},
		"one":                      {[]auth.Grant{grant("", 0, "/card", "!/email")}, []string{"/card", "!/email"}},
		"with a filter":            {[]auth.Grant{grant(own, 0, "/card")}, []string{"/card"}},
		"two, whole":               {[]auth.Grant{grant("", 0, "/card", "/x"), grant("", 0, "/card/number", "/y")}, []string{"/card/number"}},
		"one whole, unredacted":    {[]auth.Grant{grant("", 0, "/card"), grant("", 0)}, nil},
		"two with filters":         {[]auth.Grant{grant(own, 0, "/card"), grant("data.n > 1", 0, "!/email")}, []string{"/card", "!/email"}},
		"filtered and whole":       {[]auth.Grant{grant(own, 0), grant("", 0, "/card")}, []string{"/card"}},
		"filtered, redacted more":  {[]auth.Grant{grant(own, 0, "/x"), grant("", 0)}, nil},
		"filtered goes back more":  {[]auth.Grant{grant(own, day, "/x"), grant("", 0, "/card")}, []string{"/x", "/card"}},
		"whole goes back more":     {[]auth.Grant{grant(own, 0, "/x"), grant("", day, "/card")}, []string{"/card"}},
		"both whole, one farther":  {[]auth.Grant{grant("", 0), grant("", day, "/card")}, []string{"/card"}},
		"both within the window":   {[]auth.Grant{grant("", 0), grant("", time.Minute, "/card")}, nil},
		"unlimited":                {[]auth.Grant{grant("", auth.ReplayUnlimited, "/card"), grant("", day, "/x")}, []string{"/card"}},
		"never":                    {[]auth.Grant{grant("claims.sub == 'other'", day, "/x"), grant("", 0, "/card")}, []string{"/card"}},
		"always":                   {[]auth.Grant{grant("claims.sub == 'u1'", 0, "/x", "/card"), grant("", 0, "/card")}, []string{"/card"}},
		"always, and of records":   {[]auth.Grant{grant("claims.sub == 'u1' || key == 'a'", 0), grant(own, 0, "/card")}, nil},
		"of another stream":        {[]auth.Grant{{Subscribe: []string{"other"}}, grant("", 0, "/card")}, []string{"/card"}},
		"removed and masked":       {[]auth.Grant{grant("", 0, "/a"), grant("", 0, "!/a")}, []string{"!/a"}},
		"removed and masked, rows": {[]auth.Grant{grant(own, 0, "/a"), grant(own, 0, "!/a")}, []string{"/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := auth.New(auth.Config{
				Issuers: []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
				Grants:  c.grants,
			})
			if err != nil {
				t.Fatal(err)
			}
			token, err := auth.Mint(secret, auth.TokenClaims{Issuer: "test", Audience: "sluice", Subject: "u1", ValidFor: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			p, err := a.Authenticate(t.Context(), auth.Bearer(token))
			if err != nil {
				t.Fatal(err)
			}
			g := grant("", 0, c.want...)
			want, err := redact.New(g.Redact, g.Mask)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := of.Rows(p, "orders", 10*time.Minute)
			if err != nil || !rows.Redaction.Equal(want) {
				t.Errorf("redacts %q, %v, want %q", rows.Redaction.Canonical(), err, want.Canonical())
			}
			if again, err := of.Rows(p, "orders", 10*time.Minute); err != nil || again.Redaction != rows.Redaction {
				t.Error("principals with equal grants do not share their redaction")
			}
		})
	}
}

// TestEncryptedByGrants: what of the encrypted a principal is not shown.
func TestEncryptedByGrants(t *testing.T) {
	t.Parallel()
	language, err := expr.New(expr.Limits{Bytes: 1000, Cost: 1000, Memory: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	const own = "key == claims.sub"
	grant := func(filter string, decrypt ...string) auth.Grant {
		return auth.Grant{Subscribe: []string{"orders"}, Filter: filter, Decrypt: decrypt}
	}
	redacting := grant("", "/a", "/b")
	redacting.Redact, redacting.Mask = []string{"/x"}, []string{"/a"}
	for name, c := range map[string]struct {
		grants    []auth.Grant
		encrypted []string
		want      []string
	}{
		"nothing is encrypted": {[]auth.Grant{grant("")}, nil, nil},
		"none":                 {[]auth.Grant{grant("")}, []string{"/a", "headers.b"}, []string{"/a", "headers.b"}},
		"all":                  {[]auth.Grant{grant("", "/a", "/b")}, []string{"/a", "/b"}, nil},
		"one":                  {[]auth.Grant{grant("", "/a")}, []string{"/a", "/b"}, []string{"/b"}},
		"only exactly":         {[]auth.Grant{grant("", "/a", "/*", "data")}, []string{"/a/b"}, []string{"/a/b"}},
		"two, whole":           {[]auth.Grant{grant("", "/a"), grant("", "/b")}, []string{"/a", "/b", "/c"}, []string{"/c"}},
		"whole and rows":       {[]auth.Grant{grant(""), grant(own, "/a")}, []string{"/a"}, []string{"/a"}},
		"rows":                 {[]auth.Grant{grant(own, "/a", "/b"), grant("data.n > 1", "/a")}, []string{"/a", "/b"}, []string{"/b"}},
		"redacted too":         {[]auth.Grant{redacting}, []string{"/a", "/b"}, []string{"/x", "!/a"}},
		"the value":            {[]auth.Grant{grant("", "/a")}, []string{"data"}, []string{"data"}},
	} {
		a, err := auth.New(auth.Config{
			Issuers: []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}}, Grants: c.grants,
		})
		if err != nil {
			t.Fatal(err)
		}
		token, err := auth.Mint(secret, auth.TokenClaims{Issuer: "test", Audience: "sluice", Subject: "u1", ValidFor: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		p, err := a.Authenticate(t.Context(), auth.Bearer(token))
		if err != nil {
			t.Fatal(err)
		}
		var removed, masked []string
		for _, path := range c.want {
			if text, ok := strings.CutPrefix(path, "!"); ok {
				masked = append(masked, text)
			} else {
				removed = append(removed, path)
			}
		}
		want, err := redact.New(removed, masked)
		if err != nil {
			t.Fatal(err)
		}
		of := rights.New(language)
		of.SetEncrypted(map[string][]string{"orders": c.encrypted, "other": {"/z"}})
		rows, err := of.Rows(p, "orders", time.Minute)
		if err != nil || !rows.Redaction.Equal(want) || fmt.Sprint(rows.Encrypted) != fmt.Sprint(c.encrypted) {
			t.Errorf("%s: hides %q, %v, want %q, with regard to %v", name, rows.Redaction.Canonical(), err, want.Canonical(), rows.Encrypted)
		}
	}
}

// TestRedactionFaults: a principal gets nothing if what is redacted cannot be told.
func TestRedactionFaults(t *testing.T) {
	t.Parallel()
	language, err := expr.New(expr.Limits{Bytes: 1000, Cost: 1000, Memory: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var many []auth.Grant
	for n := range 20 {
		g := auth.Grant{Anonymous: true, Subscribe: []string{"orders"}, Filter: "data.n > 1"}
		for i := range redact.MaxPaths {
			g.Redact = append(g.Redact, fmt.Sprintf("/a%d/b%d", n, i))
		}
		many = append(many, g)
	}
	for name, grants := range map[string][]auth.Grant{
		"no path":  {{Anonymous: true, Subscribe: []string{"orders"}, Redact: []string{"card"}}},
		"too many": many,
	} {
		a, err := auth.New(auth.Config{Grants: grants})
		if err != nil {
			t.Fatal(err)
		}
		p, err := a.Anonymous("192.0.2.1", "")
		if err != nil {
			t.Fatal(err)
		}
		if rows, err := rights.New(language).Rows(p, "orders", time.Minute); err == nil {
			t.Errorf("%s: %+v", name, rows)
		}
	}
}
