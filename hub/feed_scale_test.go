package hub_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// rung is an owner whose Pump does nothing.
type rung struct{}

func (rung) Pump()      {}
func (rung) Shard() int { return 0 }

// startKeyed starts a hub with a stream without records.
func startKeyed(tb testing.TB) *hub.Hub {
	tb.Helper()
	return startKeyedOn(tb, pastbox{partitions: 1})
}

func startKeyedOn(tb testing.TB, source upstream.Source) *hub.Hub {
	tb.Helper()
	h, err := hub.New(hub.Config{
		Streams: []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: source, LogBytes: 16 << 20, RecordBytes: 1 << 20, Linger: time.Hour}},
		Shards:  1, Wake: func(shard int, f *hub.Feed) { f.Take(shard, nil) }, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Limits: hub.Limits{StartTimeout: time.Second},
	})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	tb.Cleanup(func() { cancel(); running.Wait() })
	return h
}

func subscribeKey(tb testing.TB, h *hub.Hub, keys ...string) *hub.Subscription {
	tb.Helper()
	s, _, err := h.Subscribe(tb.Context(), hub.Request{
		Stream: "orders", Keys: keys, Start: hub.Start{Kind: hub.StartLatest}, Replay: -1, Owner: rung{},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// heap returns the allocated bytes after a garbage collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestFeedMemory: a subscription with a feed of its own takes less than 500 bytes
// more than one that shares a feed with all others. The test is not parallel because
// it measures the heap of the process.
func TestFeedMemory(t *testing.T) {
	const feeds = 20_000
	h := startKeyed(t)
	measure := func(key func(i int) string) int64 {
		all := make([]*hub.Subscription, feeds)
		before := heap()
		for i := range all {
			all[i] = subscribeKey(t, h, key(i))
		}
		used := heap() - before
		for _, s := range all {
			s.Close()
		}
		return used
	}
	measure(func(int) string { return "warm" })
	shared := measure(func(int) string { return "one" })
	own := measure(func(i int) string { return fmt.Sprintf("key-%d", i) })
	each := float64(own-shared) / feeds
	t.Logf("%.0f bytes a feed, %.0f bytes a subscription", each, float64(shared)/feeds)
	if each <= 0 || each >= 500 {
		t.Errorf("%.0f bytes a feed", each)
	}
}

// BenchmarkSubscribeByKey subscribes and closes while there are 100,000 other feeds,
// with a key that no other feed has or with one that 10,000 feeds have.
func BenchmarkSubscribeByKey(b *testing.B) {
	h := startKeyed(b)
	for i := range 100_000 {
		if i < 10_000 {
			subscribeKey(b, h, "common", fmt.Sprintf("key-%d", i))
		} else {
			subscribeKey(b, h, fmt.Sprintf("key-%d", i))
		}
	}
	for _, keys := range [][]string{{"own"}, {"common", "own"}} {
		b.Run(fmt.Sprintf("%d keys", len(keys)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				subscribeKey(b, h, keys...).Close()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rounds/s")
		})
	}
}

// TestFeedsOfKeysThatAreNotText: the keys of clients need not be valid text, and
// feeds that share several keys are removed in any order.
func TestFeedsOfKeysThatAreNotText(t *testing.T) {
	t.Parallel()
	h := startKeyed(t)
	var all []*hub.Subscription
	for _, own := range []string{"a", "b", "c"} {
		all = append(all, subscribeKey(t, h, "\xff", "\xfe", `q"`, "q!", own))
	}
	for _, s := range all {
		s.Close()
	}
}

// BenchmarkFilterKeys reads a log through a filter with a number of keys that no
// record has.
func BenchmarkFilterKeys(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d keys", n), func(b *testing.B) {
			topics := hubtest.New()
			topics.Create("orders.v1", 1)
			h := startKeyedOn(b, topics)
			keep := subscribeKey(b, h)
			defer keep.Close()
			for i := range 20_000 {
				topics.Append("orders.v1", record.Record{Key: fmt.Appendf(nil, "key-%d", i), Value: []byte("1")})
			}
			keys := make([]string, n)
			for round := 0; b.Loop(); round++ {
				for i := range keys {
					keys[i] = fmt.Sprintf("none-%d-%d", round, i)
				}
				s, _, err := h.Subscribe(b.Context(), hub.Request{
					Stream: "orders", Keys: keys, Start: hub.Start{Kind: hub.StartEarliest}, Replay: -1, Owner: rung{},
				})
				if err != nil {
					b.Fatal(err)
				}
				for !s.AtTip() {
					s.Collect(100, func(bool, []byte) {})
				}
				s.Close()
			}
		})
	}
}
