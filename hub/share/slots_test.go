package share_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"sluice/hub/share"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asks is who waits for slots, and in which order they got them.
type asks struct {
	slots *share.Slots
	all   sync.WaitGroup
	mu    sync.Mutex
	got   []string
}

func (a *asks) take(of share.Client) {
	a.all.Go(func() {
		if a.slots.Take(context.Background(), of) == nil {
			a.mu.Lock()
			a.got = append(a.got, of.Tenant)
			a.mu.Unlock()
		}
	})
	synctest.Wait() // so that those who ask are in order
}

func within(b share.Bounds) *share.Slots {
	return share.NewSlots(func() share.Bounds { return b })
}

// TestTenantsTakeSlotsInTurn: the slots that one tenant waits for in a crowd come to another
// one first that has fewer.
func TestTenantsTakeSlotsInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &asks{slots: within(share.Bounds{Total: 2})}
		for n := range 10 {
			a.take(share.Client{Tenant: "many", Principal: fmt.Sprint(n)})
		}
		a.take(share.Client{Tenant: "few", Principal: "p"})
		for _, p := range []string{"0", "1"} {
			a.slots.Give(share.Client{Tenant: "many", Principal: p})
			synctest.Wait()
		}
		if want := []string{"many", "many", "few", "many"}; !slices.Equal(a.got, want) {
			t.Errorf("slots were for %q, want %q", a.got, want)
		}
		a.slots.Give(share.Client{Tenant: "few", Principal: "p"})
		for n := range 8 {
			a.slots.Give(share.Client{Tenant: "many", Principal: fmt.Sprint(n + 2)})
			synctest.Wait()
		}
		a.all.Wait()
		if n := a.slots.Held(); n != 0 {
			t.Errorf("%d are held in the end", n)
		}
	})
}

// TestASpareSlotRemains: whoever asks first, a tenant and a principal that have no slot are
// given one at once.
func TestASpareSlotRemains(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func(n int) share.Client{
		"a tenant":    func(n int) share.Client { return share.Client{Tenant: "many", Principal: fmt.Sprint(n)} },
		"a principal": func(int) share.Client { return share.Client{Principal: "many"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if n := most(t, 16, of); n != 12 {
				t.Errorf("it has %d of 16", n)
			}
			if n := most(t, 2, of); n != 1 {
				t.Errorf("it has %d of 2", n)
			}
		})
	}
}

// most returns how many slots of so many clients have that ask for more.
func most(t *testing.T, total int, of func(n int) share.Client) (had int) {
	t.Helper()
	slots := within(share.Bounds{Total: total, Spare: true})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for n := range 100 {
		// A context that has ended still may get a slot that is free.
		for range 10 {
			if slots.Take(ended, of(n)) == nil {
				had++
				break
			}
		}
	}
	if held := slots.Held(); held != had {
		t.Errorf("it has %d, and %d are held", had, held)
	}
	return had
}

// TestWhoGivesUpHoldsNoSlot: who no longer waits neither keeps nor loses a slot.
func TestWhoGivesUpHoldsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slots, of := within(share.Bounds{Total: 1}), share.Client{Tenant: "t", Principal: "p"}
		if err := slots.Take(t.Context(), of); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if err := slots.Take(ctx, of); !errors.Is(err, context.Canceled) {
				t.Errorf("who gave up got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		all.Wait()
		slots.Give(of)
		if slots.Held() != 0 {
			t.Errorf("%d are held", slots.Held())
		}
	})
}

// TestWhoNeedsNoSlotAnyMoreHoldsNone: who waits is told that it need not.
func TestWhoNeedsNoSlotAnyMoreHoldsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slots, of := within(share.Bounds{Total: 1}), share.Client{Principal: "p"}
		needless := make(chan struct{})
		if taken, err := slots.TakeUnless(t.Context(), of, needless); !taken || err != nil {
			t.Fatalf("a free slot is taken: %v, %v", taken, err)
		}
		var all sync.WaitGroup
		all.Go(func() {
			if taken, err := slots.TakeUnless(t.Context(), of, needless); taken || err != nil {
				t.Errorf("who needs none has one: %v, %v", taken, err)
			}
		})
		synctest.Wait()
		close(needless)
		all.Wait()
		slots.Give(of)
		if slots.Held() != 0 {
			t.Errorf("%d are held", slots.Held())
		}
	})
}

// TestLongLinesAreNotWalked: while there is no room for a tenant, or for a principal without one,
// however many of it wait cost nothing.
func TestLongLinesAreNotWalked(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func(n int) share.Client{
		"a tenant":    func(n int) share.Client { return share.Client{Tenant: "many", Principal: fmt.Sprint(n)} },
		"a principal": func(int) share.Client { return share.Client{Principal: "many"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			counts := share.NewCounts(func() share.Bounds {
				asked++
				return share.Bounds{Total: 4, Spare: true}
			})
			lines := share.NewLines(of, nil)
			for n := range 1000 {
				lines.Add(n)
			}
			for range 3 {
				n, ok := lines.Next(&counts)
				if !ok {
					t.Fatal("no room for the first ones")
				}
				counts.Take(of(n))
			}
			asked = 0
			if n, ok := lines.Next(&counts); ok || asked > 10 {
				t.Errorf("%d may begin: %v; the bounds were asked for %d times", n, ok, asked)
			}
		})
	}
}

// TestASlotIsLeftAside: others have it meanwhile, and it comes back.
func TestASlotIsLeftAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slots := within(share.Bounds{Total: 1})
		one, other := share.Client{Principal: "one"}, share.Client{Principal: "other"}
		if err := slots.Take(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		if !slots.Aside(t.Context(), one, func() bool {
			if err := slots.Take(t.Context(), other); err != nil {
				t.Error(err)
			}
			slots.Give(other)
			return true
		}) {
			t.Error("it has no slot again")
		}
		if slots.Aside(t.Context(), one, func() bool { return false }) || slots.Held() != 0 {
			t.Error("it has a slot although nothing came")
		}
	})
}
