package auth

import (
	"encoding/base64"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

const (
	// CookieName is the cookie that holds a bearer token. Its prefix makes
	// browsers keep it to one host, over TLS.
	CookieName = "__Host-sluice"
	// SubprotocolPrefix begins, with a token in base64url behind it, a WebSocket
	// subprotocol that brings a credential, as page scripts cannot set headers.
	SubprotocolPrefix = "base64url.bearer.authorization."

	queryToken  = "access_token"
	queryTicket = "ticket"
)

// Source is where in a request a credential was.
type Source string

// The sources.
const (
	FromNowhere     Source = ""
	FromHeader      Source = "header"
	FromSubprotocol Source = "subprotocol"
	FromQuery       Source = "query"
	FromCookie      Source = "cookie"
)

// Credential is what a request brought, not verified yet.
type Credential struct {
	Source Source
	// Token is for Authenticator.Bearer.
	Token Secret
}

// IsZero reports whether the request brought none.
func (c Credential) IsZero() bool { return c.Source == FromNowhere }

// RequestOptions says what FromRequest takes.
type RequestOptions struct {
	// Origins may use the cookie.
	Origins *Origins
	// AccessTokenInQuery allows `access_token=` (RFC 6750 section 2.3), which
	// proxies write into their logs.
	AccessTokenInQuery bool
	// TokenBytes is how long a token may be. 0 is DefaultTokenBytes.
	TokenBytes int
}

// FromRequest finds the credential of a request, which is the zero Credential
// when it has none.
//
// Explicit are `Authorization: Bearer`, a WebSocket subprotocol, and
// `access_token=` where that is allowed; a second one is
// ErrAmbiguousCredentials. The cookie counts only where there is none of them,
// and only from a listed origin, else it is ErrOriginRefused. A request without
// an Origin header may use the cookie when the browser says in Sec-Fetch-Site
// that it comes from our own origin: browsers leave Origin out of those.
//
// Credentials that are not supported, or not allowed, are
// ErrUnsupportedCredential, and ErrUnauthenticated is one that is malformed.
func FromRequest(r *http.Request, options RequestOptions) (Credential, error) {
	limit := options.TokenBytes
	if limit == 0 {
		limit = DefaultTokenBytes
	}
	var (
		explicit int
		found    Credential
		refused  error
	)
	// Each is counted before one of them is refused, so that what a second one
	// gets told does not depend on which comes first.
	took := func(c Credential, err error) {
		explicit++
		found = c
		if refused == nil {
			refused = err
		}
	}
	for _, value := range r.Header.Values("Authorization") {
		took(fromAuthorization(value))
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
			took(Credential{}, fmt.Errorf("%w: tickets (%s=) are not supported yet", ErrUnsupportedCredential, queryTicket))
		}
	}
	switch {
	case explicit > 1:
		return Credential{}, ErrAmbiguousCredentials
	case refused != nil:
		return Credential{}, refused
	case explicit == 1:
		return found, nil
	}
	return fromCookie(r, options.Origins)
}

// parameters yields those of a query. A value that is not escaped as it must be
// is empty. The library's own parser passes over that, and over what has a
// semicolon in it: the credential would go unseen, and the client be anonymous.
func parameters(query string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for part := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(part, "=")
			name, err := url.QueryUnescape(name)
			if err != nil {
				continue // no name that is known
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

func fromAuthorization(value string) (Credential, error) {
	scheme, token, _ := strings.Cut(value, " ")
	token = strings.TrimSpace(token)
	switch {
	case strings.EqualFold(scheme, "ApiKey"):
		return Credential{}, fmt.Errorf("%w: the Authorization scheme ApiKey is not supported yet", ErrUnsupportedCredential)
	case !strings.EqualFold(scheme, "Bearer"):
		// The scheme is not told: it may be a token that someone sent bare.
		return Credential{}, fmt.Errorf("%w: the Authorization scheme is not Bearer", ErrUnsupportedCredential)
	case token == "":
		return Credential{}, unauthenticated("the Authorization header has no token")
	}
	return Credential{Source: FromHeader, Token: NewSecret(token)}, nil
}

func fromSubprotocol(r *http.Request, encoded string, limit int) (Credential, error) {
	// The credential is never echoed, and a browser drops a WebSocket whose
	// subprotocols all go unanswered.
	if !offersSubprotocol(r) {
		return Credential{}, unauthenticated("a bearer subprotocol needs a real one beside it")
	}
	if len(encoded) > base64.RawURLEncoding.EncodedLen(limit) {
		return Credential{}, errTokenTooLong
	}
	token, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(token) == 0 {
		return Credential{}, unauthenticated("the bearer subprotocol is not a token in base64url without padding")
	}
	return Credential{Source: FromSubprotocol, Token: NewSecret(string(token))}, nil
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
		return Credential{}, fmt.Errorf("%w: %s= is not allowed here", ErrUnsupportedCredential, queryToken)
	case token == "":
		return Credential{}, unauthenticated("access_token= has no token")
	}
	return Credential{Source: FromQuery, Token: NewSecret(token)}, nil
}

func fromCookie(r *http.Request, origins *Origins) (Credential, error) {
	// The library passes over cookies that it cannot read: then of two there
	// would be one, and none of one.
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
	case !fromAllowedOrigin(r, origins):
		return Credential{}, ErrOriginRefused
	case len(cookies) == 0 || cookies[0].Value == "":
		return Credential{}, unauthenticated("the cookie is empty or has a character that cookies do not have")
	}
	return Credential{Source: FromCookie, Token: NewSecret(cookies[0].Value)}, nil
}

// fromAllowedOrigin tells whether the page that made the browser send its
// cookie is one that may. Scripts can set neither of the two headers.
func fromAllowedOrigin(r *http.Request, origins *Origins) bool {
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
