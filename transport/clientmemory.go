package transport

import (
	"sync"
	"time"

	"sluice/auth"
	"sluice/transport/wire"
)

// memoryShares is the number of equal shares of a memory, of which a client has at most
// one: a client that has much done and does not take it leaves the rest to others. It also
// has no more than half of what is left, so that several such clients leave something.
const memoryShares = 8

// clientMemory accounts for memory that requests of clients have for themselves: of pages
// that are being sent, each of which is a copy, unlike what sessions are sent, and of the
// windows of compressed bodies.
type clientMemory struct {
	most func() int
	// busy tells a client that it has as much as it may, %d bytes, and full that nothing is
	// left.
	busy, full string

	mu    sync.Mutex
	total int
	held  map[string]int // by principal, of which an anonymous one is an address
}

func newPageMemory(limits func() *Limits) *clientMemory {
	return &clientMemory{
		most: func() int { return limits().PageMemory }, held: make(map[string]int),
		busy: "pages of %d bytes are still being sent to this client: read them first, or ask for smaller ones with limit",
		full: "too many pages are being sent to slow clients",
	}
}

func newWindowMemory(limits func() *Limits) *clientMemory {
	return &clientMemory{
		most: func() int { return limits().InflateMemory }, held: make(map[string]int),
		busy: "the windows of this client's compressed bodies take %d bytes already: compress with a smaller window, or with gzip",
		full: "too many bodies are being decompressed",
	}
}

// reserve reserves bytes for a client, until release. A client that has nothing reserved
// is given one page or window, however large.
func (m *clientMemory) reserve(p *auth.Principal, size int) (release func(), fault *wire.Error) {
	key := p.Key()
	m.mu.Lock()
	defer m.mu.Unlock()
	most, held := m.most(), m.held[key]
	switch {
	case most <= 0:
	case held > 0 && held+size > min(most/memoryShares, (most-m.total)/2):
		fault = wire.Errorf(wire.RateLimited, m.busy, held)
	case m.total > 0 && m.total+size > most:
		fault = wire.Errorf(wire.Overloaded, "%s", m.full)
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
func (m *clientMemory) bytes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total
}
