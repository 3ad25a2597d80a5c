package auth_test

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"sluice/auth"
)

func TestKeyFileIsReadAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	path := keyFile(t, jwks(jwk("k1", ecKey().Public(), nil)))
	write := func(content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	second := newECKey()
	synctest.Test(t, func(t *testing.T) {
		a := must(auth.New(auth.Config{Issuers: []auth.Issuer{{
			Issuer: provider, Audience: audience, Algorithms: []string{auth.ES256}, JWKSFile: path,
		}}}))
		running(t, a)
		old, young := ecToken("k1", ecKey(), "u"), ecToken("k2", second, "u")
		if _, err := a.Authenticate(t.Context(), auth.Bearer(old)); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Authenticate(t.Context(), auth.Bearer(young)); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Fatalf("a key that is not there yet: %v", err)
		}
		write([]byte(`{"keys":[`)) // half written
		time.Sleep(6 * time.Second)
		if _, err := a.Authenticate(t.Context(), auth.Bearer(old)); err != nil {
			t.Errorf("while the file is damaged: %v", err)
		}
		write(jwks(jwk("k2", second.Public(), nil)))
		time.Sleep(6 * time.Second)
		if _, err := a.Authenticate(t.Context(), auth.Bearer(young)); err != nil {
			t.Errorf("the new key: %v", err)
		}
		if _, err := a.Authenticate(t.Context(), auth.Bearer(old)); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("the key that was taken out, verified before: %v", err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		if _, err := a.Authenticate(t.Context(), auth.Bearer(young)); err != nil {
			t.Errorf("while the file is missing: %v", err)
		}
	})
}
