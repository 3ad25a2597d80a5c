package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// frame is a format that adds a line end to each event.
type frame struct{}

func (frame) Slot() int                           { return 0 }
func (frame) AppendEvent(dst, body []byte) []byte { return append(append(dst, body...), '\n') }
func (frame) AppendGap(dst, body []byte) []byte   { return append(append(dst, body...), '\n') }

func TestFailOnGapAtTheStartOfAChunk(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.RecordBytes = 10 })
	r := subscribe(t, h, hub.Request{FailOnGap: true})
	defer r.Close()
	topics.Append("orders.v1", numbered(0, 1))
	<-r.bell
	var b hub.Batch
	if more := r.Next(&b, frame{}, 1000); more || r.Ended() != record.GapTooLarge || len(b.Bufs) != 0 {
		t.Errorf("more %v, ended %q, %d buffers", more, r.Ended(), len(b.Bufs))
	}
}

func TestEventThatDoesNotFitBehindAnother(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, nil)
	r := subscribe(t, h, hub.Request{})
	defer r.Close()
	topics.Append("orders.v1", numbered(0, 1))
	<-r.bell
	b := hub.Batch{Bufs: [][]byte{{1}}, Bytes: 1} // of another subscription
	if more := r.Next(&b, frame{}, 10); !more || len(b.Bufs) != 1 {
		t.Errorf("more %v, %d buffers; want more, in a batch of its own", more, len(b.Bufs))
	}
}

// TestCursorAheadOfTheTip: a client with a cursor of a hub that has read further
// waits at the tip, also while a batch is being appended.
func TestCursorAheadOfTheTip(t *testing.T) {
	t.Parallel()
	topics := &furtherOn{Topics: hubtest.New()}
	topics.Create("orders.v1", 1)
	var during atomic.Pointer[func()]
	h := startHubNow(t, topics, func() time.Time {
		if f := during.Load(); f != nil {
			(*f)()
		}
		return time.Now()
	})
	topic, _ := topics.Topic(t.Context(), "orders.v1")
	at := record.Position{Topic: topic.ID, Offsets: []record.PartitionOffset{{Offset: 990}}}
	first := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartLatest}})
	defer first.Close()
	topics.end.Store(1000)
	readers := make(chan *reader, 10)
	for range cap(readers) {
		r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: at}})
		defer r.Close()
		readers <- r
	}
	// The log asks for the time whenever it opens a chunk.
	inAppend := func() {
		r := <-readers
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Collect(1, func(_ bool, body []byte) { t.Errorf("got %s from beyond the tip", body) })
		}()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Error("Next does not return while a batch is being appended")
		}
	}
	during.Store(&inAppend)
	records := make([]record.Record, 1000)
	for n := range records {
		records[n] = numbered(0, n)
		records[n].Value = bytes.Repeat([]byte("1"), 4<<10) // several chunks
	}
	topics.AppendBatch("orders.v1", records)
	last := <-readers
	readers <- last
	<-last.bell
	during.Store(nil)
	if asked := cap(readers) - len(readers); asked < 3 {
		t.Fatalf("the batch took %d chunks: too few for this test", asked)
	}
	r := <-readers
	if got := r.collect(t, 10); len(got) != 10 || got[0].Offset != 990 {
		t.Errorf("got %d events, want 10 from 990 on", len(got))
	}
}

// furtherOn is a cluster whose topics end beyond what a hub has read.
type furtherOn struct {
	*hubtest.Topics
	end atomic.Int64
}

func (f *furtherOn) Offsets(ctx context.Context, topic record.Topic, at upstream.OffsetSpec) ([]record.PartitionOffset, error) {
	places, err := f.Topics.Offsets(ctx, topic, at)
	if _, timed := at.Time(); err == nil && !timed && !at.IsEarliest() {
		places[0].Offset = max(places[0].Offset, f.end.Load())
	}
	return places, err
}

// TestCursorBeyondTheEnd: a truncation while no hub of the test read the log is
// reported, and the records that replaced the lost ones are delivered.
func TestCursorBeyondTheEnd(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 2)
	for n := range 10 {
		topics.Append("orders.v1", numbered(0, n))
	}
	h := startHub(t, topics, func(*hub.Stream) {})
	topic, _ := topics.Topic(t.Context(), "orders.v1")
	start := hub.Start{Kind: hub.StartCursor, Position: record.Position{
		Topic: topic.ID, Offsets: []record.PartitionOffset{{Offset: 100, Epoch: 3}, {Partition: 1}},
	}}
	r := subscribe(t, h, hub.Request{Start: start, Replay: -1})
	defer r.Close()
	var got []string
	r.Collect(10, func(_ bool, body []byte) { got = append(got, string(body)) })
	if want := `{"type":"gap","stream":"orders","partition":0,"from":10,"to":100,"reason":"truncated"}`; len(got) != 1 || got[0] != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	topics.Append("orders.v1", numbered(0, 10))
	if got := r.collect(t, 1); len(got) != 1 || got[0].Offset != 10 {
		t.Errorf("behind the gap: %v", got)
	}
	failing := subscribe(t, h, hub.Request{Start: start, Replay: -1, FailOnGap: true})
	defer failing.Close()
	failing.Collect(10, func(_ bool, body []byte) { t.Errorf("got %s", body) })
	if failing.Ended() != record.GapTruncated {
		t.Errorf("ended %q", failing.Ended())
	}
}

func startHubNow(t *testing.T, topics upstream.Source, now func() time.Time) *hub.Hub {
	t.Helper()
	h, err := hub.New(hub.Config{
		Streams: []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: topics, LogBytes: 16 << 20}},
		Shards:  2, Wake: pumpOwners, Logger: slog.New(slog.DiscardHandler), Now: now,
		Limits: hub.Limits{StartTimeout: 20 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	<-h.Started()
	return h
}

// TestFloorPassesAFilteredReader: a filtered subscription continues where it was
// when the floor of the log moves past it while it delivers.
func TestFloorPassesAFilteredReader(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes, s.Backfill = 32<<10, 0 })
	keyed := subscribe(t, h, hub.Request{Keys: []string{"k1"}})
	defer keyed.Close()
	other := subscribe(t, h, hub.Request{})
	defer other.Close()
	add := func(n int) {
		for i := range n {
			topics.Append("orders.v1", numbered(0, i))
		}
		other.collect(t, n)
	}
	add(140)
	next, moved := int64(1), false
	for deadline := time.Now().Add(30 * time.Second); next < 2240 && time.Now().Before(deadline); {
		keyed.Collect(50, func(_ bool, body []byte) {
			var e seenEvent
			if err := json.Unmarshal(body, &e); err != nil || e.Offset != next {
				t.Fatalf("got %s, want offset %d", body, next)
			}
			next += 7
			if e.Offset == 15 && !moved {
				moved = true
				add(2100) // 140 and 2100 are multiples of 7, so the keys continue in sequence
			}
		})
	}
	if next < 2240 {
		t.Errorf("it ended before offset %d", next)
	}
}

// waitingSource blocks requests for the beginning of a topic.
type waitingSource struct {
	*hubtest.Topics
	gate chan struct{}
}

func (s waitingSource) Offsets(ctx context.Context, topic record.Topic, at upstream.OffsetSpec) ([]record.PartitionOffset, error) {
	if at.IsEarliest() {
		<-s.gate
	}
	return s.Topics.Offsets(ctx, topic, at)
}

// TestBackfillBehindAMovedFloor: a log that has removed chunks is no longer filled
// backwards, because a subscription may still be at an index in a removed chunk.
func TestBackfillBehindAMovedFloor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testBackfillBehindAMovedFloor)
}

func testBackfillBehindAMovedFloor(t *testing.T) {
	topics := hubtest.New()
	topics.Create("orders.v1", 2)
	source := waitingSource{topics, make(chan struct{})}
	h := startHub(t, topics, func(s *hub.Stream) { s.Source, s.LogBytes = source, 64<<10 })
	behind, tip := subscribe(t, h, hub.Request{}), subscribe(t, h, hub.Request{})
	defer behind.Close()
	defer tip.Close()
	base := time.Now().UnixMilli()
	add := func(n int) {
		records := make([]record.Record, n)
		for i := range records {
			records[i] = numbered(int32(i%2), i)
			records[i].Timestamp = base + int64(i)
		}
		topics.AppendBatch("orders.v1", records)
		tip.collect(t, n)
	}
	add(400)
	behind.collect(t, 300) // all of one partition and some of the other
	add(700)
	close(source.gate)
	synctest.Wait() // the backfill has ended
	behind.collect(t, 800)
	next := map[int32]int64{}
	for _, e := range behind.seen {
		if e.Offset != next[e.Partition] {
			t.Fatalf("partition %d: got offset %d, want %d", e.Partition, e.Offset, next[e.Partition])
		}
		next[e.Partition]++
	}
	if len(behind.seen) != 1100 {
		t.Errorf("got %d events, want 1100", len(behind.seen))
	}
}
