package auth_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sluice/auth"
)

func TestFromRequest(t *testing.T) {
	t.Parallel()
	const site = "https://app.example.com"
	origins := must(auth.NewOrigins([]string{site}))
	strict := auth.RequestOptions{Origins: origins}
	loose := auth.RequestOptions{Origins: origins, AccessTokenInQuery: true}
	every := auth.RequestOptions{Origins: origins, APIKeys: true, DPoPAlgorithms: []string{auth.ES256}, Certificates: true}
	basic := auth.RequestOptions{Origins: origins, Basic: true, TokenBytes: 100}
	login := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	certificate := &x509.Certificate{Raw: []byte("certificate")}
	tickets, ticket := auth.RequestOptions{Tickets: true}, auth.NewTicket().Reveal()
	b64 := base64.RawURLEncoding.EncodeToString
	sub := auth.SubprotocolPrefix + b64([]byte("tok.en.1"))
	type h = http.Header
	for _, c := range []struct {
		name    string
		options auth.RequestOptions
		query   string
		headers http.Header
		source  auth.Source
		scheme  auth.Scheme // SchemeBearer if it is empty and there is a credential
		token   string
		want    error
		// certificate is whether the connection has a certificate, and unverified
		// whether it has one that was not verified.
		certificate, unverified bool
	}{
		{name: "none", options: strict},
		{name: "header", options: strict, headers: h{"Authorization": {"Bearer tok.en.1"}}, source: auth.FromHeader, token: "tok.en.1"},
		{name: "scheme in lower case", options: strict, headers: h{"Authorization": {"bearer  tok.en.1 "}}, source: auth.FromHeader, token: "tok.en.1"},
		{name: "header without token", options: strict, headers: h{"Authorization": {"Bearer"}}, want: auth.ErrUnauthenticated},
		{name: "empty header", options: strict, headers: h{"Authorization": {""}}, want: auth.ErrUnsupportedCredential},
		{name: "bare token", options: strict, headers: h{"Authorization": {"tok.en.1"}}, want: auth.ErrUnsupportedCredential},
		{name: "Basic", options: strict, headers: h{"Authorization": {"Basic dTpw"}}, want: auth.ErrUnsupportedCredential},
		{name: "ApiKey", options: strict, headers: h{"Authorization": {"ApiKey k1"}}, want: auth.ErrUnsupportedCredential},
		{name: "two headers", options: strict, headers: h{"Authorization": {"Bearer a", "Bearer a"}}, want: auth.ErrAmbiguousCredentials},

		{name: "subprotocol", options: strict, headers: h{"Sec-Websocket-Protocol": {"sluice.v1.json, " + sub}}, source: auth.FromSubprotocol, token: "tok.en.1"},
		{name: "subprotocol first", options: strict, headers: h{"Sec-Websocket-Protocol": {sub + ",sluice.v1.json"}}, source: auth.FromSubprotocol, token: "tok.en.1"},
		{name: "subprotocol on two lines", options: strict, headers: h{"Sec-Websocket-Protocol": {sub, "sluice.v1.json"}}, source: auth.FromSubprotocol, token: "tok.en.1"},
		{name: "subprotocol alone", options: strict, headers: h{"Sec-Websocket-Protocol": {sub}}, want: auth.ErrUnauthenticated},
		{name: "subprotocol beside nothing", options: strict, headers: h{"Sec-Websocket-Protocol": {sub + ", ,"}}, want: auth.ErrUnauthenticated},
		{name: "subprotocol twice", options: strict, headers: h{"Sec-Websocket-Protocol": {"x, " + sub + ", " + sub}}, want: auth.ErrAmbiguousCredentials},
		{name: "subprotocol padded", options: strict, headers: h{"Sec-Websocket-Protocol": {"x, " + auth.SubprotocolPrefix + "dG9rZQ=="}}, want: auth.ErrUnauthenticated},
		{name: "subprotocol not base64url", options: strict, headers: h{"Sec-Websocket-Protocol": {"x, " + auth.SubprotocolPrefix + "a.b"}}, want: auth.ErrUnauthenticated},
		{name: "subprotocol empty", options: strict, headers: h{"Sec-Websocket-Protocol": {"x, " + auth.SubprotocolPrefix}}, want: auth.ErrUnauthenticated},
		{name: "subprotocol huge", options: strict, headers: h{"Sec-Websocket-Protocol": {"x, " + auth.SubprotocolPrefix + strings.Repeat("A", 1<<20)}}, want: auth.ErrUnauthenticated},
		{name: "other subprotocols", options: strict, headers: h{"Sec-Websocket-Protocol": {"sluice.v1.json, bearer"}}},

		{name: "query", options: loose, query: "access_token=tok.en.1", source: auth.FromQuery, token: "tok.en.1"},
		{name: "query not allowed", options: strict, query: "access_token=tok.en.1", want: auth.ErrUnsupportedCredential},
		{name: "query escaped", options: strict, query: "access%5Ftoken=tok.en.1", want: auth.ErrUnsupportedCredential},
		{name: "query empty", options: loose, query: "access_token=", want: auth.ErrUnauthenticated},
		{name: "query twice", options: loose, query: "access_token=a&access_token=a", want: auth.ErrAmbiguousCredentials},
		{name: "query with a semicolon", options: loose, query: "access_token=tok.en.1;a=b", source: auth.FromQuery, token: "tok.en.1;a=b"},
		{name: "query behind a semicolon", options: loose, query: "a=b;access_token=tok.en.1"},
		{name: "query not escaped", options: loose, query: "access_token=%zz", want: auth.ErrUnauthenticated},
		{name: "query twice, one not escaped", options: loose, query: "access_token=a&access_token=%zz", want: auth.ErrAmbiguousCredentials},
		{name: "query without a value", options: loose, query: "access_token", want: auth.ErrUnauthenticated},
		{name: "query, another name not escaped", options: loose, query: "%zz=1&access_token=tok.en.1", source: auth.FromQuery, token: "tok.en.1"},
		{name: "ticket with a semicolon", options: loose, query: "ticket=a;b", want: auth.ErrUnsupportedCredential},
		{name: "ticket", options: loose, query: "ticket=t1", want: auth.ErrUnsupportedCredential},
		{name: "DPoP", options: every, headers: h{"Authorization": {"DPoP tok.en.1"}}, source: auth.FromHeader, scheme: auth.SchemeDPoP, token: "tok.en.1"},
		{name: "DPoP in capitals", options: every, headers: h{"Authorization": {"DPOP tok.en.1"}}, source: auth.FromHeader, scheme: auth.SchemeDPoP, token: "tok.en.1"},
		{name: "DPoP without token", options: every, headers: h{"Authorization": {"DPoP "}}, want: auth.ErrUnauthenticated},
		{name: "DPoP not enabled", options: strict, headers: h{"Authorization": {"DPoP tok.en.1"}}, want: auth.ErrUnsupportedCredential},
		{name: "DPoP and Bearer", options: every, headers: h{"Authorization": {"DPoP a", "Bearer a"}}, want: auth.ErrAmbiguousCredentials},
		{name: "ApiKey enabled", options: every, headers: h{"Authorization": {"apikey sluice_a_b"}}, source: auth.FromHeader, scheme: auth.SchemeAPIKey, token: "sluice_a_b"},
		{name: "ApiKey without key", options: every, headers: h{"Authorization": {"ApiKey"}}, want: auth.ErrUnauthenticated},

		{name: "certificate", options: every, certificate: true, source: auth.FromConnection, scheme: auth.SchemeCertificate},
		{name: "certificate not verified", options: every, unverified: true},
		{name: "certificate not enabled", options: strict, certificate: true},
		{name: "certificate and header", options: every, certificate: true, headers: h{"Authorization": {"Bearer tok.en.1"}}, source: auth.FromHeader, token: "tok.en.1"},
		{name: "certificate and bad header", options: every, certificate: true, headers: h{"Authorization": {"Basic x"}}, want: auth.ErrUnsupportedCredential},
		{name: "certificate and cookie", options: every, certificate: true, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Origin": {site}}, source: auth.FromCookie, token: "tok.en.1"},
		{name: "certificate and a cookie from elsewhere", options: every, certificate: true, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}}, want: auth.ErrOriginRefused},
		{name: "certificate, listed page", options: every, certificate: true, headers: h{"Origin": {site}, "Sec-Fetch-Site": {"cross-site"}}, source: auth.FromConnection, scheme: auth.SchemeCertificate},
		{name: "certificate, own page", options: every, certificate: true, headers: h{"Sec-Fetch-Site": {"same-origin"}}, source: auth.FromConnection, scheme: auth.SchemeCertificate},
		{name: "certificate, typed by hand", options: every, certificate: true, headers: h{"Sec-Fetch-Site": {"none"}}, source: auth.FromConnection, scheme: auth.SchemeCertificate},
		{name: "certificate, foreign page", options: every, certificate: true, headers: h{"Origin": {"https://evil.example"}}, want: auth.ErrOriginRefused},
		{name: "certificate, foreign page without Origin", options: every, certificate: true, headers: h{"Sec-Fetch-Site": {"cross-site"}}, want: auth.ErrOriginRefused},
		{name: "certificate, a page of the same site", options: every, certificate: true, headers: h{"Sec-Fetch-Site": {"same-site"}}, want: auth.ErrOriginRefused},
		{name: "certificate, Origin null", options: every, certificate: true, headers: h{"Origin": {"null"}}, want: auth.ErrOriginRefused},
		{name: "certificate, two sites", options: every, certificate: true, headers: h{"Sec-Fetch-Site": {"none", "cross-site"}}, want: auth.ErrOriginRefused},

		{name: "ticket where it is allowed", options: tickets, query: "ticket=" + ticket, source: auth.FromQuery, scheme: auth.SchemeTicket, token: ticket},
		{name: "ticket and cookie", options: tickets, query: "ticket=" + ticket, headers: h{"Cookie": {"__Host-sluice=a"}}, source: auth.FromQuery, scheme: auth.SchemeTicket, token: ticket},
		{name: "ticket of no such form", options: tickets, query: "ticket=t1", want: auth.ErrUnauthenticated},
		{name: "ticket, empty", options: tickets, query: "ticket=", want: auth.ErrUnauthenticated},
		{name: "ticket with more bits", options: tickets, query: "ticket=" + strings.Repeat("A", 42) + "B", want: auth.ErrUnauthenticated},
		{name: "ticket too long", options: tickets, query: "ticket=" + ticket + "AAAA", want: auth.ErrUnauthenticated},
		{name: "ticket twice", options: tickets, query: "ticket=" + ticket + "&ticket=" + ticket, want: auth.ErrAmbiguousCredentials},
		{name: "ticket and token", options: tickets, query: "ticket=" + ticket, headers: h{"Authorization": {"Bearer a"}}, want: auth.ErrAmbiguousCredentials},
		{name: "other parameters", options: strict, query: "stream=a&tickets=1"},

		{name: "Basic enabled", options: basic, headers: h{"Authorization": {login("a:b")}}, source: auth.FromHeader, scheme: auth.SchemeAPIKey, token: "sluice_a_b"},
		{name: "Basic in lower case", options: basic, headers: h{"Authorization": {"basic  YTpi "}}, source: auth.FromHeader, scheme: auth.SchemeAPIKey, token: "sluice_a_b"},
		{name: "Basic with a whole key", options: basic, headers: h{"Authorization": {login("a:sluice_a_b")}}, source: auth.FromHeader, scheme: auth.SchemeAPIKey, token: "sluice_a_b"},
		{name: "Basic with the key of another id", options: basic, headers: h{"Authorization": {login("a:sluice_c_d")}}, source: auth.FromHeader, scheme: auth.SchemeAPIKey, token: "sluice_a_sluice_c_d"},
		{name: "Basic with colons", options: basic, headers: h{"Authorization": {login("a:b:c")}}, source: auth.FromHeader, scheme: auth.SchemeAPIKey, token: "sluice_a_b:c"},
		{name: "Basic, the id has the separator", options: basic, headers: h{"Authorization": {login("a_b:c")}}, want: auth.ErrUnauthenticated},
		{name: "Basic without user", options: basic, headers: h{"Authorization": {login(":sluice_a_b")}}, want: auth.ErrUnauthenticated},
		{name: "Basic without password", options: basic, headers: h{"Authorization": {login("a:")}}, want: auth.ErrUnauthenticated},
		{name: "Basic without colon", options: basic, headers: h{"Authorization": {login("sluice_a_b")}}, want: auth.ErrUnauthenticated},
		{name: "Basic, nothing", options: basic, headers: h{"Authorization": {"Basic"}}, want: auth.ErrUnauthenticated},
		{name: "Basic, not base64", options: basic, headers: h{"Authorization": {"Basic a:b"}}, want: auth.ErrUnauthenticated},
		{name: "Basic in base64url", options: basic, headers: h{"Authorization": {"Basic YTr_Pj8-"}}, want: auth.ErrUnauthenticated},
		{name: "Basic, huge", options: basic, headers: h{"Authorization": {login("a:" + strings.Repeat("b", 1<<20))}}, want: auth.ErrUnauthenticated},
		{name: "Basic and Bearer", options: basic, headers: h{"Authorization": {login("a:b"), "Bearer a"}}, want: auth.ErrAmbiguousCredentials},
		{name: "Basic and cookie", options: basic, headers: h{"Authorization": {login("a:b")}, "Cookie": {"__Host-sluice=tok.en.1"}}, source: auth.FromHeader, scheme: auth.SchemeAPIKey, token: "sluice_a_b"},
		{name: "Basic of a listed page", options: basic, headers: h{"Authorization": {login("a:b")}, "Origin": {site}}, want: auth.ErrUnsupportedCredential},
		{name: "Basic of a foreign page", options: basic, headers: h{"Authorization": {login("a:b")}, "Origin": {"https://evil.example"}}, want: auth.ErrUnsupportedCredential},
		{name: "Basic of our own page", options: basic, headers: h{"Authorization": {login("a:b")}, "Sec-Fetch-Site": {"same-origin"}}, want: auth.ErrUnsupportedCredential},
		{name: "Basic, cross-site", options: basic, headers: h{"Authorization": {login("a:b")}, "Sec-Fetch-Site": {"cross-site"}}, want: auth.ErrUnsupportedCredential},
		{name: "Basic, Origin null", options: basic, headers: h{"Authorization": {login("a:b")}, "Origin": {"null"}}, want: auth.ErrUnsupportedCredential},
		{name: "Basic beside API keys", options: every, headers: h{"Authorization": {login("a:b")}}, want: auth.ErrUnsupportedCredential},

		{name: "header and query", options: loose, query: "access_token=a", headers: h{"Authorization": {"Bearer a"}}, want: auth.ErrAmbiguousCredentials},
		{name: "header and refused query", options: strict, query: "access_token=a", headers: h{"Authorization": {"Bearer a"}}, want: auth.ErrAmbiguousCredentials},
		{name: "header and ticket", options: strict, query: "ticket=a", headers: h{"Authorization": {"Bearer a"}}, want: auth.ErrAmbiguousCredentials},
		{name: "header and subprotocol", options: strict, headers: h{"Authorization": {"Bearer a"}, "Sec-Websocket-Protocol": {"x," + sub}}, want: auth.ErrAmbiguousCredentials},
		{name: "ApiKey and Bearer", options: strict, headers: h{"Authorization": {"ApiKey a", "Bearer a"}}, want: auth.ErrAmbiguousCredentials},

		{name: "cookie", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Origin": {site}}, source: auth.FromCookie, token: "tok.en.1"},
		{name: "cookie, Origin absent", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}}, want: auth.ErrOriginRefused},
		{name: "cookie, our own page", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Sec-Fetch-Site": {"same-origin"}}, source: auth.FromCookie, token: "tok.en.1"},
		{name: "cookie, a page of the same site", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Sec-Fetch-Site": {"same-site"}}, want: auth.ErrOriginRefused},
		{name: "cookie, a foreign page", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Sec-Fetch-Site": {"cross-site"}}, want: auth.ErrOriginRefused},
		{name: "cookie, typed by hand", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Sec-Fetch-Site": {"none"}}, want: auth.ErrOriginRefused},
		{name: "cookie, two sites", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Sec-Fetch-Site": {"same-origin", "cross-site"}}, want: auth.ErrOriginRefused},
		{name: "cookie, foreign Origin, own site", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Origin": {"https://x.example"}, "Sec-Fetch-Site": {"same-origin"}}, want: auth.ErrOriginRefused},
		{name: "cookie, Origin null", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Origin": {"null"}}, want: auth.ErrOriginRefused},
		{name: "cookie, Origin empty", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Origin": {""}}, want: auth.ErrOriginRefused},
		{name: "cookie, look-alike", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Origin": {site + ".evil.com"}}, want: auth.ErrOriginRefused},
		{name: "cookie, other scheme", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Origin": {"http://app.example.com"}}, want: auth.ErrOriginRefused},
		{name: "cookie, other port", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Origin": {site + ":8443"}}, want: auth.ErrOriginRefused},
		{name: "cookie, two Origins", options: strict, headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Origin": {site, site}}, want: auth.ErrOriginRefused},
		{name: "cookie, no list", headers: h{"Cookie": {"__Host-sluice=tok.en.1"}, "Origin": {site}}, want: auth.ErrOriginRefused},
		{name: "cookie twice", options: strict, headers: h{"Cookie": {"__Host-sluice=a; __Host-sluice=b"}, "Origin": {site}}, want: auth.ErrAmbiguousCredentials},
		{name: "cookie on two lines", options: strict, headers: h{"Cookie": {"__Host-sluice=a", "__Host-sluice=b"}, "Origin": {site}}, want: auth.ErrAmbiguousCredentials},
		{name: "cookie twice, one damaged", options: strict, headers: h{"Cookie": {"__Host-sluice=a; __Host-sluice=b\x01"}, "Origin": {site}}, want: auth.ErrAmbiguousCredentials},
		{name: "cookie twice, one without a value", options: strict, headers: h{"Cookie": {"__Host-sluice; __Host-sluice=b"}, "Origin": {site}}, want: auth.ErrAmbiguousCredentials},
		{name: "cookie damaged", options: strict, headers: h{"Cookie": {"__Host-sluice=a,\x01"}, "Origin": {site}}, want: auth.ErrUnauthenticated},
		{name: "cookie damaged, from elsewhere", options: strict, headers: h{"Cookie": {"__Host-sluice=\x01"}}, want: auth.ErrOriginRefused},
		{name: "cookie empty", options: strict, headers: h{"Cookie": {"__Host-sluice="}, "Origin": {site}}, want: auth.ErrUnauthenticated},
		{name: "cookie without prefix", options: strict, headers: h{"Cookie": {"sluice=tok.en.1; __host-sluice=x"}, "Origin": {site}}},
		{name: "header overrides cookie", options: strict, headers: h{"Cookie": {"__Host-sluice=a"}, "Origin": {"null"}, "Authorization": {"Bearer tok.en.1"}}, source: auth.FromHeader, token: "tok.en.1"},
		{name: "bad header and cookie", options: strict, headers: h{"Cookie": {"__Host-sluice=a"}, "Origin": {site}, "Authorization": {"Bearer"}}, want: auth.ErrUnauthenticated},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/v1/ws?"+c.query, nil)
			for name, values := range c.headers {
				r.Header[name] = values
			}
			if c.certificate || c.unverified {
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
			}
			if c.certificate {
				r.TLS.VerifiedChains = [][]*x509.Certificate{{certificate}}
			}
			if c.scheme == "" && c.source != auth.FromNowhere {
				c.scheme = auth.SchemeBearer
			}
			got, err := auth.FromRequest(r, c.options)
			if !errors.Is(err, c.want) {
				t.Fatalf("got error %v, want %v", err, c.want)
			}
			if got.Scheme != c.scheme || (got.Proof.Certificate != nil) != (c.certificate && err == nil) {
				t.Errorf("got scheme %q and certificate %v", got.Scheme, got.Proof.Certificate)
			}
			if got.Source != c.source || got.Token.Reveal() != c.token {
				t.Errorf("got %q from %q", got.Token.Reveal(), got.Source)
			}
			if got.IsZero() != (c.source == auth.FromNowhere) {
				t.Errorf("zero is %v", got.IsZero())
			}
			if err != nil && strings.Contains(err.Error(), "tok.en.1") {
				t.Errorf("the error %q holds the token", err)
			}
		})
	}
	if !errors.Is(auth.ErrOriginRefused, auth.ErrForbidden) {
		t.Error("a refused origin is not forbidden")
	}
}

// An error for a credential that is refused by name must contain the name.
func TestFromRequestNamesWhatItRefuses(t *testing.T) {
	t.Parallel()
	for target, name := range map[string]string{"/?access_token=a": "access_token", "/?ticket=a": "ticket"} {
		_, err := auth.FromRequest(httptest.NewRequest(http.MethodGet, target, nil), auth.RequestOptions{})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", target, err)
		}
	}
	for _, scheme := range []string{"ApiKey", "DPoP"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", scheme+" k")
		if _, err := auth.FromRequest(r, auth.RequestOptions{}); err == nil || !strings.Contains(err.Error(), scheme) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

func FuzzFromRequest(f *testing.F) {
	f.Add("Bearer a.b.c", "sluice.v1.json, "+auth.SubprotocolPrefix+"YQ", "__Host-sluice=a", "https://app.example.com", "access_token=a")
	f.Add("Basic YTpi", "", "", "", "")
	f.Add("Basic YTpzbHVpY2VfYV9i", "", "", "https://app.example.com", "")
	f.Add("ApiKey a", "", "", "null", "ticket=a;b")
	f.Add("", "x,"+auth.SubprotocolPrefix+"YQ", "", "", "%zz")
	f.Add("", "", `__Host-sluice="a b"`, "https://app.example.com", "")
	origins := must(auth.NewOrigins([]string{"https://app.example.com"}))
	f.Fuzz(func(t *testing.T, authorization, subprotocol, cookie, origin, query string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		for name, value := range map[string]string{
			"Authorization": authorization, "Sec-Websocket-Protocol": subprotocol, "Cookie": cookie, "Origin": origin,
		} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		got, err := auth.FromRequest(r, auth.RequestOptions{Origins: origins, Basic: true})
		switch {
		case err != nil && !got.IsZero():
			t.Fatalf("both a credential and %v", err)
		case err == nil && got.IsZero() != got.Token.IsZero():
			t.Fatalf("a credential from %q without a token, or a token from nowhere", got.Source)
		case got.Scheme == auth.SchemeAPIKey && (origin != "" || !got.IsAPIKey() || !strings.HasPrefix(got.Token.Reveal(), auth.APIKeyPrefix)):
			t.Fatalf("an API key %q of a page from %q", got.Token.Reveal(), origin)
		case got.Source == auth.FromQuery:
			t.Fatal("a token from the query, which is not allowed")
		case got.Source == auth.FromCookie && (origin != "https://app.example.com" || authorization != ""):
			t.Fatalf("a cookie from origin %q beside %q", origin, authorization)
		}
	})
}
