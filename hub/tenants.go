package hub

import (
	"errors"
	"slices"
	"strings"
	"time"

	"sluice/hub/redact"
)

// ErrTooManyStreams means that as many streams of tenants are in use as may be.
var ErrTooManyStreams = errors.New("too many streams of tenants are in use")

// tenantIdle is how long a tenant's stream is kept at least after a request has found
// it, so that it is not removed before the request has begun to use it.
const tenantIdle = 10 * time.Second

// missingIdle is tenantIdle for a stream without a topic. It is short because clients can
// invent tenants, with host names, faster than their streams would make room for others.
const missingIdle = time.Second

// Has reports whether a tenant has a stream of the name.
func (h *Hub) Has(tenant, name string) bool {
	st, ok := h.streams()[name]
	return ok && (tenant != "" || !st.isTemplate())
}

// find returns a stream as a tenant has it: its own, or the one that all have.
func (h *Hub) find(tenant, name string) (*stream, error) {
	st, ok := h.streams()[name]
	if !ok || st.isTemplate() && tenant == "" {
		return nil, ErrUnknownStream
	}
	if !st.isTemplate() {
		return st, nil
	}
	return h.ofTenant(tenantStream{st, tenant})
}

// ofTenant returns a tenant's stream, and makes it if there is none.
func (h *Hub) ofTenant(which tenantStream) (*stream, error) {
	h.tenants.mu.RLock()
	st := h.tenants.all[which]
	if st != nil {
		st.used.Store(h.now().UnixNano())
	}
	h.tenants.mu.RUnlock()
	if st != nil {
		return st, nil
	}
	made := h.newTenantStream(which)
	h.tenants.mu.Lock()
	defer h.tenants.mu.Unlock()
	if st := h.tenants.all[which]; st != nil {
		return st, nil
	}
	if most := h.limits().TenantStreams; most > 0 && len(h.tenants.all) >= most && !h.tenants.removeIdlest(h.now()) {
		return nil, ErrTooManyStreams
	}
	if which.template.isRetired() {
		return nil, ErrUnknownStream
	}
	if ctx := h.running(); !h.spawn(func() {
		made.watchTips(ctx, func(window time.Duration) bool { return h.removeIfIdle(made, window) })
		// Nothing is asked about the topic any more of which something would be kept.
		made.forget()
	}) {
		return made, nil // it cannot be read, and nothing would remove it
	}
	if h.tenants.all == nil {
		h.tenants.all = make(map[tenantStream]*stream)
	}
	h.tenants.all[which] = made
	return made, nil
}

func (h *Hub) newTenantStream(of tenantStream) *stream {
	s := of.template.Stream
	s.Topic = strings.ReplaceAll(s.Topic, TenantPlaceholder, of.tenant)
	var hides *redact.Redaction
	if c := of.template.encoder.decrypts; c != nil {
		hides = c.hides
	}
	st := h.newStream(s, hides)
	st.tenant, st.template, st.since = of.tenant, of.template, of.template.since
	st.logger = st.logger.With("tenant", of.tenant)
	if c := st.encoder.decrypts; c != nil {
		c.logger = st.logger
	}
	st.used.Store(h.now().UnixNano())
	return st
}

// removeIdlest makes room for another stream. It looks at all of them, so it removes all that
// are not used and have no topic, which cost clients nothing to invent, and of the others only
// the one that was used least recently. The caller holds the lock.
func (t *tenantStreams) removeIdlest(now time.Time) (removed bool) {
	var idlest *stream
	var key tenantStream
	for which, st := range t.all {
		kept := tenantIdle
		if st.missing.Load() {
			kept = missingIdle
		}
		switch {
		case !st.idleSince(now.Add(-kept)):
		case st.missing.Load():
			delete(t.all, which)
			st.retire()
			removed = true
		case idlest == nil || st.used.Load() < idlest.used.Load():
			idlest, key = st, which
		}
	}
	if removed || idlest == nil {
		return removed
	}
	delete(t.all, key)
	idlest.retire()
	return true
}

// idleSince reports whether a tenant's stream is not in use, and was not since a
// time.
func (st *stream) idleSince(at time.Time) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.users == 0 && st.reading == nil && st.used.Load() <= at.UnixNano()
}

// removeIfIdle removes a tenant's stream that was not used for a while, or that has no
// topic: what it knows of its topic is of no use any more.
func (h *Hub) removeIfIdle(st *stream, idle time.Duration) bool {
	which := tenantStream{st.template, st.tenant}
	h.tenants.mu.Lock()
	defer h.tenants.mu.Unlock()
	if st.missing.Load() {
		idle = 0
	}
	if h.tenants.all[which] != st || !st.idleSince(h.now().Add(-max(idle, tenantIdle))) {
		return false
	}
	delete(h.tenants.all, which)
	st.retire()
	return true
}

// remove removes the streams of a template that is no longer in force.
func (t *tenantStreams) remove(template *stream) (removed []*stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for which, st := range t.all {
		if which.template == template {
			delete(t.all, which)
			removed = append(removed, st)
		}
	}
	return removed
}

// every returns all streams that can be read: of the configuration without the
// templates, and of tenants. They are sorted by name and tenant.
func (h *Hub) every() []*stream {
	var all []*stream
	for _, st := range h.streams() {
		if !st.isTemplate() {
			all = append(all, st)
		}
	}
	h.tenants.mu.RLock()
	for _, st := range h.tenants.all {
		all = append(all, st)
	}
	h.tenants.mu.RUnlock()
	slices.SortFunc(all, func(a, b *stream) int {
		return strings.Compare(a.Name+"\x00"+a.tenant, b.Name+"\x00"+b.tenant)
	})
	return all
}
