package hub_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// fieldIs is a predicate on a field of the value that fails if the field is a
// number. It counts how often it was evaluated, by offset.
type fieldIs struct {
	field, value string

	mu    sync.Mutex
	asked map[int64]int
}

func whereField(field, value string) *fieldIs {
	return &fieldIs{field: field, value: value, asked: make(map[int64]int)}
}

func (p *fieldIs) Canonical() string { return strconv.Quote(p.field) + "==" + strconv.Quote(p.value) }

func (p *fieldIs) Passes(r *filter.Record) (bool, error) {
	p.mu.Lock()
	p.asked[r.Offset]++
	p.mu.Unlock()
	value, ok := r.Field(p.field)
	switch {
	case ok && value[0] >= '0' && value[0] <= '9':
		return false, fmt.Errorf("the field %s is a number", p.field)
	case ok && string(value) == `"panic"`:
		panic("this value is not foreseen")
	}
	return ok && string(value) == strconv.Quote(p.value), nil
}

func (p *fieldIs) counts() map[int64]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.asked)
}

var regions = []string{"eu", "us", "ap"}

// inRegion returns a record with a region and one of seven keys.
func inRegion(n int) record.Record {
	return record.Record{
		Key: fmt.Appendf(nil, "k%d", n%7), Timestamp: time.Now().UnixMilli(),
		Value:   fmt.Appendf(nil, `{"n":%d,"region":%q,"pad":%q}`, n, regions[n%3], strings.Repeat("x", 200)),
		Headers: []record.Header{{Name: []byte("key"), Value: fmt.Appendf(nil, "k%d", n%7)}},
	}
}

// writeRegions appends records, some of them in batches.
func writeRegions(topics *hubtest.Topics, from, to int) {
	for from < to {
		var batch []record.Record
		for ; from < to && len(batch) < 50; from++ {
			batch = append(batch, inRegion(from))
		}
		topics.AppendBatch("orders.v1", batch)
	}
}

// wantOffsets returns the numbers below n, which are also offsets, of the records
// that have a region and one of the keys, if there are any.
func wantOffsets(n int, region string, keys ...string) (want []int64) {
	for i := range n {
		if (region == "" || regions[i%3] == region) && (len(keys) == 0 || slices.Contains(keys, fmt.Sprintf("k%d", i%7))) {
			want = append(want, int64(i))
		}
	}
	return want
}

func offsetsOf(events []seenEvent) (offsets []int64) {
	for _, e := range events {
		offsets = append(offsets, e.Offset)
	}
	return offsets
}

// timeless stops the clock, so that no predicate seems costly and is asked again.
func timeless(c *hub.Config) {
	began := time.Now()
	c.Now = func() time.Time { return began }
}

// TestPredicateIsAskedOnce: a hundred subscriptions in ten feeds, live and late,
// have two predicates evaluated only once on each record for which they are needed.
func TestPredicateIsAskedOnce(t *testing.T) {
	t.Parallel()
	const records, each = 3000, 10
	for _, late := range []bool{false, true} {
		t.Run(map[bool]string{false: "live", true: "late"}[late], func(t *testing.T) {
			t.Parallel()
			topics := hubtest.New()
			topics.Create("orders.v1", 1)
			start := hub.Start{Kind: hub.StartLatest}
			if late {
				start.Kind = hub.StartEarliest
				writeRegions(topics, 0, records)
			}
			h := startHubWith(t, topics, func(s *hub.Stream) {
				s.Backfill, s.LogBytes = 0, 4<<20
			}, timeless)
			eu, us := whereField("region", "eu"), whereField("region", "us")
			type want struct {
				*reader
				offsets []int64
			}
			var all []want
			for i, keys := range [][]string{nil, {"k1"}, {"k2"}, {"k1", "k2"}, {"k3", "k4", "k5"}} {
				for _, p := range []*fieldIs{eu, us} {
					for n := range each {
						req := hub.Request{Start: start, Keys: keys, Filter: filter.Where(p)}
						if n%2 == 1 && i > 0 { // the same keys, in another form
							req.Keys, req.Filter = nil, filter.Where(p).And(filter.Keys(keys...))
						}
						r := subscribe(t, h, req)
						defer r.Close()
						all = append(all, want{r, wantOffsets(records, p.value, keys...)})
					}
				}
			}
			feeds := make(map[*hub.Feed]int)
			for _, r := range all {
				feeds[r.Feed()]++
			}
			if len(feeds) != 10 {
				t.Errorf("%d subscriptions have %d feeds", len(all), len(feeds))
			}
			if !late {
				writeRegions(topics, 0, records)
			}
			var reading sync.WaitGroup
			for _, r := range all {
				reading.Go(func() {
					if got := offsetsOf(r.collect(t, len(r.offsets))); !slices.Equal(got, r.offsets) {
						t.Errorf("%s had %d records, want %d", r.Feed().Name(), len(got), len(r.offsets))
					}
				})
			}
			reading.Wait()
			for _, p := range []*fieldIs{eu, us} {
				asked := p.counts()
				if len(asked) != records {
					t.Errorf("%s was asked about %d records of %d", p.value, len(asked), records)
				}
				for offset, n := range asked {
					if n != 1 {
						t.Errorf("%s was asked %d times about offset %d", p.value, n, offset)
						break
					}
				}
			}
		})
	}
}

// TestPredicateAsksOnlyAboutItsKeys: a predicate is not evaluated on records whose
// keys its filter does not have.
func TestPredicateAsksOnlyAboutItsKeys(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, nil)
	eu := whereField("region", "eu")
	r := subscribe(t, h, hub.Request{Keys: []string{"k1", "k2"}, Filter: filter.Keys("k2", "k3").And(filter.Where(eu))})
	defer r.Close()
	writeRegions(topics, 0, 700)
	want := wantOffsets(700, "eu", "k2")
	if got := offsetsOf(r.collect(t, len(want))); !slices.Equal(got, want) {
		t.Errorf("it had %v, want %v", got, want)
	}
	for offset := range eu.counts() {
		if offset%7 != 2 {
			t.Errorf("the predicate was asked about offset %d, of another key", offset)
		}
	}
	if got := r.Feed().Indexed(); got != 1 {
		t.Errorf("the feed has %d keys", got)
	}
}

// TestGapsPassFilters: gaps are delivered in order to all subscriptions, whatever
// their filters.
func TestGapsPassFilters(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.RecordBytes = 4 << 10 })
	eu := filter.Where(whereField("region", "eu"))
	filters := map[string]hub.Request{
		"predicate":      {Filter: eu},
		"key, predicate": {Keys: []string{"k0"}, Filter: eu},
		"nothing":        {Keys: []string{"k0"}, Filter: filter.Keys("k1")},
		"nothing at all": {Filter: filter.Keys()},
		"field":          {Filter: filter.In(filter.Data("region"), filter.String("eu"))},
		"field, others":  {Keys: []string{"k0"}, Filter: eu.And(filter.In(filter.Data("region"), filter.String("eu")))},
		"no such field":  {Filter: filter.In(filter.Data("nowhere"), filter.Null())},
		"no text":        {Keys: []string{"\xff"}},
	}
	live := make(map[string]*reader)
	for name, req := range filters {
		live[name] = subscribe(t, h, req)
		defer live[name].Close()
	}
	topics.Append("orders.v1", inRegion(0)) // with the region and the key
	topics.Append("orders.v1", record.Record{Value: make([]byte, 8<<10)})
	topics.Append("orders.v1", inRegion(21))
	want := map[string]string{"predicate": "0 gap 2", "key, predicate": "0 gap 2", "nothing": "gap", "nothing at all": "gap", "no text": "gap", "field": "0 gap 2", "field, others": "0 gap 2", "no such field": "gap"}
	for name, req := range filters {
		req.Start.Kind = hub.StartEarliest
		past := subscribe(t, h, req)
		for when, r := range map[string]*reader{"live": live[name], "past": past} {
			var got []string
			for _, e := range r.collect(t, len(strings.Fields(want[name]))) {
				if e.Type == "gap" {
					got = append(got, "gap")
				} else {
					got = append(got, fmt.Sprint(e.Offset))
				}
			}
			if strings.Join(got, " ") != want[name] {
				t.Errorf("%s, %s: got %v, want %s", name, when, got, want[name])
			}
		}
		past.Close()
	}
}

// TestFailingPredicate: when a predicate fails, its subscriptions end before the
// record and report the failure; others continue, also those whose predicates do not
// fail.
func TestFailingPredicate(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{`{"region":7}`, `{"region":"panic"}`} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprint(bad, map[bool]string{false: ", live", true: ", late"}[late]), func(t *testing.T) {
				t.Parallel()
				topics := hubtest.New()
				topics.Create("orders.v1", 1)
				h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
				start := hub.Start{Kind: hub.StartLatest}
				write := func() {
					writeRegions(topics, 0, 9)
					topics.Append("orders.v1", record.Record{Key: []byte("k9"), Value: []byte(bad)})
					writeRegions(topics, 10, 21)
				}
				if late {
					// The hub begins after these.
					write()
					start.Kind = hub.StartEarliest
				}
				breaks := subscribe(t, h, hub.Request{Start: start, Filter: filter.Where(whereField("region", "eu"))})
				defer breaks.Close()
				other := subscribe(t, h, hub.Request{Start: start, Filter: filter.Where(whereField("pad", strings.Repeat("x", 200)))})
				defer other.Close()
				keyed := subscribe(t, h, hub.Request{Start: start, Keys: []string{"k1"}, Filter: filter.Where(whereField("region", "eu"))})
				defer keyed.Close()
				if !late {
					write()
				}
				if got := offsetsOf(breaks.collect(t, 4)); !slices.Equal(got, []int64{0, 3, 6}) || breaks.Ended() != hub.FilterFailed {
					t.Errorf("it had %v and ended with %q", got, breaks.Ended())
				}
				if fault := breaks.Feed().Fault(); fault == nil || errors.Is(fault, filter.ErrPanic) != strings.Contains(bad, "panic") {
					t.Errorf("the fault is %v", fault)
				}
				if at := breaks.Position().Offset(0, 0); at > 9 {
					t.Errorf("the cursor is at %d, behind the record", at)
				}
				if got := other.collect(t, 20); len(got) != 20 || other.Feed().Fault() != nil {
					t.Errorf("another predicate's subscription had %d records, and %v", len(got), other.Feed().Fault())
				}
				if got := offsetsOf(keyed.collect(t, 1)); !slices.Equal(got, []int64{15}) || keyed.Ended() != "" {
					t.Errorf("it, on other keys, had %v and ended with %q", got, keyed.Ended())
				}
				again := subscribe(t, h, hub.Request{
					Start:  hub.Start{Kind: hub.StartCursor, Position: breaks.Position()},
					Filter: filter.Where(whereField("region", "eu")),
				})
				defer again.Close()
				if got := again.collect(t, 1); len(got) != 0 || again.Ended() != hub.FilterFailed {
					t.Errorf("who comes back has %v and ended with %q", got, again.Ended())
				}
			})
		}
	}
}

// stuck is a predicate that blocks until it is released.
type stuck struct {
	may   chan struct{}
	asked atomic.Int64
}

func (p *stuck) Canonical() string { return "stuck" }

func (p *stuck) Passes(*filter.Record) (bool, error) {
	p.asked.Add(1)
	<-p.may
	return true, nil
}

// TestSlowPredicateDelaysNobodyElse: while a predicate blocks, subscriptions without
// predicates are delivered new records, also by the values of fields.
func TestSlowPredicateDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHubWith(t, topics, nil, timeless)
	p := &stuck{may: make(chan struct{})}
	slow := subscribe(t, h, hub.Request{Filter: filter.Where(p)})
	defer slow.Close()
	all, keyed := subscribe(t, h, hub.Request{}), subscribe(t, h, hub.Request{Keys: []string{"k1"}})
	defer all.Close()
	defer keyed.Close()
	field := subscribe(t, h, hub.Request{Filter: filter.In(filter.Data("region"), filter.String("ap"))})
	defer field.Close()
	writeRegions(topics, 0, 70)
	if got := all.collect(t, 70); len(got) != 70 {
		t.Errorf("who reads all had %d records", len(got))
	}
	if got := keyed.collect(t, 10); len(got) != 10 {
		t.Errorf("who reads a key had %d records", len(got))
	}
	if got := field.collect(t, 23); len(got) != 23 {
		t.Errorf("who reads by a field had %d records", len(got))
	}
	if more := slow.Collect(1, func(bool, []byte) { t.Error("the predicate has not said so") }); more || slow.AtTip() || slow.Ended() != "" {
		t.Errorf("more %v, at the tip %v, ended %q", more, slow.AtTip(), slow.Ended())
	}
	close(p.may)
	if got := slow.collect(t, 70); len(got) != 70 || p.asked.Load() != 70 {
		t.Errorf("it had %d records, and was asked %d times", len(got), p.asked.Load())
	}
}

// TestNothingPassesIsKnown: a subscription that waits for the tip is woken when
// predicates have been evaluated on all records, although no record passes.
func TestNothingPassesIsKnown(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, nil)
	p := &stuck{may: make(chan struct{})}
	none := filter.Where(whereField("region", "none"))
	none = filter.Where(p).And(none)
	r := subscribe(t, h, hub.Request{Filter: none})
	defer r.Close()
	all := subscribe(t, h, hub.Request{})
	defer all.Close()
	writeRegions(topics, 0, 50)
	all.collect(t, 50)
	if r.Collect(1, func(bool, []byte) {}); r.AtTip() {
		t.Fatal("it is at the tip before the predicate was asked")
	}
	close(p.may)
	for !r.AtTip() {
		select {
		case <-r.bell:
		case <-time.After(time.Minute):
			t.Fatal("it was not woken")
		}
		r.Collect(1, func(bool, []byte) { t.Error("nothing passes") })
	}
	if at := r.Position().Offset(0, 0); at != 50 {
		t.Errorf("its position is %d", at)
	}
}

// TestCatchingUpEqualsLive: a subscription with a filter is delivered the same records
// from Kafka, from the log, from a cursor and live.
func TestCatchingUpEqualsLive(t *testing.T) {
	t.Parallel()
	us := filter.Where(whereField("region", "us"))
	inUS := filter.In(filter.Data("region"), filter.String("us"), filter.String("nowhere"))
	for name, c := range map[string]struct {
		which filter.Filter
		keys  []string
	}{
		"keys, predicate":         {filter.Keys("k1", "k2", "k3").And(us), []string{"k1", "k2", "k3"}},
		"field":                   {inUS, nil},
		"field, keys":             {inUS.And(filter.Keys("k1", "k2", "k3")), []string{"k1", "k2", "k3"}},
		"keys, field, predicate":  {filter.Keys("k2").And(inUS).And(us), []string{"k2"}},
		"two fields, a predicate": {us.And(inUS).And(filter.In(filter.Header("key"), filter.String("k1"), filter.String("k5"))), []string{"k1", "k5"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testCatchingUp(t, c.which, c.keys)
		})
	}
}

func testCatchingUp(t *testing.T, which filter.Filter, keys []string) {
	t.Helper()
	const records = 4000
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes, s.Backfill = 8<<20, 0 })
	small := startHub(t, topics, func(s *hub.Stream) { s.LogBytes, s.Backfill = 32<<10, 0 })
	keep := subscribe(t, small, hub.Request{})
	defer keep.Close()
	live := subscribe(t, h, hub.Request{Filter: which})
	defer live.Close()
	writeRegions(topics, 0, records)
	want := wantOffsets(records, "us", keys...)
	if got := offsetsOf(live.collect(t, len(want))); !slices.Equal(got, want) {
		t.Fatalf("live it had %d records, want %d", len(got), len(want))
	}
	for name, from := range map[string]*hub.Hub{"log": h, "kafka": small} {
		r := subscribe(t, from, hub.Request{Filter: which, Start: hub.Start{Kind: hub.StartEarliest}})
		if got := offsetsOf(r.collect(t, len(want))); !slices.Equal(got, want) {
			t.Errorf("from the %s it had %d records, want %d", name, len(got), len(want))
		}
		r.Close()
	}
	start := hub.Start{Kind: hub.StartEarliest}
	var got []int64
	for n := 1; len(got) < len(want); n++ {
		r := subscribe(t, []*hub.Hub{h, small}[n%2], hub.Request{Filter: which, Start: start})
		got = append(got, offsetsOf(r.collect(t, min(7*n, len(want)-len(got))))...)
		start = hub.Start{Kind: hub.StartCursor, Position: r.Position()}
		r.Close()
	}
	if !slices.Equal(got, want) {
		t.Errorf("from cursors it had %d records, want %d", len(got), len(want))
	}
	last := subscribe(t, small, hub.Request{Filter: which, Start: hub.Start{Kind: hub.StartLast, Last: 9}})
	defer last.Close()
	if got := offsetsOf(last.collect(t, 9)); !slices.Equal(got, want[len(want)-9:]) {
		t.Errorf("the last nine are %v, want %v", got, want[len(want)-9:])
	}
}

// TestPredicatesOfOneDigest: predicates are distinguished by their canonical bytes
// and nothing else.
func TestPredicatesOfOneDigest(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, nil)
	h.OneDigest("0123456789abcdef")
	var readers []*reader
	for _, region := range regions {
		r := subscribe(t, h, hub.Request{Filter: filter.Where(whereField("region", region))})
		defer r.Close()
		readers = append(readers, r)
		again := subscribe(t, h, hub.Request{Filter: filter.Where(whereField("region", region))})
		if again.Feed() != r.Feed() {
			t.Errorf("the filter of %s has two feeds", region)
		}
		again.Close()
	}
	writeRegions(topics, 0, 30)
	for i, r := range readers {
		want := wantOffsets(30, regions[i])
		if got := offsetsOf(r.collect(t, len(want))); !slices.Equal(got, want) {
			t.Errorf("%s had %v, want %v", regions[i], got, want)
		}
	}
}

// TestVerdictsCountAsLateMemory: the verdicts of predicates count as memory of the
// blocks.
func TestVerdictsCountAsLateMemory(t *testing.T) {
	t.Parallel()
	_, h := lateTopic(t, 1, 3000, nil)
	read := func(which filter.Filter) int {
		r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}, Filter: which})
		defer r.Close()
		for !r.AtTip() {
			if !r.Collect(1000, func(bool, []byte) {}) && !r.AtTip() {
				<-r.bell
			}
		}
		return h.Late().Bytes
	}
	before := read(filter.Filter{})
	var grown []int
	for n := range 10 {
		after := read(filter.Where(whereField("region", fmt.Sprint(n))))
		grown = append(grown, after-before)
		before = after
	}
	// Blocks that were read again begin without verdicts.
	grown = slices.DeleteFunc(grown, func(more int) bool { return more >= 2900/4 && more < 3000 })
	if len(grown) > 5 {
		t.Errorf("predicates on 3,000 records take %d bytes", grown)
	}
}

// TestQuietFilter: a subscription with a filter that no record passes continues in the
// log when the floor has moved past it, without reading from Kafka.
func TestQuietFilter(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]func(region string) filter.Filter{
		"predicate": func(region string) filter.Filter { return filter.Where(whereField("region", region)) },
		"field":     func(region string) filter.Filter { return filter.In(filter.Data("region"), filter.String(region)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testQuiet(t, in)
		})
	}
}

func testQuiet(t *testing.T, in func(region string) filter.Filter) {
	t.Helper()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes, s.Slow = 4<<20, hub.SlowDisconnect })
	quiet := subscribe(t, h, hub.Request{Filter: in("none")})
	defer quiet.Close()
	// Filters of a kind are evaluated together: when this subscription has received a
	// record, the other filter has been evaluated too, and the log may move on.
	eu := subscribe(t, h, hub.Request{Filter: in("eu")})
	defer eu.Close()
	pad := strings.Repeat("x", 10<<10)
	for n := range 1000 {
		topics.Append("orders.v1", record.Record{Value: fmt.Appendf(nil, `{"region":"eu","pad":%q}`, pad)})
		if got := eu.collect(t, 1); len(got) != 1 {
			t.Fatalf("%d: it had no record, and ended with %q", n, eu.Ended())
		}
	}
	if floor := h.Floor("orders"); floor == 0 {
		t.Fatal("the floor of the log has not moved")
	}
	topics.Append("orders.v1", record.Record{Value: []byte(`{"region":"none"}`)})
	got := quiet.collect(t, 1)
	if len(got) != 1 || got[0].Offset != 1000 || quiet.Ended() != "" {
		t.Errorf("it had %v, and ended with %q", got, quiet.Ended())
	}
}

// TestMembersOfEvents: the members of an event that a predicate sees are those that
// subscribers are sent.
func TestMembersOfEvents(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, nil)
	seen := make(chan [3]string, 1)
	r := subscribe(t, h, hub.Request{Filter: filter.Where(looks(func(r *filter.Record) {
		key, _ := r.Key()
		seen <- [3]string{key, string(r.Headers()), string(r.Data())}
	}))})
	defer r.Close()
	topics.Append("orders.v1", record.Record{
		Key: []byte(`a"b`), Value: []byte("{\"a\":\n1}"), Headers: []record.Header{{Name: []byte("x"), Value: []byte("1")}},
	})
	if got, want := <-seen, [3]string{`a"b`, `[["x","1"]]`, `{"a": 1}`}; got != want {
		t.Errorf("it sees %q, want %q", got, want)
	}
	if got := r.collect(t, 1); len(got) != 1 {
		t.Error("it does not pass")
	}
}

type looks func(*filter.Record)

func (looks) Canonical() string { return "looks" }

func (l looks) Passes(r *filter.Record) (bool, error) {
	l(r)
	return true, nil
}
