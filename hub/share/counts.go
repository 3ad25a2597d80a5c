package share

// Bounds bound what is in progress at the same time. 0 is no bound.
type Bounds struct {
	// Total is for all clients together.
	Total int
	// Tenant is for all clients of a tenant. Clients without one are not bounded by it.
	Tenant int
	// Principal is for each principal.
	Principal int
	// Spare keeps a tenant, and a principal without one, that has some from the last one and
	// from more than three times as many as are free: some remain for those that have none,
	// and two who have as many as they may have fewer each. It has no effect without Total.
	Spare bool
}

// Counts counts work that is in progress: in all, for each tenant and for each principal.
// Guarded by the owner.
type Counts struct {
	bounds func() Bounds

	running    int
	tenants    map[string]int
	principals map[Client]int
}

// NewCounts returns counts of nothing. The bounds are asked for each time.
func NewCounts(bounds func() Bounds) Counts {
	return Counts{bounds: bounds, tenants: make(map[string]int), principals: make(map[Client]int)}
}

// Full reports whether nothing more may begin, for any client.
func (c *Counts) Full() bool {
	total := c.bounds().Total
	return total > 0 && c.running >= total
}

// Room reports whether more may begin for a client.
func (c *Counts) Room(of Client) bool {
	b := c.bounds()
	return c.tenantRoom(b, of.Tenant) && c.principalRoom(b, of)
}

// tenantRoom reports whether more may begin, for a tenant.
func (c *Counts) tenantRoom(b Bounds, tenant string) bool {
	if b.Total > 0 && c.running >= b.Total {
		return false
	}
	has := c.tenants[tenant]
	return tenant == "" || (b.Tenant <= 0 || has < b.Tenant) && c.spares(b, has)
}

// principalRoom reports whether more may begin for a principal, if it may for its tenant.
func (c *Counts) principalRoom(b Bounds, of Client) bool {
	has := c.principals[of]
	return (b.Principal <= 0 || has < b.Principal) && (of.Tenant != "" || c.spares(b, has))
}

// spares reports whether enough remains for others if who has so many has one more.
func (c *Counts) spares(b Bounds, has int) bool {
	free := b.Total - c.running
	return !b.Spare || b.Total <= 0 || has == 0 || free > 1 && has < tenantRatio*free
}

// Take counts what begins for a client.
func (c *Counts) Take(of Client) {
	c.running++
	c.principals[of]++
	c.tenants[of.Tenant]++
}

// Give counts what has ended for a client.
func (c *Counts) Give(of Client) {
	c.running--
	if c.principals[of]--; c.principals[of] == 0 {
		delete(c.principals, of)
	}
	if c.tenants[of.Tenant]--; c.tenants[of.Tenant] == 0 {
		delete(c.tenants, of.Tenant)
	}
}

// Running returns how much is in progress.
func (c *Counts) Running() int { return c.running }
