package auth_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"testing"

	"sluice/auth"
)

// TestProxied: what a trusted proxy says takes the place of its own connection, and is
// one credential among others.
func TestProxied(t *testing.T) {
	t.Parallel()
	proxys, clients := &x509.Certificate{Raw: []byte("proxy")}, &x509.Certificate{Raw: []byte("client")}
	asserted := &auth.Assertion{Subject: "u", Claims: []byte(`{}`)}
	for name, c := range map[string]struct {
		proxied       *auth.Proxied
		authorization string
		cookie        bool
		scheme        auth.Scheme
		source        auth.Source
		certificate   *x509.Certificate
		err           error
	}{
		"no proxy":                    {nil, "", false, auth.SchemeCertificate, auth.FromConnection, proxys, nil},
		"a proxy that says nothing":   {&auth.Proxied{}, "", false, "", auth.FromNowhere, nil, nil},
		"a certificate":               {&auth.Proxied{Certificate: clients}, "", false, auth.SchemeCertificate, auth.FromConnection, clients, nil},
		"a certificate and a token":   {&auth.Proxied{Certificate: clients}, "Bearer t", false, auth.SchemeBearer, auth.FromHeader, clients, nil},
		"an identity":                 {&auth.Proxied{Assertion: asserted}, "", false, auth.SchemeForwarded, auth.FromProxy, nil, nil},
		"an identity and certificate": {&auth.Proxied{Assertion: asserted, Certificate: clients}, "", false, auth.SchemeForwarded, auth.FromProxy, clients, nil},
		"an identity and a token":     {&auth.Proxied{Assertion: asserted}, "Bearer t", false, "", "", nil, auth.ErrAmbiguousCredentials},
		"an identity and a bad token": {&auth.Proxied{Assertion: asserted}, "Basic x", false, "", "", nil, auth.ErrAmbiguousCredentials},
		"an identity and a cookie":    {&auth.Proxied{Assertion: asserted}, "", true, auth.SchemeForwarded, auth.FromProxy, nil, nil},
	} {
		r := httptest.NewRequest("GET", "https://sluice.example.com/v1/streams", nil)
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{proxys}, VerifiedChains: [][]*x509.Certificate{{proxys}}}
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		if c.cookie {
			r.Header.Set("Cookie", auth.CookieName+"=t")
		}
		got, err := auth.FromRequest(r, auth.RequestOptions{Certificates: true, Proxied: c.proxied})
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) || got.Scheme != c.scheme || got.Source != c.source || got.Proof.Certificate != c.certificate {
			t.Errorf("%s: got %s from %q with %v, %v", name, got.Scheme, got.Source, got.Proof.Certificate, err)
		}
		if got.Scheme == auth.SchemeForwarded && got.Asserted != asserted {
			t.Errorf("%s: another identity", name)
		}
	}
}
