package auth_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/auth"
)

// sessions is a Verifier of tokens that name their own claims: "sub|jti|sid|tenant|age".
type sessions struct{}

func (sessions) Verify(_ context.Context, c auth.Credential) (*auth.Identity, error) {
	part := strings.Split(c.Token.Reveal(), "|")
	age, err := time.ParseDuration(part[4])
	if err != nil {
		return nil, err
	}
	id := &auth.Identity{Issuer: "one", Subject: part[0], TokenID: part[1], SessionID: part[2]}
	id.Claims = fmt.Appendf(nil, `{"org":{"id":%q}}`, part[3])
	if age > 0 {
		id.IssuedAt = time.Now().Add(-age)
	}
	return id, nil
}

func newRevocable(t testing.TB, config auth.RevocationsConfig) *auth.Authenticator {
	t.Helper()
	set, err := auth.NewRevocations(config)
	if err != nil {
		t.Fatal(err)
	}
	a, err := auth.New(auth.Config{
		Verifiers: []auth.Verifier{sessions{}}, Revocations: set,
		Grants: []auth.Grant{{When: map[string]string{}, Subscribe: []string{"*"}}, {Anonymous: true, Subscribe: []string{"*"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestRevokedCredentials is a table of what each revocation names.
func TestRevokedCredentials(t *testing.T) {
	t.Parallel()
	const one = "u|j|s|acme|30m" // half way between the times below, however late a case has its turn
	now := time.Now()
	for name, c := range map[string]struct {
		revoke  auth.Revocation
		token   string
		revoked bool
	}{
		"a subject":                       {auth.Revocation{Subject: "u"}, one, true},
		"a subject of the issuer":         {auth.Revocation{Issuer: "one", Subject: "u"}, one, true},
		"a subject of another issuer":     {auth.Revocation{Issuer: "two", Subject: "u"}, one, false},
		"another subject":                 {auth.Revocation{Subject: "U"}, one, false},
		"a subject that is a token":       {auth.Revocation{Subject: "j"}, one, false},
		"a token":                         {auth.Revocation{TokenID: "j"}, one, true},
		"a token of the issuer":           {auth.Revocation{Issuer: "one", TokenID: "j"}, one, true},
		"another token":                   {auth.Revocation{TokenID: "k"}, one, false},
		"a session":                       {auth.Revocation{SessionID: "s"}, one, true},
		"another session":                 {auth.Revocation{SessionID: "t"}, one, false},
		"a tenant":                        {auth.Revocation{Tenant: "acme"}, one, true},
		"a tenant of the issuer":          {auth.Revocation{Issuer: "one", Tenant: "acme"}, one, true},
		"another tenant":                  {auth.Revocation{Tenant: "acm"}, one, false},
		"no tenant":                       {auth.Revocation{Tenant: "acme"}, "u|j|s||1m", false},
		"no session":                      {auth.Revocation{SessionID: "s"}, "u|j||acme|1m", false},
		"issued before":                   {auth.Revocation{Subject: "u", Before: now}, one, true},
		"issued after":                    {auth.Revocation{Subject: "u", Before: now.Add(-time.Hour)}, one, false},
		"issued at no known time":         {auth.Revocation{Subject: "u", Before: now.Add(-time.Hour)}, "u|j|s|acme|0s", true},
		"a token, however old":            {auth.Revocation{TokenID: "j"}, "u|j|s|acme|0s", true},
		"a token issued before":           {auth.Revocation{TokenID: "j", Before: now.Add(-time.Hour)}, one, false},
		"a subject, issued in the future": {auth.Revocation{Subject: "u"}, "u|j|s|acme|-1h", true}, // no time at all
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newRevocable(t, auth.RevocationsConfig{TenantClaim: "/org/id"})
			p, err := a.Authenticate(t.Context(), auth.Bearer(c.token))
			if err != nil {
				t.Fatal(err)
			}
			var told []auth.Revocation
			a.Revocations().Watch(func(r auth.Revocation) { told = append(told, r) })
			complete, err := a.Revocations().Complete(c.revoke)
			if err != nil {
				t.Fatal(err)
			}
			stored, err := a.Revocations().Add(complete)
			if err != nil || stored != complete {
				t.Fatalf("stored %+v, %v", stored, err)
			}
			_, err = a.Authenticate(t.Context(), auth.Bearer(c.token))
			if got := errors.Is(err, auth.ErrRevoked); got != c.revoked || !got && err != nil {
				t.Errorf("authenticating: %v", err)
			}
			if errors.Is(err, auth.ErrUnauthenticated) {
				t.Error("a revoked token must not be taken for a bad one")
			}
			if got := a.Revocations().Revoked(p); got != c.revoked {
				t.Errorf("Revoked is %v", got)
			}
			if len(told) != 1 || p.RevokedBy(told[0]) != c.revoked {
				t.Errorf("told %+v", told)
			}
			anonymous, err := a.Anonymous("192.0.2.1", "")
			if err != nil || a.Revocations().Revoked(anonymous) || anonymous.RevokedBy(complete) {
				t.Errorf("an anonymous client is revoked, %v", err)
			}
			if _, err := a.Renew(t.Context(), p, auth.Bearer(c.token)); errors.Is(err, auth.ErrRevoked) != c.revoked {
				t.Errorf("renewing: %v", err)
			}
		})
	}
}

// standIn is a Verifier of a credential that stands for a token of the fleet.
type standIn struct{}

func (standIn) Verify(_ context.Context, c auth.Credential) (*auth.Identity, error) {
	if c.Scheme != auth.SchemeTicket {
		return nil, auth.ErrOtherCredential
	}
	return &auth.Identity{Issuer: fleet, Subject: "u42", Claims: []byte(`{}`), IssuerToken: true}, nil
}

// TestStandInEndsWithItsIssuer: a ticket of a token is not accepted, and its session has no
// rights any more, once the issuer of the token has been removed.
func TestStandInEndsWithItsIssuer(t *testing.T) {
	t.Parallel()
	a, err := auth.New(auth.Config{
		Issuers: []auth.Issuer{fleetIssuer()}, Verifiers: []auth.Verifier{standIn{}},
		Grants: []auth.Grant{{When: map[string]string{}, Subscribe: []string{"*"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ticket := auth.Credential{Source: auth.FromQuery, Scheme: auth.SchemeTicket}
	p, err := a.Authenticate(t.Context(), ticket)
	if err != nil || !p.May(auth.Subscribe, "x") || !a.InForce(p) {
		t.Fatalf("got %+v, %v", p, err)
	}
	token, err := a.Authenticate(t.Context(), auth.Bearer(fleetToken(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if id, err := token.Identity(); err != nil || !id.IssuerToken {
		t.Errorf("the identity of a token is %+v, %v", id, err)
	}
	if err := a.SetIssuers(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(t.Context(), ticket); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("after the issuer was removed: %v", err)
	}
	if _, err := a.Refresh(p); a.InForce(p) || !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("the session goes on: %v", err)
	}
}

// TestRevocationLetsLogInAgain: a subject is revoked up to now, with what an issuer's
// clock may be ahead, and only until the end of the revocation.
func TestRevocationLetsLogInAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newRevocable(t, auth.RevocationsConfig{ClockSkew: 3 * time.Second, Keep: time.Hour})
		put := func(r auth.Revocation) {
			t.Helper()
			complete, err := a.Revocations().Complete(r)
			if err == nil {
				_, err = a.Revocations().Add(complete)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		refused := func(token string) bool {
			_, err := a.Authenticate(t.Context(), auth.Bearer(token))
			return errors.Is(err, auth.ErrRevoked)
		}
		time.Sleep(300 * time.Millisecond)
		put(auth.Revocation{Subject: "u"})
		put(auth.Revocation{TokenID: "j"})
		time.Sleep(2 * time.Second)
		if !refused("u|x|s||1ms") {
			t.Error("a token is accepted that a clock within the skew could have dated so")
		}
		time.Sleep(3 * time.Second)
		if refused("u|x|s||1ms") || !refused("u|x|s||1h") || !refused("v|j|s||1ms") {
			t.Error("only what is older, and the token, is to be refused")
		}
		time.Sleep(time.Hour)
		if refused("u|x|s||10h") || refused("v|j|s||1ms") {
			t.Error("the revocations go on after their end")
		}
		if list, total := a.Revocations().List(10); len(list) != 0 || total != 0 {
			t.Errorf("listed %v, %d", list, total)
		}
		if a.Revocations().Sweep(); a.Revocations().Len() != 0 {
			t.Error("they are still held")
		}
	})
}

// TestRevocationsJoin: whatever the order in which revocations of one name arrive, and
// however often, the set revokes what any of them does, for as long.
func TestRevocationsJoin(t *testing.T) {
	t.Parallel()
	base := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	all := []auth.Revocation{
		{Subject: "u", Before: base.Add(-3 * time.Hour), Until: base},
		{Subject: "u", Before: base.Add(-2 * time.Hour), Until: base.Add(-time.Minute)},
		{Subject: "u", Before: base.Add(-time.Hour), Until: base.Add(-time.Second)},
		{Subject: "v", Before: base, Until: base},
		{Subject: "v", Until: base.Add(-time.Minute)},
	}
	for range 50 {
		set, err := auth.NewRevocations(auth.RevocationsConfig{})
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		set.Watch(func(auth.Revocation) { told++ })
		for range 3 {
			for _, i := range rand.Perm(len(all)) {
				if _, err := set.Add(all[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		list, total := set.List(10)
		if total != 2 || list[0].Subject != "u" || !list[0].Before.Equal(base.Add(-time.Hour)) || !list[0].Until.Equal(base) ||
			list[1].Subject != "v" || !list[1].Before.IsZero() || !list[1].Until.Equal(base) {
			t.Fatalf("got %+v", list)
		}
		if told < 2 || told > len(all) {
			t.Fatalf("told %d times", told)
		}
	}
}

// TestRevocationsAreBounded: a full set refuses, loudly, but ends sessions all the same;
// what has ended makes room.
func TestRevocationsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		set, err := auth.NewRevocations(auth.RevocationsConfig{Max: 10})
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		set.Watch(func(auth.Revocation) { told++ })
		add := func(n int, lasts time.Duration) error {
			_, err := set.Add(auth.Revocation{TokenID: fmt.Sprint("t", n), Until: time.Now().Add(lasts)})
			return err
		}
		for n := range 10 {
			if err := add(n, time.Duration(n+1)*time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if err := add(10, time.Hour); !errors.Is(err, auth.ErrTooManyRevocations) || told != 11 || set.Len() != 10 {
			t.Errorf("got %v, told %d, has %d", err, told, set.Len())
		}
		if err := add(0, time.Hour); err != nil {
			t.Errorf("a longer one of the same name: %v", err)
		}
		time.Sleep(3 * time.Minute)
		if err := add(10, time.Hour); err != nil || set.Len() != 9 {
			t.Errorf("after some ended: %v, has %d", err, set.Len())
		}
		list, total := set.List(3)
		if len(list) != 3 || total != 9 || list[0].TokenID != "t10" || list[1].TokenID != "t0" || list[2].TokenID != "t9" {
			t.Errorf("listed %+v of %d", list, total)
		}
	})
}

func TestRevocationFaults(t *testing.T) {
	t.Parallel()
	set, err := auth.NewRevocations(auth.RevocationsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]auth.Revocation{
		"nothing":           {},
		"only an issuer":    {Issuer: "i"},
		"two":               {Subject: "s", TokenID: "j"},
		"too long":          {Subject: strings.Repeat("s", 1025)},
		"not UTF-8":         {Subject: "\xff"},
		"control":           {Tenant: "a\nb"},
		"ended":             {Subject: "s", Until: time.Now().Add(-time.Second)},
		"kept for too long": {Subject: "s", Until: time.Now().Add(2 * auth.MaxRevocationsKeep)},
	} {
		if _, err := set.Complete(r); !errors.Is(err, auth.ErrBadRevocation) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := set.Add(auth.Revocation{Issuer: "i", Until: time.Now().Add(time.Hour)}); !errors.Is(err, auth.ErrBadRevocation) {
		t.Errorf("added: %v", err)
	}
	for name, c := range map[string]auth.RevocationsConfig{
		"keep": {Keep: time.Millisecond}, "long": {Keep: 400 * 24 * time.Hour}, "max": {Max: -1},
	} {
		if _, err := auth.NewRevocations(c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// BenchmarkRevoked: the cost of a look does not depend on the number of revocations.
func BenchmarkRevoked(b *testing.B) {
	for _, n := range []int{0, 1, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a := newRevocable(b, auth.RevocationsConfig{})
			for i := range n {
				if _, err := a.Revocations().Add(auth.Revocation{Subject: fmt.Sprint("x", i), Until: time.Now().Add(time.Hour)}); err != nil {
					b.Fatal(err)
				}
			}
			p, err := a.Authenticate(b.Context(), auth.Bearer("u|j|s|acme|1m"))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if a.Revocations().Revoked(p) {
					b.Fatal("revoked")
				}
			}
		})
	}
}
