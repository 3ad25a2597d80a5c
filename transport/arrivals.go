package transport

import (
	"net/netip"
	"sync"
	"time"
)

// Bounds of the memory for addresses that have arrived lately.
const (
	mostArrivals  = 1 << 16 // addresses; those beyond are not limited
	firstArrivals = 1 << 10 // addresses after which those that have rested are forgotten
)

// arrivals limits how often clients of one address may arrive: each arrival uses what
// a time refills (a token bucket, as the one time at which it is full again: GCRA).
type arrivals struct {
	limits func() *Limits

	mu     sync.Mutex
	fullAt map[netip.Addr]monotime
	sweep  int      // the number of addresses at which to look for those to forget
	swept  monotime // when that was last done
}

func newArrivals(limits func() *Limits) *arrivals {
	return &arrivals{limits: limits, fullAt: make(map[netip.Addr]monotime), sweep: firstArrivals}
}

// admit counts an arrival. If it comes too fast, it does not count, and wait is when
// the next one may come.
func (a *arrivals) admit(from netip.Addr, now monotime) (wait time.Duration) {
	rate, atOnce := a.limits().handshakes()
	if rate <= 0 {
		return 0
	}
	each := time.Second / time.Duration(rate)
	a.mu.Lock()
	defer a.mu.Unlock()
	full, known := a.fullAt[from]
	if !known && !a.room(now) {
		return 0
	}
	if full.Before(now) {
		full = now
	}
	if wait = full.Sub(now) - each*time.Duration(atOnce-1); wait > 0 {
		return wait
	}
	a.fullAt[from] = full.Add(each)
	return 0
}

// room forgets the addresses that have rested, if there are many, and reports whether
// there is room for another one.
func (a *arrivals) room(now monotime) bool {
	switch {
	case len(a.fullAt) < a.sweep:
		return true
	case len(a.fullAt) >= mostArrivals && now.Sub(a.swept) < time.Second:
		return false // a look takes a while
	}
	a.swept = now
	for from, full := range a.fullAt {
		if !now.Before(full) {
			delete(a.fullAt, from)
		}
	}
	// At least as many come before the next look.
	a.sweep = min(max(2*len(a.fullAt), firstArrivals), mostArrivals)
	return len(a.fullAt) < mostArrivals
}

// handshakes returns how many arrivals of an address a second are admitted, and how
// many at once: as many as it may have sessions, so that all can come back at once.
// rate is 0 for no limit.
func (l *Limits) handshakes() (rate, atOnce int) {
	if l.HandshakesPerAddress <= 0 || l.SessionsPerAddress <= 0 {
		return 0, 0
	}
	return l.HandshakesPerAddress, max(l.HandshakesPerAddress, l.SessionsPerAddress)
}
