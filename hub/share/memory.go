package share

import "sync"

// Memory bounds bytes that clients have in use.
type Memory struct {
	// Most returns how many bytes there are, 0 for no bound.
	Most func() int64
	// Principal returns how many bytes a principal of a tenant may have that has some, of so
	// many in all of which so many are left. One without a tenant is bounded as a tenant is.
	Principal func(most, left int64) int64

	mu         sync.Mutex
	total      int64
	tenants    map[string]int64
	principals map[Client]int64
}

// Answer says whether bytes were reserved.
type Answer int

// The answers.
const (
	// Granted: they were reserved.
	Granted Answer = iota
	// Busy: the principal has as much as it may have.
	Busy
	// TenantBusy: the tenant has.
	TenantBusy
	// Full: not as much is left.
	Full
)

// Reserve reserves bytes for a client, which are given back with Give if they were granted. A
// principal that has nothing, of a tenant that has nothing, is given what is left, and any
// size if nobody has anything. Clients without a principal are not bounded as one. Held is
// what the client has.
func (m *Memory) Reserve(of Client, size int64) (answer Answer, held int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	most := m.Most()
	left := most - m.total
	each := tenantRatio * left
	if of.Tenant != "" {
		each = m.Principal(most, left)
	}
	held, tenant := m.principals[of], m.tenants[of.Tenant]
	switch {
	case most <= 0:
	case held > 0 && of.Principal != "" && held+size > each:
		return Busy, held
	case tenant > 0 && of.Tenant != "" && tenant+size > tenantRatio*left:
		return TenantBusy, held
	case m.total > 0 && size > left:
		return Full, held
	}
	if m.principals == nil {
		m.tenants, m.principals = make(map[string]int64), make(map[Client]int64)
	}
	m.total += size
	m.tenants[of.Tenant] += size
	m.principals[of] += size
	return Granted, held + size
}

// Give gives bytes of a client back.
func (m *Memory) Give(of Client, size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total -= size
	if m.tenants[of.Tenant] -= size; m.tenants[of.Tenant] <= 0 {
		delete(m.tenants, of.Tenant)
	}
	if m.principals[of] -= size; m.principals[of] <= 0 {
		delete(m.principals, of)
	}
}

// Bytes returns how much is reserved.
func (m *Memory) Bytes() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total
}
