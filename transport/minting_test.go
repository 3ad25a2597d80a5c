package transport_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/transport"
)

// testMinter makes tokens of an issuer whose tokens have the rights that they name.
type testMinter struct{}

func (testMinter) Mint(claims map[string]any, admin bool, lives time.Duration) (auth.Secret, error) {
	more := maps.Clone(claims)
	delete(more, "sub")
	if admin {
		more["scope"] = "operate"
	}
	subject, _ := claims["sub"].(string)
	token, err := auth.Mint(secret, auth.TokenClaims{Issuer: "dev", Audience: "sluice", Subject: subject, ValidFor: lives, More: more})
	return auth.NewSecret(token), err
}

// startMinting starts a server for development.
func startMinting(t *testing.T) *instance {
	t.Helper()
	o, authenticator := withFilters(t, auth.Grant{Anonymous: true, Subscribe: []string{"*"}, Publish: []string{"*"}, Replay: auth.ReplayUnlimited},
		auth.Grant{When: map[string]string{"iss": "dev", "scope": "operate"}, Admin: true})
	if err := authenticator.SetIssuers([]auth.Issuer{{
		Issuer: "dev", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret, AuthorizationDetails: []string{"*"}, Apart: true,
	}}); err != nil {
		t.Fatal(err)
	}
	configure := o.config
	o.config = func(c *transport.Config) {
		configure(c)
		c.Minter = testMinter{}
	}
	return start(t, o)
}

// TestMinting: a token has the rights that were asked for, and no others, and lives as long
// as that.
func TestMinting(t *testing.T) {
	t.Parallel()
	in := startMinting(t)
	for _, c := range []struct {
		asked   string
		streams []string // readable
		write   bool     // orders
		admin   bool
		lives   time.Duration
	}{
		{`{"claims":{"sub":"a"},"subscribe":["orders"],"filter":"key == claims.sub","replay":"1h"}`, []string{"orders"}, false, false, 10 * time.Minute},
		{`{"claims":{"sub":"a"},"subscribe":["o*","public.*"],"publish":["*"],"lifetime":"1m"}`, []string{"orders", "public.news"}, true, false, time.Minute},
		{`{"claims":{"sub":"a","n":9007199254740993},"subscribe":[],"publish":[],"admin":true,"lifetime":"24h"}`, nil, false, true, 24 * time.Hour},
	} {
		status, _, body := in.do(http.MethodPost, "/v1/dev/tokens", "", c.asked, "Content-Type", "application/json")
		var made struct {
			Token string
			Ends  int64 `json:"expires_at"`
		}
		if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusOK {
			t.Fatalf("%s: got %d %s", c.asked, status, body)
		}
		if left := time.Until(time.UnixMilli(made.Ends)); left > c.lives || left < c.lives-time.Minute/2 {
			t.Errorf("%s: lives %v", c.asked, left)
		}
		_, _, body = in.do(http.MethodGet, "/v1/principal", made.Token, "")
		if want := map[bool]string{true: `"admin":true`, false: `"admin":false`}[c.admin]; !strings.Contains(body, want) || !strings.Contains(body, `"mint":true`) {
			t.Errorf("%s is %s", c.asked, body)
		}
		_, _, body = in.do(http.MethodGet, "/v1/streams", made.Token, "")
		var seen struct{ Streams []message }
		_ = json.Unmarshal([]byte(body), &seen)
		var readable []string
		write := false
		for _, s := range seen.Streams {
			if s["subscribe"] == true {
				readable = append(readable, s.str("stream"))
			}
			write = write || s.str("stream") == "orders" && s["publish"] == true
		}
		if strings.Join(readable, " ") != strings.Join(c.streams, " ") || write != c.write {
			t.Errorf("%s sees %s", c.asked, body)
		}
	}
}

// TestMintingRefuses: what would be of no use, and who is not on this machine.
func TestMintingRefuses(t *testing.T) {
	t.Parallel()
	in := startMinting(t)
	for body, want := range map[string]string{
		``: "", `[]`: "object", `{"subscribe":"orders"}`: "subscribe", `{"subscribe":[1]}`: "subscribe/0", `{"claims":[]}`: "claims",
		`{"lifetime":"25h"}`: "lifetime", `{"lifetime":"0s"}`: "lifetime", `{"more":1}`: "more", `{"filter":"true"}`: "subscribe",
		`{"claims":{"sub":"a"},"subscribe":["orders"],"replay":"for ever"}`: "authorization_details",
		`{"claims":{"sub":"a","exp":1}}`:                                    "exp",
		`{"claims":{"sub":"a","authorization_details":[]}}`:                 "authorization_details",
		`{"claims":{"sub":"a"},"subscribe":["a b"]}`:                        "",
		`{"claims":{}}`: "subject",
		`{"claims":{"sub":"` + strings.Repeat("x", 20<<10) + `"}}`: "larger than",
	} {
		status, head, answer := in.do(http.MethodPost, "/v1/dev/tokens", "", body, "Content-Type", "application/json")
		if m := in.problem(t, status, head, answer, http.StatusBadRequest, "bad_request"); !strings.Contains(m.str("detail"), want) {
			t.Errorf("%.60s: got %s", body, answer)
		}
	}
	const good = `{"claims":{"sub":"a"}}`
	status, head, answer := in.do(http.MethodPost, "/v1/dev/tokens", "", good, "Content-Type", "text/plain")
	in.problem(t, status, head, answer, http.StatusBadRequest, "bad_request")
	status, head, answer = in.do(http.MethodPost, "/v1/dev/tokens", "", good, "Content-Type", "application/json", "Host", "sluice.example.com")
	in.problem(t, status, head, answer, http.StatusForbidden, "forbidden")
	status, head, answer = in.do(http.MethodPost, "/v1/dev/tokens", "", good, "Content-Type", "application/json", "X-Forwarded-For", "198.51.100.1")
	in.problem(t, status, head, answer, http.StatusForbidden, "forbidden")
	status, head, answer = in.do(http.MethodPost, "/v1/dev/tokens", "", good, "Content-Type", "application/json", "Origin", "https://evil.example.com", "Sec-Fetch-Site", "cross-site")
	in.problem(t, status, head, answer, http.StatusForbidden, "forbidden")
}

// TestNobodyMints: a server that is not for development has no such route.
func TestNobodyMints(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	for _, tok := range []string{"", operatorToken(t)} {
		status, head, body := in.do(http.MethodPost, "/v1/dev/tokens", tok, `{}`, "Content-Type", "application/json")
		in.problem(t, status, head, body, http.StatusNotFound, "unknown_path")
		if _, _, body := in.do(http.MethodGet, "/v1/", "", ""); strings.Contains(body, "/v1/dev") {
			t.Errorf("the index has %s", body)
		}
		if _, _, body := in.do(http.MethodGet, "/v1/principal", tok, ""); strings.Contains(body, "mint") {
			t.Errorf("got %s", body)
		}
	}
}
