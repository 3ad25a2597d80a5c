package hub

import "slices"

// client is whom work is done for.
type client struct{ tenant, principal string }

// shares counts work that is in progress: in all, for each tenant and for each
// principal. 0 is no bound. Guarded by the owner.
type shares struct {
	limits func() *Limits

	running    int
	tenants    map[string]int
	principals map[string]int
}

func newShares(limits func() *Limits) shares {
	return shares{limits: limits, tenants: make(map[string]int), principals: make(map[string]int)}
}

// full reports whether nothing more may begin, for any client.
func (s *shares) full() bool {
	total := s.limits().ReplaysPerInstance
	return total > 0 && s.running >= total
}

// room reports whether more may begin for a client.
func (s *shares) room(of client) bool {
	l := s.limits()
	return !s.full() && (l.ReplaysPerPrincipal <= 0 || s.principals[of.principal] < l.ReplaysPerPrincipal) &&
		(of.tenant == "" || l.ReplaysPerTenant <= 0 || s.tenants[of.tenant] < l.ReplaysPerTenant)
}

func (s *shares) take(of client) {
	s.running++
	s.principals[of.principal]++
	s.tenants[of.tenant]++
}

func (s *shares) giveBack(of client) {
	s.running--
	if s.principals[of.principal]--; s.principals[of.principal] == 0 {
		delete(s.principals, of.principal)
	}
	if s.tenants[of.tenant]--; s.tenants[of.tenant] == 0 {
		delete(s.tenants, of.tenant)
	}
}

// lines are what waits for a share: a line for each tenant, and one for the clients
// without a tenant. Guarded by the owner.
type lines[T comparable] struct {
	clientOf func(T) client
	mayBegin func(T) bool // nil if all may that have room

	of      map[string][]T
	tenants []string // that have a line, in the order of their turns
	n       int
}

func newLines[T comparable](clientOf func(T) client) lines[T] {
	return lines[T]{clientOf: clientOf, of: make(map[string][]T)}
}

func (l *lines[T]) len() int { return l.n }

func (l *lines[T]) add(x T) {
	tenant := l.clientOf(x).tenant
	if len(l.of[tenant]) == 0 {
		l.tenants = append(l.tenants, tenant)
	}
	l.of[tenant] = append(l.of[tenant], x)
	l.n++
}

// remove reports whether x was waiting.
func (l *lines[T]) remove(x T) bool {
	tenant := l.clientOf(x).tenant
	i := slices.Index(l.of[tenant], x)
	if i < 0 {
		return false
	}
	l.removeAt(tenant, i)
	return true
}

func (l *lines[T]) removeAt(tenant string, i int) {
	l.n--
	if line := slices.Delete(l.of[tenant], i, i+1); len(line) > 0 {
		l.of[tenant] = line
		return
	}
	l.drop(tenant)
}

// drop removes the line of a tenant, in which nobody waits.
func (l *lines[T]) drop(tenant string) {
	delete(l.of, tenant)
	l.tenants = slices.Delete(l.tenants, slices.Index(l.tenants, tenant), slices.Index(l.tenants, tenant)+1)
}

// next removes and returns what may begin. Tenants have turns alike, however many of
// their clients wait: the next is for the tenant with the least in progress, and in its
// line for the first client that has room.
func (l *lines[T]) next(s *shares) (x T, ok bool) {
	if s.full() {
		return x, false
	}
	tenant, at, least := "", -1, 0
	for _, t := range l.tenants {
		busy := s.tenants[t]
		if at >= 0 && busy >= least {
			continue
		}
		i := slices.IndexFunc(l.of[t], func(x T) bool {
			return s.room(l.clientOf(x)) && (l.mayBegin == nil || l.mayBegin(x))
		})
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

// sift removes what it is told to.
func (l *lines[T]) sift(drop func(T) bool) {
	for _, tenant := range slices.Clone(l.tenants) {
		was := len(l.of[tenant])
		line := slices.DeleteFunc(l.of[tenant], drop)
		l.n -= was - len(line)
		if l.of[tenant] = line; len(line) == 0 {
			l.drop(tenant)
		}
	}
}
