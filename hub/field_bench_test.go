package hub_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// startValues starts a hub with a log to which the returned function appends 2,000
// records of 200 bytes of JSON, of 10,000 users in turn, and waits until all filters
// have been evaluated.
func startValues(b *testing.B) (h *hub.Hub, write func()) {
	b.Helper()
	const records, users = 2000, 10_000
	source := feedbox{make(chan upstream.Sink, 1)}
	h, err := hub.New(hub.Config{
		Streams: []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: source, LogBytes: 16 << 20, Linger: time.Hour}},
		Shards:  1, Wake: func(shard int, f *hub.Feed) { f.Take(shard, nil) }, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Limits: hub.Limits{StartTimeout: time.Second},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	b.Cleanup(func() { cancel(); running.Wait() })
	subscribeWhere(b, h, filter.Keys("nobody"))
	sink := <-source.sink
	values := make([][]byte, users)
	for i := range values {
		value := fmt.Appendf(nil, `{"id":%d,"user":{"id":"u%d","name":"Somebody"},"symbol":"ACME","price":101.25,"size":300,"flags":["a","b"],"note":"`, i, i)
		values[i] = append(value, strings.Repeat("x", 198-len(value))+`"}`...)
	}
	next := int64(0)
	f := &upstream.Fetched{}
	f.Each = func(yield func(*record.Record) bool) {
		var r record.Record
		for range records {
			r.Offset, r.Timestamp, r.Value = next, 1795245600123, values[next%users]
			next++
			if !yield(&r) {
				return
			}
		}
	}
	return h, func() {
		f.Next = record.PartitionOffset{Offset: next + records}
		sink.Append([]*upstream.Fetched{f})
		for !h.Asked("orders") {
			time.Sleep(50 * time.Microsecond)
		}
	}
}

// cpuTime returns the processor time that the process has used, which other processes
// disturb less than the time that has passed.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func subscribeWhere(tb testing.TB, h *hub.Hub, which filter.Filter) *hub.Subscription {
	tb.Helper()
	s, _, err := h.Subscribe(tb.Context(), hub.Request{
		Stream: "orders", Filter: which, Start: hub.Start{Kind: hub.StartLatest}, Replay: -1, Owner: rung{}, Labelled: true,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// BenchmarkFieldFeeds appends 2,000 records and has the filters of a number of feeds
// evaluated: each wants another user, of which one is the user of a record. What a
// record costs hardly depends on the number of feeds, nor on that of the fields they
// use, whereas each distinct predicate costs each record an evaluation.
func BenchmarkFieldFeeds(b *testing.B) {
	user := func(name string) filter.Filter { return filter.In(filter.Data("user", "id"), filter.String(name)) }
	for _, c := range []struct {
		name  string
		feeds int
		which func(i int) filter.Filter
	}{
		{"0 feeds", 0, nil},
		{"10 feeds", 10, func(i int) filter.Filter { return user(fmt.Sprint("other", i)) }},
		{"1000 feeds", 1000, func(i int) filter.Filter { return user(fmt.Sprint("other", i)) }},
		{"10000 feeds", 10_000, func(i int) filter.Filter { return user(fmt.Sprint("other", i)) }},
		{"10000 feeds of a common symbol", 10_000, func(i int) filter.Filter {
			return filter.In(filter.Data("symbol"), filter.String("ACME")).And(user(fmt.Sprint("other", i)))
		}},
		{"10000 feeds of distinct fields", 10_000, func(i int) filter.Filter {
			return filter.In(filter.Data("user", fmt.Sprint("other", i)), filter.String("u1"))
		}},
		{"10 predicates", 10, func(i int) filter.Filter { return filter.Where(constant(fmt.Sprint("other", i))) }},
		{"100 predicates", 100, func(i int) filter.Filter { return filter.Where(constant(fmt.Sprint("other", i))) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			h, write := startValues(b)
			for i := range c.feeds {
				which := c.which(i)
				if i == 0 {
					which = user("u17")
				}
				s := subscribeWhere(b, h, which)
				b.Cleanup(s.Close)
			}
			write()
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				write()
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N*2000), "cpu-ns/record")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*2000), "ns/record")
		})
	}
}

// constant is a predicate that no record passes, of the least possible cost.
type constant string

func (c constant) Canonical() string { return string(c) }

func (constant) Passes(*filter.Record) (bool, error) { return false, nil }

// TestFieldFeedMemory: a subscription with a feed of its own that is found by a field
// takes less than 1 KB more than one that shares a feed with all others. The test is not
// parallel because it measures the heap of the process.
func TestFieldFeedMemory(t *testing.T) {
	const feeds = 20_000
	h := startKeyed(t)
	measure := func(user func(i int) string) int64 {
		all := make([]*hub.Subscription, feeds)
		before := heap()
		for i := range all {
			all[i] = subscribeWhere(t, h, filter.In(filter.Data("user"), filter.String(user(i))))
		}
		for h.Unindexed("orders") > 0 {
			runtime.Gosched()
		}
		used := heap() - before
		for _, s := range all {
			s.Close()
		}
		for h.Unindexed("orders") > 0 {
			runtime.Gosched()
		}
		return used
	}
	measure(func(int) string { return "warm" })
	shared := measure(func(int) string { return "one" })
	own := measure(func(i int) string { return fmt.Sprintf("user-%d", i) })
	each := float64(own-shared) / feeds
	t.Logf("%.0f bytes a feed, %.0f bytes a subscription", each, float64(shared)/feeds)
	if each <= 0 || each >= 1000 {
		t.Errorf("%.0f bytes a feed", each)
	}
}
