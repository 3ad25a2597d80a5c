package hub_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// feedbox is a source with a topic of one partition. The benchmark appends its
// batches.
type feedbox struct{ sink chan upstream.Sink }

func (f feedbox) Topic(context.Context, string) (record.Topic, error) {
	return record.Topic{Name: "orders.v1", ID: record.TopicID{1}, Partitions: 1}, nil
}

func (f feedbox) Offsets(context.Context, record.Topic, upstream.OffsetSpec) ([]record.PartitionOffset, error) {
	return []record.PartitionOffset{{Epoch: -1}}, nil
}

func (f feedbox) Read(context.Context, record.Topic, []record.PartitionOffset, int, func(*upstream.Fetched)) error {
	return nil
}

func (f feedbox) Follow(ctx context.Context, _ record.Topic, _ []record.PartitionOffset, sink upstream.Sink) error {
	f.sink <- sink
	<-ctx.Done()
	return ctx.Err()
}

const benchBatch = 500

// benchHub is a hub with a log to which the benchmark appends.
type benchHub struct {
	*hub.Hub
	sink  upstream.Sink
	next  int64
	batch []*upstream.Fetched
	woken atomic.Int64
}

func startBench(b *testing.B, logBytes int) *benchHub {
	b.Helper()
	source := feedbox{make(chan upstream.Sink, 1)}
	h := &benchHub{}
	var err error
	h.Hub, err = hub.New(hub.Config{
		Streams: []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: source, LogBytes: logBytes, Linger: time.Hour}},
		Shards:  1, Wake: func(shard int, f *hub.Feed) { h.woken.Add(1); f.Take(shard, nil) }, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Limits: hub.Limits{StartTimeout: time.Second},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	b.Cleanup(func() { cancel(); running.Wait() })
	var s *hub.Subscription
	for s == nil {
		s, _, _ = h.Subscribe(ctx, hub.Request{Stream: "orders", Start: hub.Start{Kind: hub.StartLatest}, Replay: -1, Owner: make(bell, 1)})
	}
	h.sink = <-source.sink
	s.Close()
	value := []byte(`{"id":1234,"symbol":"ACME","price":101.25,"size":300,"venue":"XNYS","flags":["a","b"],"note":"something of a usual length"}`)
	r := record.Record{Value: value, Timestamp: 1795245600123}
	keys := make([][]byte, 10_000)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key-%d", i)
	}
	f := &upstream.Fetched{}
	f.Each = func(yield func(*record.Record) bool) {
		for range benchBatch {
			r.Offset, r.Key = h.next, keys[int(h.next*7919)%len(keys)]
			h.next++
			if !yield(&r) {
				return
			}
		}
		f.Next = record.PartitionOffset{Offset: h.next}
	}
	h.batch = []*upstream.Fetched{f}
	return h
}

func (h *benchHub) append() {
	h.batch[0].Next = record.PartitionOffset{Offset: h.next + benchBatch}
	h.sink.Append(h.batch)
}

func (h *benchHub) subscribe(b *testing.B, keys ...string) *hub.Subscription {
	b.Helper()
	s := h.subscribeFrom(b, hub.Start{Kind: hub.StartLatest}, keys...)
	b.Cleanup(s.Close)
	return s
}

func (h *benchHub) subscribeFrom(b *testing.B, start hub.Start, keys ...string) *hub.Subscription {
	b.Helper()
	s, _, err := h.Subscribe(b.Context(), hub.Request{
		Stream: "orders", Keys: keys, Start: start, Replay: -1, Owner: make(bell, 1), Labelled: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name             string
		unfiltered, keys int
	}{{"nobody", 0, 0}, {"1 subscriber", 1, 0}, {"1000 subscribers", 1000, 0}, {"10000 key feeds", 0, 10_000}} {
		b.Run(c.name, func(b *testing.B) {
			h := startBench(b, 16<<20)
			for range c.unfiltered {
				h.subscribe(b)
			}
			for i := range c.keys {
				h.subscribe(b, fmt.Sprintf("key-%d", i))
			}
			b.ReportAllocs()
			h.woken.Store(0)
			for b.Loop() {
				h.append()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchBatch), "ns/record")
			if woken := h.woken.Load(); (woken > 0) != (c.unfiltered+c.keys > 0) {
				b.Fatalf("%d feeds were woken", woken)
			}
		})
	}
}

func BenchmarkNextAtTheTip(b *testing.B) {
	for _, subscribers := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d subscribers", subscribers), func(b *testing.B) {
			h := startBench(b, 16<<20)
			all := make([]*hub.Subscription, subscribers)
			for i := range all {
				all[i] = h.subscribe(b)
			}
			var batch hub.Batch
			records := 0
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				h.append()
				b.StartTimer()
				for _, s := range all {
					for more := true; more; {
						batch.Reset()
						more = s.Next(&batch, frame{}, 64<<10)
						records += batch.Records
					}
				}
			}
			if want := b.N * subscribers * benchBatch; records != want {
				b.Fatalf("%d records were delivered, not %d", records, want)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*subscribers), "ns/subscriber")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*subscribers*benchBatch), "ns/delivery")
		})
	}
}

// BenchmarkNextBehind delivers 10,000 records of the log to a subscription that
// begins before them, in writes of 64 KiB; the keyed case delivers those of three
// keys.
func BenchmarkNextBehind(b *testing.B) {
	for _, keys := range [][]string{nil, {"key-1", "key-2", "key-3"}} {
		b.Run(fmt.Sprintf("%d keys", len(keys)), func(b *testing.B) {
			h := startBench(b, 64<<20)
			for range 10_000 / benchBatch {
				h.append()
			}
			want := 10_000
			if keys != nil {
				want = len(keys)
			}
			var batch hub.Batch
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				s := h.subscribeFrom(b, hub.Start{Kind: hub.StartEarliest}, keys...)
				b.StartTimer()
				records := 0
				for more := true; more; {
					batch.Reset()
					more = s.Next(&batch, frame{}, 64<<10)
					records += batch.Records
				}
				if records != want {
					b.Fatalf("%d records were delivered, not %d", records, want)
				}
				b.StopTimer()
				s.Close()
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*want), "ns/delivery")
		})
	}
}
