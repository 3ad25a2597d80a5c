package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// ErrOtherCredential is what a Verifier returns for a credential that is not of its
// kind, so that the next Verifier is asked.
var ErrOtherCredential = errors.New("the credential is of another kind")

// errWithdrawn: a Keeper does not know the credential any more.
var errWithdrawn = unauthenticated("the credential has been withdrawn")

// Verifier identifies the holder of a credential, such as a token, a key or a
// ticket. What the holder may do is determined by the grants, not by the Verifier.
//
// Verify is called by many goroutines at once. It may wait for the network, for some
// seconds at most and no longer than its context lives. The credential has at most
// Config.TokenBytes bytes and is untrusted. It must not be kept other than as a
// digest, nor appear in an error or a log.
//
// Verify returns ErrOtherCredential to have the next Verifier asked. With
// ErrUnauthenticated, ErrTokenExpired, ErrRevoked, ErrKeysUnavailable,
// ErrVerifierUnavailable or ErrStoreUnavailable, wrapped or not, or the context's error,
// no other Verifier is asked. An Identity that was returned is
// never changed; the same one may be returned for the same credential as long as
// that is valid.
type Verifier interface {
	Verify(ctx context.Context, credential Credential) (*Identity, error)
}

// Keeper is a Verifier whose credentials can be withdrawn or changed while sessions run.
type Keeper interface {
	Verifier
	// Current returns the identity that the holder of a credential has now: the same
	// pointer if nothing has changed, or if the credential is not of this Verifier, and
	// nil if the credential has been withdrawn. Subject and issuer stay. The identity can
	// be one that was kept elsewhere, for a ticket. Current is called often, by many
	// goroutines at once, and must not block.
	Current(*Identity) *Identity
}

// current returns what the Keepers say about an identity.
func (a *Authenticator) current(id *Identity) *Identity {
	for _, keeper := range a.keepers {
		if now := keeper.Current(id); now != id {
			return now
		}
	}
	return id
}

// Identity identifies the holder of a credential.
type Identity struct {
	// Issuer and Subject identify the principal. The subject has 1 to 256 bytes of
	// UTF-8 without control characters, and is unique for its issuer. A Verifier
	// uses issuer names of its own, also in place of a token's `iss`.
	Issuer, Subject string
	// Claims are the attributes, as a JSON object, or nil for none. Grants are
	// matched against them, and their filters can refer to them. A principal keeps
	// them: their length must be bounded.
	Claims []byte
	// Grants are rights that the credential itself carries, in addition to those of the
	// configuration. When, Anonymous and Admin must be empty.
	Grants []Grant
	// ExpiresAt is when the credential ends, clock skew included. Zero means never.
	ExpiresAt time.Time
	// TokenID and SessionID, `jti` and `sid` in a JWT (RFC 7519 section 4.1.7,
	// OpenID Connect Back-Channel Logout section 2.1), identify the credential for
	// revocation, besides its subject. They are empty if there is none.
	TokenID, SessionID string
	// IssuedAt is when the credential was made (`iat`), zero if that is not known.
	IssuedAt time.Time
	// Bound is what a client must prove to possess, besides the credential.
	Bound Binding
	// IssuerToken is set if the credential stands for a token of a configured issuer,
	// which must then still be configured.
	IssuerToken bool

	// issuer is the issuer whose token this is, nil for other credentials.
	issuer *issuer
	// principal is the last Principal that was made of this identity.
	principal atomic.Pointer[Principal]
}

// Binding binds a credential to keys of its holder (`cnf`, RFC 7800). A copied
// credential is useless without them. Empty fields bind to nothing.
type Binding struct {
	// CertificateSHA256 is the base64url SHA-256 sum of the client's certificate
	// (`x5t#S256`, RFC 8705 section 3.1).
	CertificateSHA256 string
	// KeyThumbprint is the thumbprint of the key that signs DPoP proofs (`jkt`, RFC
	// 9449 section 6.1).
	KeyThumbprint string
}

// Prover checks that a request proves the possession of a key (RFC 9449): that a DPoP
// proof in c.Proof is for this request and token, is fresh, was not used before, and
// is signed by the key with the thumbprint. Its error is ErrInvalidProof,
// ErrVerifierUnavailable, or the context's.
type Prover interface {
	Prove(ctx context.Context, c Credential, thumbprint string) error
}

// prove checks that a credential is presented by the holder of the keys that it is
// bound to.
func (a *Authenticator) prove(ctx context.Context, c Credential, bound Binding) error {
	if want := bound.CertificateSHA256; want != "" {
		if c.Proof.Certificate == nil {
			return unauthenticated("the credential is bound to a client certificate, and the connection has none")
		}
		sum := sha256.Sum256(c.Proof.Certificate.Raw)
		have := base64.RawURLEncoding.EncodeToString(sum[:])
		if subtle.ConstantTimeCompare([]byte(want), []byte(have)) != 1 {
			return unauthenticated("the credential is bound to another client certificate")
		}
	}
	switch want := bound.KeyThumbprint; {
	case want == "" && c.Scheme == SchemeDPoP:
		// Otherwise a client would believe that its token is protected.
		return unauthenticated("the credential is presented with a proof of possession, but is bound to no key")
	case want == "":
		return nil
	case a.prover == nil:
		return unauthenticated("the credential is bound to a key, and proofs of possession are not enabled")
	case c.Scheme != SchemeDPoP:
		// RFC 9449 section 7.1: not to be accepted as a bearer token.
		return unauthenticated("the credential is bound to a key, and is presented without a proof of possession")
	default:
		return a.prover.Prove(ctx, c, want)
	}
}

// check verifies the requirements on the fields of Identity.
func (i *Identity) check() error {
	switch {
	case i == nil:
		return errors.New("the verifier returned no identity")
	case i.Issuer == "":
		return errors.New("the identity has no issuer")
	case !ValidSubject(i.Subject):
		return errors.New("the identity's subject is missing, too long or has control characters")
	}
	return nil
}

// ValidSubject reports whether a text can be the subject of an Identity: 1 to 256 bytes
// of UTF-8 without control characters.
func ValidSubject(subject string) bool {
	return subject != "" && len(subject) <= maxNameBytes && utf8.ValidString(subject) && !strings.ContainsFunc(subject, unicode.IsControl)
}

// Authenticate returns the principal of a credential, as identified by the first
// Verifier that knows its kind; the issuers' tokens come last, before
// Config.Fallback. For tokens it waits for
// the network only if a token names an unknown key, for some seconds at most. The
// error is ErrUnauthenticated, ErrTokenExpired, ErrRevoked, ErrKeysUnavailable,
// ErrVerifierUnavailable, ErrStoreUnavailable, or the context's.
func (a *Authenticator) Authenticate(ctx context.Context, c Credential) (*Principal, error) {
	if len(c.Token.Reveal()) > a.tokenBytes {
		return nil, errTokenTooLong
	}
	id, err := a.verify(ctx, c)
	if err != nil {
		return nil, err
	}
	if id != nil {
		if id = a.current(id); id == nil {
			return nil, errWithdrawn
		}
	}
	p, err := a.principalFor(id, c.Tenant)
	if err != nil {
		return nil, err
	}
	if err := a.prove(ctx, c, id.Bound); err != nil {
		return nil, err
	}
	// Last, so that only the holder learns that a credential was revoked.
	if a.revoked.Revoked(p) {
		return nil, ErrRevoked
	}
	return p, nil
}

// Revocations is the set that revokes credentials.
func (a *Authenticator) Revocations() *Revocations { return a.revoked }

func (a *Authenticator) verify(ctx context.Context, c Credential) (*Identity, error) {
	for _, verifier := range a.verifiers {
		id, err := verifier.Verify(ctx, c)
		switch {
		case errors.Is(err, ErrOtherCredential):
		case err == nil && id != nil && id.IssuerToken:
			return a.ofIssuer(id)
		default:
			return id, err
		}
	}
	if tokens := a.tokens.Load(); len(tokens.order) > 0 {
		id, err := tokens.Verify(ctx, c)
		foreign := errors.Is(err, ErrOtherCredential) || errors.Is(err, errNotJWT) || errors.Is(err, errUnknownIssuer)
		if !foreign || a.fallback == nil && !errors.Is(err, ErrOtherCredential) {
			return id, err
		}
	}
	if a.fallback != nil {
		if id, err := a.fallback.Verify(ctx, c); !errors.Is(err, ErrOtherCredential) {
			return id, err
		}
	}
	return nil, unauthenticated("the kind of credential is not supported")
}

// ofIssuer returns the identity of a credential that stands for an issuer's token.
func (a *Authenticator) ofIssuer(id *Identity) (*Identity, error) {
	by := a.tokens.Load().issuers[id.Issuer]
	if by == nil {
		return nil, unauthenticated("the issuer of the token has been removed")
	}
	return &Identity{
		Issuer: id.Issuer, Subject: id.Subject, Claims: id.Claims, Grants: id.Grants, ExpiresAt: id.ExpiresAt,
		TokenID: id.TokenID, SessionID: id.SessionID, IssuedAt: id.IssuedAt, Bound: id.Bound, IssuerToken: true, issuer: by,
	}, nil
}

// Renew is Authenticate for a session that continues with a new credential. It must
// belong to the same principal, otherwise Renew returns ErrPrincipalChanged; the
// rights and the expiry may differ.
func (a *Authenticator) Renew(ctx context.Context, current *Principal, c Credential) (*Principal, error) {
	c.Tenant = current.host
	renewed, err := a.Authenticate(ctx, c)
	if err != nil {
		return nil, err
	}
	if renewed.Key() != current.Key() {
		return nil, ErrPrincipalChanged
	}
	return renewed, nil
}

// principalFor gives an identity, which is used at the host of a tenant, the rights of
// the grants in force and of the authority.
func (a *Authenticator) principalFor(id *Identity, host string) (*Principal, error) {
	if err := id.check(); err != nil {
		return nil, fmt.Errorf("verify credential: %w", err)
	}
	if !id.ExpiresAt.IsZero() && !time.Now().Before(id.ExpiresAt) {
		return nil, ErrTokenExpired
	}
	rights, rulings := a.rights.Load(), a.rulings()
	if p := id.principal.Load(); p != nil && p.rights == rights && p.ruling.from == rulings && p.host == host {
		return p, nil
	}
	c := claims{}
	if id.Claims != nil {
		if err := c.UnmarshalJSON(id.Claims); err != nil {
			return nil, unauthenticated("the claims are not a JSON object")
		}
	}
	tenant, err := a.tenancy.tenantOf(c, host)
	if err != nil {
		return nil, err
	}
	grants := rights.matching(c)
	if id.issuer != nil && id.issuer.definition.Apart {
		grants = slices.DeleteFunc(grants, func(g *grant) bool { return g.anonymous })
	}
	for _, carried := range id.Grants {
		one, err := newGrant(carried, a.byName)
		if carried.Admin || carried.Anonymous || len(carried.When) > 0 || err != nil {
			return nil, unauthenticated("the credential carries a right that is not valid")
		}
		grants = append(grants, one)
	}
	p := newPrincipal(id, tenant, grants)
	p.rights, p.ruling, p.host, p.revokedAs = rights, rulings.rulingOn(id, c, tenant, a.byName), host, tenant
	if value, ok := c.find(a.revoked.tenant); ok && tenant == "" {
		p.revokedAs = claimText(value)
	}
	id.principal.Store(p)
	return p, nil
}

// InForce reports whether the principal has the rights that are in force now, so that
// Refresh would return the same one.
func (a *Authenticator) InForce(p *Principal) bool {
	if p.rights != a.rights.Load() || p.ruling.from != a.rulings() {
		return false
	}
	if p.identity == nil {
		return true
	}
	if by := p.identity.issuer; by != nil && a.tokens.Load().issuers[by.name] != by {
		return false
	}
	return a.current(p.identity) == p.identity
}

// Refresh returns the principal with the rights that it has now, which are others if
// the grants have been replaced since, or what a Keeper knows of the credential. It
// returns ErrUnauthenticated if a client with this credential could not connect any
// more, because the issuer has been removed or changed, the credential has been
// withdrawn, or no grant is for anonymous clients.
func (a *Authenticator) Refresh(p *Principal) (*Principal, error) {
	if p.Anonymous() {
		return a.Anonymous(p.ID(), p.host)
	}
	if by := p.identity.issuer; by != nil && a.tokens.Load().issuers[by.name] != by {
		return nil, unauthenticated("the issuer of the token has been removed or changed")
	}
	id := a.current(p.identity)
	if id == nil {
		return nil, errWithdrawn
	}
	now, err := a.principalFor(id, p.host)
	if err == nil && now.Key() != p.Key() {
		return nil, errWithdrawn // claims that have changed make it another tenant's
	}
	return now, err
}
