package hub_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/hubtest"
)

// taking is a predicate on offsets that takes its time, under a synthetic clock.
type taking struct {
	name  string
	time  atomic.Int64
	every int64
}

func newTaking(name string, each time.Duration, every int64) *taking {
	p := &taking{name: name, every: every}
	p.time.Store(int64(each))
	return p
}

func (p *taking) Canonical() string { return p.name }

func (p *taking) Passes(r *filter.Record) (bool, error) {
	if d := p.time.Load(); d > 0 {
		time.Sleep(time.Duration(d))
	}
	return r.Offset%p.every == 0, nil
}

// multiples returns the multiples of n below end.
func multiples(n, end int64) (all []int64) {
	for i := int64(0); i < end; i += n {
		all = append(all, i)
	}
	return all
}

// takeNow takes what there is, without waiting.
func (r *reader) takeNow(t *testing.T) []int64 {
	t.Helper()
	var got []int64
	for more := true; more; {
		more = r.Collect(1000, func(_ bool, body []byte) {
			var e seenEvent
			if err := json.Unmarshal(body, &e); err != nil {
				t.Errorf("%s: %v", body, err)
			}
			got = append(got, e.Offset)
		})
	}
	return got
}

// bigLog makes a log in which everything has room.
func bigLog(s *hub.Stream) { s.LogBytes, s.Backfill = 16<<20, 0 }

// TestCostlyPredicateDelaysOnlyItsOwn: ten predicates that take a second for what is
// written, each, delay another one's subscription by no more than it takes to find that
// they are costly, and get all of their own records in order.
func TestCostlyPredicateDelaysOnlyItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const records = 5000
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		h := startHubWith(t, topics, bigLog, nil)
		var costly []*reader
		for n := range int64(10) {
			r := subscribe(t, h, hub.Request{Filter: filter.Where(newTaking(fmt.Sprint("costly", n), 200*time.Microsecond, n+2))})
			defer r.Close()
			costly = append(costly, r)
		}
		quick := subscribe(t, h, hub.Request{Filter: filter.Where(newTaking("quick", 0, 7))})
		defer quick.Close()
		synctest.Wait()

		began := time.Now()
		writeRegions(topics, 0, 50)
		time.Sleep(200 * time.Millisecond)
		writeRegions(topics, 50, records)
		last := time.Now()
		if got, want := offsetsOf(quick.collect(t, records/7+1)), multiples(7, records); !slices.Equal(got, want) {
			t.Errorf("the quick one had %d records, want %d", len(got), len(want))
		}
		if took := time.Since(last); took > 5*time.Millisecond {
			t.Errorf("the quick one waited for %v", took)
		}
		for n, r := range costly {
			want := multiples(int64(n)+2, records)
			if got := offsetsOf(r.collect(t, len(want))); !slices.Equal(got, want) {
				t.Errorf("costly %d had %d records, want %d", n, len(got), len(want))
			}
		}
		if took := time.Since(began); took < time.Second {
			t.Errorf("the costly ones had all after %v: the clock does not count", took)
		}
	})
}

// TestFilterLag: the subscriptions of a predicate that cannot keep up end, with a cursor
// from which nothing is missing, and no others.
func TestFilterLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const records = 20000
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		h := startHubWith(t, topics, bigLog, func(c *hub.Config) { c.FilterLag = time.Second })
		slow, fair := newTaking("slow", time.Millisecond, 2), newTaking("fair", 30*time.Microsecond, 3)
		late := subscribe(t, h, hub.Request{Filter: filter.Where(slow)})
		defer late.Close()
		other := subscribe(t, h, hub.Request{Filter: filter.Where(fair)})
		defer other.Close()
		for from := 0; from < records; from += 1000 {
			writeRegions(topics, from, from+1000)
			time.Sleep(500 * time.Millisecond)
		}
		got := offsetsOf(late.collect(t, records))
		if late.Ended() != hub.FilterFailed || !errors.Is(late.Feed().Fault(), hub.ErrFilterLag) {
			t.Fatalf("it ended with %q and %v after %d records", late.Ended(), late.Feed().Fault(), len(got))
		}
		at := late.Position().Offset(0, 0)
		if want := multiples(2, at); at == 0 || at >= records/2 || !slices.Equal(got, want) {
			t.Errorf("it had %d records and is at %d", len(got), at)
		}
		if got, want := offsetsOf(other.collect(t, records/3+1)), multiples(3, records); !slices.Equal(got, want) || other.Ended() != "" {
			t.Errorf("the other one had %d records of %d, and ended with %q", len(got), len(want), other.Ended())
		}
		again := subscribe(t, h, hub.Request{Filter: filter.Where(slow)})
		defer again.Close()
		again.collect(t, 1)
		if again.Ended() != hub.FilterFailed {
			t.Errorf("another one with the filter, while it is in use, ended with %q", again.Ended())
		}
	})
}

// TestFilterBecomesCostlyAndQuickAgain: as its cost changes, a predicate is evaluated
// apart from others and with them again, and its subscriptions neither miss nor repeat
// records.
func TestFilterBecomesCostlyAndQuickAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rounds, each = 8, 1500
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		h := startHubWith(t, topics, bigLog, nil)
		// Goroutines that wait for the same predicate would stop the synthetic clock.
		p, q := newTaking("changing", 0, 3), newTaking("changing, of a key", 0, 3)
		var all []*reader
		for range 3 {
			r := subscribe(t, h, hub.Request{Filter: filter.Where(p)})
			defer r.Close()
			all = append(all, r)
		}
		keyed := subscribe(t, h, hub.Request{Keys: []string{"k1"}, Filter: filter.Where(q)})
		defer keyed.Close()
		seen := make([]int64, 0, rounds*each)
		moves := 0
		for round := range rounds {
			p.time.Store(int64(round%2) * int64(100*time.Microsecond))
			q.time.Store(p.time.Load() * 4)
			for n := 0; n < each; n += 50 {
				writeRegions(topics, round*each+n, round*each+n+50)
				time.Sleep(8 * time.Millisecond)
				seen = append(seen, all[0].takeNow(t)...)
			}
			if apart := h.Apart("orders") > 0; apart == (round%2 == 1) {
				moves++
			} else {
				t.Logf("round %d: %d apart", round, h.Apart("orders"))
			}
		}
		if moves != rounds {
			t.Errorf("in %d rounds of %d its place was right", moves, rounds)
		}
		want := multiples(3, rounds*each)
		seen = append(seen, offsetsOf(all[0].collect(t, len(want)-len(seen)))...)
		if !slices.Equal(seen, want) {
			t.Errorf("it had %d records, want %d", len(seen), len(want))
		}
		for _, r := range all[1:] {
			if got := offsetsOf(r.collect(t, len(want))); !slices.Equal(got, want) {
				t.Errorf("another one had %d records, want %d", len(got), len(want))
			}
		}
		want = slices.DeleteFunc(want, func(offset int64) bool { return offset%7 != 1 })
		if got := offsetsOf(keyed.collect(t, len(want))); !slices.Equal(got, want) {
			t.Errorf("that of one key had %d records, want %d", len(got), len(want))
		}
	})
}
