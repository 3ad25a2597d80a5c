package auth

import (
	"errors"
	"fmt"
	"net"
	"strings"
)

// TenantPlaceholder stands for the id of the tenant in Tenancy.Host and in the names
// of topics.
const TenantPlaceholder = "{tenant}"

// MaxTenantBytes is the maximum length of a tenant's id: that of a label of a host name
// (RFC 1035 section 2.3.4).
const MaxTenantBytes = 63

// Tenancy tells which tenant a client belongs to. With the zero Tenancy there are no
// tenants. With both fields, the host name chooses the tenant, and a credential is
// accepted only if its claim names the same one.
type Tenancy struct {
	// Claim is the claim that names the tenant, a name or a JSON Pointer as in
	// Grant.When.
	Claim string
	// Host is the host name that clients use, with TenantPlaceholder as its first
	// label.
	Host string
}

// tenancy is a Tenancy that has been validated.
type tenancy struct {
	claim  []string // path of the claim, nil for none
	domain string   // what follows the tenant in a host name, with its dot, "" for none
}

func newTenancy(config Tenancy) (made tenancy, err error) {
	if config.Claim != "" {
		if made.claim, err = claimPath(config.Claim); err != nil {
			return tenancy{}, fmt.Errorf("check claim of tenants: %w", err)
		}
	}
	if config.Host == "" {
		return made, nil
	}
	domain, ok := strings.CutPrefix(strings.ToLower(config.Host), TenantPlaceholder+".")
	if !ok || domain == "" || strings.ContainsAny(domain, "{}:/") {
		return tenancy{}, errors.New("check host of tenants: it is not a host name that begins with {tenant}")
	}
	made.domain = "." + domain
	return made, nil
}

// HasTenants reports whether clients belong to tenants.
func (a *Authenticator) HasTenants() bool { return a.tenancy.claim != nil || a.tenancy.domain != "" }

// ValidTenant reports whether a text can be the id of a tenant: 1 to 63 of the
// characters A-Z a-z 0-9 _ -. An id has no dot, so that it is one part of a topic's name
// and one label of a host name.
func ValidTenant(id string) bool {
	if id == "" || len(id) > MaxTenantBytes {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// HostTenant returns the tenant that a client's host name, with or without a port,
// stands for, or "" for none.
func (a *Authenticator) HostTenant(host string) string {
	if a.tenancy.domain == "" {
		return ""
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	id, ok := strings.CutSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), a.tenancy.domain)
	if !ok || !ValidTenant(id) {
		return ""
	}
	return strings.Clone(id) // the host name is part of a whole request
}

// tenantOf returns the tenant of a credential with these claims that is used at the
// host of a tenant.
func (t *tenancy) tenantOf(c claims, host string) (string, error) {
	if t.claim == nil {
		return host, nil
	}
	id := ""
	if value, ok := c.find(t.claim); ok && value != nil {
		if id, ok = value.(string); !ok || !ValidTenant(id) {
			return "", unauthenticated("the claim that names the tenant is not 1 to 63 characters of A-Z a-z 0-9 _ -")
		}
	}
	if t.domain != "" && id != host {
		return "", unauthenticated("the credential belongs to another tenant than the host name")
	}
	return id, nil
}

// Tenant is the id of the tenant that the principal belongs to, "" for none. What
// belongs to different tenants never meets: the principal sees the streams of its tenant
// and those that are no tenant's.
func (p *Principal) Tenant() string { return p.tenant }
