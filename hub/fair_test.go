package hub_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// gauge is how many of some predicates are being evaluated.
type gauge struct{ now, most atomic.Int64 }

// weighed is a predicate that takes its time, under a synthetic clock, and is counted.
type weighed struct {
	*taking
	in    *gauge
	asked *atomic.Int64
}

func (p weighed) Passes(r *filter.Record) (bool, error) {
	n := p.in.now.Add(1)
	for most := p.in.most.Load(); n > most && !p.in.most.CompareAndSwap(most, n); most = p.in.most.Load() {
		continue
	}
	defer p.in.now.Add(-1)
	p.asked.Add(1)
	return p.taking.Passes(r)
}

// follow takes what there is as an event stream does, until the context ends, and returns
// how many records it was given.
func (r *reader) follow(ctx context.Context) (records int) {
	var b hub.Batch
	for ctx.Err() == nil {
		for more := true; more; {
			b.Reset()
			more = r.Next(&b, frame{}, 60<<10)
			records += b.Records
		}
		if r.Ended() != "" {
			break
		}
		select {
		case <-r.bell:
		case <-ctx.Done():
		}
	}
	return records
}

// TestCostlyFiltersHarmNobodyElse: one principal has 60 late event streams with costly
// filters, reads pages and searches the newest records with others, all the time. Another
// one's replay and live subscriptions with costly filters have half of the time for
// evaluations, and those without, or with quick ones, wait for nothing.
func TestCostlyFiltersHarmNobodyElse(t *testing.T) {
	t.Parallel()
	for name, logBytes := range map[string]int{"before the log": 64 << 10, "in the log": 64 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testCostlyFilters(t, logBytes) })
		})
	}
}

func testCostlyFilters(t *testing.T, logBytes int) {
	const (
		written = 6000
		cost    = 65 * time.Microsecond
		span    = time.Second
	)
	topics := hubtest.New()
	topics.Create("orders.v1", 2)
	change := func(s *hub.Stream) { s.LogBytes, s.Backfill = logBytes, 0 }
	limits := func(c *hub.Config) {
		c.LateMemory, c.ReplaysPerPrincipal, c.ReplaysPerInstance, c.FilterLag = 64<<20, 4, 64, time.Second
	}
	h := startHubThat(t, topics, change, limits, func(h *hub.Hub) { h.Evaluators(1) })
	keep := subscribe(t, h, hub.Request{})
	defer keep.Close()
	for n := range written {
		r := inRegion(n)
		r.Partition, r.Timestamp = int32(n%2), r.Timestamp-int64(written-n)
		topics.Append("orders.v1", r)
	}
	keep.collect(t, written)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	var in gauge
	var hostile, honest, searched atomic.Int64
	costly := func(name string, asked *atomic.Int64, every int64) filter.Filter {
		return filter.Where(weighed{newTaking(name, cost, every), &in, asked})
	}
	earliest := hub.Start{Kind: hub.StartEarliest}
	for n := range 60 {
		r := subscribe(t, h, hub.Request{Principal: "hostile", Start: earliest, Filter: costly(fmt.Sprint("stream ", n), &hostile, math.MaxInt64)})
		running.Go(func() { r.follow(ctx); r.Close() })
	}
	var pages, searches atomic.Int64
	for n := range 5 {
		running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				r := subscribe(t, h, hub.Request{Principal: "hostile", Start: earliest, Filter: costly(fmt.Sprint("page ", n, " ", i), &hostile, 100)})
				for got := 0; got < 3 && ctx.Err() == nil; {
					if !r.Collect(3-got, func(bool, []byte) { got++ }) && got < 3 {
						select {
						case <-r.bell:
						case <-ctx.Done():
						}
					}
				}
				r.Close()
				pages.Add(1)
			}
		})
		running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				owner := make(bell, 1)
				s, _, err := h.Subscribe(ctx, hub.Request{
					Stream: "orders", Principal: "hostile", Replay: -1, Owner: owner,
					Start: hub.Start{Kind: hub.StartLast, Last: 3}, Filter: filter.Where(weighed{newTaking(fmt.Sprint("search ", n, " ", i), cost/8, 10), &in, &searched}),
				})
				if err == nil {
					s.Close()
					searches.Add(1)
				}
			}
		})
	}
	time.Sleep(100 * time.Millisecond) // all of them wait

	quick := subscribe(t, h, hub.Request{Principal: "honest", Filter: filter.Where(newTaking("quick", time.Microsecond, 1))})
	defer quick.Close()
	live := subscribe(t, h, hub.Request{Principal: "honest", Filter: costly("live", &honest, 1)})
	defer live.Close()
	replay := subscribe(t, h, hub.Request{Principal: "honest", Start: earliest, Filter: costly("replay", &honest, 2)})
	var replayed int
	running.Go(func() { replayed = replay.follow(ctx); replay.Close() })

	before, began := hostile.Load(), time.Now()
	had := make(map[string]int)
	for n := written; time.Since(began) < span; n++ {
		r := inRegion(n)
		r.Partition = int32(n % 2)
		topics.Append("orders.v1", r)
		time.Sleep(8 * time.Millisecond)
		for name, one := range map[string]*reader{"plain": keep, "quick": quick, "live": live} {
			got := len(one.takeNow(t))
			if had[name] += got; had[name] < n+1-written {
				t.Errorf("%s has %d records of %d after 8ms", name, had[name], n+1-written)
			}
		}
		if t.Failed() {
			break
		}
	}
	cancel()
	running.Wait()
	mine, theirs := time.Duration(honest.Load())*cost, time.Duration(hostile.Load()-before)*cost
	if total := mine + theirs; mine < total*2/5 || total < span/3 {
		t.Errorf("the honest principal had %v of %v, and the hostile one %v", mine, span, theirs)
	}
	if in.most.Load() > 3 { // a turn, and what the stream's own goroutine finds to be costly
		t.Errorf("%d costly filters were evaluated at once", in.most.Load())
	}
	if pages.Load() == 0 || searches.Load() == 0 || replayed == 0 {
		t.Errorf("%d pages were read, %d searches made, %d records replayed", pages.Load(), searches.Load(), replayed)
	}
}

// TestLagHitsWhoCosts: filters of one principal that cannot keep up end, and another one's
// costly filter on the same stream, which would by itself, does not.
func TestLagHitsWhoCosts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const records = 12_000
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		h := startHubThat(t, topics, bigLog, func(c *hub.Config) { c.FilterLag = time.Second }, func(h *hub.Hub) { h.Evaluators(1) })
		var theirs []*reader
		for n := range 50 {
			r := subscribe(t, h, hub.Request{Principal: "hostile", Filter: filter.Where(newTaking(fmt.Sprint("hostile ", n), 300*time.Microsecond, 100))})
			defer r.Close()
			theirs = append(theirs, r)
		}
		mine := subscribe(t, h, hub.Request{Principal: "honest", Filter: filter.Where(newTaking("mine", 100*time.Microsecond, 3))})
		defer mine.Close()
		// Also a filter that both have, which is evaluated in turns of either.
		both := filter.Where(newTaking("both", 100*time.Microsecond, 4))
		shared := subscribe(t, h, hub.Request{Principal: "honest", Filter: both})
		defer shared.Close()
		other := subscribe(t, h, hub.Request{Principal: "hostile", Filter: both})
		defer other.Close()
		for n := 0; n < records; n += 10 {
			writeRegions(topics, n, n+10)
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(5 * time.Millisecond)
		for every, r := range map[int64]*reader{3: mine, 4: shared} {
			if got, want := r.takeNow(t), multiples(every, records); !slices.Equal(got, want) || r.Ended() != "" {
				t.Errorf("the honest one had %d records of %d at once, and ended with %q", len(got), len(want), r.Ended())
			}
		}
		ended := 0
		for _, r := range theirs {
			if r.takeNow(t); r.Ended() == hub.FilterFailed {
				ended++
			}
		}
		if ended < 25 {
			t.Errorf("%d of the %d filters that cannot keep up have ended", ended, len(theirs))
		}
	})
}

// TestNewCostlyFilterIsFoundSoon: it takes a few records to find out that a filter that is
// new is costly, and one if it is very costly.
func TestNewCostlyFilterIsFoundSoon(t *testing.T) {
	t.Parallel()
	for cost, most := range map[time.Duration]int{300 * time.Microsecond: 1, 65 * time.Microsecond: 5, 40 * time.Microsecond: 16} {
		t.Run(cost.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				topics := hubtest.New()
				topics.Create("orders.v1", 1)
				h := startHub(t, topics, bigLog)
				r := subscribe(t, h, hub.Request{Filter: filter.Where(newTaking("costly", cost, 1))})
				defer r.Close()
				n := 0
				for ; h.Apart("orders") == 0 && n < 100; n++ {
					writeRegions(topics, n, n+1)
					time.Sleep(10 * time.Millisecond)
				}
				if n > most {
					t.Errorf("it took %d records, want %d", n, most)
				}
				r.collect(t, n)
			})
		})
	}
}

// TestManyQuickFilters: a principal with very many filters, each of which is quick, delays
// another one's quick filter no more than one with a costly one.
func TestManyQuickFilters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		h := startHubThat(t, topics, bigLog, nil, func(h *hub.Hub) { h.Evaluators(1) })
		var many []*reader
		for n := range 400 {
			p := newTaking(fmt.Sprint("hostile ", n), 15*time.Microsecond, 10)
			// Half of them become costly all at once.
			if n%2 == 0 {
				time.AfterFunc(2100*time.Millisecond, func() { p.time.Store(int64(300 * time.Microsecond)) })
			}
			r := subscribe(t, h, hub.Request{Principal: "hostile", Filter: filter.Where(p)})
			defer r.Close()
			many = append(many, r)
		}
		mine := subscribe(t, h, hub.Request{Principal: "honest", Filter: filter.Where(newTaking("mine", 3*time.Microsecond, 1))})
		defer mine.Close()
		const records = 200
		had := 0
		for n := range records {
			within := 10 * time.Millisecond
			switch {
			case n >= 100:
				within = 30 * time.Millisecond // many become costly at once, and some are not measured each time
			case n > 40:
				within = 6 * time.Millisecond // the rest takes its share of the time
			}
			writeRegions(topics, n, n+1)
			time.Sleep(within)
			if had += len(mine.takeNow(t)); had < n+1 {
				t.Fatalf("after %v it has %d records of %d", within, had, n+1)
			}
			time.Sleep(max(0, 20*time.Millisecond-within))
		}
		for n, r := range many {
			if got := offsetsOf(r.collect(t, records/10)); !slices.Equal(got, multiples(10, records)) {
				t.Errorf("number %d has %v", n, got)
			}
		}
	})
}

// TestQuickFilterIsEvaluatedByItsReader: a late subscription evaluates a filter that is
// known to be quick itself, and has it evaluated in turns once that is costly.
func TestQuickFilterIsEvaluatedByItsReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const records = 4000
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
		for n := range records {
			topics.Append("orders.v1", record.Record{Value: fmt.Appendf(nil, `{"n":%d}`, n)})
		}
		p := newTaking("quick", time.Microsecond, 4)
		r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}, Filter: filter.Where(p)})
		defer r.Close()
		var b hub.Batch
		got, longest := 0, time.Duration(0)
		follow := func(until int) {
			for got < until {
				b.Reset()
				began := time.Now()
				more := r.Next(&b, frame{}, 4<<10)
				longest = max(longest, time.Since(began))
				if got += b.Records; !more && got < until {
					<-r.bell
				}
			}
		}
		follow(records / 4 * 3 / 4)
		quick := h.Evaluations().Spent
		if quick > 1500*time.Microsecond { // the first turn, after which it is known
			t.Errorf("turns took %v for a quick filter", quick)
		}
		p.time.Store(int64(300 * time.Microsecond))
		follow(records / 4)
		if spent, want := h.Evaluations().Spent-quick, records/4*300*time.Microsecond; spent < want/2 || spent > want {
			t.Errorf("turns took %v for a costly filter, want %v", spent, want)
		}
		if longest > 2*time.Millisecond {
			t.Errorf("a call of Next took %v", longest)
		}
	})
}

// TestQuickFiltersOfOnePrincipal: very many quick filters of the only principal delay
// nobody else, and are evaluated together, which is cheaper.
func TestQuickFiltersOfOnePrincipal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		h := startHub(t, topics, bigLog)
		for n := range 300 {
			r := subscribe(t, h, hub.Request{Principal: "one", Filter: filter.Where(newTaking(fmt.Sprint("quick ", n), 15*time.Microsecond, 10))})
			defer r.Close()
		}
		for n := range 50 {
			writeRegions(topics, n, n+1)
			time.Sleep(10 * time.Millisecond)
		}
		if n := h.Apart("orders"); n > 0 {
			t.Errorf("%d filters are evaluated in turns", n)
		}
		other := subscribe(t, h, hub.Request{Principal: "another", Filter: filter.Where(newTaking("other", time.Microsecond, 10))})
		defer other.Close()
		for n := range 10 {
			writeRegions(topics, 50+n, 51+n)
			time.Sleep(10 * time.Millisecond)
		}
		if n := h.Apart("orders"); n == 0 || n > 200 {
			t.Errorf("beside another principal's, %d are", n)
		}
	})
}
