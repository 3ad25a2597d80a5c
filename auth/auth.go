// Package auth turns the credential of a client into a principal with rights. A
// [Verifier] identifies the holder of a credential. One is built in for the tokens
// of the configured issuers (JWT, RFC 7519 and RFC 8725); others can be added for
// other kinds of credential. The grants in force determine which streams the
// principal may subscribe to, replay and publish. A client without a credential is
// identified by its address. With Config.Tenancy every principal belongs to a tenant or
// to none, and principals of different tenants differ, whoever they are.
//
// The package guarantees:
//   - a token is accepted only with a valid signature by a key of the issuer it
//     names, with an algorithm on that issuer's list, for the configured audience,
//     and between its `nbf` and its `exp`, both extended by the clock skew;
//   - nothing in a token or request makes the server send a request to any address
//     but the key URLs of the configuration, and those that configured issuers
//     publish in their discovery documents; keys are fetched for an unknown key at
//     most once in KeysRetryAfter;
//   - the contents of a token are compared with grants, never interpreted as
//     patterns; a name that is made of claims (Template) has no character with another
//     meaning; a token carries rights of its own only on streams that the
//     configuration names for its issuer;
//   - what an Authority denies, no grant allows;
//   - the right to operate the server (Principal.Admin) comes from a grant of the
//     configuration alone, never from a credential, a Verifier or an Authority;
//   - no error and no log line contains a token or any part of one;
//   - a revoked credential is refused, however it was verified before;
//   - the grants are one snapshot, which SetGrants replaces as a whole, and so are
//     the issuers, with SetIssuers; the cache of verified tokens holds digests, not
//     the tokens.
//
// New and the other functions start no goroutine. Run keeps the issuers' keys up to
// date with goroutines of its own, and returns when they have ended. Without Run,
// keys from a file never change, and keys from a URL are fetched only when a token
// names an unknown key.
//
// Tour: auth.go has the configuration, issuers.go the issuers in force, verifier.go the
// Verifier interface and how an identity becomes a principal. bearer.go verifies tokens,
// with compact.go for their serialization, claims.go for their claims, details.go for
// rights in them, and verified.go for the cache of verified tokens. keyset.go reads JWK
// Sets, smallorder.go recognizes keys for which anybody can make signatures, keyfile.go
// and keyurl.go load key sets, discovery.go finds their URLs, outbound.go makes the
// requests. grant.go, pattern.go and rights.go implement rights, authority.go rights
// from elsewhere, for which template.go names principals, principal.go the principal
// that has them, and tenant.go the tenant that it belongs to. credential.go is what a
// client presents, request.go finds it in an HTTP request, basic.go in its user name and
// password, origin.go holds the origins that may use a cookie. revocation.go is what
// revokes a credential, revocations.go the set of those in force, logout.go verifies the
// logout tokens of issuers, ticket.go makes tickets. secret.go keeps secrets out of
// logs, mint.go makes tokens for trials and tests. registered.go and jwk.go read claims
// and public keys for Verifiers and Provers of other packages.
//
// Each other kind of credential is a package of its own below this one: apikeys,
// introspection, certificates, forwarded and webhook are Verifiers, dpop is the Prover,
// rediskeys keeps in Redis what several instances share of those, and redisauth keeps
// tickets and revocations there.
package auth

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// DefaultTokenBytes is the maximum length of a token if the configuration sets
	// none.
	DefaultTokenBytes = 16 << 10
	// MaxClockSkew bounds Config.ClockSkew.
	MaxClockSkew = time.Minute
	// minSecretBytes is the length of the hash, as RFC 7518 section 3.2 requires.
	minSecretBytes = 32
)

// Config configures which credentials are accepted and what principals may do.
type Config struct {
	Issuers []Issuer
	Grants  []Grant
	// Authority decides on rights beside the grants. Nil means that the grants alone do.
	Authority Authority
	// ByName are streams that are too sensitive to be granted by accident: a pattern
	// with a star does not match them, only one that is their name, and an Authority
	// allows them only with AllowedByName.
	ByName []string
	// CheckFilter refuses tokens with rights whose filters could not be used. Nil refuses
	// none.
	CheckFilter FilterCheck
	// Tenancy tells which tenant a client belongs to.
	Tenancy Tenancy
	// ClockSkew is the allowed difference between an issuer's clock and the
	// server's, at most MaxClockSkew. A token becomes valid that much earlier and
	// expires that much later.
	ClockSkew time.Duration
	// TokenBytes is the maximum length of a token. 0 means DefaultTokenBytes.
	TokenBytes int
	// Verifiers handle credentials of other kinds than the issuers' tokens. They are
	// asked in this order, before the issuers.
	Verifiers []Verifier
	// Fallback handles credentials that no other Verifier and no issuer knows: it is
	// asked last. Nil refuses them.
	Fallback Verifier
	// Prover checks proofs of possession. Nil refuses tokens that need one.
	Prover Prover
	// Revocations are checked at every authentication. Nil means an empty set with the
	// defaults of RevocationsConfig.
	Revocations *Revocations
	// Logger logs when keys change or are unavailable. Nil discards the messages.
	Logger *slog.Logger
}

// Issuer is an issuer whose tokens are accepted. It has exactly one of a secret, a
// JWK Set file, a JWK Set URL and Discovery.
type Issuer struct {
	// Issuer is the exact value of `iss` in its tokens.
	Issuer string
	// Audience must be the `aud` of its tokens, or an element of it.
	Audience string
	// Algorithms are the algorithms it signs with: only HS256 with a secret, any of
	// RS256, ES256 and EdDSA with a JWK Set.
	Algorithms []string
	// AuthorizationDetails are patterns of the streams that its tokens may grant rights
	// on themselves, in `authorization_details` (RFC 9396). Nil means that the claim is
	// ignored.
	AuthorizationDetails []string

	// Apart gives its tokens no rights of grants for everybody (Grant.Anonymous), so that
	// they have those only that they name and that are granted for their claims.
	Apart bool

	// BackchannelLogout accepts the issuer's logout tokens, see Authenticator.Logout.
	BackchannelLogout bool
	// LogoutAudience must be the `aud` of its logout tokens, or an element of it: the
	// client ID at the issuer. Empty means Audience.
	LogoutAudience string

	// Secret is the key shared with the issuer, 32 bytes or more.
	Secret Secret
	// JWKSFile is read by New; Run then checks it for changes every few seconds.
	JWKSFile string
	// JWKSURL is fetched by Run, and when a token names an unknown key.
	JWKSURL string
	// Discovery finds the URL of the keys in the document that the issuer, which is
	// then a URL, publishes below /.well-known/ (OpenID Connect Discovery 1.0, RFC
	// 8414).
	Discovery bool
	// InsecureHTTP allows a JWKSURL without TLS, and discovery of an issuer on
	// loopback without TLS.
	InsecureHTTP bool
	// HTTPClient fetches keys and documents. Its cookie jar and redirect policy are
	// not used. Nil means a client with the system's roots and the environment's proxy.
	HTTPClient *http.Client
}

// Authenticator identifies clients. All methods are safe for concurrent use.
type Authenticator struct {
	// Immutable.
	verifiers  []Verifier // of the configuration
	keepers    []Keeper   // those of them that are
	fallback   Verifier   // nil for none
	prover     Prover     // nil for none
	authority  Authority  // on rights beside the grants, nil for none
	check      FilterCheck
	tokenBytes int
	clockSkew  time.Duration
	byName     byName
	tenancy    tenancy
	log        *slog.Logger
	revoked    *Revocations
	logouts    logouts

	// What is in force: snapshots, which are never changed, but replaced.
	rights atomic.Pointer[rights]
	tokens atomic.Pointer[tokens]

	mu      sync.Mutex    // held while one is replaced
	changed chan struct{} // has room for one; Run then looks at the issuers
}

// tokens is the Verifier of the issuers' tokens.
type tokens struct {
	// Immutable.
	issuers   map[string]*issuer
	order     []*issuer
	clockSkew time.Duration

	verified cache
}

// issuer is an Issuer that has been validated.
type issuer struct {
	definition Issuer
	name       string
	algorithms map[string]bool
	details    Details
	validator  *jwt.Validator
	logout     *jwt.Validator // of logout tokens; nil if they are not accepted
	keys       keySource
}

// New validates the whole configuration. It reads key files and makes no requests.
func New(config Config) (*Authenticator, error) {
	log := config.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if config.ClockSkew < 0 || config.ClockSkew > MaxClockSkew {
		return nil, fmt.Errorf("check clock skew: %v is not between 0 and %v", config.ClockSkew, MaxClockSkew)
	}
	if config.TokenBytes < 0 {
		return nil, errors.New("check token bytes: the limit is negative")
	}
	a := &Authenticator{
		verifiers:  slices.Clone(config.Verifiers),
		fallback:   config.Fallback,
		prover:     config.Prover,
		authority:  config.Authority,
		check:      config.CheckFilter,
		tokenBytes: config.TokenBytes,
		clockSkew:  config.ClockSkew,
		byName:     make(byName),
		log:        log,
		revoked:    config.Revocations,
		changed:    make(chan struct{}, 1),
	}
	for _, stream := range config.ByName {
		a.byName[stream] = true
	}
	for _, verifier := range config.Verifiers {
		if keeper, ok := verifier.(Keeper); ok {
			a.keepers = append(a.keepers, keeper)
		}
	}
	var err error
	if a.tenancy, err = newTenancy(config.Tenancy); err != nil {
		return nil, err
	}
	if a.tokenBytes == 0 {
		a.tokenBytes = DefaultTokenBytes
	}
	if a.revoked == nil {
		if a.revoked, err = NewRevocations(RevocationsConfig{ClockSkew: config.ClockSkew}); err != nil {
			return nil, err
		}
	}
	made, err := a.newTokens(config.Issuers)
	if err != nil {
		return nil, err
	}
	a.tokens.Store(made)
	if err := a.SetGrants(config.Grants); err != nil {
		return nil, err
	}
	return a, nil
}

func newIssuer(is Issuer, skew time.Duration, log *slog.Logger) (*issuer, error) {
	switch {
	case is.Issuer == "":
		return nil, errors.New("no name")
	case is.Audience == "":
		return nil, errors.New("no audience")
	case len(is.Algorithms) == 0:
		return nil, errors.New("no algorithms")
	}
	made := &issuer{
		definition: is,
		name:       is.Issuer,
		algorithms: make(map[string]bool),
		validator: jwt.NewValidator(jwt.WithIssuer(is.Issuer), jwt.WithAudience(is.Audience),
			jwt.WithExpirationRequired(), jwt.WithLeeway(skew)),
	}
	if is.BackchannelLogout {
		made.logout = jwt.NewValidator(jwt.WithIssuer(is.Issuer), jwt.WithAudience(cmp.Or(is.LogoutAudience, is.Audience)),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(skew))
	}
	for _, algorithm := range is.Algorithms {
		if !slices.Contains([]string{HS256, RS256, ES256, EdDSA}, algorithm) {
			return nil, fmt.Errorf("the algorithm %q is not one of HS256, RS256, ES256, EdDSA", algorithm)
		}
		if made.algorithms[algorithm] {
			return nil, fmt.Errorf("duplicate algorithm %s", algorithm)
		}
		made.algorithms[algorithm] = true
	}
	var err error
	if made.details, err = NewDetails(is.AuthorizationDetails, nil); err != nil {
		return nil, err
	}
	made.keys, err = newKeys(is, made.algorithms, log.With("issuer", is.Issuer))
	return made, err
}

// newKeys picks the source of an issuer's keys. A secret and public keys are never
// combined, otherwise anybody who has the public key could sign with it (RFC 8725
// section 2.1).
func newKeys(is Issuer, algorithms map[string]bool, log *slog.Logger) (keySource, error) {
	ways := 0
	for _, has := range []bool{!is.Secret.IsZero(), is.JWKSFile != "", is.JWKSURL != "", is.Discovery} {
		if has {
			ways++
		}
	}
	switch {
	case ways != 1:
		return nil, errors.New("exactly one of a secret, a JWKS file, a JWKS URL and discovery is required")
	case is.Secret.IsZero() && algorithms[HS256]:
		return nil, errors.New("HS256 requires a secret, not a JWKS")
	case !is.Secret.IsZero() && (!algorithms[HS256] || len(algorithms) > 1):
		return nil, errors.New("a secret can be used with HS256 only")
	}
	switch {
	case is.JWKSFile != "":
		return newFileKeys(is.JWKSFile, log)
	case is.JWKSURL != "", is.Discovery:
		return newURLKeys(is, log)
	}
	secret := []byte(is.Secret.Reveal())
	if len(secret) < minSecretBytes {
		return nil, fmt.Errorf("the secret is shorter than %d bytes", minSecretBytes)
	}
	return secretKey{key: secret}, nil
}

// Anonymous returns the principal of a client without a credential. The address, an
// IP address with or without a port, identifies it. The tenant is that of the host name,
// see HostTenant. Anonymous returns ErrNoCredential if no grant is for anonymous clients.
func (a *Authenticator) Anonymous(address, tenant string) (*Principal, error) {
	rights := a.rights.Load()
	open := rights.open
	switch {
	case len(open) == 0:
		return nil, ErrNoCredential
	case address == "":
		return nil, unauthenticated("the client has no address")
	}
	p := newAnonymous(address, tenant, open)
	p.rights, p.ruling = rights, a.rulings().rulingOn(nil, nil, tenant, a.byName)
	return p, nil
}
