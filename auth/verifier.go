package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxClaimsBytes bounds the claims, as JSON, that a principal keeps. If a token has
// more, the grants are matched against all its claims when it is verified, but none
// are kept afterwards: Principal.Claims returns nil, and its caller must treat that
// as a refusal.
const MaxClaimsBytes = 4 << 10

// ErrOtherCredential is what a Verifier returns for a credential that is not of its
// kind, so that the next Verifier is asked.
var ErrOtherCredential = errors.New("the credential is of another kind")

// Verifier identifies the holder of a credential, such as a token, a key or a
// ticket. What the holder may do is determined by the grants, not by the Verifier.
//
// Verify is called by many goroutines at once. It may wait for the network, for some
// seconds at most and no longer than its context lives. The credential has at most
// Config.TokenBytes bytes and is untrusted. It must not be kept other than as a
// digest, nor appear in an error or a log.
//
// Verify returns ErrOtherCredential to have the next Verifier asked. With
// ErrUnauthenticated, ErrTokenExpired or ErrKeysUnavailable, wrapped or not, or the
// context's error, no other Verifier is asked. An Identity that was returned is
// never changed; the same one may be returned for the same credential as long as
// that is valid.
type Verifier interface {
	Verify(ctx context.Context, credential string) (*Identity, error)
}

// Identity identifies the holder of a credential.
type Identity struct {
	// Issuer and Subject identify the principal. The subject has 1 to 256 bytes of
	// UTF-8 without control characters, and is unique for its issuer. A Verifier
	// uses issuer names of its own, also in place of a token's `iss`.
	Issuer, Subject string
	// Claims are the attributes, as a JSON object, or nil for none. Grants are
	// matched against them; see MaxClaimsBytes for how much a principal keeps.
	Claims []byte
	// ExpiresAt is when the credential ends, clock skew included. Zero means never.
	ExpiresAt time.Time
	// TokenID and SessionID, `jti` and `sid` in a JWT (RFC 7519 section 4.1.7,
	// OpenID Connect Back-Channel Logout section 2.1), identify the credential for
	// revocation, besides its subject. They are empty if there is none.
	TokenID, SessionID string

	// principal is the last Principal that was made of this identity.
	principal atomic.Pointer[Principal]
}

// check verifies the requirements on the fields of Identity.
func (i *Identity) check() error {
	switch {
	case i == nil:
		return errors.New("the verifier returned no identity")
	case i.Issuer == "":
		return errors.New("the identity has no issuer")
	case !validSubject(i.Subject):
		return errors.New("the identity's subject is missing, too long or has control characters")
	}
	return nil
}

func validSubject(subject string) bool {
	return subject != "" && len(subject) <= maxNameBytes && utf8.ValidString(subject) && !strings.ContainsFunc(subject, unicode.IsControl)
}

// principalFor gives an identity the rights of the grants in force.
func (a *Authenticator) principalFor(id *Identity) (*Principal, error) {
	if err := id.check(); err != nil {
		return nil, fmt.Errorf("verify credential: %w", err)
	}
	if !id.ExpiresAt.IsZero() && !time.Now().Before(id.ExpiresAt) {
		return nil, ErrTokenExpired
	}
	rights := a.rights.Load()
	if p := id.principal.Load(); p != nil && p.rights == rights {
		return p, nil
	}
	c := claims{}
	if id.Claims != nil {
		if err := c.UnmarshalJSON(id.Claims); err != nil {
			return nil, unauthenticated("the claims are not a JSON object")
		}
	}
	p := newPrincipal(id, rights.matching(c))
	p.rights = rights
	id.principal.Store(p)
	return p, nil
}
