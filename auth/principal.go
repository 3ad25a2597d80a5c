package auth

import (
	"net/netip"
	"net/url"
	"time"
)

// Action is what a right is for.
type Action uint8

// The actions. Any other value is allowed to nobody.
const (
	Subscribe Action = iota + 1
	Publish
)

// String gives the action's name as grants have it.
func (a Action) String() string {
	switch a {
	case Subscribe:
		return "subscribe"
	case Publish:
		return "publish"
	default:
		return "unknown"
	}
}

// Principal is who a client is and what it may do. It never changes: other
// rights are another Principal. All methods are safe for concurrent use.
type Principal struct {
	id        string
	issuer    string
	key       string
	anonymous bool
	expiresAt time.Time
	grants    []*grant
	rights    *rights // that the grants are of
	claims    []byte
	tokenID   string
	sessionID string
}

// newPrincipal makes the owner of a credential.
func newPrincipal(of *Identity, grants []*grant) *Principal {
	p := &Principal{
		id:     of.Subject,
		issuer: of.Issuer,
		// Escaped, both hold neither a colon nor a brace, so no two pairs have
		// the same key and none chooses its slot in a Redis Cluster.
		key:       "user:" + url.QueryEscape(of.Issuer) + ":" + url.QueryEscape(of.Subject),
		expiresAt: of.ExpiresAt,
		grants:    grants,
		tokenID:   of.TokenID,
		sessionID: of.SessionID,
	}
	if len(of.Claims) <= MaxClaimsBytes {
		p.claims = of.Claims
	}
	return p
}

// newAnonymous makes a principal of an address. The port does not count, since
// a client has another one for each connection.
func newAnonymous(address string, grants []*grant) *Principal {
	if with, err := netip.ParseAddrPort(address); err == nil {
		address = with.Addr().Unmap().WithZone("").String()
	} else if ip, err := netip.ParseAddr(address); err == nil {
		address = ip.Unmap().WithZone("").String()
	}
	return &Principal{
		id:        address,
		key:       "anonymous:" + url.QueryEscape(address),
		anonymous: true,
		grants:    grants,
	}
}

// ID is the token's subject (`sub`), 1 to 256 bytes of UTF-8, or the address of
// one who is anonymous. Principals of two issuers can have the same.
func (p *Principal) ID() string { return p.id }

// Issuer is the token's issuer (`iss`), empty for one who is anonymous.
func (p *Principal) Issuer() string { return p.issuer }

// Key is unambiguous over all issuers and those who are anonymous, and stays
// the same over restarts. It is made of letters, digits and `:%+-_.~`.
func (p *Principal) Key() string { return p.key }

// Anonymous tells that the principal is only an address.
func (p *Principal) Anonymous() bool { return p.anonymous }

// Claims are the credential's attributes as a JSON object, which must not be
// changed: what a token says, to the letter. Nil for an anonymous one, and where
// they are longer than MaxClaimsBytes.
func (p *Principal) Claims() []byte { return p.claims }

// Revocation names credentials that end before their time. Fields that are empty
// are not looked at, but one of Subject, TokenID and SessionID must be set.
type Revocation struct {
	Issuer    string // `iss`
	Subject   string // `sub`: all credentials of a principal
	TokenID   string // `jti`: one token
	SessionID string // `sid`: those of one session with the issuer
}

// RevokedBy reports whether the principal's credential is one of those named. One
// who is anonymous has none.
func (p *Principal) RevokedBy(r Revocation) bool {
	if p.anonymous || r.Subject == "" && r.TokenID == "" && r.SessionID == "" {
		return false
	}
	is := func(want, have string) bool { return want == "" || want == have }
	return is(r.Issuer, p.issuer) && is(r.Subject, p.id) && is(r.TokenID, p.tokenID) && is(r.SessionID, p.sessionID)
}

// ExpiresAt is when the principal's token ends, the configured clock skew
// included. From then on it has no rights, which the methods below do not look
// at. Zero is never.
func (p *Principal) ExpiresAt() time.Time { return p.expiresAt }

// May reports whether the principal has a right to the action on a stream.
func (p *Principal) May(action Action, stream string) bool {
	if action != Subscribe && action != Publish {
		return false
	}
	for _, g := range p.grants {
		if g.allows(action, stream) {
			return true
		}
	}
	return false
}

// Sees reports whether the principal has any right on a stream. Where it has
// none, it should not learn whether the stream exists.
func (p *Principal) Sees(stream string) bool {
	return p.May(Subscribe, stream) || p.May(Publish, stream)
}

// Replay is how far back the principal may read a stream: the most that any of
// its grants to subscribe gives, 0 for not at all, ReplayUnlimited for as far as
// Kafka keeps.
func (p *Principal) Replay(stream string) time.Duration {
	var most time.Duration
	for _, g := range p.grants {
		if g.replay > most && g.allows(Subscribe, stream) {
			most = g.replay
		}
	}
	return most
}
