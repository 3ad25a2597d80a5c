package expr_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"sluice/hub/filter/expr"
)

// costly returns the text of a filter that takes some 100 KB, one for each n.
func costly(n int) string {
	return strings.Repeat(fmt.Sprintf("data.x>%d||", n), 200) + "false"
}

// TestMemoryIsLeftForOthers: clients that use as much as they may, however many there are,
// leave memory to others.
func TestMemoryIsLeftForOthers(t *testing.T) {
	t.Parallel()
	l := must(expr.New(expr.Limits{Bytes: 4 << 10, Cost: 1000, Memory: 64 << 20}))
	for client := range 30 {
		for n := 0; ; n++ {
			_, _, err := l.Use(t.Context(), costly(client*1000+n), fmt.Sprint("greedy ", client))
			if errors.Is(err, expr.ErrClientMemory) || errors.Is(err, expr.ErrMemory) {
				break
			}
			if err != nil {
				t.Fatalf("client %d has %d filters, and then %v", client, n, err)
			}
		}
	}
	if _, _, err := l.Use(t.Context(), "data.price > 41.5", "modest"); err != nil {
		t.Fatalf("a small filter of another client: %v", err)
	}
}

// TestMemoryOfFiltersInUse: filters in use are bounded, for a client and in all, are counted
// once however often they are used, and make room when they are released.
func TestMemoryOfFiltersInUse(t *testing.T) {
	t.Parallel()
	const most = 8 << 20
	l := must(expr.New(expr.Limits{Bytes: 4 << 10, Cost: 1000, Memory: most}))
	use := func(text, client string) (func(), error) {
		_, release, err := l.Use(t.Context(), text, client)
		return release, err
	}
	// A client gets to its share.
	var held []func()
	var err error
	for n := 0; err == nil; n++ {
		var release func()
		if release, err = use(costly(n), "first"); err == nil {
			held = append(held, release)
		}
	}
	if s := l.Stats(); !errors.Is(err, expr.ErrClientMemory) || s.Used > most/8 || s.Used < most/16 {
		t.Fatalf("a client has %d bytes, and then %v", s.Used, err)
	}
	// The same filters cost it, and others, nothing more.
	used := l.Stats().Used
	for n := range held {
		for _, client := range []string{"first", "second"} {
			release, err := use(costly(n), client)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, release)
		}
	}
	if s := l.Stats(); s.Used != used {
		t.Fatalf("the same filters take %d bytes more", s.Used-used)
	}
	// All clients together get to the whole.
	for n := 0; n < 1000; n++ {
		var release func()
		if release, err = use(costly(1000+n), fmt.Sprint("client ", n)); err != nil {
			break
		}
		held = append(held, release)
	}
	s := l.Stats()
	if !errors.Is(err, expr.ErrMemory) || s.Used > most || s.Used+s.Kept > most || s.Used < most*9/10 {
		t.Fatalf("%d bytes are used, %d kept, and then %v", s.Used, s.Kept, err)
	}
	// What is shared stays while somebody has it.
	if _, err := use(costly(1), "another"); err != nil {
		t.Fatalf("a filter that is in use: %v", err)
	}
	// Once all is released, it is kept, and can be used anew.
	for _, release := range held {
		release()
		release() // which does nothing
	}
	if s := l.Stats(); s.Used > most/10 || s.Used+s.Kept > most {
		t.Fatalf("%d bytes are used, %d kept", s.Used, s.Kept)
	}
	compiled := l.Stats().Compiled
	if _, err := use(costly(1001), "first"); err != nil || l.Stats().Compiled != compiled {
		t.Fatalf("a filter that is kept: %v, %d compilations", err, l.Stats().Compiled-compiled)
	}
}

// TestKeptFiltersAreBounded: filters that nobody uses are forgotten before they take more
// than there is, the oldest first.
func TestKeptFiltersAreBounded(t *testing.T) {
	t.Parallel()
	const most = 512 << 10
	l := must(expr.New(expr.Limits{Bytes: 4 << 10, Cost: 1000, Memory: most}))
	rule := must(l.Rule(`data.x > claims.x || data.y > claims.y`))
	for n := range 50 {
		must(l.Compile(costly(n % 20)))
		must(expr.For(fmt.Appendf(nil, `{"x":%d,"y":%q}`, n, strings.Repeat("y", 20_000)), rule))
		if s := l.Stats(); s.Kept > most || s.Rules > most {
			t.Fatalf("%d bytes are kept, and %d of rules", s.Kept, s.Rules)
		}
	}
	before := l.Stats().Compiled
	must(l.Compile(costly(49 % 20)))
	if n := l.Stats().Compiled - before; n != 0 {
		t.Error("the newest filter was forgotten")
	}
	must(l.Compile(costly(0)))
	if n := l.Stats().Compiled - before; n != 1 {
		t.Error("the oldest filter was not forgotten")
	}
}

// TestFaultsAreRemembered: what is at fault is not compiled again.
func TestFaultsAreRemembered(t *testing.T) {
	t.Parallel()
	l := newLanguage()
	for range 3 {
		var fault *expr.Error
		if _, err := l.Compile("data.x =="); !errors.As(err, &fault) || fault.Places[0].Line != 1 {
			t.Fatal(err)
		}
	}
	if s := l.Stats(); s.Refused != 1 {
		t.Errorf("the text was compiled %d times", s.Refused)
	}
	if _, err := l.Compile(strings.Repeat("x", 5000)); err == nil {
		t.Error("a text that is too long is compiled")
	}
}

// TestCompilationsWait: a client that waits for a turn gives up with its context.
func TestCompilationsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLanguage()
		turns := l.HoldTurns()
		ctx, cancel := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if _, _, err := l.Use(ctx, "data.x > 1", "c"); !errors.Is(err, context.Canceled) {
				t.Errorf("without a turn: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		waiting.Wait()
		waiting.Go(func() {
			if _, _, err := l.Use(t.Context(), "data.x > 1", "c"); err != nil {
				t.Errorf("with a turn: %v", err)
			}
		})
		synctest.Wait()
		if n := l.Stats().Compiled; n != 0 {
			t.Errorf("%d texts were compiled without a turn", n)
		}
		turns()
		waiting.Wait()
	})
}
