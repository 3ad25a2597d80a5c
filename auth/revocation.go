package auth

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxRevokedBytes bounds what a revocation names.
const maxRevokedBytes = 1024

// Revocation names credentials that are revoked before they expire. It names exactly
// one of a subject, a token, a session and a tenant.
type Revocation struct {
	// Issuer is the `iss` of the credentials. Empty means every issuer.
	Issuer string
	// Subject is `sub`: the credentials of a principal. TokenID is `jti`: one token.
	// SessionID is `sid`: the credentials of one session with the issuer. Tenant is
	// the value of the claim in RevocationsConfig.TenantClaim.
	Subject, TokenID, SessionID, Tenant string
	// Before limits the revocation to credentials that were issued before this time,
	// so that the holder can obtain another one. A credential without a time of issue
	// counts as older. Zero means all credentials.
	Before time.Time
	// Until is when the revocation may be forgotten, because all credentials that it
	// names have expired.
	Until time.Time
}

// check verifies what the comments above require.
func (r Revocation) check() error {
	named := 0
	for _, text := range []string{r.Issuer, r.Subject, r.TokenID, r.SessionID, r.Tenant} {
		if len(text) > maxRevokedBytes || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return fmt.Errorf("a name is longer than %d bytes, not UTF-8, or has control characters", maxRevokedBytes)
		}
	}
	for _, text := range []string{r.Subject, r.TokenID, r.SessionID, r.Tenant} {
		if text != "" {
			named++
		}
	}
	if named != 1 {
		return errors.New("exactly one of a subject, a token ID, a session ID and a tenant is required")
	}
	return nil
}

// revoked is what a revocation names, without its times.
type revoked struct {
	kind   byte
	issuer string // empty for every issuer
	name   string
}

const (
	revokedSubject byte = iota + 1
	revokedToken
	revokedSession
	revokedTenant
)

func (r Revocation) named() revoked {
	switch {
	case r.TokenID != "":
		return revoked{revokedToken, r.Issuer, r.TokenID}
	case r.SessionID != "":
		return revoked{revokedSession, r.Issuer, r.SessionID}
	case r.Subject != "":
		return revoked{revokedSubject, r.Issuer, r.Subject}
	default:
		return revoked{revokedTenant, r.Issuer, r.Tenant}
	}
}

// join returns the revocation of everything that two revocations of the same name
// revoke. Joining is commutative and idempotent, so that it does not matter in which
// order, how often and on which way revocations arrive.
func (r Revocation) join(other Revocation) Revocation {
	if r.Before.IsZero() || !other.Before.IsZero() && other.Before.Before(r.Before) {
		other.Before = r.Before
	}
	if other.Until.Before(r.Until) {
		other.Until = r.Until
	}
	return other
}

// equal compares the times to the millisecond that revocations are stored with.
func (r Revocation) equal(other Revocation) bool {
	return r.named() == other.named() && r.Before.Equal(other.Before) && r.Until.Equal(other.Until)
}

// issuedBefore reports whether the times of a revocation fit a credential.
func (r Revocation) issuedBefore(issued time.Time) bool {
	return r.Before.IsZero() || issued.Before(r.Before)
}

// RevokedBy reports whether the revocation names the principal's credential. An
// anonymous principal has no credential.
func (p *Principal) RevokedBy(r Revocation) bool {
	if p.anonymous || r.Subject == "" && r.TokenID == "" && r.SessionID == "" && r.Tenant == "" {
		return false
	}
	is := func(want, have string) bool { return want == "" || want == have }
	return is(r.Issuer, p.issuer) && is(r.Subject, p.id) && is(r.TokenID, p.identity.TokenID) && is(r.SessionID, p.identity.SessionID) &&
		is(r.Tenant, p.revokedAs) && r.issuedBefore(p.identity.IssuedAt)
}
