package auth

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Action is what a right permits.
type Action uint8

// The actions. No principal has a right to any other value.
const (
	Subscribe Action = iota + 1
	Publish
)

// String returns the action's name as used in grants.
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

// Principal is an authenticated or anonymous client with its rights. It is
// immutable: other rights mean another Principal. All methods are safe for
// concurrent use.
type Principal struct {
	id        string
	issuer    string
	key       string
	anonymous bool
	expiresAt time.Time
	grants    []*grant
	rights    *rights   // the rights that grants is from
	ruling    ruling    // of the authority
	identity  *Identity // nil for an anonymous principal
	tenant    string    // that it belongs to
	host      string    // the tenant of the host name that its client has used
	revokedAs string    // the tenant by which its credential can be revoked
}

// newPrincipal makes the principal of an identity.
func newPrincipal(of *Identity, tenant string, grants []*grant) *Principal {
	return &Principal{
		id:     of.Subject,
		issuer: of.Issuer,
		// Escaped, both parts contain neither a colon nor a brace, so no two pairs
		// have the same key and none can choose its slot in a Redis Cluster.
		key:       keyIn(tenant, "user:"+url.QueryEscape(of.Issuer)+":"+url.QueryEscape(of.Subject)),
		expiresAt: of.ExpiresAt,
		grants:    grants,
		identity:  of,
		tenant:    tenant,
	}
}

// keyIn makes a key unique among those of all tenants: the same holder of credentials is
// another principal in each tenant.
func keyIn(tenant, key string) string {
	if tenant == "" {
		return key
	}
	return "tenant:" + tenant + ":" + key
}

// KeysOf returns what the keys of all principals of a tenant begin with, see Principal.Key.
func KeysOf(tenant string) string { return keyIn(tenant, "") }

// Owner is whom the key of a principal names.
type Owner struct{ Tenant, Issuer, Subject string }

// OwnerOf returns whom the key of a principal with a credential names, see Principal.Key.
func OwnerOf(key string) (o Owner, ok bool) {
	parts := strings.Split(key, ":")
	if len(parts) == 5 && parts[0] == "tenant" && parts[1] != "" {
		o.Tenant, parts = parts[1], parts[2:]
	}
	if len(parts) != 3 || parts[0] != "user" {
		return Owner{}, false
	}
	var err error
	if o.Issuer, err = url.QueryUnescape(parts[1]); err != nil {
		return Owner{}, false
	}
	if o.Subject, err = url.QueryUnescape(parts[2]); err != nil {
		return Owner{}, false
	}
	return o, true
}

// newAnonymous makes the principal of an address. The port is dropped, because it
// differs for each connection of a client.
func newAnonymous(address, tenant string, grants []*grant) *Principal {
	if with, err := netip.ParseAddrPort(address); err == nil {
		address = with.Addr().Unmap().WithZone("").String()
	} else if ip, err := netip.ParseAddr(address); err == nil {
		address = ip.Unmap().WithZone("").String()
	}
	return &Principal{
		id:        address,
		key:       keyIn(tenant, "anonymous:"+url.QueryEscape(address)),
		anonymous: true,
		grants:    grants,
		tenant:    tenant,
		host:      tenant,
	}
}

// ID is the token's subject (`sub`), 1 to 256 bytes of UTF-8, or the address of an
// anonymous principal. Principals of two issuers can have the same ID.
func (p *Principal) ID() string { return p.id }

// Issuer is the token's issuer (`iss`), empty for an anonymous principal.
func (p *Principal) Issuer() string { return p.issuer }

// TokenID is the id of the credential (`jti`), empty for none. It is no secret.
func (p *Principal) TokenID() string {
	if p.identity == nil {
		return ""
	}
	return p.identity.TokenID
}

// Key is unique across all issuers and anonymous principals, and is the same after a
// restart. It consists of letters, digits and `:%+-_.~`.
func (p *Principal) Key() string { return p.key }

// Anonymous reports whether the principal is only an address.
func (p *Principal) Anonymous() bool { return p.anonymous }

// Claims are the credential's attributes as a JSON object, byte for byte as in the
// token. They must not be changed. Claims is nil for an anonymous principal, and for a
// credential without claims.
func (p *Principal) Claims() []byte {
	if p.identity == nil {
		return nil
	}
	return p.identity.Claims
}

// ExpiresAt is when the principal's token ends, the configured clock skew included.
// The principal has no rights from then on, but the methods below do not check that.
// Zero means never.
func (p *Principal) ExpiresAt() time.Time { return p.expiresAt }

// Identity returns what identifies the holder of the principal's credential, for a
// ticket in place of that credential. It fails for an anonymous principal.
//
// A ticket of a credential that is bound to a client certificate is bound to it too.
// One of a credential that is bound to a DPoP key is not: the client has proved that
// it has the key in the request that asks for the ticket, and cannot prove it again
// where tickets are used, as those requests have no headers of its own.
func (p *Principal) Identity() (*Identity, error) {
	if p.identity == nil {
		return nil, fmt.Errorf("%w: an anonymous client has no credential", ErrForbidden)
	}
	return &Identity{
		Issuer: p.identity.Issuer, Subject: p.identity.Subject, Claims: p.identity.Claims, Grants: p.identity.Grants,
		ExpiresAt: p.identity.ExpiresAt, TokenID: p.identity.TokenID, SessionID: p.identity.SessionID, IssuedAt: p.identity.IssuedAt,
		Bound: Binding{CertificateSHA256: p.identity.Bound.CertificateSHA256}, IssuerToken: p.identity.IssuerToken,
	}, nil
}

// May reports whether the principal has a right to the action on a stream.
func (p *Principal) May(action Action, stream string) bool {
	if action != Subscribe && action != Publish {
		return false
	}
	switch p.ruling.judge(action, stream) {
	case Allowed:
		return true
	case Denied:
		return false
	case Silent, AllowedByName:
	}
	for _, g := range p.grants {
		if g.allows(action, stream) {
			return true
		}
	}
	return false
}

// Allowances returns what each of the grants allows the principal on a stream, in the
// order of the configuration, and before them what the authority does, which is all
// records. The principal has all of them: it may read a record if one of them lets it.
func (p *Principal) Allowances(action Action, stream string) []Allowance {
	var all []Allowance
	switch p.ruling.judge(action, stream) {
	case Allowed:
		all = append(all, p.ruling.allowance(action))
	case Denied:
		return nil
	case Silent, AllowedByName:
	}
	for _, g := range p.grants {
		if g.allows(action, stream) {
			all = append(all, g.allowance(action))
		}
	}
	return all
}

// Quota returns the name of the quota for what the principal publishes to a stream: that of
// the first grant, in the order of the configuration, that has one and a right to publish
// there. Empty if none has.
func (p *Principal) Quota(stream string) string {
	for _, g := range p.grants {
		if g.quota != "" && g.allows(Publish, stream) {
			return g.quota
		}
	}
	return ""
}

// Admin reports whether the principal may operate the server: look at sessions and named
// cursors of others, end and move them. Only a grant of the configuration gives the right,
// for the tenant of the principal alone if it has one. A grant for everybody gives it to
// anonymous principals alone: those with a credential need one for their claims.
func (p *Principal) Admin() bool {
	return slices.ContainsFunc(p.grants, func(g *grant) bool { return g.admin && g.anonymous == p.anonymous })
}

// Sees reports whether the principal has any right on a stream. Where it has
// none, it should not learn whether the stream exists.
func (p *Principal) Sees(stream string) bool {
	return p.May(Subscribe, stream) || p.May(Publish, stream)
}

// Replay is how far back the principal may read a stream: the maximum of all its
// rights to subscribe, 0 for not at all, ReplayUnlimited for as far as Kafka keeps
// records.
func (p *Principal) Replay(stream string) time.Duration {
	var most time.Duration
	switch p.ruling.judge(Subscribe, stream) {
	case Allowed:
		most = p.ruling.from.Replay
	case Denied:
		return 0
	case Silent, AllowedByName:
	}
	for _, g := range p.grants {
		if g.replay > most && g.allows(Subscribe, stream) {
			most = g.replay
		}
	}
	return most
}
