package hub_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// ofUser returns a record with several fields: user has 20 values, type has three, and
// the header shard has four.
func ofUser(n int) record.Record {
	return record.Record{
		Key: fmt.Appendf(nil, "k%d", n%7), Timestamp: time.Now().UnixMilli(),
		Value:   fmt.Appendf(nil, `{"user":{"id":"u%d"},"type":%d,"pad":%q}`, n%20, n%3, strings.Repeat("x", n%50)),
		Headers: []record.Header{{Name: []byte("shard"), Value: fmt.Append(nil, n%4)}},
	}
}

// part is a part of a filter, and the numbers that pass it.
type part struct {
	name   string
	which  filter.Filter
	passes func(n int) bool
}

func userIs(users ...int) part {
	values := make([]filter.Value, len(users))
	for i, user := range users {
		values[i] = filter.String(fmt.Sprintf("u%d", user))
	}
	return part{fmt.Sprint("user ", users), filter.In(filter.Data("user", "id"), values...), func(n int) bool { return slices.Contains(users, n%20) }}
}

func typeIs(of int) part {
	return part{fmt.Sprint("type ", of), filter.In(filter.Data("type"), filter.Number(float64(of))), func(n int) bool { return n%3 == of }}
}

func shardIs(of int) part {
	return part{fmt.Sprint("shard ", of), filter.In(filter.Header("shard"), filter.String(fmt.Sprint(of))), func(n int) bool { return n%4 == of }}
}

func keyIs(of int) part {
	return part{fmt.Sprint("key ", of), filter.Keys(fmt.Sprintf("k%d", of)), func(n int) bool { return n%7 == of }}
}

// odd is a predicate that odd offsets pass.
type odd struct{}

func (odd) Canonical() string { return "odd" }

func (odd) Passes(r *filter.Record) (bool, error) { return r.Offset%2 == 1, nil }

// drawFilter joins one to four random parts.
func drawFilter(random *rand.Rand) part {
	all := part{passes: func(int) bool { return true }}
	for range 1 + random.IntN(4) {
		var next part
		switch random.IntN(6) {
		case 0, 1:
			users := []int{random.IntN(20), random.IntN(20), random.IntN(25)}
			next = userIs(users[:1+random.IntN(3)]...)
		case 2:
			next = typeIs(random.IntN(4))
		case 3:
			next = shardIs(random.IntN(5))
		case 4:
			next = keyIs(random.IntN(8))
		case 5:
			next = part{"odd", filter.Where(odd{}), func(n int) bool { return n%2 == 1 }}
		}
		before := all.passes
		all = part{all.name + ", " + next.name, all.which.And(next.which), func(n int) bool { return before(n) && next.passes(n) }}
	}
	return all
}

// TestFeedsAreFoundByFields: many subscriptions with random filters, of which some end
// and others begin between the records, are delivered exactly the records that pass
// them, whichever part of their filters they are found by.
func TestFeedsAreFoundByFields(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes = 16 << 20 })
	type open struct {
		*reader
		part
		from int
	}
	var all []*open
	written := 0
	check := func(o *open) {
		t.Helper()
		var want []int64
		for n := o.from; n < written; n++ {
			if o.passes(n) {
				want = append(want, int64(n))
			}
		}
		if got := offsetsOf(o.collect(t, len(want))); !slices.Equal(got, want) {
			t.Errorf("seed %d: %q from %d to %d had %v, want %v", seed, o.name, o.from, written, got, want)
		}
		for o.Collect(1, func(_ bool, body []byte) { t.Errorf("seed %d: %q had another record, %s", seed, o.name, body) }) {
		}
		o.from = written
	}
	keep := subscribe(t, h, hub.Request{})
	defer keep.Close()
	for round := range 60 {
		for range random.IntN(20) {
			p, from, start := drawFilter(random), 0, hub.StartEarliest
			if random.IntN(2) == 0 {
				from, start = written, hub.StartLatest
			}
			all = append(all, &open{subscribe(t, h, hub.Request{Filter: p.which, Start: hub.Start{Kind: start}}), p, from})
		}
		n := random.IntN(100)
		var batch []record.Record
		for range n {
			batch = append(batch, ofUser(written+len(batch)))
		}
		if n > 0 {
			topics.AppendBatch("orders.v1", batch)
			written += n
			keep.collect(t, n)
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for i, o := range all {
			if round%7 == 0 || i%3 == 0 {
				check(o)
			}
		}
		for len(all) > 100 || len(all) > 0 && random.IntN(4) == 0 {
			last := len(all) - 1
			all[last].Close()
			all = all[:last]
		}
	}
	for _, o := range all {
		check(o)
		o.Close()
	}
}

// TestIndexFindsByTheRarestPart: of filters that have a part in common, a record finds
// those of which it also has the other part, whichever part comes first.
func TestIndexFindsByTheRarestPart(t *testing.T) {
	t.Parallel()
	for name, common := range map[string]filter.Filter{
		"key": keyIs(1).which, "field": typeIs(2).which, "key and predicate": keyIs(1).which.And(filter.Where(odd{})), "nothing": {},
	} {
		var filters []filter.Filter
		for user := range 100 {
			filters = append(filters, common.And(userIs(user).which))
		}
		x := hub.NewIndex(filters...)
		r := ofUser(8) // of user 8, type 2 and key 1
		// The first filter was added before there was another with the common part.
		if found := x.Found(&r); !slices.Equal(found, []int{8}) && !slices.Equal(found, []int{0, 8}) {
			t.Errorf("common %s: found %v", name, found)
		}
	}
}

// TestIndexForgetsRemoved: feeds are found until they are removed, in any order, and
// nothing is left of them.
func TestIndexForgetsRemoved(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, uint64(time.Now().UnixNano())))
	user, kind, shard := filter.Data("user", "id"), filter.Data("type"), filter.Header("shard")
	for range 20 {
		var (
			parts   []part
			filters []filter.Filter
		)
		for len(parts) < 60 {
			if p := drawFilter(random); !p.which.Nothing() {
				parts, filters = append(parts, p), append(filters, p.which)
			}
		}
		x := hub.NewIndex(filters...)
		there := make(map[int]bool)
		for i := range parts {
			there[i] = true
		}
		for _, i := range random.Perm(len(parts)) {
			n := random.IntN(420)
			r := ofUser(n)
			found := x.Found(&r)
			for k, p := range parts {
				if there[k] && p.passes(n) && !slices.Contains(found, k) {
					t.Errorf("%q was not found for %d", p.name, n)
				}
			}
			for k, f := range found {
				if !there[f] || k > 0 && found[k-1] == f {
					t.Errorf("%q was found for %d: it is there: %v, all are %v", parts[f].name, n, there[f], found)
				}
			}
			x.Remove(i)
			delete(there, i)
		}
		if x.Has(user) || x.Has(kind) || x.Has(shard) {
			t.Error("the index has fields without feeds")
		}
	}
}

// TestFieldsComeBeforePredicates: a predicate is evaluated only on records that pass
// the filter's field sets, whichever of them the feed is found by, live and late.
func TestFieldsComeBeforePredicates(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		h := startHubWith(t, topics, func(s *hub.Stream) { s.Backfill = 0 }, timeless)
		write := func() {
			for n := range 200 {
				topics.Append("orders.v1", ofUser(n))
			}
		}
		start := hub.StartLatest
		if late {
			start = hub.StartEarliest
			write()
		}
		p := whereField("pad", "none")
		one, two := userIs(3), shardIs(3)
		r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: start}, Filter: filter.Where(p).And(one.which).And(two.which)})
		defer r.Close()
		all := subscribe(t, h, hub.Request{Start: hub.Start{Kind: start}})
		defer all.Close()
		if !late {
			write()
		}
		all.collect(t, 200)
		for !r.AtTip() {
			if !r.Collect(1, func(bool, []byte) { t.Error("nothing passes") }) && !r.AtTip() {
				<-r.bell
			}
		}
		for n := range 200 {
			want := 0
			if one.passes(n) && two.passes(n) {
				want = 1
			}
			if got := p.counts()[int64(n)]; got != want {
				t.Errorf("late %v: the predicate was asked %d times about offset %d, want %d", late, got, n, want)
			}
		}
	}
}

// TestIndexedCountsKeysAndValues: the values of all fields count, once each, as the
// keys do.
func TestIndexedCountsKeysAndValues(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, nil)
	r := subscribe(t, h, hub.Request{Keys: []string{"k1", "k2"}, Filter: userIs(1, 2, 3, 3).which.And(shardIs(1).which).And(filter.Where(odd{}))})
	defer r.Close()
	if got := r.Feed().Indexed(); got != 6 {
		t.Errorf("the feed has %d", got)
	}
}
