package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/cmd/sluice/config"
)

// Each kind of credential is a way in by itself, and the faults of each are named.
func TestVerifiers(t *testing.T) {
	t.Parallel()
	const (
		base = "kafka: {brokers: [\"127.0.0.1:9092\"]}\nstreams: {a: {topic: a}}\ngrants: [{when: {}, subscribe: [a]}]\n"
		own  = "issuers: [{issuer: i, audience: s, algorithms: [HS256], secret_file: good.key}]"
		asks = "url: \"https://id.example.com/i\", client_id: c, client_secret_file: good.key, issuer: as"
	)
	for name, c := range map[string]struct {
		file string
		want []string // the faults, by their beginning
	}{
		"keys in a file":          {"auth: {api_keys_file: keys.yaml}\n", nil},
		"keys in redis":           {"auth: {api_keys_redis: true}\nredis: {url: \"redis://127.0.0.1:1\"}\n", nil},
		"introspection":           {"auth: {introspection: {" + asks + "}}\n", nil},
		"introspection, loopback": {"auth: {introspection: {" + strings.Replace(asks, "https://id.example.com", "http://127.0.0.1:1", 1) + "}}\n", nil},
		"an issuer that is both":  {"auth: {" + own + ", introspection: {" + strings.Replace(asks, "issuer: as", "issuer: i", 1) + "}}\n", nil},
		"DPoP":                    {"auth: {" + own + ", dpop: {}}\n", nil},

		"only DPoP":               {"auth: {dpop: {}}\n", []string{"auth/issuers: is missing: configure an issuer or another kind"}},
		"keys, no file":           {"auth: {api_keys_file: no.yaml}\n", []string{"auth/api_keys_file: cannot read DIR/no.yaml"}},
		"keys in no redis":        {"auth: {api_keys_redis: true}\n", []string{"auth/api_keys_redis: requires redis"}},
		"proofs in no redis":      {"auth: {" + own + ", dpop: {redis: true}}\n", []string{"auth/dpop/redis: requires redis"}},
		"stale for too long":      {"auth: {api_keys_file: keys.yaml, api_keys_stale: 1h}\n", []string{"auth/api_keys_stale: 1h is not between 100ms and 1m"}},
		"no slow checks":          {"auth: {api_keys_file: keys.yaml, api_keys_slow_checks: 0}\n", []string{"auth/api_keys_slow_checks: 0 is not between 1 and 64"}},
		"no issuer of keys":       {"auth: {api_keys_file: keys.yaml, api_keys_issuer: \"\"}\n", []string{"auth/api_keys_issuer: is missing"}},
		"issuer of keys is taken": {"auth: {" + own + ", api_keys_file: keys.yaml, api_keys_issuer: i}\n", []string{`auth/api_keys_issuer: "i" is already the issuer of auth/issuers/0`}},
		"taken by introspection":  {"auth: {api_keys_file: keys.yaml, api_keys_issuer: as, introspection: {" + asks + "}}\n", []string{`auth/api_keys_issuer: "as" is already the issuer of auth/introspection`}},
		"introspection is empty":  {"auth: {introspection: {}}\n", []string{"auth/introspection/client_id: is missing", "auth/introspection/client_secret_file: is missing", "auth/introspection/issuer: is missing", "auth/introspection/url: is missing"}},
		"introspection over http": {"auth: {introspection: {" + strings.Replace(asks, "https", "http", 1) + "}}\n", []string{"auth/introspection/url: "}},
		"password in the URL":     {"auth: {introspection: {" + strings.Replace(asks, "id.example", "a:b@id.example", 1) + "}}\n", []string{"auth/introspection/url: "}},
		"inline secret":           {"auth: {introspection: {" + strings.Replace(asks, "client_secret_file: good.key", "client_secret: hunter2", 1) + "}}\n", []string{"auth/introspection/client_secret: secrets are read from files: set client_secret_file", "auth/introspection/client_secret_file: is missing"}},
		"empty secret":            {"auth: {introspection: {" + strings.Replace(asks, "good.key", "empty.key", 1) + "}}\n", []string{"auth/introspection/client_secret_file: DIR/empty.key is empty"}},
		"cache out of bounds":     {"auth: {introspection: {" + asks + ", cache: 1h}}\n", []string{"auth/introspection/cache: 1h is not between 0s and 10m"}},
		"certificates, no TLS":    {"auth: {client_certificates: {subject: CN}}\n", []string{"auth/client_certificates: requires tls with client_ca_file, or a proxy"}},
		"certificates, not asked": {"tls: {acme: {domains: [a.example], cache_dir: acme, accept_terms: true}}\nauth: {client_certificates: {subject: CN}}\n", []string{"auth/client_certificates: requires tls/client_ca_file, the authorities"}},
		"certificates by a proxy": {"tls: {acme: {domains: [a.example], cache_dir: acme, accept_terms: true}}\ntrusted_proxies: [10.0.0.0/8]\nauth: {client_certificates: {subject: CN}, forwarded: {client_certificate_header: Client-Cert}}\n", nil},
		"subject":                 {"auth: {client_certificates: {subject: cn}}\n", []string{"auth/client_certificates: requires tls with client_ca_file, or a proxy", `auth/client_certificates/subject: "cn" is not one of CN, SAN-DNS`}},
		"two alike":               {"auth: {api_keys_file: keys.yaml, api_keys_issuer: x, client_certificates: {subject: CN, issuer: x}}\n", []string{"auth/client_certificates: requires tls with client_ca_file, or a proxy"}},
		"proofs too old":          {"auth: {" + own + ", dpop: {max_age: 1h}}\n", []string{"auth/dpop/max_age: 1h is not between 1s and 10m"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, dir, err := load(t, map[string]string{
				"sluice.yaml": base + c.file, "good.key": strings.Repeat("k", 32) + "\n", "empty.key": "\n", "keys.yaml": "keys: []\n",
			}, nil)
			if len(c.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var faults config.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("got %v, want faults", err)
			}
			text := placeless(strings.ReplaceAll(err.Error(), dir, "DIR"))
			if strings.Contains(text, "hunter2") {
				t.Error("a fault shows a secret")
			}
			lines := strings.Split(text, "\n  ")[1:]
			if !slices.EqualFunc(lines, c.want, strings.HasPrefix) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
	c, _, err := load(t, map[string]string{
		"sluice.yaml": base + "auth: {" + own + ", introspection: {" + asks + "}, dpop: {}}\n", "good.key": strings.Repeat("k", 32) + "\n",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if i := c.Auth.Introspection; i.ClientSecret.Reveal() != strings.Repeat("k", 32) || i.Cache != 30*time.Second || i.Timeout != 2*time.Second || i.UnknownIssuers {
		t.Errorf("got %+v", i)
	}
	if d := c.Auth.DPoP; d.MaxAge != time.Minute || d.Redis || d.Remembered != 300_000 || c.Auth.HasAPIKeys() || c.Auth.APIKeysIssuer != "api-keys" {
		t.Errorf("got %+v", d)
	} else if rate := float64(d.RememberedPerKey) / (d.MaxAge + 2*c.Auth.ClockSkew).Seconds(); rate < 100 {
		t.Errorf("a client of one key can keep up %.0f requests a second", rate)
	}
}
