package transport

import (
	"sync"
	"time"

	"sluice/auth"
	"sluice/transport/wire"
)

// pageShares is the number of equal shares of the memory of pages, of which a client has
// at most one: a client that asks for many pages and does not read them leaves the rest to
// others.
const pageShares = 8

// pageMemory accounts for the memory of pages that are being sent: unlike sessions, which
// are sent what all of them share, each has a copy of its own.
type pageMemory struct {
	limits func() *Limits

	mu    sync.Mutex
	total int
	held  map[string]int // by principal, of which an anonymous one is an address
}

func newPageMemory(limits func() *Limits) *pageMemory {
	return &pageMemory{limits: limits, held: make(map[string]int)}
}

// reserve reserves the bytes of a page for a client, until release. A client that has
// nothing reserved is given one page, however large.
func (m *pageMemory) reserve(p *auth.Principal, size int) (release func(), fault *wire.Error) {
	key := p.Key()
	m.mu.Lock()
	defer m.mu.Unlock()
	most, held := m.limits().PageMemory, m.held[key]
	switch {
	case most <= 0:
	case held > 0 && held+size > most/pageShares:
		fault = wire.Errorf(wire.RateLimited, "pages of %d bytes are still being sent to this client: read them first, or ask for smaller ones with limit", held)
	case m.total > 0 && m.total+size > most:
		fault = wire.Errorf(wire.Overloaded, "too many pages are being sent to slow clients")
	}
	if fault != nil {
		fault.RetryAfter = time.Second
		return nil, fault
	}
	m.held[key] += size
	m.total += size
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.total -= size
		if m.held[key] -= size; m.held[key] <= 0 {
			delete(m.held, key)
		}
	}, nil
}

// bytes returns how much is reserved.
func (m *pageMemory) bytes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total
}
