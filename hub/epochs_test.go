package hub_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
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
