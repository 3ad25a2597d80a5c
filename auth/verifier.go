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

// MaxClaimsBytes bounds the claims, as JSON, that a principal keeps. Of a token
// with more, the grants are matched against all claims when it is verified, and
// none are kept afterwards: what asks a principal for its claims finds none, and
// has to treat that as a refusal.
const MaxClaimsBytes = 4 << 10

// ErrOtherCredential is a Verifier's answer to a credential that is not of its
// kind, so that the next Verifier is asked.
var ErrOtherCredential = errors.New("the credential is of another kind")

// Verifier finds out who the holder of a credential is: a token, a key, a ticket.
// What the holder may do is not its concern; the grants say that.
//
// Verify is called by many goroutines at once. It may wait for the network, for
// some seconds at most and no longer than its context lives. The credential has
// at most Config.TokenBytes bytes, comes from anybody, and must not be kept other
// than as a digest, nor stand in an error or a log.
//
// Errors are ErrOtherCredential; or ErrUnauthenticated, ErrTokenExpired or
// ErrKeysUnavailable, wrapped or not, or the context's, with which no other
// Verifier is asked. An Identity that was returned is never changed; the same one
// may be returned for the same credential as long as that is valid.
type Verifier interface {
	Verify(ctx context.Context, credential string) (*Identity, error)
}

// Identity is who the holder of a credential is.
type Identity struct {
	// Issuer and Subject name the principal. The subject has 1 to 256 bytes of
	// UTF-8 without control characters, and is unique for its issuer. Verifiers
	// have issuers of their own, also in place of a token's `iss`.
	Issuer, Subject string
	// Claims are the attributes, as a JSON object. Nil for none. Grants compare
	// them; see MaxClaimsBytes for what is kept.
	Claims []byte
	// ExpiresAt is when the credential ends, clock skew included. Zero is never.
	ExpiresAt time.Time
	// TokenID and SessionID, `jti` and `sid` in a JWT (RFC 7519 section 4.1.7,
	// OpenID Connect Back-Channel Logout section 2.1), are what the credential can
	// be revoked by beside its subject. Empty for none.
	TokenID, SessionID string

	// principal is the one that was made of it last.
	principal atomic.Pointer[Principal]
}

// check holds a Verifier to what Identity says.
func (i *Identity) check() error {
	switch {
	case i == nil:
		return errors.New("there is no identity")
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

// principalFor gives an identity the rights of the grants that are in force.
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
