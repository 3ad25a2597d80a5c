package transport

import (
	"testing"

	"sluice/auth"
)

// TestAnonymousNetworksAreOnePrincipal: a client that has one address of an IPv6
// network has all of them, and gains nothing by changing its address.
func TestAnonymousNetworksAreOnePrincipal(t *testing.T) {
	t.Parallel()
	authenticator, err := auth.New(auth.Config{Grants: []auth.Grant{{Anonymous: true, Subscribe: []string{"*"}}}})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{config: Config{Auth: authenticator}}
	principal := func(address string) string {
		c := &client{address: address}
		if s.require(c); c.fault != nil {
			t.Fatal(c.fault)
		}
		return c.principal.Key()
	}
	one, same, other := principal("2001:db8::1"), principal("2001:db8::2:3"), principal("2001:db8:0:1::1")
	if one != same || one == other {
		t.Errorf("the principals are %q, %q and %q", one, same, other)
	}
	if a, b := principal("192.0.2.7"), principal("192.0.2.8"); a == b {
		t.Errorf("two IPv4 addresses are %q", a)
	}
}
