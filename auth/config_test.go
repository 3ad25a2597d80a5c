package auth_test

import (
	"strings"
	"testing"
	"time"

	"sluice/auth"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := keyFile(t, jwks(jwk("k", ecKey().Public(), nil)))
	none := keyFile(t, jwks())
	secrets := keyFile(t, jwks(map[string]any{"kty": "oct", "k": "AAAA"}))
	broken := keyFile(t, []byte("{"))
	crowd := make([]map[string]any, 40)
	for i := range crowd {
		crowd[i] = jwk("k", ecKey().Public(), nil)
	}
	crowded := keyFile(t, jwks(crowd...))
	open := auth.Grant{Anonymous: true, Subscribe: []string{"a"}}
	issuer := func(change func(*auth.Issuer)) auth.Config {
		is := fleetIssuer()
		change(&is)
		return auth.Config{Issuers: []auth.Issuer{is}}
	}
	file := func(path string, algorithms ...string) auth.Config {
		return issuer(func(is *auth.Issuer) { is.Secret, is.JWKSFile, is.Algorithms = auth.Secret{}, path, algorithms })
	}
	url := func(address string) auth.Config {
		return issuer(func(is *auth.Issuer) {
			is.Secret, is.JWKSURL, is.Algorithms = auth.Secret{}, address, []string{auth.ES256}
		})
	}
	grant := func(g auth.Grant) auth.Config {
		return auth.Config{Issuers: []auth.Issuer{fleetIssuer()}, Grants: []auth.Grant{g}}
	}
	for name, c := range map[string]struct {
		config auth.Config
		says   string // empty: the configuration is valid
	}{
		"nothing":              {auth.Config{}, "no client could connect"},
		"issuer alone":         {auth.Config{Issuers: []auth.Issuer{fleetIssuer()}}, ""},
		"anonymous alone":      {auth.Config{Grants: []auth.Grant{open}}, ""},
		"grant without issuer": {auth.Config{Grants: []auth.Grant{open, {Subscribe: []string{"a"}}}}, "check grant 2: the grant cannot match any client"},
		"issuer twice":         {auth.Config{Issuers: []auth.Issuer{fleetIssuer(), fleetIssuer()}}, `issuer 2 ("fleet"): duplicate issuer`},
		"skew negative":        {auth.Config{Grants: []auth.Grant{open}, ClockSkew: -1}, "clock skew"},
		"skew large":           {auth.Config{Grants: []auth.Grant{open}, ClockSkew: time.Hour}, "clock skew"},
		"token bytes":          {auth.Config{Grants: []auth.Grant{open}, TokenBytes: -1}, "token bytes"},

		"no name":            {issuer(func(is *auth.Issuer) { is.Issuer = "" }), "no name"},
		"no audience":        {issuer(func(is *auth.Issuer) { is.Audience = "" }), "no audience"},
		"no algorithms":      {issuer(func(is *auth.Issuer) { is.Algorithms = nil }), "no algorithms"},
		"alg none":           {issuer(func(is *auth.Issuer) { is.Algorithms = []string{"none"} }), `"none"`},
		"alg HS512":          {issuer(func(is *auth.Issuer) { is.Algorithms = []string{"HS512"} }), `"HS512"`},
		"alg in lower case":  {issuer(func(is *auth.Issuer) { is.Algorithms = []string{"hs256"} }), `"hs256"`},
		"alg twice":          {issuer(func(is *auth.Issuer) { is.Algorithms = []string{"HS256", "HS256"} }), "duplicate algorithm HS256"},
		"secret short":       {issuer(func(is *auth.Issuer) { is.Secret = auth.NewSecret(strings.Repeat("k", 31)) }), "shorter than 32"},
		"secret for RS256":   {issuer(func(is *auth.Issuer) { is.Algorithms = []string{"RS256"} }), "HS256 only"},
		"secret for both":    {issuer(func(is *auth.Issuer) { is.Algorithms = []string{"HS256", "RS256"} }), "HS256 only"},
		"no keys at all":     {issuer(func(is *auth.Issuer) { is.Secret = auth.Secret{} }), "one of a secret"},
		"secret and file":    {issuer(func(is *auth.Issuer) { is.JWKSFile = good }), "one of a secret"},
		"file":               {file(good, auth.ES256), ""},
		"file for HS256":     {file(good, auth.HS256), "requires a secret"},
		"file for both":      {file(good, auth.ES256, auth.HS256), "requires a secret"},
		"file missing":       {file(good+"x", auth.ES256), "read key file"},
		"file broken":        {file(broken, auth.ES256), "not a JWK Set"},
		"file without keys":  {file(none, auth.ES256), "has no key"},
		"file of other keys": {file(secrets, auth.ES256), "has no key"},
		"file crowded":       {file(crowded, auth.ES256), "more than 32"},

		"URL":             {url("https://id.example.com/keys?x=y"), ""},
		"URL http":        {url("http://id.example.com/keys"), "not https"},
		"URL file":        {url("file:///etc/passwd"), "no host"},
		"URL ftp":         {url("ftp://id.example.com/x"), "not https"},
		"URL relative":    {url("/keys"), "no host"},
		"URL with a user": {url("https://u:p@id.example.com/keys"), "user name"},
		"URL broken":      {url("https://%zz"), "not a URL"},
		"URL allowed http": {issuer(func(is *auth.Issuer) {
			is.Secret, is.JWKSURL, is.Algorithms, is.InsecureHTTP = auth.Secret{}, "http://k/x", []string{"ES256"}, true
		}), ""},

		"grant":                {grant(auth.Grant{When: map[string]string{"a": "b"}, Publish: []string{"x"}}), ""},
		"grant of nothing":     {grant(auth.Grant{When: map[string]string{"a": "b"}}), "allows nothing"},
		"grant, no claim":      {grant(auth.Grant{When: map[string]string{"": "b"}, Publish: []string{"x"}}), "no claim"},
		"grant, no value":      {grant(auth.Grant{When: map[string]string{"a": ""}, Publish: []string{"x"}}), "no value"},
		"grant, bad subscribe": {grant(auth.Grant{Subscribe: []string{"a b"}}), "subscribe: the pattern"},
		"grant, bad publish":   {grant(auth.Grant{Publish: []string{""}}), "publish: an empty pattern"},
		"replay negative":      {grant(auth.Grant{Subscribe: []string{"a"}, Replay: -1}), "negative"},
		"replay of nothing":    {grant(auth.Grant{Publish: []string{"a"}, Replay: 1}), "requires subscribe"},
		"anonymous if":         {grant(auth.Grant{Anonymous: true, When: map[string]string{"a": "b"}, Publish: []string{"x"}}), "cannot have conditions"},
	} {
		a, err := auth.New(c.config)
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (err == nil || a != nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: got %v, want %q in it", name, err, c.says)
		}
	}
}
