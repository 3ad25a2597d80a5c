package config

import (
	"maps"
	"slices"
	"strings"

	"sluice/auth"
)

// Tenants configures which tenant a client belongs to.
type Tenants struct {
	Claim string `koanf:"claim" doc:"claim that names the tenant of a token: 1 to 63 of A-Z a-z 0-9 _ -; a name such as /org/id is a JSON Pointer. A client without the claim has the streams that belong to no tenant"`
	Host  string `koanf:"host" validate:"omitempty,tenant_host" doc:"host name of clients, such as {tenant}.example.com. With claim, a token is accepted only at the host of its tenant; without claim, a token is accepted at every host, so its rights must be the same for all tenants"`
}

// maxTopicBytes is the length of a topic's name in Kafka.
const maxTopicBytes = 249

// isTopicTemplate reports whether a text is the name of a topic, or one with the id of a
// tenant in it.
func isTopicTemplate(s string) bool {
	before, after, has := strings.Cut(s, auth.TenantPlaceholder)
	if !has {
		return isTopicName(s)
	}
	return isTopicName(before+"t"+after) && len(before)+auth.MaxTenantBytes+len(after) <= maxTopicBytes
}

func isTenantHost(s string) bool {
	domain, ok := strings.CutPrefix(s, auth.TenantPlaceholder+".")
	return ok && isHostName("t."+domain)
}

// checkTenants checks that no two tenants can have the same topic.
func checkTenants(c *Config, f *faults) {
	if t := c.Tenants; t != nil {
		if t.Claim == "" && t.Host == "" && !f.below("tenants") {
			f.addOnce("tenants", "set claim or host: what names the tenant of a client")
		}
		if claim := c.Auth.Revocations.TenantClaim; t.Claim != "" && claim != t.Claim && claim != auth.DefaultTenantClaim {
			f.addOnce("auth/revocations/tenant_claim", "is another claim than tenants/claim: leave it out")
		}
	}
	names := slices.Sorted(maps.Keys(c.Streams))
	for i, name := range names {
		stream, path := c.Streams[name], join("streams", name)
		if !strings.Contains(stream.Topic, auth.TenantPlaceholder) || f.below(path+"/topic") {
			continue
		}
		switch {
		case c.Tenants == nil:
			f.addOnce(path+"/topic", "has %s, but the section tenants is missing", auth.TenantPlaceholder)
		case stream.Partitions > 0:
			f.addOnce(path+"/partitions", "topics of tenants are not created by the server: create them with the tenant, and remove partitions")
		case name == c.Audit.Stream:
			f.addOnce(path+"/topic", "the stream of audit events is the same for all tenants: remove %s", auth.TenantPlaceholder)
		}
		for k, other := range names {
			if k == i || c.Streams[other].Cluster != stream.Cluster {
				continue
			}
			if topic := sharedTopic(stream.Topic, c.Streams[other].Topic); topic != "" {
				f.addOnce(path+"/topic", "two tenants could have the topic %s, here and in streams/%s: separate the tenant from the rest of the name by dots, such as tenants.%s.%s",
					topic, other, auth.TenantPlaceholder, name)
			}
		}
	}
}

// sharedTopic returns a topic that a template makes for one tenant, and another template
// for another tenant, or which is the other name without a tenant in it. It is empty if
// there is none.
func sharedTopic(template, other string) string {
	p1, s1, _ := strings.Cut(template, auth.TenantPlaceholder)
	p2, s2, both := strings.Cut(other, auth.TenantPlaceholder)
	if !both {
		id, ok := strings.CutPrefix(other, p1)
		if ok {
			id, ok = strings.CutSuffix(id, s1)
		}
		if ok && auth.ValidTenant(id) {
			return other
		}
		return ""
	}
	if !strings.HasPrefix(p2, p1) {
		p1, s1, p2, s2 = p2, s2, p1, s1
	}
	left, ok := strings.CutPrefix(p2, p1)
	if !ok {
		return ""
	}
	inner := func(s string) bool { return s == "" || auth.ValidTenant(s) }
	if right, ok := strings.CutSuffix(s2, s1); ok {
		// The first is for the tenant left + id + right, the second for id.
		if left+right != "" && inner(left) && inner(right) {
			return p2 + "a" + s2
		}
		return ""
	}
	right, ok := strings.CutSuffix(s1, s2)
	if !ok {
		return ""
	}
	// The first is for the tenant left + id, the second for id + right.
	if left+right != "" && inner(left) && inner(right) {
		return p2 + "a" + right + s2
	}
	// The first is for a tenant at the beginning of left, the second for one at the end
	// of right, and what is between them is in both.
	for i := 1; i < len(left); i++ {
		first, between := left[:i], left[i:]
		if second, ok := strings.CutPrefix(right, between); ok && first != second && auth.ValidTenant(first) && auth.ValidTenant(second) {
			return p1 + first + s1
		}
	}
	return ""
}
