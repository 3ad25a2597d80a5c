package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"sluice/auth"
)

// TestAdmin: the right to operate comes from a grant of the configuration that matches,
// and from nothing else.
func TestAdmin(t *testing.T) {
	t.Parallel()
	operators := auth.Grant{When: map[string]string{"role": "operator"}, Admin: true}
	everything := auth.Grant{When: map[string]string{"role": "device"}, Subscribe: []string{"*"}, Publish: []string{"*"}, Replay: auth.ReplayUnlimited}
	for name, c := range map[string]struct {
		grants []auth.Grant
		claims map[string]any
		want   bool
	}{
		"the grant matches":     {[]auth.Grant{operators}, map[string]any{"role": "operator"}, true},
		"one of several":        {[]auth.Grant{everything, operators}, map[string]any{"role": []string{"device", "operator"}}, true},
		"it does not match":     {[]auth.Grant{operators}, map[string]any{"role": "device"}, false},
		"no such grant":         {[]auth.Grant{everything}, map[string]any{"role": "device"}, false},
		"a claim of the name":   {[]auth.Grant{everything}, map[string]any{"role": "device", "admin": true}, false},
		"every right on topics": {[]auth.Grant{{Subscribe: []string{"*"}, Publish: []string{"*"}}}, nil, false},
		"of anonymous clients":  {[]auth.Grant{{Anonymous: true, Admin: true}}, map[string]any{"role": "operator"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuth(t, c.grants...)
			p, err := a.Authenticate(t.Context(), auth.Bearer(fleetToken(c.claims)))
			if err != nil {
				t.Fatal(err)
			}
			if p.Admin() != c.want {
				t.Errorf("got %v", p.Admin())
			}
		})
	}
}

// TestAdminIsWithdrawn: a session that is refreshed has the right no longer.
func TestAdminIsWithdrawn(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Grant{When: map[string]string{"role": "operator"}, Admin: true})
	p, err := a.Authenticate(t.Context(), auth.Bearer(fleetToken(map[string]any{"role": "operator"})))
	if err != nil || !p.Admin() {
		t.Fatal(err, p.Admin())
	}
	if err := a.SetGrants([]auth.Grant{{When: map[string]string{"role": "x"}, Admin: true}}); err != nil {
		t.Fatal(err)
	}
	if p, err = a.Refresh(p); err != nil || p.Admin() {
		t.Errorf("got %v, %v", p.Admin(), err)
	}
}

// TestAnonymousAdmin: a grant for everybody gives the right to anonymous clients.
func TestAnonymousAdmin(t *testing.T) {
	t.Parallel()
	for _, admin := range []bool{true, false} {
		a := newAuth(t, auth.Grant{Anonymous: true, Admin: admin, Subscribe: []string{"s"}})
		if p, err := a.Anonymous("127.0.0.1:7", ""); err != nil || p.Admin() != admin {
			t.Errorf("got %v, want %v", err, admin)
		}
	}
}

// TestAdminNeedsConditions: no grant gives the right to whoever has a token.
func TestAdminNeedsConditions(t *testing.T) {
	t.Parallel()
	_, err := auth.New(auth.Config{Issuers: []auth.Issuer{fleetIssuer()}, Grants: []auth.Grant{{Admin: true}}})
	if err == nil || !strings.Contains(err.Error(), "admin requires conditions") {
		t.Errorf("got %v", err)
	}
}

// TestNoCredentialCarriesAdmin: a detail of a token that asks for the right has the token
// refused, as every detail that is not understood, and so does a Verifier's grant.
func TestNoCredentialCarriesAdmin(t *testing.T) {
	t.Parallel()
	is := fleetIssuer()
	is.AuthorizationDetails = []string{"*"}
	a := must(auth.New(auth.Config{Issuers: []auth.Issuer{is}}))
	for _, member := range []map[string]any{
		{"type": "sluice", "actions": []any{"subscribe"}, "streams": []any{"s"}, "admin": true},
		{"type": "sluice", "actions": []any{"admin"}, "streams": []any{"s"}},
	} {
		token := fleetToken(map[string]any{"authorization_details": []any{member}})
		if _, err := a.Authenticate(t.Context(), auth.Bearer(token)); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%v: got %v", member, err)
		}
	}
	b := must(auth.New(auth.Config{Verifiers: []auth.Verifier{generous{}}, Grants: []auth.Grant{{Subscribe: []string{"s"}}}}))
	if _, err := b.Authenticate(t.Context(), auth.Bearer("x")); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("of a Verifier: got %v", err)
	}
}

// generous is a Verifier that gives everybody the right to operate.
type generous struct{}

func (generous) Verify(context.Context, auth.Credential) (*auth.Identity, error) {
	return &auth.Identity{Issuer: "i", Subject: "u", Grants: []auth.Grant{{Subscribe: []string{"s"}, Admin: true, When: nil}}}, nil
}
