package hub_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// pastbox is a source whose topic has a number of records of 200 bytes per
// partition, created as they are read.
type pastbox struct{ partitions, each int64 }

const pastValue = 200

func (p pastbox) Topic(context.Context, string) (record.Topic, error) {
	return record.Topic{Name: "orders.v1", ID: record.TopicID{1}, Partitions: int32(p.partitions)}, nil
}

func (p pastbox) Offsets(_ context.Context, _ record.Topic, m upstream.OffsetSpec) ([]record.PartitionOffset, error) {
	var places []record.PartitionOffset
	for i := range p.partitions {
		at := record.PartitionOffset{Partition: int32(i), Offset: p.each, Epoch: -1}
		if m.IsEarliest() {
			at.Offset = 0
		}
		places = append(places, at)
	}
	return places, nil
}

func (p pastbox) Read(_ context.Context, _ record.Topic, from []record.PartitionOffset, maxBytes int, visit func(*upstream.Fetched)) error {
	value := []byte(`{"id":1234,"symbol":"ACME","price":101.25,"size":300,"venue":"XNYS","flags":["a","b"],"note":"` +
		strings.Repeat("something ", 20))
	value = append(value[:pastValue-2], `"}`...)
	for _, at := range from {
		n := min(p.each-at.Offset, int64(maxBytes/len(from)/pastValue))
		next := at
		next.Offset, next.Epoch = at.Offset+n, 0
		r := record.Record{Partition: at.Partition, Value: value, Key: []byte("key-1234")}
		visit(&upstream.Fetched{Partition: at.Partition, Next: next, Each: func(yield func(*record.Record) bool) {
			for r.Offset = at.Offset; r.Offset < next.Offset; r.Offset++ {
				r.Timestamp = 1795245600000 + r.Offset/50
				if !yield(&r) {
					return
				}
			}
		}})
	}
	return nil
}

func (p pastbox) Follow(ctx context.Context, _ record.Topic, _ []record.PartitionOffset, _ upstream.Sink) error {
	<-ctx.Done()
	return ctx.Err()
}

// startReplays starts a hub with a topic whose log is empty.
func startReplays(b *testing.B, p pastbox, memory int) *hub.Hub {
	b.Helper()
	h, err := hub.New(hub.Config{
		Streams: []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: p, LogBytes: 1 << 20, Linger: time.Hour}},
		Shards:  1, Wake: func(shard int, f *hub.Feed) { f.Take(shard, nil) }, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Limits: hub.Limits{LateMemory: memory, StartTimeout: time.Second},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	b.Cleanup(func() { cancel(); running.Wait() })
	return h
}

// replayAll delivers the whole topic to one subscription, in writes of 60 KiB.
func replayAll(b *testing.B, h *hub.Hub, records int, w io.Writer) {
	b.Helper()
	bell := make(bell, 1)
	s, _, err := h.Subscribe(b.Context(), hub.Request{
		Stream: "orders", Start: hub.Start{Kind: hub.StartEarliest}, Replay: -1, Owner: bell,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var batch hub.Batch
	for n := 0; n < records; {
		batch.Reset()
		more := s.Next(&batch, frame{}, 60<<10)
		n += batch.Records
		bufs := net.Buffers(batch.Bufs)
		if _, err := bufs.WriteTo(w); err != nil {
			b.Fatal(err)
		}
		if !more && n < records {
			<-bell
		}
	}
}

// BenchmarkReplay measures replayed values, from cached blocks and as they are read
// from the source. Run it with -cpu 1 for the throughput of a core.
func BenchmarkReplay(b *testing.B) {
	for _, partitions := range []int64{1, 6} {
		p := pastbox{partitions, 600_000 / partitions}
		for _, from := range []struct {
			name   string
			memory int
		}{{"memory", 0}, {"source", 64 << 20}} {
			b.Run(fmt.Sprintf("from %s, %d partitions", from.name, partitions), func(b *testing.B) {
				h := startReplays(b, p, from.memory)
				if from.memory == 0 {
					replayAll(b, h, 600_000, io.Discard)
				}
				before := h.Late().Fetches
				b.SetBytes(600_000 * pastValue)
				b.ReportAllocs()
				for b.Loop() {
					replayAll(b, h, 600_000, io.Discard)
				}
				if fetches := h.Late().Fetches - before; (fetches > 0) != (from.memory > 0) {
					b.Fatalf("%d fetches", fetches)
				}
			})
		}
	}
}
