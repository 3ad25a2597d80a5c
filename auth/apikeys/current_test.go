package apikeys_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/auth"
	"sluice/auth/apikeys"
)

// TestWhatIdentitiesAreNow: a key that is removed, or is for somebody else, takes its
// identities with it, also those that were kept elsewhere; one with other claims or another
// end has another identity; and changes, and nothing else, are told of.
func TestWhatIdentitiesAreNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "keys.yaml")
		stays, goes, other := create(t, "stays", time.Time{}), create(t, "goes", time.Time{}), create(t, "other", time.Time{})
		claims, ends := create(t, "claims", time.Time{}), create(t, "ends", time.Now().Add(time.Hour))
		write(t, path, stays, goes, other, claims, ends)
		told := make(chan struct{}, 100)
		keys := must(apikeys.New(apikeys.Config{
			Issuer: "keys", File: path, SlowChecks: 1, Changed: func() { told <- struct{}{} }, Logger: slog.New(slog.DiscardHandler),
		}))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = keys.Run(ctx) })
		identities := make(map[string]*auth.Identity)
		for _, k := range []made{stays, goes, other, claims, ends} {
			identities[k.entry.ID] = must(keys.Verify(t.Context(), presented(k.key)))
		}
		expect := func(what string, k made, want string) {
			t.Helper()
			direct := identities[k.entry.ID]
			kept := &auth.Identity{ // as of a ticket
				Issuer: direct.Issuer, Subject: direct.Subject, Claims: direct.Claims, ExpiresAt: direct.ExpiresAt, TokenID: direct.TokenID,
			}
			for _, id := range []*auth.Identity{direct, kept} {
				got := "another"
				switch now := keys.Current(id); now {
				case nil:
					got = "none"
				case id:
					got = "same"
				}
				if got != want {
					t.Errorf("%s: %s now, want %s", what, got, want)
				}
			}
		}
		for _, k := range []made{stays, goes, other, claims, ends} {
			expect("before", k, "same")
		}
		foreign := &auth.Identity{Issuer: "https://id.example.com", Subject: "x", TokenID: "x"}
		if keys.Current(foreign) != foreign {
			t.Error("the identity of another issuer changes")
		}

		more := create(t, "more", time.Time{})
		write(t, path, more, ends, other, claims, stays, goes)
		time.Sleep(6 * time.Second)
		if synctest.Wait(); len(told) != 0 {
			t.Error("told that a key was added")
		}
		other.entry.Subject, claims.entry.Claims = "somebody", map[string]any{"role": "none"}
		ends.entry.Expires = ends.entry.Expires.Add(-time.Minute)
		write(t, path, stays, other, claims, ends)
		time.Sleep(6 * time.Second)
		if synctest.Wait(); len(told) != 1 {
			t.Errorf("told %d times", len(told))
		}
		expect("as before", stays, "same")
		expect("removed", goes, "none")
		expect("another subject", other, "none")
		expect("other claims", claims, "another")
		expect("another end", ends, "another")
		if now := keys.Current(identities[claims.entry.ID]); keys.Current(now) != now || now != must(keys.Verify(t.Context(), presented(claims.key))) {
			t.Errorf("it is %+v now", now)
		}
		write(t, path, goes)
		keys.Read() // at once
		expect("there again", goes, "same")
		expect("removed too", stays, "none")
		cancel()
		running.Wait()
	})
}

// TestWhatStoredIdentitiesAreNow: that a key of the Store was removed or changed is known
// once it is used again, and that it was removed from the file, if it is not in the Store.
func TestWhatStoredIdentitiesAreNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "keys.yaml")
		local, moves, shared, claims := create(t, "local", time.Time{}), create(t, "moves", time.Time{}), create(t, "shared", time.Time{}), create(t, "claims", time.Time{})
		write(t, path, local, moves)
		store, told := &memory{}, make(chan struct{}, 100)
		store.put(shared, claims)
		keys := must(apikeys.New(apikeys.Config{
			Issuer: "keys", File: path, Store: store, StaleFor: 5 * time.Second, SlowChecks: 1,
			Changed: func() { told <- struct{}{} }, Logger: slog.New(slog.DiscardHandler),
		}))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = keys.Run(ctx) })
		verify := func(k made) *auth.Identity {
			id, _ := keys.Verify(t.Context(), presented(k.key))
			return id
		}
		of := map[string]*auth.Identity{"local": verify(local), "moves": verify(moves), "shared": verify(shared), "claims": verify(claims)}
		unknown := &auth.Identity{Issuer: "keys", Subject: "u", TokenID: "notlookedup"}
		if keys.Current(unknown) != unknown {
			t.Error("a key that was not looked up is withdrawn")
		}
		claims.entry.Claims = map[string]any{"role": "none"}
		store.put(claims, moves)
		write(t, path)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if len(told) != 1 || keys.Current(of["local"]) != nil || keys.Current(of["shared"]) != of["shared"] {
			t.Errorf("told %d times of the file", len(told))
		}
		verify(moves)
		if now := keys.Current(of["moves"]); now != of["moves"] {
			t.Errorf("a key that was moved to the store is %v", now)
		}
		verify(shared)
		if now := keys.Current(of["shared"]); now != nil {
			t.Errorf("a key that was removed from the store is %v", now)
		}
		if now, want := verify(claims), keys.Current(of["claims"]); now == nil || now != want || now == of["claims"] {
			t.Errorf("a key with other claims is %v, want %v", now, want)
		}
		synctest.Wait()
		if len(told) < 2 {
			t.Errorf("told %d times", len(told))
		}
		cancel()
		running.Wait()
	})
}
