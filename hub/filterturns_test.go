package hub_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
)

// inTurns calls a function with turns under a synthetic clock.
func inTurns(t *testing.T, evaluators int, test func(t *testing.T, turns *hub.FilterTurns)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		test(t, hub.NewFilterTurns(ctx, &running, evaluators))
		cancel()
		running.Wait()
	})
}

// worker is a client with as much to evaluate as it gets time for.
type worker struct {
	hub.Payer
	tasks int
	each  time.Duration // one evaluation

	mu   sync.Mutex
	took time.Duration
}

func (w *worker) begin(turns *hub.FilterTurns) {
	for range w.tasks {
		turns.Add(hub.NewTask(func(atMost time.Duration) bool {
			for spent := time.Duration(0); spent < atMost; spent += w.each {
				time.Sleep(w.each)
				w.mu.Lock()
				w.took += w.each
				w.mu.Unlock()
			}
			return true
		}, w.Payer))
	}
}

// TestFilterTurnsAreShares: tenants have equal shares of the time, and in each of them
// principals, whatever number of tasks they have and however long one evaluation takes.
func TestFilterTurnsAreShares(t *testing.T) {
	t.Parallel()
	inTurns(t, 1, func(t *testing.T, turns *hub.FilterTurns) {
		const span = 12 * time.Second
		all := []*worker{
			{Payer: hub.Payer{Principal: "one"}, tasks: 1, each: 10 * time.Microsecond},
			{Payer: hub.Payer{Principal: "many"}, tasks: 1000, each: 65 * time.Microsecond},
			{Payer: hub.Payer{Principal: "long"}, tasks: 3, each: 40 * time.Millisecond},
			{Payer: hub.Payer{Tenant: "a", Principal: "a1"}, tasks: 50, each: time.Millisecond},
			{Payer: hub.Payer{Tenant: "b", Principal: "b1"}, tasks: 2, each: 30 * time.Microsecond},
			{Payer: hub.Payer{Tenant: "b", Principal: "b2"}, tasks: 400, each: 300 * time.Microsecond},
		}
		for _, w := range all {
			w.begin(turns)
		}
		time.Sleep(span)
		had, total := make([]time.Duration, len(all)), time.Duration(0)
		for i, w := range all {
			w.mu.Lock()
			had[i] = w.took
			w.mu.Unlock()
			total += had[i]
		}
		if total < span/3 {
			t.Errorf("of %v only %v were used", span, total)
		}
		for i, share := range []time.Duration{9, 9, 9, 3, 6, 6} {
			if want := total / share; had[i] < want-100*time.Millisecond || had[i] > want+100*time.Millisecond {
				t.Errorf("%s %s had %v of %v, want %v", all[i].Tenant, all[i].Principal, had[i], total, want)
			}
		}
	})
}

// TestFilterTurnsOfLittle: who has little to evaluate waits for no more than a turn of
// each other principal, however much these have waiting.
func TestFilterTurnsOfLittle(t *testing.T) {
	t.Parallel()
	inTurns(t, 1, func(t *testing.T, turns *hub.FilterTurns) {
		hostile := &worker{Payer: hub.Payer{Principal: "hostile"}, tasks: 2000, each: 200 * time.Microsecond}
		hostile.begin(turns)
		time.Sleep(50 * time.Millisecond)
		for range 100 {
			began := time.Now()
			if err := turns.Do(t.Context(), hub.Payer{Principal: "honest"}, func(time.Duration) bool {
				time.Sleep(65 * time.Microsecond)
				return false
			}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 3*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// TestFilterTurnsOfSeveral: a task of several clients is run when it is the turn of one of
// them, once, also of one that has joined while it waits.
func TestFilterTurnsOfSeveral(t *testing.T) {
	t.Parallel()
	inTurns(t, 1, func(t *testing.T, turns *hub.FilterTurns) {
		hostile, honest := hub.Payer{Principal: "hostile"}, hub.Payer{Principal: "honest"}
		(&worker{Payer: hostile, tasks: 2000, each: 200 * time.Microsecond}).begin(turns)
		time.Sleep(50 * time.Millisecond)
		for _, joins := range []bool{false, true} {
			ran := make(chan time.Time, 10)
			began := time.Now()
			of := []hub.Payer{hostile, honest}
			if joins {
				of = of[:1]
			}
			k := hub.NewTask(func(time.Duration) bool {
				ran <- time.Now()
				return false
			}, of...)
			turns.Add(k)
			turns.Add(k)
			if joins {
				turns.Join(k, honest)
			}
			if took := (<-ran).Sub(began); took > 3*time.Millisecond {
				t.Errorf("joins %v: it took %v", joins, took)
			}
			time.Sleep(5 * time.Second)
			if n := len(ran); n > 0 {
				t.Errorf("joins %v: it was run %d times more", joins, n)
			}
		}
	})
}

// TestFilterTurnsEnd: a task that is removed does not begin, what is added while it runs
// is run afterwards, a context that ends ends what waits for a turn, and nothing remains.
func TestFilterTurnsEnd(t *testing.T) {
	t.Parallel()
	inTurns(t, 1, func(t *testing.T, turns *hub.FilterTurns) {
		runs := 0
		var k *hub.Task
		k = hub.NewTask(func(time.Duration) bool {
			if runs++; runs == 1 {
				turns.Add(k)
			}
			time.Sleep(time.Millisecond)
			return false
		}, hub.Payer{Principal: "a"})
		turns.Add(k)
		removed := hub.NewTask(func(time.Duration) bool { t.Error("it was run"); return false }, hub.Payer{Principal: "a"}, hub.Payer{Principal: "b"})
		turns.Add(removed)
		if turns.Remove(removed) {
			t.Error("it was running")
		}
		turns.Add(removed)
		ctx, cancel := context.WithCancel(t.Context())
		again := 0
		time.AfterFunc(20*time.Millisecond, cancel)
		if err := turns.Do(ctx, hub.Payer{Principal: "c"}, func(time.Duration) bool {
			again++
			time.Sleep(time.Millisecond)
			return true
		}); !errors.Is(err, context.Canceled) || again < 5 {
			t.Errorf("it ended with %v after %d turns", err, again)
		}
		synctest.Wait()
		if runs != 2 {
			t.Errorf("it was run %d times, want 2", runs)
		}
		if n := turns.Waiting(); n != 0 || turns.Members() != 0 {
			t.Errorf("%d wait, of %d tenants", n, turns.Members())
		}
	})
}
