package transport

import (
	"sync"
	"time"

	"sluice/auth"
	"sluice/transport/wire"
)

// gate counts sessions and long-polling pages, by address, by principal and by tenant,
// and the publishes in flight of each tenant.
type gate struct {
	limits func() *Limits

	mu         sync.Mutex
	addresses  tally
	principals tally
	tenants    tally
	publishes  tally
}

// tally counts by a key.
type tally struct {
	held  map[string]int
	total int
}

func newGate(limits func() *Limits) *gate {
	return &gate{
		limits: limits, addresses: newTally(), principals: newTally(), tenants: newTally(), publishes: newTally(),
	}
}

func newTally() tally { return tally{held: make(map[string]int)} }

// admission is what one client counts as. It has exactly one holder: the request
// that asked for it, and then the session that the request becomes. It is not
// copied; its holder releases it.
type admission struct {
	gate *gate

	// Guarded by the gate's lock.
	address   string
	principal string // "" if the client is not counted by principal
	tenant    string // "" if it has none
	known     bool   // it is counted by principal and tenant, where it has them
	released  bool
}

// admit counts a client of an address.
func (g *gate) admit(address string) (*admission, *wire.Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if fault := g.addresses.add(address, g.limits().SessionsPerAddress, "this address"); fault != nil {
		return nil, fault
	}
	return &admission{gate: g, address: address}, nil
}

// identified counts the client for its principal and its tenant too, once they are
// known. An anonymous client is not counted by principal.
func (a *admission) identified(p *auth.Principal) *wire.Error {
	g := a.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.released || a.known {
		return nil
	}
	tenant := p.Tenant()
	if tenant != "" {
		if fault := g.tenants.add(tenant, g.limits().SessionsPerTenant, "this tenant"); fault != nil {
			return fault
		}
	}
	if !p.Anonymous() {
		if fault := g.principals.add(p.Key(), g.limits().SessionsPerPrincipal, "this principal"); fault != nil {
			if tenant != "" {
				g.tenants.remove(tenant) // the client may ask again, as whomever
			}
			return fault
		}
		a.principal = p.Key()
	}
	a.tenant, a.known = tenant, true
	return nil
}

// named counts a client for the principal that it turns out to be after it was counted as
// an anonymous one of the same tenant.
func (a *admission) named(p *auth.Principal) *wire.Error {
	g := a.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.released || a.principal != "" || p.Anonymous() {
		return nil
	}
	if fault := g.principals.add(p.Key(), g.limits().SessionsPerPrincipal, "this principal"); fault != nil {
		return fault
	}
	a.principal = p.Key()
	return nil
}

// release releases everything that the client counts as. It can be called more than
// once, and on a nil admission.
func (a *admission) release() {
	if a == nil {
		return
	}
	g := a.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.released {
		return
	}
	a.released = true
	g.addresses.remove(a.address)
	if a.principal != "" {
		g.principals.remove(a.principal)
	}
	if a.tenant != "" {
		g.tenants.remove(a.tenant)
	}
}

// mayPublish counts a publish of a tenant, which published ends.
func (g *gate) mayPublish(tenant string) bool {
	if tenant == "" {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.publishes.add(tenant, g.limits().PublishesPerTenant, "this tenant") == nil
}

func (g *gate) published(tenant string) {
	if tenant == "" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.publishes.remove(tenant)
}

// ofTenant returns how many sessions a tenant has.
func (g *gate) ofTenant(tenant string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tenants.held[tenant]
}

// held returns how many admissions are held, by address and by principal.
func (g *gate) held() (byAddress, byPrincipal int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.addresses.total, g.principals.total
}

func (t *tally) add(key string, most int, whose string) *wire.Error {
	if most > 0 && t.held[key] >= most {
		fault := wire.Errorf(wire.TooManySessions, "%s already has %d sessions", whose, most)
		fault.RetryAfter = 5 * time.Second
		return fault
	}
	t.held[key]++
	t.total++
	return nil
}

func (t *tally) remove(key string) {
	t.total--
	if t.held[key]--; t.held[key] == 0 {
		delete(t.held, key)
	}
}
