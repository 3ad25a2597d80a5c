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
	discovered := func(name string, change func(*auth.Issuer)) auth.Config {
		return issuer(func(is *auth.Issuer) {
			is.Issuer, is.Secret, is.Discovery, is.Algorithms = name, auth.Secret{}, true, []string{auth.ES256}
			if change != nil {
				change(is)
			}
		})
	}
	insecure := func(is *auth.Issuer) { is.InsecureHTTP = true }
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

		"discovery":               {discovered("https://id.example.com/realms/x", nil), ""},
		"discovery with a slash":  {discovered("https://id.example.com/", nil), ""},
		"discovery and URL":       {discovered("https://id.example.com", func(is *auth.Issuer) { is.JWKSURL = "https://k/x" }), "one of a secret"},
		"discovery and secret":    {discovered("https://id.example.com", func(is *auth.Issuer) { is.Secret = fleetSecret }), "one of a secret"},
		"discovery for HS256":     {discovered("https://id.example.com", func(is *auth.Issuer) { is.Algorithms = []string{auth.HS256} }), "requires a secret"},
		"discovery of a name":     {discovered("fleet", nil), "with a host"},
		"discovery with a query":  {discovered("https://id.example.com/?tenant=x", nil), "nothing else"},
		"discovery with ?":        {discovered("https://id.example.com/?", nil), "nothing else"},
		"discovery with #":        {discovered("https://id.example.com/#x", nil), "nothing else"},
		"discovery with a user":   {discovered("https://u@id.example.com", nil), "nothing else"},
		"discovery over http":     {discovered("http://127.0.0.1:1", nil), "https"},
		"discovery, allowed http": {discovered("http://127.0.0.1:1", insecure), ""},
		"discovery, localhost":    {discovered("http://localhost:1", insecure), ""},
		"discovery, IPv6":         {discovered("http://[::1]:1", insecure), ""},
		"discovery, far http":     {discovered("http://id.example.com", insecure), "https"},
		"discovery over ftp":      {discovered("ftp://id.example.com", insecure), "https"},
		"discovery, broken":       {discovered("https://%zz", nil), "a URL"},

		"grant":                {grant(auth.Grant{When: map[string]string{"a": "b"}, Publish: []string{"x"}}), ""},
		"grant of nothing":     {grant(auth.Grant{When: map[string]string{"a": "b"}}), "allows nothing"},
		"grant, no claim":      {grant(auth.Grant{When: map[string]string{"": "b"}, Publish: []string{"x"}}), "no claim"},
		"grant, no value":      {grant(auth.Grant{When: map[string]string{"a": ""}, Publish: []string{"x"}}), "no value"},
		"grant, bad subscribe": {grant(auth.Grant{Subscribe: []string{"a b"}}), "subscribe: the pattern"},
		"grant, bad publish":   {grant(auth.Grant{Publish: []string{""}}), "publish: an empty pattern"},
		"replay negative":      {grant(auth.Grant{Subscribe: []string{"a"}, Replay: -1}), "negative"},
		"replay of nothing":    {grant(auth.Grant{Publish: []string{"a"}, Replay: 1}), "requires subscribe"},
		"redact":               {grant(auth.Grant{Subscribe: []string{"a"}, Redact: []string{"/a"}, Mask: []string{"/b"}}), ""},
		"redact of nothing":    {grant(auth.Grant{Publish: []string{"a"}, Redact: []string{"/a"}}), "redact and mask require subscribe"},
		"mask of nothing":      {grant(auth.Grant{Publish: []string{"a"}, Mask: []string{"/a"}}), "redact and mask require subscribe"},
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
