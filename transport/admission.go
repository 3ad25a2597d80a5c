package transport

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"sluice/auth"
	"sluice/transport/wire"
)

// client is who sends a request: where from, and as whom.
type client struct {
	address   string
	principal *auth.Principal // nil when it has yet to say
	fault     *wire.Error     // why it may not come in
	entry     entry
}

// identify finds out who sends a request. A request without a credential has no
// principal yet.
func (s *Server) identify(r *http.Request) *client {
	c := &client{address: s.addressOf(r)}
	if s.draining.Load() {
		c.fault = &wire.Error{
			Code:       wire.Draining,
			Message:    "this instance is going away: come back to another one",
			RetryAfter: s.comeBack(),
		}
		return c
	}
	credential, err := auth.FromRequest(r, s.config.Credentials)
	if err != nil {
		c.fault = faultOf(err)
		return c
	}
	if credential.IsZero() {
		return c
	}
	if c.principal, err = s.config.Auth.Bearer(r.Context(), credential.Token.Reveal()); err != nil {
		c.fault = faultOf(err)
	}
	return c
}

// require makes a client without a credential an anonymous one.
func (s *Server) require(c *client) {
	if c.fault != nil || c.principal != nil {
		return
	}
	var err error
	if c.principal, err = s.config.Auth.Anonymous(c.address); err != nil {
		c.fault = faultOf(err)
	}
}

// admit is identify for a request that becomes a session, which counts.
func (s *Server) admit(r *http.Request) *client {
	c := s.identify(r)
	if c.fault != nil {
		return c
	}
	network := networkOf(c.address)
	if c.fault = s.gate.enterAddress(network); c.fault != nil {
		return c
	}
	c.entry.gate, c.entry.address = s.gate, network
	if c.principal != nil {
		s.admitPrincipal(c)
	}
	return c
}

func (s *Server) admitPrincipal(c *client) {
	c.entry.principal, c.fault = s.gate.enterPrincipal(c.principal)
}

// entry is what of a client counts against limits.
type entry struct {
	gate      *gate  // nil for nothing
	address   string // "" for none that counts
	principal string // its key; likewise
}

// leave gives it back.
func (e *entry) leave() {
	if e.gate != nil {
		if e.address != "" {
			e.gate.leave(e.gate.addresses, e.address)
		}
		if e.principal != "" {
			e.gate.leave(e.gate.principals, e.principal)
		}
	}
	*e = entry{}
}

// gate counts sessions by address and by principal.
type gate struct {
	perAddress, perPrincipal int

	mu         sync.Mutex
	addresses  map[string]int
	principals map[string]int
}

func newGate(perAddress, perPrincipal int) *gate {
	return &gate{
		perAddress: perAddress, perPrincipal: perPrincipal,
		addresses: make(map[string]int), principals: make(map[string]int),
	}
}

func (g *gate) enterAddress(address string) *wire.Error {
	return g.enter(g.addresses, address, g.perAddress, "this address")
}

// enterPrincipal counts a session of a principal, under the key that it gives.
// One who is anonymous is counted by address only.
func (g *gate) enterPrincipal(p *auth.Principal) (key string, fault *wire.Error) {
	if p.Anonymous() {
		return "", nil
	}
	if fault = g.enter(g.principals, p.Key(), g.perPrincipal, "this principal"); fault != nil {
		return "", fault
	}
	return p.Key(), nil
}

func (g *gate) enter(counts map[string]int, key string, most int, whose string) *wire.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if most > 0 && counts[key] >= most {
		fault := wire.Errorf(wire.TooManySessions, "%s has %d sessions already", whose, most)
		fault.RetryAfter = 5 * time.Second
		return fault
	}
	counts[key]++
	return nil
}

func (g *gate) leave(counts map[string]int, key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}

// networkOf is what an address is counted as: all of an IPv6 /64 is one, as
// whoever has one address of it has them all (RFC 4291, section 2.5.4).
func networkOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is6() {
		return address
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}

// tokenIn reports whether a header that is a list of tokens has one.
func tokenIn(h http.Header, name, token string) bool {
	for _, value := range h.Values(name) {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}
