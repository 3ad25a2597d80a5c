package hub_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// lateTopic returns a topic with records of about 300 bytes in each partition,
// merged by time, and a hub whose log holds almost none of them.
func lateTopic(t *testing.T, partitions, each int, change func(*hub.Config)) (*hubtest.Topics, *hub.Hub) {
	t.Helper()
	topics := hubtest.New()
	topics.Create("orders.v1", partitions)
	base := time.Now().UnixMilli()
	records := make([]record.Record, 0, partitions*each)
	for n := range partitions * each {
		r := numbered(int32(n%partitions), n/partitions)
		r.Timestamp = base + int64(n)
		r.Value = append(append([]byte{'"'}, make([]byte, 250)...), '"')
		for i := range r.Value[1:251] {
			r.Value[1+i] = 'a' + byte(i%26)
		}
		records = append(records, r)
	}
	topics.AppendBatch("orders.v1", records)
	h := startHubWith(t, topics, func(s *hub.Stream) { s.Backfill, s.LogBytes = 0, 32<<10 }, change)
	return topics, h
}

// collectAll takes events until it has n, or none arrive for a while. It parses only
// where the events are from, which is all that tests with many events check.
func (r *reader) collectAll(t *testing.T, n int) {
	t.Helper()
	waited := time.NewTimer(time.Minute)
	defer waited.Stop()
	for len(r.seen) < n {
		more := r.Collect(1+rand.IntN(min(n-len(r.seen), 1000)), func(_ bool, body []byte) {
			r.seen = append(r.seen, seenEvent{Type: "event", Partition: int32(number(t, body, `"partition":`)), Offset: number(t, body, `"offset":`)})
		})
		if more || len(r.seen) >= n {
			continue
		}
		if r.Ended() != "" {
			return
		}
		select {
		case <-r.bell:
		case <-waited.C:
			return
		}
	}
}

// number returns the number of a field that precedes an event's data.
func number(t *testing.T, body []byte, field string) (n int64) {
	t.Helper()
	_, rest, ok := bytes.Cut(body, []byte(field))
	if !ok || !bytes.HasPrefix(body, []byte(`{"type":"event"`)) {
		t.Errorf("%s is no event", body)
	}
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + int64(c-'0')
	}
	return n
}

// TestLateReadersShareReads: however many subscriptions read the same records before
// the log, Kafka is read about once for each block of them.
func TestLateReadersShareReads(t *testing.T) {
	t.Parallel()
	topics, h := lateTopic(t, 3, 3_000, func(c *hub.Config) {
		c.ReplaysPerInstance, c.ReplaysPerPrincipal = 8, 1
	})
	before := topics.Reads()
	var all sync.WaitGroup
	for i := range 40 {
		r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}, Principal: string(rune('a' + i%26))})
		all.Go(func() {
			defer r.Close()
			if r.collectAll(t, 9_000); len(r.seen) != 9_000 {
				t.Errorf("reader %d got %d events", i, len(r.seen))
			}
			next := map[int32]int64{}
			for _, e := range r.seen {
				if e.Offset != next[e.Partition] {
					t.Errorf("partition %d: got offset %d, want %d", e.Partition, e.Offset, next[e.Partition])
					return
				}
				next[e.Partition]++
			}
		})
	}
	all.Wait()
	info := h.Late()
	reads := topics.Reads() - before
	t.Logf("%d reads made %d blocks for 40 readers of 9,000 records", reads, info.Made)
	if reads == 0 || uint64(reads) != info.Fetches || reads > 2*int(info.Made) || info.Made > 100 {
		t.Errorf("%d reads made %d blocks", reads, info.Made)
	}
}

// TestResumingReadersShareReads: subscriptions that resume at positions near each
// other share reads, too.
func TestResumingReadersShareReads(t *testing.T) {
	t.Parallel()
	topics, h := lateTopic(t, 1, 20_000, nil)
	topic, _ := topics.Topic(t.Context(), "orders.v1")
	before := topics.Reads()
	var all sync.WaitGroup
	for i := range 100 {
		at := int64(12_000 + i*7919%1000)
		r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: record.Position{
			Topic: topic.ID, Offsets: []record.PartitionOffset{{Offset: at}},
		}}})
		all.Go(func() {
			defer r.Close()
			r.collectAll(t, 1000)
			for k, e := range r.seen {
				if e.Offset != at+int64(k) {
					t.Errorf("got offset %d, want %d", e.Offset, at+int64(k))
					return
				}
			}
			if len(r.seen) != 1000 {
				t.Errorf("got %d events", len(r.seen))
			}
		})
	}
	all.Wait()
	if reads, made := topics.Reads()-before, h.Late().Made; reads > 2*int(made) || made > 40 {
		t.Errorf("%d reads made %d blocks", reads, made)
	}
}

// TestLateMemoryIsBounded: the memory of late subscriptions stays within its bound,
// and subscriptions whose blocks were removed get them again.
func TestLateMemoryIsBounded(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	_, h := lateTopic(t, 2, 3_000, func(c *hub.Config) { c.LateMemory, c.ReplaysPerInstance = most, 2 })
	over := make(chan struct{})
	var watching sync.WaitGroup
	largest := 0
	watching.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				largest = max(largest, h.Late().Bytes)
				time.Sleep(50 * time.Microsecond)
			}
		}
	})
	var all sync.WaitGroup
	for i := range 4 {
		r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
		all.Go(func() {
			defer r.Close()
			for len(r.seen) < 6_000 && len(r.collect(t, 500)) > 0 {
				time.Sleep(time.Duration(i) * 100 * time.Microsecond)
			}
			if len(r.seen) < 6_000 {
				t.Errorf("reader %d got %d events", i, len(r.seen))
			}
		})
	}
	all.Wait()
	close(over)
	watching.Wait()
	if largest == 0 || largest > most {
		t.Errorf("%d bytes were kept, of %d", largest, most)
	}
}

// TestWhatIsAtHandNeedsNoTurn: a subscription that is served from cached blocks does
// not wait for the subscriptions that have all the turns.
func TestWhatIsAtHandNeedsNoTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics, h := lateTopic(t, 1, 10_000, func(c *hub.Config) { c.ReplaysPerInstance = 1 })
		stuck := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
		defer stuck.Close()
		stuck.collect(t, 1) // it has the turn, and takes nothing more
		synctest.Wait()
		other := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
		defer other.Close()
		began, reads := time.Now(), topics.Reads()
		if got := other.collect(t, 500); len(got) != 500 || topics.Reads() != reads || time.Since(began) > time.Second {
			t.Errorf("got %d events after %d reads and %v", len(got), topics.Reads()-reads, time.Since(began))
		}
	})
}

// TestLateReadsKeepToTheirBudget: reads for late subscriptions are no faster than
// the budget allows.
func TestLateReadsKeepToTheirBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const perSecond = 1 << 20
		_, h := lateTopic(t, 1, 20_000, func(c *hub.Config) { c.LateBytesPerSecond = perSecond })
		r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
		defer r.Close()
		began, bytes := time.Now(), 0
		for n := 0; n < 18_000; {
			more := r.Collect(1000, func(_ bool, body []byte) { n, bytes = n+1, bytes+len(body) })
			if !more {
				<-r.bell
			}
		}
		took := time.Since(began)
		if rate := float64(bytes) / took.Seconds(); rate > 1.4*perSecond || rate < 0.5*perSecond {
			t.Errorf("%d bytes in %v: %.0f a second, of %d", bytes, took, rate, perSecond)
		}
	})
}

// TestLateReadersOutliveAnOutage: a subscription that waits for Kafka continues
// where it was.
func TestLateReadersOutliveAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics, h := lateTopic(t, 2, 5_000, func(c *hub.Config) { c.ReplaysPerInstance = 1 })
		var readers []*reader
		for range 3 {
			r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
			defer r.Close()
			readers = append(readers, r)
		}
		topics.Away(true)
		readers[0].collect(t, 1)
		time.Sleep(10 * time.Second)
		if h.Late().Waiting == 0 {
			t.Error("nobody waits for Kafka while it is away")
		}
		topics.Away(false)
		for i, r := range readers {
			r.collectAll(t, 10_000)
			if len(r.seen) < 10_000 {
				t.Errorf("reader %d got %d events", i, len(r.seen))
			}
		}
		if waiting := h.Late().Waiting; waiting != 0 {
			t.Errorf("%d wait for ever", waiting)
		}
	})
}

// workerQueue is a worker's queue of readers that have something to deliver.
type workerQueue struct {
	ready chan *queuedReader
}

type queuedReader struct {
	*hub.Subscription
	queue *workerQueue
	state atomic.Int32 // 0 idle, 1 queued, 2 running, 3 to run again
	got   int
}

func (r *queuedReader) Pump() {
	for {
		switch s := r.state.Load(); {
		case s == 0 && r.state.CompareAndSwap(0, 1):
			r.queue.ready <- r
			return
		case s == 2 && r.state.CompareAndSwap(2, 3):
			return
		case s == 1 || s == 3:
			return
		}
	}
}

// TestResumeStorm: 2,000 clients that return at once, each some thousand records
// below the floor of the log, are served by a few reads.
func TestResumeStorm(t *testing.T) {
	t.Parallel()
	const clients, each, records = 2000, 1000, 40_000
	topics, h := lateTopic(t, 1, records, func(c *hub.Config) {
		c.ReplaysPerInstance, c.ReplaysPerPrincipal, c.LateMemory = 64, 4, 64<<20
	})
	topic, _ := topics.Topic(t.Context(), "orders.v1")
	queue := &workerQueue{make(chan *queuedReader, clients+1)}
	before, began := topics.Reads(), time.Now()
	for i := range clients {
		r := &queuedReader{queue: queue}
		r.state.Store(1)
		var err error
		if r.Subscription, _, err = h.Subscribe(t.Context(), hub.Request{
			Stream: "orders", Replay: -1, Owner: r, Principal: fmt.Sprint(i % 1000),
			Start: hub.Start{Kind: hub.StartCursor, Position: record.Position{
				Topic: topic.ID, Offsets: []record.PartitionOffset{{Offset: int64(records - 20_000 - i*7919%2000)}},
			}},
		}); err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		queue.ready <- r
	}
	var workers sync.WaitGroup
	var done atomic.Int32
	over := make(chan struct{})
	for range 2 {
		workers.Go(func() {
			var batch hub.Batch
			for {
				select {
				case <-over:
					return
				case r := <-queue.ready:
					r.state.Store(2)
					batch.Reset()
					more := r.Next(&batch, frame{}, 60<<10)
					had := r.got
					if r.got += batch.Records; had < each && r.got >= each {
						if done.Add(1) == clients {
							close(over)
							return
						}
					}
					if r.got < each && more || !r.state.CompareAndSwap(2, 0) {
						r.state.Store(1)
						queue.ready <- r
					}
				case <-time.After(time.Minute):
					t.Errorf("%d of %d got what they had missed", done.Load(), clients)
					return
				}
			}
		})
	}
	workers.Wait()
	reads, made := topics.Reads()-before, h.Late().Made
	t.Logf("%d clients had %d records each after %v, from %d reads that made %d blocks", clients, each, time.Since(began), reads, made)
	if reads > 2*int(made) || made > 100 {
		t.Errorf("%d reads made %d blocks", reads, made)
	}
}
