package certificates_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/auth"
	"sluice/auth/certificates"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}

// made makes a certificate, which signs itself.
func made(t *testing.T, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0xBEEF),
		Subject:      pkix.Name{CommonName: "dev-1", OrganizationalUnit: []string{"fleet", "eu"}, Organization: []string{"Acme"}},
		NotBefore:    time.Now().Add(-time.Hour).Truncate(time.Second),
		NotAfter:     time.Now().Add(time.Hour).Truncate(time.Second),
	}
	change(template)
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return must(x509.ParseCertificate(der))
}

func presented(c *x509.Certificate) auth.Credential {
	return auth.Credential{Source: auth.FromConnection, Scheme: auth.SchemeCertificate, Proof: auth.Proof{Certificate: c}}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	spiffe := must(url.Parse("spiffe://example.com/dev/1"))
	names := func(change func(*x509.Certificate)) func(*x509.Certificate) { return change }
	commonName := func(values ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.Subject = pkix.Name{}
			for _, value := range values {
				c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: value})
			}
		}
	}
	all := func(c *x509.Certificate) {
		c.DNSNames, c.URIs, c.EmailAddresses = []string{"dev-1.example.com"}, []*url.URL{spiffe}, []string{"dev-1@example.com"}
	}
	for name, c := range map[string]struct {
		subject certificates.Subject
		change  func(*x509.Certificate)
		want    string // empty: refused
	}{
		"CN":                {certificates.CommonName, all, "dev-1"},
		"DNS":               {certificates.DNSName, all, "dev-1.example.com"},
		"URI":               {certificates.URI, all, "spiffe://example.com/dev/1"},
		"email":             {certificates.Email, all, "dev-1@example.com"},
		"CN only":           {certificates.CommonName, commonName("dev-2"), "dev-2"},
		"CN empty":          {certificates.CommonName, commonName(""), ""},
		"no CN":             {certificates.CommonName, commonName(), ""},
		"two CNs":           {certificates.CommonName, commonName("dev-1", "dev-2"), ""},
		"CN with a NUL":     {certificates.CommonName, commonName("dev-1\x00.evil"), ""},
		"CN too long":       {certificates.CommonName, commonName(strings.Repeat("x", 257)), ""},
		"no DNS, but a CN":  {certificates.DNSName, names(func(*x509.Certificate) {}), ""},
		"two DNS names":     {certificates.DNSName, names(func(c *x509.Certificate) { c.DNSNames = []string{"a.example", "b.example"} }), ""},
		"two URIs":          {certificates.URI, names(func(c *x509.Certificate) { c.URIs = []*url.URL{spiffe, spiffe} }), ""},
		"two addresses":     {certificates.Email, names(func(c *x509.Certificate) { c.EmailAddresses = []string{"a@b.example", "c@d.example"} }), ""},
		"names of 10 KB":    {certificates.CommonName, names(func(c *x509.Certificate) { c.DNSNames = []string{strings.Repeat("x", 10_000)} }), ""},
		"a CN that is a *":  {certificates.CommonName, commonName("*"), "*"},
		"a CN with a colon": {certificates.CommonName, commonName("a:b"), "a:b"},
	} {
		verifier := must(certificates.New(certificates.Config{Issuer: "ca", Subject: c.subject}))
		got, err := verifier.Verify(t.Context(), presented(made(t, c.change)))
		switch {
		case c.want == "" && (got != nil || !errors.Is(err, auth.ErrUnauthenticated)):
			t.Errorf("%s: got %+v, %v", name, got, err)
		case c.want != "" && (err != nil || got.Subject != c.want || got.Issuer != "ca"):
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	verifier := must(certificates.New(certificates.Config{Issuer: "ca", Subject: certificates.CommonName}))
	c := made(t, func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses, c.EmailAddresses = []string{"a.example", "b.example"}, []net.IP{net.IPv4(10, 0, 0, 1)}, []string{"a@b.example"}
		c.URIs = []*url.URL{must(url.Parse("urn:x:y"))}
	})
	got, err := verifier.Verify(t.Context(), presented(c))
	if err != nil {
		t.Fatal(err)
	}
	const claims = `{"iss":"ca","sub":"dev-1","issuer_dn":"CN=dev-1,OU=eu+OU=fleet,O=Acme","subject_dn":"CN=dev-1,OU=eu+OU=fleet,O=Acme","serial":"beef",` +
		`"subject":{"cn":"dev-1","o":["Acme"],"ou":["eu","fleet"]},` +
		`"san":{"dns":["a.example","b.example"],"uri":["urn:x:y"],"email":["a@b.example"],"ip":["10.0.0.1"]}}`
	if string(got.Claims) != claims {
		t.Errorf("got %s", got.Claims)
	}
	sum := sha256.Sum256(c.Raw)
	if !got.ExpiresAt.Equal(c.NotAfter) || got.TokenID != base64.RawURLEncoding.EncodeToString(sum[:]) || got.Bound != (auth.Binding{}) {
		t.Errorf("got %+v", got)
	}

	a := must(auth.New(auth.Config{
		Verifiers: []auth.Verifier{verifier},
		Grants: []auth.Grant{
			{When: map[string]string{"/subject/ou": "eu", "/subject/o": "Acme"}, Subscribe: []string{"orders"}},
			{When: map[string]string{"/san/dns": "c.example"}, Publish: []string{"orders"}},
		},
	}))
	p, err := a.Authenticate(t.Context(), presented(c))
	if err != nil || p.Key() != "user:ca:dev-1" || !p.May(auth.Subscribe, "orders") || p.May(auth.Publish, "orders") {
		t.Errorf("got %+v, %v", p, err)
	}
	old := made(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	if _, err := a.Authenticate(t.Context(), presented(old)); !errors.Is(err, auth.ErrTokenExpired) {
		t.Errorf("expired since the handshake: %v", err)
	}
}

func TestOtherCredentials(t *testing.T) {
	t.Parallel()
	verifier := must(certificates.New(certificates.Config{Issuer: "ca", Subject: certificates.CommonName}))
	c := made(t, func(*x509.Certificate) {})
	for _, scheme := range []auth.Scheme{auth.SchemeBearer, auth.SchemeAPIKey, auth.SchemeDPoP, auth.SchemeTicket, ""} {
		other := presented(c)
		other.Scheme = scheme
		if _, err := verifier.Verify(t.Context(), other); !errors.Is(err, auth.ErrOtherCredential) {
			t.Errorf("%q: %v", scheme, err)
		}
	}
	if _, err := verifier.Verify(t.Context(), presented(nil)); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("no certificate: %v", err)
	}
	for _, bad := range []certificates.Config{{Issuer: "ca"}, {Issuer: "ca", Subject: "OU"}, {Subject: certificates.URI}} {
		if _, err := certificates.New(bad); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}
