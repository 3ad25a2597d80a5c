package hub_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// atOffsets returns a start at offsets, given as partition and offset in turn.
func atOffsets(pairs ...int64) hub.Start {
	start := hub.Start{Kind: hub.StartOffset}
	for i := 0; i < len(pairs); i += 2 {
		start.Position.Offsets = append(start.Position.Offsets, record.PartitionOffset{Partition: int32(pairs[i]), Offset: pairs[i+1], Epoch: -1})
	}
	return start
}

// TestStartAtOffsets: the partitions that are named begin at their offsets, below the
// log's floor as well as in it, and the others at their ends.
func TestStartAtOffsets(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		from hub.Start
		want []string // after one more record of each partition
	}{
		"one":               {atOffsets(1, 97), []string{"0:100", "1:97", "1:98", "1:99", "1:100", "2:100"}},
		"two":               {atOffsets(0, 99, 2, 98), []string{"0:99", "0:100", "1:100", "2:98", "2:99", "2:100"}},
		"the end":           {atOffsets(1, 100), []string{"0:100", "1:100", "2:100"}},
		"all at their ends": {atOffsets(0, 100, 1, 100, 2, 100), []string{"0:100", "1:100", "2:100"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, backfill := range []time.Duration{0, time.Hour} {
				topics := hubtest.New()
				topics.Create("orders.v1", 3)
				for n := range 100 {
					for p := range int32(3) {
						topics.Append("orders.v1", numbered(p, n))
					}
				}
				h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = backfill })
				r := subscribe(t, h, hub.Request{Start: test.from})
				for p := range int32(3) {
					topics.Append("orders.v1", numbered(p, 100))
				}
				var got []string
				for _, e := range r.collect(t, len(test.want)) {
					got = append(got, fmt.Sprintf("%d:%d", e.Partition, e.Offset))
				}
				r.Close()
				slices.SortStableFunc(got, func(a, b string) int { return int(a[0]) - int(b[0]) })
				if !slices.Equal(got, test.want) {
					t.Errorf("backfill %v: got %v, want %v", backfill, got, test.want)
				}
			}
		})
	}
}

// TestStartAtOffsetsThatAreNotThere: partitions that a topic does not have and offsets
// beyond the end are refused, with what there is; offsets below the beginning are gaps.
func TestStartAtOffsetsThatAreNotThere(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 2)
	for n := range 10 {
		topics.Append("orders.v1", numbered(0, n))
	}
	h := startHub(t, topics, nil)
	refused := func(from hub.Start, want string) {
		t.Helper()
		s, _, err := h.Subscribe(t.Context(), hub.Request{Stream: "orders", Start: from, Replay: -1, Owner: make(bell, 1)})
		if err == nil {
			s.Close()
		}
		var wrong *hub.OffsetError
		if !errors.As(err, &wrong) || wrong.Error() != want {
			t.Errorf("%v: got %v", from.Position, err)
		}
	}
	refused(atOffsets(0, 11), "partition 0 ends at offset 10, so it cannot be read from a later one")
	refused(atOffsets(0, record.MaxOffset+1), "partition 0 ends at offset 10, so it cannot be read from a later one")
	refused(atOffsets(0, 0, 1, 1), "partition 1 ends at offset 0, so it cannot be read from a later one")
	refused(atOffsets(0, 0, 2, 0), "the stream has no partition 2: it has 2, numbered from 0")
	refused(atOffsets(1<<31-1, 0), "the stream has no partition 2147483647: it has 2, numbered from 0")

	// A partition that was added is found before the source follows it.
	topics.Grow("orders.v1", 3)
	topics.Append("orders.v1", numbered(2, 0))
	added := subscribe(t, h, hub.Request{Start: atOffsets(2, 0)})
	defer added.Close()
	if got := added.collect(t, 1); len(got) != 1 || got[0].Partition != 2 || got[0].Offset != 0 {
		t.Errorf("in a partition that was added: %+v", got)
	}

	// An instance that does not have the records in memory any more.
	topics.Expire("orders.v1", 0, 4)
	h = startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
	for _, replay := range []time.Duration{-1, 30 * time.Minute} {
		r := subscribe(t, h, hub.Request{Start: atOffsets(0, 1), Replay: replay})
		if got := r.collect(t, 7); len(got) != 7 || got[0].Reason != "retention" || got[0].From != 1 || got[0].To != 4 || got[1].Offset != 4 {
			t.Errorf("below the beginning: %+v", got)
		}
		r.Close()
	}
}

// TestOffsetsHaveNoEpoch: a client that names an offset does not know the epoch of the
// record before it, so nothing is taken for a truncation.
func TestOffsetsHaveNoEpoch(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	for n := range 20 {
		if n == 10 {
			topics.Elect("orders.v1", 0)
		}
		topics.Append("orders.v1", numbered(0, n))
	}
	h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
	for _, offset := range []int64{5, 10, 15} {
		r := subscribe(t, h, hub.Request{Start: atOffsets(0, offset)})
		if got := r.collect(t, int(20-offset)); len(got) != int(20-offset) || got[0].Type == "gap" || got[0].Offset != offset {
			t.Errorf("from %d: got %+v", offset, got)
		}
		r.Close()
	}
}

// TestOffsetsAreBoundAsReplays: an offset reads no further back than a cursor with the
// same offset.
func TestOffsetsAreBoundAsReplays(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	for n := range 20 {
		r := numbered(0, n)
		if n < 10 {
			r.Timestamp -= time.Hour.Milliseconds()
		}
		topics.Append("orders.v1", r)
	}
	h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
	r := subscribe(t, h, hub.Request{Start: atOffsets(0, 3), Replay: 30 * time.Minute})
	defer r.Close()
	if got := r.collect(t, 11); len(got) != 11 || got[0].Reason != "policy" || got[0].From != 3 || got[0].To != 10 || got[1].Offset != 10 {
		t.Errorf("got %+v", got)
	}
	strict := subscribe(t, h, hub.Request{Start: atOffsets(0, 3), Replay: 30 * time.Minute, FailOnGap: true})
	defer strict.Close()
	if got := strict.collect(t, 1); len(got) != 0 || strict.Ended() != record.GapPolicy {
		t.Errorf("got %+v, ended %q", got, strict.Ended())
	}
}
