// Package auth turns what a client shows into a principal with rights. A
// [Verifier] says who the holder of a credential is: that of the issuers' tokens
// (JWT, RFC 7519 and RFC 8725), or one for another kind. The grants in force say
// what the principal may subscribe to, replay and publish. A client without a
// credential is its address.
//
// It guarantees:
//   - a token is accepted only with a good signature by a key of the issuer it
//     names, with an algorithm on that issuer's list, for our audience, between
//     its `nbf` and its `exp`, both within the clock skew;
//   - nothing in a token or request makes the server ask any address but the
//     key URLs of the configuration, and those at most once in KeysRetryAfter;
//   - what a token says is compared with grants, never interpreted as patterns;
//   - no error and no log line holds a token, or any part of one;
//   - the grants are one snapshot, exchanged as a whole by SetGrants, and what is
//     remembered of a token is no copy of it.
//
// New and the other calls start no goroutine. Run keeps the issuers' keys up to
// date with goroutines of its own, and returns when they have ended; without it
// keys from a file never change, and those from a URL only when a token names
// one that is not known.
//
// Tour: auth.go has the configuration, verifier.go what credentials become, and
// bearer.go verifies tokens, with compact.go for how they are written, claims.go
// for what they say and verified.go to do it once; keyset.go reads JWK Sets, with
// smallorder.go for keys that anybody can sign for, keyfile.go and keyurl.go bring
// them; grant.go, pattern.go and rights.go are the rights, principal.go is who has
// them. request.go finds the credential of an HTTP request, origin.go knows the
// origins that may use a cookie, secret.go keeps secrets out of sight, mint.go
// makes tokens to try things out with.
package auth

import (
	"context"
	"crypto/sha256"
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
	// DefaultTokenBytes is how long a token may be where nothing else is said.
	DefaultTokenBytes = 16 << 10
	// MaxClockSkew bounds Config.ClockSkew.
	MaxClockSkew = time.Minute
	// minSecretBytes is as long as the hash: RFC 7518 section 3.2.
	minSecretBytes = 32
)

// Config says who may come in and what they may do.
type Config struct {
	Issuers []Issuer
	Grants  []Grant
	// ClockSkew is by how much an issuer's clock may differ from ours, at most
	// MaxClockSkew. A token begins that much earlier and ends that much later.
	ClockSkew time.Duration
	// TokenBytes is how long a token may be. 0 is DefaultTokenBytes.
	TokenBytes int
	// Verifiers are for credentials of other kinds than the issuers' tokens. They
	// are asked in this order, and before the issuers.
	Verifiers []Verifier
	// Logger hears when keys change or cannot be had. Nil is nobody.
	Logger *slog.Logger
}

// Issuer is somebody whose tokens are accepted. It has one of a secret, a JWK
// Set file and a JWK Set URL.
type Issuer struct {
	// Issuer is what its tokens have as `iss`, to the letter.
	Issuer string
	// Audience is what its tokens must have as `aud`, or as one of it.
	Audience string
	// Algorithms are those it signs with: HS256 alone with a secret, any of
	// RS256, ES256 and EdDSA with a JWK Set.
	Algorithms []string

	// Secret is the key that is shared with the issuer, 32 bytes or more.
	Secret Secret
	// JWKSFile is read by New and then looked at every few seconds.
	JWKSFile string
	// JWKSURL is fetched by Run, and when a token names an unknown key.
	JWKSURL string
	// InsecureHTTP allows a JWKSURL without TLS.
	InsecureHTTP bool
	// HTTPClient fetches the JWKSURL. Its cookies and redirects are not used.
	// Nil is one with the system's roots and the environment's proxy.
	HTTPClient *http.Client
}

// Authenticator finds out who clients are. All methods are safe for concurrent
// use.
type Authenticator struct {
	// Immutable.
	verifiers  []Verifier
	tokens     *tokens
	tokenBytes int

	// rights are the grants in force.
	rights atomic.Pointer[rights]
}

// tokens is the Verifier of the issuers' tokens.
type tokens struct {
	// Immutable.
	issuers   map[string]*issuer
	order     []*issuer
	clockSkew time.Duration

	verified cache
}

// issuer is an Issuer that has been checked.
type issuer struct {
	name       string
	algorithms map[string]bool
	validator  *jwt.Validator
	keys       keySource
}

// New checks a configuration in full. It reads key files, and makes no request.
func New(config Config) (*Authenticator, error) {
	log := config.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if config.ClockSkew < 0 || config.ClockSkew > MaxClockSkew {
		return nil, fmt.Errorf("check clock skew: %v is not between 0 and %v", config.ClockSkew, MaxClockSkew)
	}
	if config.TokenBytes < 0 {
		return nil, errors.New("check token bytes: the bound is negative")
	}
	a := &Authenticator{
		verifiers:  slices.Clone(config.Verifiers),
		tokenBytes: config.TokenBytes,
		tokens: &tokens{
			issuers:   make(map[string]*issuer),
			clockSkew: config.ClockSkew,
			verified:  cache{tokens: make(map[[sha256.Size]byte]verified)},
		},
	}
	if a.tokenBytes == 0 {
		a.tokenBytes = DefaultTokenBytes
	}
	for i, is := range config.Issuers {
		if _, ok := a.tokens.issuers[is.Issuer]; ok {
			return nil, fmt.Errorf("check issuer %d (%q): it is there twice", i+1, is.Issuer)
		}
		made, err := newIssuer(is, config.ClockSkew, log)
		if err != nil {
			return nil, fmt.Errorf("check issuer %d (%q): %w", i+1, is.Issuer, err)
		}
		a.tokens.issuers[is.Issuer] = made
		a.tokens.order = append(a.tokens.order, made)
	}
	if len(config.Issuers) > 0 {
		a.verifiers = append(a.verifiers, a.tokens)
	}
	if err := a.SetGrants(config.Grants); err != nil {
		return nil, err
	}
	return a, nil
}

func newIssuer(is Issuer, skew time.Duration, log *slog.Logger) (*issuer, error) {
	switch {
	case is.Issuer == "":
		return nil, errors.New("it has no name")
	case is.Audience == "":
		return nil, errors.New("it has no audience")
	case len(is.Algorithms) == 0:
		return nil, errors.New("it has no algorithms")
	}
	made := &issuer{
		name:       is.Issuer,
		algorithms: make(map[string]bool),
		validator: jwt.NewValidator(jwt.WithIssuer(is.Issuer), jwt.WithAudience(is.Audience),
			jwt.WithExpirationRequired(), jwt.WithLeeway(skew)),
	}
	for _, algorithm := range is.Algorithms {
		if !slices.Contains([]string{HS256, RS256, ES256, EdDSA}, algorithm) {
			return nil, fmt.Errorf("the algorithm %q is not one of HS256, RS256, ES256, EdDSA", algorithm)
		}
		if made.algorithms[algorithm] {
			return nil, fmt.Errorf("the algorithm %s is there twice", algorithm)
		}
		made.algorithms[algorithm] = true
	}
	var err error
	made.keys, err = newKeys(is, made.algorithms, log.With("issuer", is.Issuer))
	return made, err
}

// newKeys picks where the keys are from. A secret and public keys never go
// together, else whoever has the public key could sign with it (RFC 8725
// section 2.1).
func newKeys(is Issuer, algorithms map[string]bool, log *slog.Logger) (keySource, error) {
	ways := 0
	for _, has := range []bool{!is.Secret.IsZero(), is.JWKSFile != "", is.JWKSURL != ""} {
		if has {
			ways++
		}
	}
	switch {
	case ways != 1:
		return nil, errors.New("it needs one of a secret, a JWKS file and a JWKS URL")
	case is.Secret.IsZero() && algorithms[HS256]:
		return nil, errors.New("HS256 needs a secret, not a JWKS")
	case !is.Secret.IsZero() && (!algorithms[HS256] || len(algorithms) > 1):
		return nil, errors.New("a secret is for HS256 alone")
	}
	switch {
	case is.JWKSFile != "":
		return newFileKeys(is.JWKSFile, log)
	case is.JWKSURL != "":
		return newURLKeys(is.JWKSURL, is.InsecureHTTP, is.HTTPClient, log)
	}
	secret := []byte(is.Secret.Reveal())
	if len(secret) < minSecretBytes {
		return nil, fmt.Errorf("the secret is shorter than %d bytes", minSecretBytes)
	}
	return secretKey{key: secret}, nil
}

// Run keeps keys up to date until the context ends, and returns nil then. It
// must be called at most once.
func (a *Authenticator) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, is := range a.tokens.order {
		running.Go(func() { is.keys.run(ctx) })
	}
	running.Wait()
	<-ctx.Done()
	return nil
}

// Ready is nil once each issuer's keys have been had at least once, else it
// says which issuer's have not and why.
func (a *Authenticator) Ready() error {
	for _, is := range a.tokens.order {
		if err := is.keys.ready(); err != nil {
			return fmt.Errorf("fetch keys of issuer %q: %w", is.name, err)
		}
	}
	return nil
}

// Anonymous gives the principal of a client without a credential: its address,
// an IP address with or without a port. It is ErrUnauthenticated where no grant
// is for those.
func (a *Authenticator) Anonymous(address string) (*Principal, error) {
	open := a.rights.Load().open
	switch {
	case len(open) == 0:
		return nil, unauthenticated("a credential is needed")
	case address == "":
		return nil, unauthenticated("the client has no address")
	}
	return newAnonymous(address, open), nil
}
