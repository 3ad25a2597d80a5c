package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
	"sluice/auth/apikeys"
	"sluice/cmd/sluice/config"
)

// Each configured kind of credential is asked, and one that is not configured is
// allowed nowhere.
func TestVerifiersAreWired(t *testing.T) {
	t.Parallel()
	redis := miniredis.RunT(t)
	details := func(filter string) string {
		return fmt.Sprintf(`[{"type":"sluice","actions":["subscribe","publish"],"streams":["orders"],"filter":%q}]`, filter)
	}
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		w.Header().Set("Content-Type", "application/json")
		rights := "[]"
		if r.FormValue("token") == "faulty" {
			rights = details("key ==")
		}
		_, _ = fmt.Fprintf(w, `{"active":%v,"sub":"u1","aud":"sluice","authorization_details":%s}`, id == "c" && secret == "s", rights)
	}))
	t.Cleanup(endpoint.Close)
	certFile, keyFile, _ := newCertificate(t)
	dir := t.TempDir()
	inFile, entry, err := apikeys.Create("filed", nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := entry.YAML()
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Repeat("k", 32)
	for name, content := range map[string]string{"keys.yaml": "keys:\n" + string(text), "secret": "s\n", "fleet.key": secret} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(config.Options{Environ: []string{}, Text: fmt.Sprintf(`
kafka: {brokers: ["127.0.0.1:1"]}
redis: {url: "redis://%s"}
tls: {cert_file: %q, key_file: %q, client_ca_file: %q, client_auth: optional}
streams: {orders: {topic: orders}}
grants: [{when: {}, subscribe: [orders]}]
auth:
  issuers: [{issuer: fleet, audience: sluice, algorithms: [HS256], secret_file: %q, authorization_details: [orders]}]
  api_keys_file: %q
  api_keys_redis: true
  introspection: {url: %q, client_id: c, client_secret_file: %q, issuer: as, audience: sluice, unknown_issuers: true, authorization_details: [orders]}
  client_certificates: {subject: CN}
  dpop: {redis: true}
`, redis.Addr(), certFile, keyFile, certFile, filepath.Join(dir, "fleet.key"), filepath.Join(dir, "keys.yaml"), endpoint.URL, filepath.Join(dir, "secret"))})
	if err != nil {
		t.Fatal(err)
	}
	stored, entry, err := apikeys.Create("stored", map[string]any{"role": "x"}, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := StoreAPIKey(t.Context(), c, entry); err != nil {
		t.Fatal(err)
	}
	if !redis.Exists("sluice:apikey:"+entry.ID) || redis.TTL("sluice:apikey:"+entry.ID) <= 0 {
		t.Errorf("redis has %v", redis.Keys())
	}
	v, err := newVerifiers(c, newLanguage(t), discard)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAuthenticator(c, nil, newLanguage(t), v, &sharedAuth{}, nil, discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, len(v.parts))
	for _, p := range v.parts {
		go func() { ended <- p.run(ctx) }()
	}
	sign := func(issuer string, key string, filters ...string) string {
		claims := jwt.MapClaims{"iss": issuer, "aud": "sluice", "sub": "u2", "exp": time.Now().Add(time.Hour).Unix()}
		for _, filter := range filters {
			claims["authorization_details"] = json.RawMessage(details(filter))
		}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for name, want := range map[string]struct {
		credential auth.Credential
		principal  string // empty: refused
	}{
		"key of the file":              {auth.Bearer(inFile.Reveal()), "user:api-keys:filed"},
		"key in redis":                 {auth.Bearer(stored.Reveal()), "user:api-keys:stored"},
		"opaque token":                 {auth.Bearer("opaque"), "user:as:u1"},
		"JWT":                          {auth.Bearer(sign("fleet", secret)), "user:fleet:u2"},
		"JWT with the wrong signature": {auth.Bearer(sign("fleet", "x")), ""},
		"JWT of an unknown issuer":     {auth.Bearer(sign("other", "x")), "user:as:u1"},
		"JWT with a filter":            {auth.Bearer(sign("fleet", secret, "key == claims.sub")), "user:fleet:u2"},
		"JWT with a faulty filter":     {auth.Bearer(sign("fleet", secret, "key ==")), ""},
		"JWT with an offset":           {auth.Bearer(sign("fleet", secret, "offset > 7")), ""},
		"opaque, with a faulty filter": {auth.Bearer("faulty"), ""},
		"certificate, but there is none": {
			auth.Credential{Source: auth.FromConnection, Scheme: auth.SchemeCertificate}, "",
		},
	} {
		p, err := a.Authenticate(t.Context(), want.credential)
		switch {
		case want.principal == "" && !errors.Is(err, auth.ErrUnauthenticated):
			t.Errorf("%s: got %v", name, err)
		case want.principal != "" && (err != nil || p.Key() != want.principal):
			t.Errorf("%s: got %v, %v", name, p, err)
		}
	}
	if v.prover == nil {
		t.Error("there is no prover")
	}
	var options auth.RequestOptions
	if allow(c, &options); !options.APIKeys || !options.Certificates || len(options.DPoPAlgorithms) != 3 {
		t.Errorf("got %+v", options)
	}
	stop()
	for range v.parts {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}

	c.Auth = config.Auth{}
	if v, err := newVerifiers(c, newLanguage(t), discard); err != nil || len(v.list) != 0 || v.prover != nil || len(v.parts) != 0 {
		t.Errorf("without any: got %+v, %v", v, err)
	}
	options = auth.RequestOptions{}
	if allow(c, &options); options.APIKeys || options.Certificates || len(options.DPoPAlgorithms) != 0 {
		t.Errorf("without any: got %+v", options)
	}
}
