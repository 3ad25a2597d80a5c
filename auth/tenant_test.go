package auth_test

import (
	"errors"
	"strings"
	"testing"

	"sluice/auth"
)

func newTenants(t testing.TB, tenancy auth.Tenancy) *auth.Authenticator {
	t.Helper()
	return must(auth.New(auth.Config{
		Issuers: []auth.Issuer{fleetIssuer()}, Tenancy: tenancy,
		Grants: []auth.Grant{{When: map[string]string{}, Subscribe: []string{"*"}}, {Anonymous: true, Subscribe: []string{"public"}}},
	}))
}

// TestTenantOf: which tenant a credential belongs to, at which host.
func TestTenantOf(t *testing.T) {
	t.Parallel()
	byClaim, byPath := auth.Tenancy{Claim: "org"}, auth.Tenancy{Claim: "/org/id"}
	byHost, byBoth := auth.Tenancy{Host: "{tenant}.Example.com"}, auth.Tenancy{Claim: "org", Host: "{tenant}.example.com"}
	const refused = "refused"
	for name, c := range map[string]struct {
		tenancy   auth.Tenancy
		org       any
		host      string
		want      string
		anonymous string
	}{
		"none":                      {org: "acme", host: "acme.example.com"},
		"claim":                     {tenancy: byClaim, org: "acme", host: "other.example.com", want: "acme"},
		"no claim":                  {tenancy: byClaim},
		"null":                      {tenancy: byClaim, org: nil},
		"empty":                     {tenancy: byClaim, org: "", want: refused},
		"number":                    {tenancy: byClaim, org: 7, want: refused},
		"list":                      {tenancy: byClaim, org: []string{"acme"}, want: refused},
		"dot":                       {tenancy: byClaim, org: "acme.orders", want: refused},
		"star":                      {tenancy: byClaim, org: "*", want: refused},
		"braces":                    {tenancy: byClaim, org: "{tenant}", want: refused},
		"colon":                     {tenancy: byClaim, org: "acme:user", want: refused},
		"not ASCII":                 {tenancy: byClaim, org: "acmé", want: refused},
		"longest":                   {tenancy: byClaim, org: strings.Repeat("a", 63), want: strings.Repeat("a", 63)},
		"too long":                  {tenancy: byClaim, org: strings.Repeat("a", 64), want: refused},
		"path":                      {tenancy: byPath, org: map[string]any{"id": "acme"}, want: "acme"},
		"host":                      {tenancy: byHost, org: "other", host: "ACME.example.com:8443", want: "acme", anonymous: "acme"},
		"host with a dot":           {tenancy: byHost, host: "acme.example.com.", want: "acme", anonymous: "acme"},
		"host of none":              {tenancy: byHost, host: "example.com"},
		"host below":                {tenancy: byHost, host: "a.b.example.com"},
		"host of another domain":    {tenancy: byHost, host: "acme.example.com.evil.net"},
		"host that looks alike":     {tenancy: byHost, host: "acme.notexample.com"},
		"address":                   {tenancy: byHost, host: "[::1]:80"},
		"no host":                   {tenancy: byHost},
		"both":                      {tenancy: byBoth, org: "acme", host: "acme.example.com", want: "acme", anonymous: "acme"},
		"both, another":             {tenancy: byBoth, org: "acme", host: "other.example.com", want: refused, anonymous: "other"},
		"both, claim in upper case": {tenancy: byBoth, org: "Acme", host: "acme.example.com", want: refused, anonymous: "acme"},
		"both, no claim":            {tenancy: byBoth, host: "acme.example.com", want: refused, anonymous: "acme"},
		"both, host of none":        {tenancy: byBoth, org: "acme", host: "example.com", want: refused},
		"both, neither":             {tenancy: byBoth, host: "example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newTenants(t, c.tenancy)
			credential := auth.Bearer(fleetToken(map[string]any{"org": c.org}))
			credential.Tenant = a.HostTenant(c.host)
			p, err := a.Authenticate(t.Context(), credential)
			switch {
			case c.want == refused:
				if !errors.Is(err, auth.ErrUnauthenticated) {
					t.Fatalf("got %v, %v", p, err)
				}
			case err != nil || p.Tenant() != c.want:
				t.Fatalf("got %v, %v, want %q", p, err, c.want)
			default:
				again := must(a.Refresh(p))
				if again.Tenant() != c.want || again.Key() != p.Key() {
					t.Errorf("with the rights in force it is of %q", again.Tenant())
				}
				credential.Tenant = ""
				if plain := must(newTenants(t, auth.Tenancy{}).Authenticate(t.Context(), credential)); (plain.Key() == p.Key()) != (c.want == "") {
					t.Errorf("the key is %s, and without tenants %s", p.Key(), plain.Key())
				}
			}
			anonymous := must(a.Anonymous("192.0.2.1", a.HostTenant(c.host)))
			if anonymous.Tenant() != c.anonymous || must(a.Refresh(anonymous)).Tenant() != c.anonymous {
				t.Errorf("an anonymous client is of %q, want %q", anonymous.Tenant(), c.anonymous)
			}
			if !anonymous.May(auth.Subscribe, "public") || anonymous.May(auth.Subscribe, "orders") {
				t.Error("its rights depend on the tenant")
			}
		})
	}
}

// TestTenantsDiffer: the same holder of a credential is another principal in each tenant,
// whichever was asked for first, and a session cannot change over.
func TestTenantsDiffer(t *testing.T) {
	t.Parallel()
	a := newTenants(t, auth.Tenancy{Host: "{tenant}.example.com"})
	credential := auth.Bearer(fleetToken(nil))
	keys := make(map[string]string)
	for range 2 {
		for _, host := range []string{"a.example.com", "b.example.com", "example.com"} {
			credential.Tenant = a.HostTenant(host)
			p := must(a.Authenticate(t.Context(), credential))
			if was, ok := keys[host]; ok && was != p.Key() {
				t.Errorf("%s: the key was %s and is %s", host, was, p.Key())
			}
			keys[host] = p.Key()
		}
	}
	if keys["a.example.com"] == keys["b.example.com"] || keys["a.example.com"] == keys["example.com"] {
		t.Errorf("the keys are %v", keys)
	}

	a = newTenants(t, auth.Tenancy{Claim: "org"})
	mine := must(a.Authenticate(t.Context(), auth.Bearer(fleetToken(map[string]any{"org": "a"}))))
	if p, err := a.Renew(t.Context(), mine, auth.Bearer(fleetToken(map[string]any{"org": "b"}))); !errors.Is(err, auth.ErrPrincipalChanged) {
		t.Errorf("renewed as %v, %v", p, err)
	}
	if p, err := a.Renew(t.Context(), mine, auth.Bearer(fleetToken(map[string]any{"org": "a"}))); err != nil || p.Tenant() != "a" {
		t.Errorf("renewed as %v, %v", p, err)
	}
}

// TestRevokingATenant: a tenant is revoked as a whole, by the claim or by the host.
func TestRevokingATenant(t *testing.T) {
	t.Parallel()
	for _, tenancy := range []auth.Tenancy{{Claim: "org"}, {Host: "{tenant}.example.com"}} {
		a := newTenants(t, tenancy)
		if _, err := a.Revocations().Add(must(a.Revocations().Complete(auth.Revocation{Tenant: "a"}))); err != nil {
			t.Fatal(err)
		}
		for tenant, want := range map[string]error{"a": auth.ErrRevoked, "b": nil} {
			credential := auth.Bearer(fleetToken(map[string]any{"org": tenant}))
			credential.Tenant = a.HostTenant(tenant + ".example.com")
			if _, err := a.Authenticate(t.Context(), credential); !errors.Is(err, want) {
				t.Errorf("%+v: a credential of %s: %v", tenancy, tenant, err)
			}
		}
	}
}

// TestTenancyFaults: a configuration that names no tenant is refused.
func TestTenancyFaults(t *testing.T) {
	t.Parallel()
	for _, tenancy := range []auth.Tenancy{
		{Host: "example.com"},
		{Host: "{tenant}"},
		{Host: "{tenant}."},
		{Host: "x{tenant}.example.com"},
		{Host: "{tenant}.{tenant}.example.com"},
		{Host: "{tenant}.example.com:443"},
	} {
		if _, err := auth.New(auth.Config{Grants: []auth.Grant{{Anonymous: true, Subscribe: []string{"*"}}}, Tenancy: tenancy}); err == nil {
			t.Errorf("%+v was taken", tenancy)
		}
	}
}

// TestAuthorityOfTenants: an authority is told the tenant, on whose topics it decides.
func TestAuthorityOfTenants(t *testing.T) {
	t.Parallel()
	by := &ruled{}
	by.now.Store(&auth.Rulings{
		Name: must(auth.NewTemplate("User:{sub}")),
		Judge: func(_, tenant string, _ auth.Action, stream string) auth.Verdict {
			return map[string]auth.Verdict{"a orders": auth.Allowed, "b orders": auth.Denied}[tenant+" "+stream]
		},
	})
	a := must(auth.New(auth.Config{Issuers: []auth.Issuer{fleetIssuer()}, Grants: []auth.Grant{{Subscribe: []string{"news"}}}, Authority: by, Tenancy: auth.Tenancy{Claim: "org"}}))
	for tenant, want := range map[string]bool{"a": true, "b": false, "c": false} {
		p := must(a.Authenticate(t.Context(), auth.Bearer(fleetToken(map[string]any{"org": tenant}))))
		if p.May(auth.Subscribe, "orders") != want || !p.May(auth.Subscribe, "news") {
			t.Errorf("a principal of %s may subscribe: %v", tenant, !want)
		}
	}
}
