package share

import "slices"

// Lines are what waits for a share: a line for each tenant, and one for the clients
// without a tenant. Guarded by the owner.
type Lines[T comparable] struct {
	clientOf func(T) Client
	mayBegin func(T) bool

	of      map[string][]T
	tenants []string // that have a line, in the order of their turns
	n       int
}

// NewLines returns lines in which nothing waits. clientOf returns for whom something is;
// mayBegin whether it may begin if there is room for it, which all may if it is nil.
func NewLines[T comparable](clientOf func(T) Client, mayBegin func(T) bool) Lines[T] {
	return Lines[T]{clientOf: clientOf, mayBegin: mayBegin, of: make(map[string][]T)}
}

// Len returns how many wait.
func (l *Lines[T]) Len() int { return l.n }

// Add adds what waits from now on, at the end of its line.
func (l *Lines[T]) Add(x T) {
	tenant := l.clientOf(x).Tenant
	if len(l.of[tenant]) == 0 {
		l.tenants = append(l.tenants, tenant)
	}
	l.of[tenant] = append(l.of[tenant], x)
	l.n++
}

// Remove removes what waits no longer, and reports whether it did.
func (l *Lines[T]) Remove(x T) bool {
	tenant := l.clientOf(x).Tenant
	i := slices.Index(l.of[tenant], x)
	if i < 0 {
		return false
	}
	l.removeAt(tenant, i)
	return true
}

func (l *Lines[T]) removeAt(tenant string, i int) {
	l.n--
	if line := slices.Delete(l.of[tenant], i, i+1); len(line) > 0 {
		l.of[tenant] = line
		return
	}
	l.drop(tenant)
}

// drop removes the line of a tenant, in which nobody waits.
func (l *Lines[T]) drop(tenant string) {
	delete(l.of, tenant)
	l.tenants = slices.Delete(l.tenants, slices.Index(l.tenants, tenant), slices.Index(l.tenants, tenant)+1)
}

// Next removes and returns what may begin. Tenants have turns alike, however many of
// their clients wait: the next is for the tenant with the least in progress, and in its
// line for the first client for which there is room.
func (l *Lines[T]) Next(c *Counts) (x T, ok bool) {
	if c.Full() {
		return x, false
	}
	b := c.bounds()
	tenant, at, least := "", -1, 0
	for _, t := range l.tenants {
		busy := c.tenants[t]
		if at >= 0 && busy >= least || !c.tenantRoom(b, t) {
			continue
		}
		i := l.first(t, c, b)
		if i < 0 {
			continue
		}
		if tenant, at, least = t, i, busy; least == 0 {
			break
		}
	}
	if at < 0 {
		return x, false
	}
	x = l.of[tenant][at]
	l.removeAt(tenant, at)
	if len(l.of[tenant]) > 0 { // others come first, if as much is in progress for them
		l.tenants = append(slices.Delete(l.tenants, slices.Index(l.tenants, tenant), slices.Index(l.tenants, tenant)+1), tenant)
	}
	return x, true
}

// first returns the place in a tenant's line of the first for which there is room, if there is
// for the tenant, and -1 if there is none. It is quick where many of one principal wait.
func (l *Lines[T]) first(tenant string, c *Counts, b Bounds) int {
	full, known := Client{}, false // who has no room
	return slices.IndexFunc(l.of[tenant], func(x T) bool {
		of := l.clientOf(x)
		if known && of == full {
			return false
		}
		if !c.principalRoom(b, of) {
			full, known = of, true
			return false
		}
		return l.mayBegin == nil || l.mayBegin(x)
	})
}

// Sift removes what it is told to.
func (l *Lines[T]) Sift(drop func(T) bool) {
	for _, tenant := range slices.Clone(l.tenants) {
		was := len(l.of[tenant])
		line := slices.DeleteFunc(l.of[tenant], drop)
		l.n -= was - len(line)
		if l.of[tenant] = line; len(line) == 0 {
			l.drop(tenant)
		}
	}
}
