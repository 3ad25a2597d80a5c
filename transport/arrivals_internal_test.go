package transport

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

func TestArrivals(t *testing.T) {
	t.Parallel()
	limits := &Limits{HandshakesPerAddress: 10, SessionsPerAddress: 20}
	a := newArrivals(func() *Limits { return limits })
	now := monotime(time.Hour)
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	// admitted counts how many of n arrivals at once are admitted.
	admitted := func(from netip.Addr, n int) (count int) {
		for range n {
			if a.admit(from, now) <= 0 {
				count++
			}
		}
		return count
	}
	for i, step := range []struct {
		after time.Duration
		from  netip.Addr
		want  int // of 100
	}{
		{0, one, 20},                     // as many at once as there may be sessions
		{0, other, 20},                   // whatever others do
		{99 * time.Millisecond, one, 0},  // refused ones do not count
		{time.Millisecond, one, 1},       // ten a second
		{500 * time.Millisecond, one, 5}, //
		{time.Hour, one, 20},             // and never more at once
		{2 * time.Second, one, 20},
	} {
		now = now.Add(step.after)
		if got := admitted(step.from, 100); got != step.want {
			t.Errorf("step %d: %d are admitted, want %d", i, got, step.want)
		}
	}
	if wait := a.admit(one, now); wait <= 0 || wait > 100*time.Millisecond {
		t.Errorf("the next one is to wait %v", wait)
	}
	// The limits in force count.
	for _, none := range []Limits{{HandshakesPerAddress: 10}, {SessionsPerAddress: 20}} {
		limits = &none
		if got := admitted(one, 1000); got != 1000 {
			t.Errorf("without a limit %d are admitted", got)
		}
	}
	limits = &Limits{HandshakesPerAddress: 10, SessionsPerAddress: 1}
	now = now.Add(time.Hour)
	if got := admitted(one, 100); got != 10 {
		t.Errorf("%d are admitted at once, want those of a second", got)
	}
}

// TestArrivalsOfManyAddresses: their memory is bounded, and so is the time that an
// arrival takes. Addresses beyond the bound are not limited, and those that had
// arrived before still are.
func TestArrivalsOfManyAddresses(t *testing.T) {
	t.Parallel()
	limits := &Limits{HandshakesPerAddress: 1, SessionsPerAddress: 1}
	a := newArrivals(func() *Limits { return limits })
	now := monotime(time.Hour)
	address := func(n int) netip.Addr {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(n))))
	}
	for n := range 2 * mostArrivals {
		if wait := a.admit(address(n), now); wait > 0 {
			t.Fatalf("address %d is to wait %v", n, wait)
		}
	}
	if n := len(a.fullAt); n != mostArrivals {
		t.Errorf("%d addresses are known", n)
	}
	if a.admit(address(0), now) <= 0 || a.admit(address(2*mostArrivals-1), now) > 0 {
		t.Error("the bound does not keep those that came first")
	}
	now = now.Add(time.Minute)
	for n := range 3 {
		a.admit(address(5*mostArrivals+n), now)
	}
	if n := len(a.fullAt); n != 3 {
		t.Errorf("after a rest %d addresses are known", n)
	}
}

func TestNetworkAt(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::", "2001:db8::ffff:1": "2001:db8::", "2001:db8:0:1::1": "2001:db8:0:1::",
	} {
		if got := networkAt(netip.MustParseAddr(from)).String(); got != want {
			t.Errorf("%s counts as %s, want %s", from, got, want)
		}
	}
}
