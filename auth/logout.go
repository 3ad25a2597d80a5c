package auth

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// logoutEvent is the member of `events` that makes a token a logout token, and
	// logoutType its media type (OpenID Connect Back-Channel Logout 1.0, section 2.4).
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	logoutType  = "logout+jwt"

	// maxLogoutAge bounds the time from the making of a logout token to its end. The
	// specification recommends two minutes at most.
	maxLogoutAge = time.Hour
	// maxLogouts bounds how many logout tokens are remembered as used.
	maxLogouts = 10_000
)

// errIsLogout refuses a logout token as a credential (section 4 of the specification):
// the issuer sends them over the network to all its clients.
var errIsLogout = unauthenticated("the token is a logout token")

// isLogout reports whether a token is a logout token, or says that it is one.
func isLogout(header map[string]any, c claims) bool {
	events, _ := c["events"].(map[string]any)
	_, is := events[logoutEvent]
	return is || typeOf(header) == logoutType
}

// typeOf returns the media type of a token (RFC 7515 section 4.1.9) in its short form.
func typeOf(header map[string]any) string {
	text, _ := header["typ"].(string)
	return strings.TrimPrefix(strings.ToLower(text), "application/")
}

// Logout verifies a logout token of an issuer with BackchannelLogout (OpenID Connect
// Back-Channel Logout 1.0, section 2.6), and returns what it revokes: the session that
// it names or, without one, what the issuer has issued to its subject so far.
//
// A token is accepted once by an Authenticator. Another one accepts it again until it
// expires, and arrives at the same revocation.
//
// The error is ErrUnsupportedCredential if no issuer has BackchannelLogout,
// ErrUnauthenticated, ErrTokenExpired, ErrKeysUnavailable, or the context's.
func (a *Authenticator) Logout(ctx context.Context, token string) (Revocation, error) {
	tokens := a.tokens.Load()
	if !tokens.acceptLogouts() {
		return Revocation{}, fmt.Errorf("%w: back-channel logout is not enabled for any issuer", ErrUnsupportedCredential)
	}
	if len(token) > a.tokenBytes {
		return Revocation{}, errTokenTooLong
	}
	if _, ok := sumsOf(token); !ok {
		return Revocation{}, errNotJWT
	}
	verified, err := tokens.signed(ctx, token)
	if err != nil {
		return Revocation{}, err
	}
	r, id, expires, err := verified.logout()
	if err != nil {
		return Revocation{}, err
	}
	r, err = a.revoked.Complete(r)
	if err != nil {
		return Revocation{}, unauthenticated("the logout token's subject or session is too long or has control characters")
	}
	if !a.logouts.first(verified.by.name, id, expires.Add(a.clockSkew), time.Now()) {
		return Revocation{}, unauthenticated("the logout token was used before")
	}
	return r, nil
}

// ForgetLogout lets a logout token be used again that could not be acted on. It has
// been verified.
func (a *Authenticator) ForgetLogout(ctx context.Context, token string) {
	if verified, err := a.tokens.Load().signed(ctx, token); err == nil {
		id, _ := verified.claims.text("jti")
		a.logouts.forget(verified.by.name, id)
	}
}

func (a *tokens) acceptLogouts() bool {
	for _, is := range a.order {
		if is.logout != nil {
			return true
		}
	}
	return false
}

// logout checks the claims of a logout token.
func (t *signed) logout() (r Revocation, id string, expires time.Time, err error) {
	fail := func(why string) (Revocation, string, time.Time, error) {
		return Revocation{}, "", time.Time{}, unauthenticated(why)
	}
	if t.by.logout == nil {
		return fail("the issuer's logout tokens are not accepted")
	}
	// Older providers set no type, or that of any JWT. A token of another type, such
	// as an access token, is none (RFC 8725 section 3.11).
	switch typeOf(t.header) {
	case "", "jwt", logoutType:
	default:
		return fail("the token's type is not logout+jwt")
	}
	if err := t.by.check(t.by.logout, t.claims); err != nil {
		return Revocation{}, "", time.Time{}, err
	}
	events, _ := t.claims["events"].(map[string]any)
	if _, ok := events[logoutEvent].(map[string]any); !ok {
		return fail("the token's events have no back-channel logout")
	}
	if _, has := t.claims["nonce"]; has {
		return fail("a logout token has no nonce")
	}
	issued, err := t.claims.GetIssuedAt()
	if err != nil || issued == nil {
		return fail("the logout token lacks the time of issue")
	}
	end, err := t.claims.GetExpirationTime()
	if err != nil || end == nil || end.Sub(issued.Time) > maxLogoutAge {
		return fail("the logout token is valid for more than an hour")
	}
	if id, err = t.claims.text("jti"); err != nil || id == "" || len(id) > maxRevokedBytes {
		return fail("the logout token's ID is missing or too long")
	}
	subject, err := t.claims.GetSubject()
	if err != nil {
		return fail("the logout token's subject is not a string")
	}
	session, err := t.claims.text("sid")
	switch {
	case err != nil:
		return fail("the logout token's session is not a string")
	case session != "":
		r = Revocation{Issuer: t.by.name, SessionID: session}
	case subject != "":
		// Both times of issue are the issuer's, in seconds.
		r = Revocation{Issuer: t.by.name, Subject: subject, Before: issued.Truncate(time.Second).Add(time.Second)}
	default:
		return fail("the logout token names neither a subject nor a session")
	}
	return r, id, end.Time, nil
}

// logouts are the logout tokens that were used and have not expired. The zero value is
// ready for use.
type logouts struct {
	mu   sync.Mutex
	used map[[2]string]time.Time // the end, by issuer and ID
}

// first reports whether a token is used for the first time. A token that is forgotten
// early, because there are too many, changes nothing when it is used again.
func (l *logouts) first(issuer, id string, expires, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.used == nil {
		l.used = make(map[[2]string]time.Time)
	}
	key := [2]string{issuer, id}
	if end, ok := l.used[key]; ok && now.Before(end) {
		return false
	}
	if len(l.used) >= maxLogouts {
		for other, end := range l.used {
			if !now.Before(end) {
				delete(l.used, other)
			}
		}
		for other := range l.used {
			if len(l.used) < maxLogouts {
				break
			}
			delete(l.used, other)
		}
	}
	l.used[key] = expires
	return true
}

func (l *logouts) forget(issuer, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.used, [2]string{issuer, id})
}
