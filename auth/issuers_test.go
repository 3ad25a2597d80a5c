package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
)

// TestIssuersAreReplaced: a token of an issuer that was removed is refused at once,
// although it had been verified and cached, an issuer that stays keeps its keys, and
// the keys of a new one are fetched and those of a removed one no longer are.
func TestIssuersAreReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		servers := [2]*keyServer{{}, {}}
		serve := func(n int) auth.Issuer {
			servers[n].set(func() { servers[n].body = jwks(jwk("k1", ecKey().Public(), nil)) })
			return auth.Issuer{
				Issuer: provider + []string{"", "/2"}[n], Audience: audience, Algorithms: []string{auth.ES256},
				JWKSURL: "https://id.example.com/keys", HTTPClient: &http.Client{Transport: servers[n]},
			}
		}
		fetched := func() [2]int { return [2]int{servers[0].count(), servers[1].count()} }
		first, second := serve(0), serve(1)
		a := must(auth.New(auth.Config{
			Issuers: []auth.Issuer{fleetIssuer(), first},
			Grants:  []auth.Grant{{Subscribe: []string{"orders"}}},
		}))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		synctest.Wait()
		of := func(is auth.Issuer) string {
			return sign(jwt.SigningMethodES256, ecKey(), map[string]any{"kid": "k1"}, said(is.Issuer, map[string]any{"exp": time.Now().Add(48 * time.Hour).Unix()}))
		}
		in := func(token string, want bool) {
			t.Helper()
			if _, err := a.Authenticate(t.Context(), auth.Bearer(token)); (err == nil) != want {
				t.Errorf("got %v", err)
			} else if !want && !errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("it is refused with %v", err)
			}
		}
		in(of(first), true)
		in(of(second), false)
		in(fleetToken(nil), true)

		for _, wrong := range [][]auth.Issuer{nil, {first, first}, {{Issuer: "x"}}} {
			if err := a.SetIssuers(wrong); err == nil {
				t.Errorf("%v was taken", wrong)
			}
		}
		in(of(first), true)

		before := fetched()
		if err := a.SetIssuers([]auth.Issuer{first, second}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		in(fleetToken(nil), false)
		in(of(first), true)
		in(of(second), true)
		if now := fetched(); now[0] != before[0] || now[1] != 1 {
			t.Errorf("keys were fetched %v times, before %v", now, before)
		}
		if err := a.SetIssuers([]auth.Issuer{second}); err != nil {
			t.Fatal(err)
		}
		in(of(first), false)
		before = fetched()
		time.Sleep(24 * time.Hour)
		if now := fetched(); now[0] != before[0] || now[1] == before[1] {
			t.Errorf("in a day keys were fetched %v times, before %v", now, before)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestIssuersInUseAreNotChanged: tokens of an issuer that stays are verified while the issuers
// are replaced. The race detector finds what is written then.
func TestIssuersInUseAreNotChanged(t *testing.T) {
	t.Parallel()
	a := must(auth.New(auth.Config{Issuers: []auth.Issuer{fleetIssuer()}, Grants: []auth.Grant{{Subscribe: []string{"orders"}}}}))
	var verifying sync.WaitGroup
	begun := make(chan struct{})
	for n := range 4 {
		verifying.Go(func() {
			for k := range 100 {
				if _, err := a.Authenticate(t.Context(), auth.Bearer(fleetToken(map[string]any{"jti": fmt.Sprint(n, k)}))); err != nil {
					t.Error(err)
				}
				if n == 0 && k == 0 {
					close(begun)
				}
			}
		})
	}
	<-begun
	for range 100 {
		if err := a.SetIssuers([]auth.Issuer{fleetIssuer()}); err != nil {
			t.Error(err)
		}
	}
	verifying.Wait()
}
