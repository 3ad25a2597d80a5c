package redisauth_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"sluice/auth"
	"sluice/auth/redisauth"
)

func newTickets(t testing.TB, c *redisauth.Connection, config redisauth.TicketsConfig) *redisauth.Tickets {
	t.Helper()
	if config.TTL == 0 {
		config.TTL = 30 * time.Second
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	made, err := redisauth.NewTickets(c, config)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func reader(changes func(*auth.Identity)) *auth.Identity {
	id := &auth.Identity{
		Issuer: "https://id.example.com", Subject: "u42", Claims: []byte("{\"role\" : \"reader\",\"n\":1e3, \"x\":\"<&\u2028\"}"),
		ExpiresAt: time.Now().Add(time.Hour), TokenID: "j", SessionID: "s", IssuedAt: time.Unix(1700000000, 0),
		Grants: []auth.Grant{{Publish: []string{"carried"}, PublishFilter: "key == 'a'"}},
	}
	if changes != nil {
		changes(id)
	}
	return id
}

func presented(ticket auth.Secret) auth.Credential {
	return auth.Credential{Source: auth.FromQuery, Scheme: auth.SchemeTicket, Token: ticket}
}

// TestTicketWorksOnce: a ticket yields the principal that asked for it, on another
// instance too, exactly once, however many try at once.
func TestTicketWorksOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, options redis.UniversalOptions) {
		prefix := fmt.Sprintf("once%d:", prefixes.Add(1))
		here, there := newTickets(t, connectAs(t, options, prefix), redisauth.TicketsConfig{}), newTickets(t, connectAs(t, options, prefix), redisauth.TicketsConfig{})
		p := principal(t, reader(nil))
		ticket, lives, err := here.Issue(t.Context(), p)
		if err != nil || lives != 30*time.Second || !auth.IsTicket(ticket.Reveal()) {
			t.Fatalf("got %v, %v", lives, err)
		}
		all := plain(t, options)
		var keys []string
		collect := func(c redis.UniversalClient) {
			found, err := c.Keys(t.Context(), prefix+"*").Result()
			if err != nil {
				t.Error(err)
			}
			keys = append(keys, found...)
		}
		for _, address := range options.Addrs {
			collect(plain(t, redis.UniversalOptions{Addrs: []string{address}}))
		}
		sum := sha256.Sum256([]byte(ticket.Reveal()))
		if want := prefix + "ticket:" + hex.EncodeToString(sum[:]); len(keys) != 1 || keys[0] != want {
			t.Errorf("the keys are %q, want %q", keys, want)
		}
		if value, err := all.Get(t.Context(), keys[0]).Result(); err != nil || strings.Contains(value, ticket.Reveal()) {
			t.Errorf("stored is %q, %v", value, err)
		}
		if ttl, err := all.PTTL(t.Context(), keys[0]).Result(); err != nil || ttl <= 0 || ttl > 30*time.Second {
			t.Errorf("kept for %v, %v", ttl, err)
		}

		a := authenticator(t, there)
		var won, lost atomic.Int32
		var got atomic.Pointer[auth.Principal]
		var tries sync.WaitGroup
		for range 20 {
			tries.Go(func() {
				switch p, err := a.Authenticate(t.Context(), presented(ticket)); {
				case err == nil:
					won.Add(1)
					got.Store(p)
				case errors.Is(err, auth.ErrUnauthenticated) && !strings.Contains(err.Error(), ticket.Reveal()):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		tries.Wait()
		if won.Load() != 1 || lost.Load() != 19 {
			t.Fatalf("%d won, %d lost", won.Load(), lost.Load())
		}
		second := got.Load()
		if second.Key() != p.Key() || string(second.Claims()) != string(p.Claims()) || !second.ExpiresAt().Equal(p.ExpiresAt()) || !second.May(auth.Subscribe, "x") {
			t.Errorf("got %+v, want %+v", second, p)
		}
		for _, r := range []auth.Revocation{{TokenID: "j"}, {SessionID: "s"}, {Subject: "u42", Before: time.Unix(1700000001, 0)}} {
			if !second.RevokedBy(r) {
				t.Errorf("not revoked by %+v", r)
			}
		}
		if !second.May(auth.Publish, "carried") || second.May(auth.Publish, "x") {
			t.Error("the rights that the credential carries are others")
		}
		if second.RevokedBy(auth.Revocation{Subject: "u42", Before: time.Unix(1700000000, 0)}) {
			t.Error("revoked by what revokes older tokens")
		}
	})
}

func TestTicketEnds(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	tickets := newTickets(t, connect(t, redis.UniversalOptions{Addrs: []string{server.Addr()}}), redisauth.TicketsConfig{})
	a := authenticator(t, tickets)
	ticket, _, err := tickets.Issue(t.Context(), principal(t, reader(nil)))
	if err != nil {
		t.Fatal(err)
	}
	server.FastForward(31 * time.Second)
	if _, err := a.Authenticate(t.Context(), presented(ticket)); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("after its time: %v", err)
	}
	soon := principal(t, reader(func(id *auth.Identity) { id.ExpiresAt = time.Now().Add(20 * time.Second) }))
	_, lives, err := tickets.Issue(t.Context(), soon)
	if err != nil || lives > 20*time.Second || lives < time.Second {
		t.Errorf("a ticket for a token that ends soon: %v, %v", lives, err)
	}
	ended := newTickets(t, connect(t, redis.UniversalOptions{Addrs: []string{server.Addr()}}), redisauth.TicketsConfig{
		Now: func() time.Time { return time.Now().Add(time.Minute) },
	})
	if _, _, err := ended.Issue(t.Context(), soon); !errors.Is(err, auth.ErrTokenExpired) {
		t.Errorf("a ticket for a token that has ended: %v", err)
	}
	if _, lives, err := tickets.Issue(t.Context(), principal(t, reader(func(id *auth.Identity) { id.ExpiresAt = time.Time{} }))); err != nil || lives != 30*time.Second {
		t.Errorf("a credential without an end: %v, %v", lives, err)
	}
}

func TestTicketFaults(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	tickets := newTickets(t, connect(t, redis.UniversalOptions{Addrs: []string{server.Addr()}}), redisauth.TicketsConfig{PerPrincipal: 3})
	a := authenticator(t, tickets)
	anonymous, err := a.Anonymous("192.0.2.1", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := tickets.Issue(t.Context(), anonymous); !errors.Is(err, auth.ErrForbidden) {
		t.Errorf("for an anonymous client: %v", err)
	}
	for n := range 4 {
		_, _, err := tickets.Issue(t.Context(), principal(t, reader(nil)))
		if errors.Is(err, auth.ErrTooManyTickets) != (n == 3) {
			t.Errorf("ticket %d: %v", n, err)
		}
	}
	if _, _, err := tickets.Issue(t.Context(), principal(t, reader(func(id *auth.Identity) { id.Subject = "u43" }))); err != nil {
		t.Errorf("for another principal: %v", err)
	}
	if _, err := tickets.Verify(t.Context(), auth.Bearer("x")); !errors.Is(err, auth.ErrOtherCredential) {
		t.Errorf("a token: %v", err)
	}
	for _, text := range []string{"", "abc", strings.Repeat("A", 42) + "B", auth.NewTicket().Reveal()} {
		if _, err := tickets.Verify(t.Context(), presented(auth.NewSecret(text))); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// proved is a Prover that takes every proof.
type proved struct{}

func (proved) Prove(context.Context, auth.Credential, string) error { return nil }

// TestTicketKeepsItsCertificate: a ticket of a token that is bound to a certificate is
// bound to it; one of a token that is bound to a DPoP key is bound to nothing.
func TestTicketKeepsItsCertificate(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	tickets := newTickets(t, connect(t, redis.UniversalOptions{Addrs: []string{server.Addr()}}), redisauth.TicketsConfig{})
	id, err := principal(t, reader(nil)).Identity()
	if err != nil || id.Bound != (auth.Binding{}) {
		t.Errorf("a token that is not bound: %+v, %v", id.Bound, err)
	}
	certificate := &x509.Certificate{Raw: []byte("a certificate")}
	sum := sha256.Sum256(certificate.Raw)
	c := base64.RawURLEncoding.EncodeToString(sum[:])
	for bound, want := range map[auth.Binding]auth.Binding{
		{CertificateSHA256: c}:                     {CertificateSHA256: c},
		{KeyThumbprint: "k"}:                       {},
		{CertificateSHA256: c, KeyThumbprint: "k"}: {CertificateSHA256: c},
	} {
		a, err := auth.New(auth.Config{
			Verifiers: []auth.Verifier{fixed{reader(func(id *auth.Identity) { id.Bound = bound })}}, Prover: proved{},
			Grants: []auth.Grant{{When: map[string]string{}, Subscribe: []string{"*"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		shown := auth.Credential{Source: auth.FromHeader, Scheme: auth.SchemeBearer, Proof: auth.Proof{Certificate: certificate}}
		if bound.KeyThumbprint != "" {
			shown.Scheme = auth.SchemeDPoP
		}
		p, err := a.Authenticate(t.Context(), shown)
		if err != nil {
			t.Fatal(err)
		}
		ticket, _, err := tickets.Issue(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tickets.Verify(t.Context(), presented(ticket))
		if err != nil || got.Bound != want {
			t.Errorf("%+v becomes %+v, %v", bound, got.Bound, err)
		}
	}
}

// TestTicketsWithoutRedis: that Redis is away is not the client's fault.
func TestTicketsWithoutRedis(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	tickets := newTickets(t, connect(t, redis.UniversalOptions{Addrs: []string{server.Addr()}}), redisauth.TicketsConfig{PerPrincipal: 100})
	ticket, _, err := tickets.Issue(t.Context(), principal(t, reader(nil)))
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	for range 5 {
		_, err := tickets.Verify(t.Context(), presented(ticket))
		if !errors.Is(err, auth.ErrStoreUnavailable) || errors.Is(err, auth.ErrUnauthenticated) || strings.Contains(err.Error(), ticket.Reveal()) {
			t.Errorf("accepting: %v", err)
		}
		if _, _, err := tickets.Issue(t.Context(), principal(t, reader(nil))); !errors.Is(err, auth.ErrStoreUnavailable) {
			t.Errorf("making: %v", err)
		}
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the ticket is accepted again", func() bool {
		_, err := tickets.Verify(t.Context(), presented(ticket))
		return err == nil
	})
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]redisauth.Config{
		"no address": {Prefix: "p", Timeout: time.Second},
		"a brace":    {Redis: redis.UniversalOptions{Addrs: []string{"a:1"}}, Prefix: "{p", Timeout: time.Second},
		"no timeout": {Redis: redis.UniversalOptions{Addrs: []string{"a:1"}}, Prefix: "p"},
		"no logger":  {Redis: redis.UniversalOptions{Addrs: []string{"a:1"}}, Prefix: "p", Timeout: time.Second},
	} {
		if _, err := redisauth.New(c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	c := connect(t, redis.UniversalOptions{Addrs: []string{"127.0.0.1:1"}})
	for name, config := range map[string]redisauth.TicketsConfig{
		"no clock": {TTL: time.Second}, "no time": {Now: time.Now}, "negative": {TTL: time.Second, Now: time.Now, PerPrincipal: -1},
	} {
		if _, err := redisauth.NewTickets(c, config); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := redisauth.NewRevocations(c, redisauth.RevocationsConfig{Poll: time.Second}); err == nil {
		t.Error("no set is accepted")
	}
}
