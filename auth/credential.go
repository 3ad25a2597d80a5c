package auth

import (
	"crypto/x509"
	"net/http"
	"strings"
)

// Scheme is the kind of a credential, as far as the request shows it.
type Scheme string

// APIKeyPrefix is the beginning of every API key. Clients that can only send bearer
// tokens send their key as one, and it is recognized by the prefix.
const APIKeyPrefix = "sluice_"

// The schemes.
const (
	// SchemeBearer is a token (RFC 6750): from a header, a subprotocol, a cookie, a
	// query or a message. Which kind of token it is can only be seen from its text.
	SchemeBearer Scheme = "bearer"
	// SchemeAPIKey is `Authorization: ApiKey`.
	SchemeAPIKey Scheme = "apikey"
	// SchemeDPoP is a token that is sent with a proof of possession (RFC 9449).
	SchemeDPoP Scheme = "dpop"
	// SchemeTicket is a single-use ticket, `ticket=` in a query.
	SchemeTicket Scheme = "ticket"
	// SchemeCertificate is the certificate of the connection, in Proof; there is no
	// token.
	SchemeCertificate Scheme = "certificate"
	// SchemeForwarded is the assertion of a trusted proxy, in Asserted; there is no
	// token.
	SchemeForwarded Scheme = "forwarded"
)

// Credential is what a client presents, not verified yet.
type Credential struct {
	Source Source
	Scheme Scheme
	// Token is the text of the credential. It has at most Config.TokenBytes bytes,
	// is untrusted, and is kept other than as a digest by nobody.
	Token Secret
	Proof Proof
	// Tenant is the tenant of the host name that the client has used, see
	// Authenticator.HostTenant. The caller of FromRequest sets it.
	Tenant string
	// Asserted is what a trusted proxy says about the client, nil for nothing.
	Asserted *Assertion
}

// Assertion is a client's identity, as established by a proxy.
type Assertion struct {
	Subject string
	// Claims are a JSON object.
	Claims []byte
}

// Proxied is what a trusted proxy says about the client whose request it passes on.
type Proxied struct {
	// Assertion is nil if the proxy names no client.
	Assertion *Assertion
	// Certificate is the client's, nil for none. The proxy has verified its chain.
	Certificate *x509.Certificate
}

// Proof is what a request shows about its sender besides the token. A token that is
// bound to a key is valid only together with it.
type Proof struct {
	// Certificate is the client's certificate, nil for none. The chain has been
	// verified.
	Certificate *x509.Certificate
	// DPoP are the values of the request's DPoP headers (RFC 9449 section 4.1).
	DPoP []string
	// Method and URL are those that the client has sent the request to: scheme, host
	// and path, without query and fragment.
	Method, URL string
	// Address is the client's, without port.
	Address string
	// Headers are those of RequestOptions.PassOn that the request has.
	Headers http.Header
}

// Bearer returns the credential of a client that presents a token without more, as in
// a message.
func Bearer(token string) Credential {
	return Credential{Source: FromMessage, Scheme: SchemeBearer, Token: NewSecret(token)}
}

// IsAPIKey reports whether the credential is an API key, by its scheme or by its text.
func (c Credential) IsAPIKey() bool {
	return c.Scheme == SchemeAPIKey || strings.HasPrefix(c.Token.Reveal(), APIKeyPrefix)
}

// IsZero reports whether there is no credential.
func (c Credential) IsZero() bool { return c.Source == FromNowhere }
