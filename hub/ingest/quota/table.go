package quota

import (
	"hash/maphash"
	"time"
)

const (
	// crowds is how many counts newcomers without a tenant share in each scope, if there are too
	// many, and tenantCrowds is how many those of a tenant do. So many tenants have counts of
	// their own; what comes after them shares those of clients without a tenant.
	crowds, tenantCrowds = 1024, 32
	crowdedTenants       = 1024
	// looks bounds how many counts are looked at to find one to forget.
	looks = 8
)

// table has the counts of all keys, within a bound. It is guarded by the lock of Quotas.
type table struct {
	most   int
	counts map[key]*count
	// newest and oldest are the ends of the order of use.
	newest, oldest *count
	// crowd are the counts of those for whom there is no room, by tenant.
	crowd [scopes]map[string][]*count
	seed  maphash.Seed
}

func newTable(most int) *table {
	return &table{most: most, counts: make(map[key]*count), seed: maphash.MakeSeed()}
}

// of returns the count of a key, whose rule and share the caller has to fit.
func (t *table) of(k key, now time.Time) (c *count, alone bool) {
	if c := t.counts[k]; c != nil {
		t.unlink(c)
		t.push(c)
		return c, true
	}
	if len(t.counts) >= t.most && !t.forget(now) {
		return t.inCrowd(k), false
	}
	c = &count{key: k}
	t.counts[k] = c
	t.push(c)
	return c, true
}

// forget forgets a count that has rested, of those that were not used for the longest time.
// Any that is still in use becomes a recently used one.
func (t *table) forget(now time.Time) bool {
	for range looks {
		c := t.oldest
		if c.rested(now) {
			t.unlink(c)
			delete(t.counts, c.key)
			return true
		}
		t.unlink(c)
		t.push(c)
	}
	return false
}

// inCrowd returns the count that a key shares with others.
func (t *table) inCrowd(k key) *count {
	all := t.crowdOf(k)
	at := maphash.Comparable(t.seed, k) % uint64(len(all))
	if all[at] == nil {
		all[at] = &count{key: key{by: k.by}}
	}
	return all[at]
}

// crowdOf returns the counts that newcomers of a tenant share.
func (t *table) crowdOf(k key) []*count {
	tenants := t.crowd[k.by]
	if tenants == nil {
		tenants = map[string][]*count{"": make([]*count, crowds)}
		t.crowd[k.by] = tenants
	}
	all := tenants[k.tenant]
	switch {
	case all != nil:
		return all
	case len(tenants) > crowdedTenants:
		return tenants[""]
	}
	all = make([]*count, tenantCrowds)
	tenants[k.tenant] = all
	return all
}

func (t *table) push(c *count) {
	c.older, c.newer = t.newest, nil
	if t.newest != nil {
		t.newest.newer = c
	} else {
		t.oldest = c
	}
	t.newest = c
}

func (t *table) unlink(c *count) {
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		t.newest = c.older
	}
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		t.oldest = c.newer
	}
	c.newer, c.older = nil, nil
}
