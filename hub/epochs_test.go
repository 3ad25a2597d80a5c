package hub_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// rising returns what is wrong with the epochs of positions that follow each other in a
// log to which nothing has happened but elections: a later position has no earlier
// epoch, and each epoch is known.
func rising(before, after record.Position) string {
	for _, at := range after.Offsets {
		was, ok := before.Find(at.Partition)
		switch {
		case at.Epoch < 0:
			return fmt.Sprintf("partition %d: offset %d has no epoch", at.Partition, at.Offset)
		case ok && at.Offset < was.Offset, ok && at.Epoch < was.Epoch:
			return fmt.Sprintf("partition %d: offset %d, epoch %d, is behind offset %d, epoch %d", at.Partition, at.Offset, at.Epoch, was.Offset, was.Epoch)
		}
	}
	return ""
}

// TestPositionsInABackfilledLogHaveEpochs: wherever a client stops in a log that was
// filled backwards, its cursor has the epochs that a later truncation is found by, and
// that named cursors are compared by.
func TestPositionsInABackfilledLogHaveEpochs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testPositionsInABackfilledLogHaveEpochs)
}

func testPositionsInABackfilledLogHaveEpochs(t *testing.T) {
	topics := hubtest.New()
	topics.Create("orders.v1", 2)
	add := func(partition int32, from, n int) {
		for i := range n {
			topics.Append("orders.v1", numbered(partition, from+i))
			time.Sleep(time.Millisecond)
		}
	}
	// One partition has nothing for a while, so that a position stays in front of it.
	add(0, 0, 300)
	topics.Skip("orders.v1", 0, 3)
	topics.Elect("orders.v1", 0)
	add(1, 0, 400)
	add(0, 303, 400)
	topics.Elect("orders.v1", 0)
	add(0, 703, 20)
	add(1, 400, 200)

	h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes = 64 << 20 })
	first := subscribe(t, h, hub.Request{})
	defer first.Close()
	synctest.Wait() // the log is filled
	reads := topics.Reads()
	r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
	defer r.Close()
	before := r.Position().Clone()
	for n := range 1320 {
		if got := r.collect(t, 1); len(got) != 1 || got[0].Type != "event" {
			t.Fatalf("event %d: got %+v", n, got)
		}
		now := cursorOf(t, r).Position
		if wrong := rising(before, now); wrong != "" {
			t.Fatalf("after event %d: %s", n, wrong)
		}
		before = now
	}
	if more := topics.Reads() - reads; more > 0 {
		t.Fatalf("Kafka was read %d times: the log was not filled back to the beginning", more)
	}
}

// TestVouchedEpochsAreNotTooLate: offsets without an epoch get that of what follows
// them, also where reading them all takes more than one read. The leader's epoch is
// later: a position further on would have an earlier one.
func TestVouchedEpochsAreNotTooLate(t *testing.T) {
	t.Parallel()
	for name, frugal := range map[string]bool{"one read": false, "a read for each": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const partitions = 3
			topics := hubtest.New()
			topics.Create("orders.v1", partitions)
			var undated, further record.Position
			for p := range int32(partitions) {
				for n := range 20 {
					topics.Append("orders.v1", numbered(p, n))
				}
				topics.Elect("orders.v1", p)
				for n := range 5 {
					topics.Append("orders.v1", numbered(p, 20+n))
				}
				undated.Set(record.PartitionOffset{Partition: p, Offset: 10, Epoch: -1})
				further.Set(record.PartitionOffset{Partition: p, Offset: 20})
			}
			topic, err := topics.Topic(t.Context(), "orders.v1")
			if err != nil {
				t.Fatal(err)
			}
			undated.Topic, further.Topic = topic.ID, topic.ID
			topics.Frugal(frugal)
			h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
			vouched, err := h.Vouch(t.Context(), "", record.StreamPosition{Stream: "orders", Position: undated})
			if err != nil {
				t.Fatal(err)
			}
			if wrong := rising(vouched, further); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}

// TestPositionsRiseInEpochs: of two positions that clients are given in a log to which
// nothing happens but elections, by whichever instance, the one that is further has no
// earlier epoch, if there is a record in between that clients get. Named cursors are compared by epochs first.
func TestPositionsRiseInEpochs(t *testing.T) {
	t.Parallel()
	for seed := range uint64(rounds()) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testPositionsRiseInEpochs(t, seed) })
		})
	}
}

func testPositionsRiseInEpochs(t *testing.T, seed uint64) {
	const partitions = 3
	random := rand.New(rand.NewPCG(seed, 0))
	topics := hubtest.New()
	topics.Create("orders.v1", partitions)
	topic, err := topics.Topic(t.Context(), "orders.v1")
	if err != nil {
		t.Fatal(err)
	}
	some := func() int32 { return random.Int32N(partitions) }
	newHub := func() *hub.Hub {
		return startHub(t, topics, func(s *hub.Stream) { s.LogBytes = 16 << 10 << random.IntN(8) })
	}
	hubs := []*hub.Hub{newHub(), newHub()}
	var (
		given   []record.Position
		epochs  [partitions]map[int64]int32 // of the offsets that were given
		visible [partitions][]bool          // by offset
	)
	for p := range epochs {
		epochs[p] = make(map[int64]int32)
	}
	give := func(what string, at record.Position) {
		t.Helper()
		for _, place := range at.Offsets {
			known := epochs[place.Partition]
			if place.Epoch < 0 {
				t.Fatalf("%s: partition %d: offset %d has no epoch", what, place.Partition, place.Offset)
			}
			for offset, epoch := range known {
				low, high := min(offset, place.Offset), max(offset, place.Offset)
				falls := offset < place.Offset && epoch > place.Epoch || offset > place.Offset && epoch < place.Epoch
				if falls && slices.Contains(visible[place.Partition][low:high], true) {
					t.Fatalf("%s: partition %d: offset %d has the epoch %d, and %d has %d", what, place.Partition, place.Offset, place.Epoch, offset, epoch)
				}
			}
			known[place.Offset] = max(known[place.Offset], place.Epoch)
		}
		given = append(given, at)
	}
	n := 0
	for range 60 {
		h := hubs[random.IntN(len(hubs))]
		switch random.IntN(10) {
		case 0, 1, 2:
			var batch []record.Record
			few := random.IntN(2) == 0
			for range 1 + random.IntN(300) {
				r := numbered(some(), n)
				if few {
					r.Partition = 1
				}
				batch = append(batch, r)
				visible[r.Partition] = append(visible[r.Partition], true)
				n++
			}
			topics.AppendBatch("orders.v1", batch)
			time.Sleep(time.Second)
		case 3:
			p, skipped := some(), 1+random.IntN(4)
			topics.Skip("orders.v1", p, skipped)
			visible[p] = append(visible[p], make([]bool, skipped)...)
		case 4:
			topics.Elect("orders.v1", some())
		case 5:
			topics.Transact("orders.v1", some(), random.IntN(2) == 0)
		case 6:
			topics.Frugal(random.IntN(2) == 0)
		case 7:
			hubs[random.IntN(len(hubs))] = newHub()
		case 8: // a client that says what it has seen, or whose cursor has no epochs
			if len(given) == 0 {
				continue
			}
			said := record.StreamPosition{Stream: "orders", Position: given[random.IntN(len(given))].Clone()}
			if random.IntN(2) == 0 {
				for i := range said.Position.Offsets {
					said.Position.Offsets[i].Epoch = -1
				}
			} else {
				end, err := topics.Offsets(t.Context(), topic, upstream.Tip())
				if err != nil {
					t.Fatal(err)
				}
				was, _ := said.Position.Find(some())
				said.Moved = []record.PartitionOffset{was}
				was.Offset += random.Int64N(1 + end[was.Partition].Offset - was.Offset)
				was.Epoch = -1
				said.Position.Set(was)
			}
			at, err := h.Vouch(t.Context(), "", said)
			if err != nil {
				t.Fatal(err)
			}
			give("vouched", at)
		default: // pages
			start := hub.Start{Kind: hub.StartEarliest}
			switch k := random.IntN(8); {
			case k == 0:
				start.Kind = hub.StartLatest
			case k < 7 && len(given) > 0:
				start = hub.Start{Kind: hub.StartNamed, Position: given[len(given)-1-random.IntN(min(len(given), 3))]}
			}
			r := subscribe(t, h, hub.Request{Start: start})
			for range 1 + random.IntN(3) {
				for more, limit := true, 1+random.IntN(400); more && limit > 0; {
					more = r.Take(limit, 1<<20, func(isGap bool, body []byte) {
						if limit--; isGap {
							t.Fatalf("a gap: %s", body)
						}
					})
					if !more && !r.AtTip() {
						synctest.Wait()
						time.Sleep(time.Second)
						more = true
					}
				}
				give("a page", cursorOf(t, r).Position)
			}
			r.Close()
		}
	}
}

func rounds() int {
	if testing.Short() {
		return 20
	}
	return 100
}
