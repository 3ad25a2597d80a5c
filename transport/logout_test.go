package transport_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
	"sluice/transport"
)

// anyToken is a Verifier of every bearer token.
type anyToken struct{}

func (anyToken) Verify(context.Context, auth.Credential) (*auth.Identity, error) {
	return &auth.Identity{Issuer: "any", Subject: "u", Claims: []byte(`{"scope":"live"}`), ExpiresAt: time.Now().Add(time.Hour)}, nil
}

func authOf(t testing.TB, verifiers ...auth.Verifier) *auth.Authenticator {
	t.Helper()
	a, err := auth.New(auth.Config{
		Issuers: []auth.Issuer{{
			Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret, BackchannelLogout: true,
		}},
		Verifiers: verifiers,
		Grants:    []auth.Grant{{When: map[string]string{"scope": "live"}, Subscribe: []string{"orders"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func logoutToken(t testing.TB, id string, changes map[string]any) string {
	t.Helper()
	claims := jwt.MapClaims{
		"iss": "test", "aud": "sluice", "sub": "u42", "jti": id, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	for name, value := range changes {
		claims[name] = value
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestBackchannelLogout: an issuer ends the sessions of a subject.
func TestBackchannelLogout(t *testing.T) {
	t.Parallel()
	store := &fakeStore{}
	in := start(t, options{config: func(c *transport.Config) {
		c.Auth, c.Revocations = authOf(t), store
	}})
	logout := func(token string, header ...string) (int, http.Header, string) {
		t.Helper()
		header = append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)
		return in.do(http.MethodPost, "/v1/backchannel-logout", "", url.Values{"logout_token": {token}}.Encode(), header...)
	}
	live := token(t, "u42", "live", time.Hour)
	s, other := in.dial("", live), in.dial("", token(t, "u43", "live", time.Hour))
	s.until("welcome")
	other.until("welcome")

	store.fail(errAway)
	status, head, body := logout(logoutToken(t, "1", map[string]any{"sub": "u99"}))
	in.problem(t, status, head, body, http.StatusServiceUnavailable, "overloaded")
	store.fail(nil)
	again := logoutToken(t, "1", map[string]any{"sub": "u99"})
	if status, _, body := logout(again); status != http.StatusOK {
		t.Errorf("once Redis is back: %d %s", status, body)
	}
	if status, head, body := logout(logoutToken(t, "2", nil)); status != http.StatusOK || body != "" || head.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v %s", status, head, body)
	}
	s.closesWith("revoked", 4501)
	status, head, body = in.do(http.MethodGet, "/v1/streams", live, "")
	in.problem(t, status, head, body, http.StatusUnauthorized, "revoked")
	other.alive()
	if len(store.saved) != 3 || store.saved[2].Subject != "u42" || store.saved[2].Issuer != "test" {
		t.Errorf("saved %+v", store.saved)
	}

	good := logoutToken(t, "3", nil)
	for name, c := range map[string]struct{ kind, body string }{
		"used before":        {"", url.Values{"logout_token": {logoutToken(t, "2", nil)}}.Encode()},
		"no logout token":    {"", url.Values{"logout_token": {live}}.Encode()},
		"expired":            {"", url.Values{"logout_token": {logoutToken(t, "4", map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})}}.Encode()},
		"twice":              {"", "logout_token=" + good + "&logout_token=" + good},
		"nothing":            {"", ""},
		"another parameter":  {"", "token=" + good},
		"JSON":               {"application/json", `{"logout_token":"` + good + `"}`},
		"no type":            {"-", "logout_token=" + good},
		"bad escapes":        {"", "logout_token=%zz"},
		"larger than bodies": {"", "logout_token=" + strings.Repeat("a", 70<<10)},
	} {
		header := []string{"Content-Type", "application/x-www-form-urlencoded"}
		switch c.kind {
		case "":
		case "-":
			header = nil
		default:
			header[1] = c.kind
		}
		status, _, body := in.do(http.MethodPost, "/v1/backchannel-logout", "", c.body, header...)
		if status != http.StatusBadRequest || strings.Contains(body, good[:20]) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, _, body := logout(good, "Origin", "https://evil.example"); status != http.StatusForbidden {
		t.Errorf("from a page: %d %s", status, body)
	}
	off := start(t, options{})
	if status, _, body := off.do(http.MethodPost, "/v1/backchannel-logout", "", "logout_token="+good, "Content-Type", "application/x-www-form-urlencoded"); status != http.StatusBadRequest {
		t.Errorf("where it is off: %d %s", status, body)
	}
}
