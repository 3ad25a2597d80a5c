package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/auth"
)

// keys is a Verifier of opaque keys.
type keys map[string]*auth.Identity

func (k keys) Verify(_ context.Context, presented auth.Credential) (*auth.Identity, error) {
	credential := presented.Token.Reveal()
	if !strings.HasPrefix(credential, "key_") {
		return nil, auth.ErrOtherCredential
	}
	if id := k[credential]; id != nil {
		return id, nil
	}
	return nil, auth.ErrUnauthenticated
}

func newKeysAuth(t *testing.T) *auth.Authenticator {
	t.Helper()
	return must(auth.New(auth.Config{
		Issuers: []auth.Issuer{fleetIssuer()},
		Verifiers: []auth.Verifier{keys{
			"key_1": {Issuer: "keys", Subject: "reporter", Claims: []byte(`{"role":"reporter","org":7}`), TokenID: "1"},
			"key_2": {Issuer: "keys"},
		}},
		Grants: []auth.Grant{
			{When: map[string]string{"role": "reporter"}, Subscribe: []string{"orders"}},
			{When: map[string]string{"role": "device"}, Publish: []string{"orders"}},
		},
	}))
}

func TestAVerifierOfAnotherKind(t *testing.T) {
	t.Parallel()
	a := newKeysAuth(t)
	p, err := a.Authenticate(t.Context(), auth.Bearer("key_1"))
	if err != nil || p.ID() != "reporter" || p.Issuer() != "keys" || p.Key() != "user:keys:reporter" || !p.ExpiresAt().IsZero() {
		t.Fatalf("got %+v, %v", p, err)
	}
	if !p.May(auth.Subscribe, "orders") || p.May(auth.Publish, "orders") || string(p.Claims()) != `{"role":"reporter","org":7}` {
		t.Errorf("rights or claims are wrong: %s", p.Claims())
	}
	if again := must(a.Authenticate(t.Context(), auth.Bearer("key_1"))); again != p {
		t.Error("the same credential makes another principal")
	}
	if p := must(a.Authenticate(t.Context(), auth.Bearer(fleetToken(nil)))); p.ID() != "u42" || !p.May(auth.Publish, "orders") {
		t.Errorf("a token of an issuer is %+v", p)
	}
	if _, err := a.Authenticate(t.Context(), auth.Bearer("key_9")); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("an unknown key: %v", err)
	}
	if _, err := a.Authenticate(t.Context(), auth.Bearer("key_2")); err == nil {
		t.Error("an identity without a subject was let in")
	}
}

func TestClaimsAndRevocation(t *testing.T) {
	t.Parallel()
	a := newKeysAuth(t)
	p := must(a.Authenticate(t.Context(), auth.Bearer(fleetToken(map[string]any{"jti": "j1", "sid": "s1", "org": 7}))))
	if !strings.Contains(string(p.Claims()), `"org":7`) {
		t.Errorf("claims: %s", p.Claims())
	}
	for _, c := range []struct {
		by   auth.Revocation
		want bool
	}{
		{auth.Revocation{}, false},
		{auth.Revocation{Issuer: fleet}, false},
		{auth.Revocation{Subject: "u42"}, true},
		{auth.Revocation{Subject: "u42", Issuer: provider}, false},
		{auth.Revocation{TokenID: "j1"}, true},
		{auth.Revocation{TokenID: "j2"}, false},
		{auth.Revocation{SessionID: "s1", Issuer: fleet}, true},
		{auth.Revocation{SessionID: "s1", TokenID: "j2"}, false},
	} {
		if got := p.RevokedBy(c.by); got != c.want {
			t.Errorf("%+v: %v, want %v", c.by, got, c.want)
		}
	}
	long := must(a.Authenticate(t.Context(), auth.Bearer(fleetToken(map[string]any{"role": "device", "x": strings.Repeat("x", 6<<10)}))))
	if len(long.Claims()) < 6<<10 || !long.May(auth.Publish, "orders") {
		t.Errorf("of long claims %d bytes are kept; may publish: %v", len(long.Claims()), long.May(auth.Publish, "orders"))
	}
}

func TestGrantsAreExchanged(t *testing.T) {
	t.Parallel()
	a := newKeysAuth(t)
	token := fleetToken(map[string]any{"exp": time.Now().Add(time.Hour).Unix()})
	before := must(a.Authenticate(t.Context(), auth.Bearer(token)))
	if err := a.SetGrants([]auth.Grant{{Subscribe: []string{""}}}); err == nil {
		t.Fatal("a bad grant was taken")
	}
	if err := a.SetGrants([]auth.Grant{{When: map[string]string{"role": "device"}, Subscribe: []string{"orders"}}}); err != nil {
		t.Fatal(err)
	}
	after := must(a.Authenticate(t.Context(), auth.Bearer(token)))
	if !before.May(auth.Publish, "orders") || after.May(auth.Publish, "orders") || !after.May(auth.Subscribe, "orders") {
		t.Error("a token that is remembered keeps the old grants, or a principal has changed")
	}
	if _, err := a.Anonymous("10.0.0.1", ""); err == nil {
		t.Error("an anonymous client comes in without a grant")
	}
}
