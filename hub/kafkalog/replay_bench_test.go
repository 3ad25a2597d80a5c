package kafkalog

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// recorded is a source whose partitions contain the same batch again and again.
// It runs the code of Source.Read from the point at which a broker's answer has
// arrived.
type recorded struct {
	source     *Source
	layout     layout
	batch      []byte
	records    int64 // in the batch
	each       int64 // in a partition
	partitions int64
	answers    sync.Pool // of *[]byte, pooled like brokers' answers
}

func (s *recorded) Topic(context.Context, string) (record.Topic, error) { return s.layout.topic(), nil }

func (s *recorded) Offsets(_ context.Context, _ record.Topic, m upstream.OffsetSpec) ([]record.PartitionOffset, error) {
	var offsets []record.PartitionOffset
	for i := range s.partitions {
		at := record.PartitionOffset{Partition: int32(i), Offset: s.each, Epoch: 4}
		if m.IsEarliest() {
			at.Offset, at.Epoch = 0, -1
		}
		offsets = append(offsets, at)
	}
	return offsets, nil
}

func (s *recorded) Read(ctx context.Context, topic record.Topic, from []record.PartitionOffset, maxBytes int, visit func(*upstream.Fetched)) error {
	r := reading{s: s.source, topic: topic, visit: visit, left: maxBytes, pending: append([]record.PartitionOffset(nil), from...)}
	in := s.source.inflaters.Get().(*inflater)
	defer s.source.inflaters.Put(in)
	answer := s.answers.Get().(*[]byte)
	defer s.answers.Put(answer)
	for _, at := range from {
		p := fetchedPartition{partition: at.Partition, start: 0, stable: s.each, divergedEnd: -1, records: (*answer)[:0]}
		for base := at.Offset - at.Offset%s.records; base < s.each && len(p.records) < maxBytes/len(from); base += s.records {
			n := len(p.records)
			p.records = append(p.records, s.batch...)
			binary.BigEndian.PutUint64(p.records[n:], uint64(base))
		}
		*answer = p.records
		if err := r.partition(ctx, s.layout, &p, in); err != nil {
			return err
		}
	}
	return nil
}

func (s *recorded) Follow(ctx context.Context, _ record.Topic, _ []record.PartitionOffset, _ upstream.Sink) error {
	<-ctx.Done()
	return ctx.Err()
}

// ringing is a subscription owner that waits for its notification.
type ringing chan struct{}

func (r ringing) Pump() {
	select {
	case r <- struct{}{}:
	default:
	}
}

// lines is a wire format with one line per event.
type lines struct{}

func (lines) Slot() int                        { return 0 }
func (lines) AppendEvent(dst, b []byte) []byte { return append(append(dst, b...), '\n') }
func (lines) AppendGap(dst, b []byte) []byte   { return append(append(dst, b...), '\n') }

// BenchmarkReplay measures the replay of values from a broker's answers:
// checksums, the walk over batches, the check of JSON, the envelope, the frame,
// delivery. Run it with -cpu 1 to measure one core.
func BenchmarkReplay(b *testing.B) {
	for _, size := range []int{200, 1000} {
		for _, partitions := range []int64{1, 6} {
			b.Run(fmt.Sprintf("%d bytes, %d partitions", size, partitions), func(b *testing.B) {
				value := []byte(`{"id":1234,"symbol":"ACME","price":101.25,"size":300,"venue":"XNYS","flags":["a","b"],"note":"`)
				value = append(value, strings.Repeat("something ", size/10)...)
				value = append(value[:size-2], `"}`...)
				benchReplay(b, value, partitions)
			})
		}
	}
}

func benchReplay(b *testing.B, value []byte, partitions int64) {
	const inBatch = 100
	each := (120 << 20) / int64(len(value)) / partitions / inBatch * inBatch
	batch := testBatch{producer: -1}
	for i := range inBatch {
		r := kmsg.NewRecord()
		r.OffsetDelta, r.TimestampDelta64 = int32(i), int64(i/50)
		r.Key, r.Value = fmt.Appendf(nil, "key-%d", i), value
		batch.data = appendTestRecord(batch.data, r)
		batch.values = append(batch.values, "")
	}
	config := SourceConfig{InflatedBytes: 8 << 20, Logger: slog.New(slog.DiscardHandler)}
	source := &recorded{
		source:  &Source{config: config, inflaters: sync.Pool{New: func() any { return newInflater(config.InflatedBytes) }}},
		layout:  layout{name: "orders.v1", id: record.TopicID{1}},
		batch:   batch.bytes(),
		records: inBatch, each: each, partitions: partitions,
		answers: sync.Pool{New: func() any { return new([]byte) }},
	}
	for i := range partitions {
		source.layout.partitions = append(source.layout.partitions, leadership{partition: int32(i), leader: 1, epoch: 4})
	}
	h, err := hub.New(hub.Config{
		Streams: []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: source, LogBytes: 1 << 20, Linger: time.Hour}},
		Shards:  1, Wake: func(shard int, f *hub.Feed) { f.Take(shard, nil) }, Logger: config.Logger, Now: time.Now,
		Limits: hub.Limits{LateMemory: 64 << 20, StartTimeout: time.Second},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	defer func() { cancel(); running.Wait() }()

	b.SetBytes(each * partitions * int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		bell := make(ringing, 1)
		s, _, err := h.Subscribe(b.Context(), hub.Request{Stream: "orders", Start: hub.Start{Kind: hub.StartEarliest}, Replay: -1, Owner: bell})
		if err != nil {
			b.Fatal(err)
		}
		var batch hub.Batch
		records := 0
		for int64(records) < each*partitions {
			batch.Reset()
			more := s.Next(&batch, lines{}, 60<<10)
			records += batch.Records
			if batch.Gaps > 0 {
				b.Fatal("a gap")
			}
			bufs := net.Buffers(batch.Bufs)
			if _, err := bufs.WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
			if !more && int64(records) < each*partitions {
				<-bell
			}
		}
		s.Close()
	}
}
