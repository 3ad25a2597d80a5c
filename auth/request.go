package auth

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

const (
	// CookieName is the cookie that holds a bearer token. Its prefix makes browsers
	// restrict it to one host and to TLS.
	CookieName = "__Host-sluice"
	// SubprotocolPrefix is, followed by a token in base64url, a WebSocket
	// subprotocol that carries a credential, because page scripts cannot set
	// headers.
	SubprotocolPrefix = "base64url.bearer.authorization."

	queryToken  = "access_token"
	queryTicket = "ticket"
)

// Source is the part of a request that held a credential.
type Source string

// The sources.
const (
	FromNowhere     Source = ""
	FromHeader      Source = "header"
	FromSubprotocol Source = "subprotocol"
	FromQuery       Source = "query"
	FromCookie      Source = "cookie"
	FromConnection  Source = "connection"
	FromMessage     Source = "message"
	FromProxy       Source = "proxy"
)

// RequestOptions configures which credentials FromRequest accepts.
type RequestOptions struct {
	// Origins are the origins that may use the cookie.
	Origins *Origins
	// AccessTokenInQuery allows `access_token=` (RFC 6750 section 2.3), which
	// proxies write into their logs.
	AccessTokenInQuery bool
	// APIKeys allows `Authorization: ApiKey`. As a bearer token, an API key needs no
	// permission here.
	APIKeys bool
	// Basic allows `Authorization: Basic` (RFC 7617) with the ID and the secret of an API
	// key, for clients that can send nothing else. Requests of pages cannot use it.
	Basic bool
	// DPoPAlgorithms are the algorithms of proofs of possession, as the server
	// announces them. Without any, `Authorization: DPoP` (RFC 9449 section 7.1) is not
	// allowed.
	DPoPAlgorithms []string
	// Certificates makes the client certificate of the connection the credential of a
	// request that has no other.
	Certificates bool
	// Tickets allows `ticket=`, which works once.
	Tickets bool
	// TokenBytes is the maximum length of a token. 0 means DefaultTokenBytes.
	TokenBytes int
	// PassOn are the headers that a Verifier is to be given beside the credential, in
	// their canonical form.
	PassOn []string
	// Proxied is what the trusted proxy that has sent this request says about the
	// client. Nil if the request does not come from a trusted proxy, or if its word
	// does not count.
	Proxied *Proxied
}

// tokenBytes is TokenBytes, or its default.
func (o RequestOptions) tokenBytes() int {
	if o.TokenBytes == 0 {
		return DefaultTokenBytes
	}
	return o.TokenBytes
}

// FromRequest finds the credential of a request, and what proves it as far as the
// request itself does: the URL and the address in Proof are known only behind the
// proxies, and are set by the caller. The Scheme is empty if there is no credential.
//
// Explicit credentials are the Authorization header, a WebSocket subprotocol,
// `access_token=` and `ticket=` where they are allowed, and the assertion of a trusted
// proxy; a second one is ErrAmbiguousCredentials.
// The cookie is used only if there is no explicit credential, and only from a listed
// origin, otherwise the error is ErrOriginRefused. A request without an Origin
// header may use the cookie if its Sec-Fetch-Site header says that it comes from the
// server's own origin: browsers omit Origin from such requests.
//
// The certificate of the connection is used only if there is neither an explicit
// credential nor a cookie. Browsers use certificates without asking the page, so the
// origin must be a listed one here too; but a request with neither of the two headers
// is not from a page, and may use the certificate.
//
// A credential that is not supported or not allowed is ErrUnsupportedCredential, and
// a malformed one is ErrUnauthenticated.
func FromRequest(r *http.Request, options RequestOptions) (Credential, error) {
	found, err := credentialOf(r, options)
	if err != nil {
		return Credential{}, err
	}
	found.Proof = Proof{Certificate: certificateOf(r, options.Proxied), DPoP: r.Header.Values("DPoP"), Method: r.Method, Headers: passedOn(r.Header, options.PassOn)}
	return found, nil
}

// passedOn returns the headers with these names, nil if there is none.
func passedOn(h http.Header, names []string) http.Header {
	var found http.Header
	for _, name := range names {
		if values := h.Values(name); len(values) > 0 {
			if found == nil {
				found = make(http.Header)
			}
			// Copies, because a value can be all that keeps the whole header.
			for _, value := range values {
				found[name] = append(found[name], strings.Clone(value))
			}
		}
	}
	return found
}

// certificateOf returns the certificate of a client whose chain has been verified.
// The certificate of a connection from a proxy is the proxy's.
func certificateOf(r *http.Request, proxied *Proxied) *x509.Certificate {
	if proxied != nil {
		return proxied.Certificate
	}
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

func credentialOf(r *http.Request, options RequestOptions) (Credential, error) {
	limit := options.tokenBytes()
	var (
		explicit int
		found    Credential
		refused  error
	)
	// All credentials are counted before one is refused, so that the error for a
	// second credential does not depend on their order.
	took := func(c Credential, err error) {
		explicit++
		found = c
		if refused == nil {
			refused = err
		}
	}
	for _, value := range r.Header.Values("Authorization") {
		took(fromAuthorization(r, value, options))
	}
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			if encoded, ok := strings.CutPrefix(strings.TrimSpace(name), SubprotocolPrefix); ok {
				took(fromSubprotocol(r, encoded, limit))
			}
		}
	}
	for name, value := range parameters(r.URL.RawQuery) {
		switch name {
		case queryToken:
			took(fromQuery(value, options))
		case queryTicket:
			took(fromTicket(value, options))
		}
	}
	if by := options.Proxied; by != nil && by.Assertion != nil {
		took(Credential{Source: FromProxy, Scheme: SchemeForwarded, Asserted: by.Assertion}, nil)
	}
	switch {
	case explicit > 1:
		return Credential{}, ErrAmbiguousCredentials
	case refused != nil:
		return Credential{}, refused
	case explicit == 1:
		return found, nil
	}
	if found, err := fromCookie(r, options.Origins); err != nil || !found.IsZero() {
		return found, err
	}
	return fromConnection(r, options)
}

// parameters yields the parameters of a query. A value with invalid escapes is
// yielded as empty. The parser of net/url drops such parameters, and those with a
// semicolon in them: the credential would go unnoticed and the client would be
// anonymous.
func parameters(query string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for part := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(part, "=")
			name, err := url.QueryUnescape(name)
			if err != nil {
				continue // not a known name
			}
			if value, err = url.QueryUnescape(value); err != nil {
				value = ""
			}
			if !yield(name, value) {
				return
			}
		}
	}
}

func fromAuthorization(r *http.Request, value string, options RequestOptions) (Credential, error) {
	name, token, _ := strings.Cut(value, " ")
	token = strings.TrimSpace(token)
	var scheme Scheme
	switch {
	case strings.EqualFold(name, "Bearer"):
		scheme = SchemeBearer
	case strings.EqualFold(name, "ApiKey"):
		if scheme = SchemeAPIKey; !options.APIKeys {
			return Credential{}, fmt.Errorf("%w: the Authorization scheme ApiKey is not enabled on this server", ErrUnsupportedCredential)
		}
	case strings.EqualFold(name, "DPoP"):
		if scheme = SchemeDPoP; len(options.DPoPAlgorithms) == 0 {
			return Credential{}, fmt.Errorf("%w: the Authorization scheme DPoP is not enabled on this server", ErrUnsupportedCredential)
		}
	case strings.EqualFold(name, "Basic") && options.Basic:
		return fromBasic(r, token, options)
	default:
		// The error does not include the scheme: it may be a token that was sent
		// bare.
		return Credential{}, fmt.Errorf("%w: the Authorization scheme is not supported: send Bearer and a token", ErrUnsupportedCredential)
	}
	if token == "" {
		return Credential{}, unauthenticated("the Authorization header has no token")
	}
	return Credential{Source: FromHeader, Scheme: scheme, Token: NewSecret(token)}, nil
}

func fromSubprotocol(r *http.Request, encoded string, limit int) (Credential, error) {
	// The server never echoes the credential, and a browser closes a WebSocket if
	// none of its subprotocols is answered.
	if !offersSubprotocol(r) {
		return Credential{}, unauthenticated("a bearer subprotocol requires another subprotocol")
	}
	if len(encoded) > base64.RawURLEncoding.EncodedLen(limit) {
		return Credential{}, errTokenTooLong
	}
	token, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(token) == 0 {
		return Credential{}, unauthenticated("the bearer subprotocol is not a token in base64url without padding")
	}
	return Credential{Source: FromSubprotocol, Scheme: SchemeBearer, Token: NewSecret(string(token))}, nil
}

func offersSubprotocol(r *http.Request) bool {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.TrimSpace(name)
			if name != "" && !strings.HasPrefix(name, SubprotocolPrefix) {
				return true
			}
		}
	}
	return false
}

func fromQuery(token string, options RequestOptions) (Credential, error) {
	switch {
	case !options.AccessTokenInQuery:
		return Credential{}, fmt.Errorf("%w: %s= is not enabled on this server", ErrUnsupportedCredential, queryToken)
	case token == "":
		return Credential{}, unauthenticated("access_token= is empty")
	}
	return Credential{Source: FromQuery, Scheme: SchemeBearer, Token: NewSecret(token)}, nil
}

func fromTicket(ticket string, options RequestOptions) (Credential, error) {
	switch {
	case !options.Tickets:
		return Credential{}, fmt.Errorf("%w: tickets (%s=) are not enabled on this server", ErrUnsupportedCredential, queryTicket)
	case !IsTicket(ticket):
		return Credential{}, unauthenticated("ticket= is not a ticket")
	}
	return Credential{Source: FromQuery, Scheme: SchemeTicket, Token: NewSecret(ticket)}, nil
}

func fromCookie(r *http.Request, origins *Origins) (Credential, error) {
	// net/http skips cookies that it cannot parse: two cookies could look like one,
	// and one like none.
	there := 0
	for _, line := range r.Header.Values("Cookie") {
		for part := range strings.SplitSeq(line, ";") {
			if name, _, _ := strings.Cut(part, "="); strings.Trim(name, " \t") == CookieName {
				there++
			}
		}
	}
	cookies := r.CookiesNamed(CookieName)
	switch {
	case there == 0:
		return Credential{}, nil
	case there > 1:
		return Credential{}, ErrAmbiguousCredentials
	case !FromAllowedOrigin(r, origins):
		return Credential{}, ErrOriginRefused
	case len(cookies) == 0 || cookies[0].Value == "":
		return Credential{}, unauthenticated("the cookie is empty or has a character that is not allowed in cookies")
	}
	return Credential{Source: FromCookie, Scheme: SchemeBearer, Token: NewSecret(cookies[0].Value)}, nil
}

// fromConnection makes the certificate of the connection a credential.
func fromConnection(r *http.Request, options RequestOptions) (Credential, error) {
	switch {
	case !options.Certificates || certificateOf(r, options.Proxied) == nil:
		return Credential{}, nil
	case isFromPage(r) && !FromAllowedOrigin(r, options.Origins):
		return Credential{}, ErrOriginRefused
	}
	return Credential{Source: FromConnection, Scheme: SchemeCertificate}, nil
}

// isFromPage reports whether a browser says that a page made it send a request.
// Browsers send Sec-Fetch-Site with every request over TLS (Fetch Metadata Request
// Headers section 2.3); without one, and without an Origin, the client is no browser.
func isFromPage(r *http.Request) bool {
	sites := r.Header.Values("Sec-Fetch-Site")
	byHand := len(sites) == 0 || len(sites) == 1 && sites[0] == "none"
	return len(r.Header.Values("Origin")) > 0 || !byHand
}

// FromAllowedOrigin reports whether the page that makes a browser send, set or clear its
// cookie has an allowed origin: a listed one or, if the browser omits Origin, the
// server's own. Scripts can set neither of the two headers.
func FromAllowedOrigin(r *http.Request, origins *Origins) bool {
	switch named := r.Header.Values("Origin"); len(named) {
	case 0:
		site := r.Header.Values("Sec-Fetch-Site")
		return len(site) == 1 && site[0] == "same-origin"
	case 1:
		return origins.Allowed(named[0])
	default:
		return false
	}
}
