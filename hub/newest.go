package hub

import (
	"context"
	"math"
	"time"

	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

const (
	// newestOffsets bounds how many offsets of a partition are searched for the
	// newest records that pass a filter, newestBytes how many bytes in all.
	newestOffsets = 1 << 17
	newestBytes   = 64 << 20
)

// sighting is a record that passed the filter.
type sighting struct{ offset, time int64 }

// newest finds the position after which n records pass the filter: the newest by
// timestamp over all partitions. It reports short when there are fewer, or when no
// more were found within the bounds of the search.
func (s *Subscription) newest(ctx context.Context, n int, which *filter.Filter) (from record.Position, short bool, err error) {
	tip, err := s.places(ctx, upstream.Tip())
	if err != nil {
		return record.Position{}, false, err
	}
	begin, err := s.places(ctx, upstream.Earliest())
	if err != nil {
		return record.Position{}, false, err
	}
	// A cluster that does not answer has been waited for by now: the searches of others, of other
	// clusters, do not wait for that.
	if err := s.hub.searches.Take(ctx, s.client); err != nil {
		return record.Position{}, false, err
	}
	held := true
	defer func() {
		if held {
			s.hub.searches.Give(s.client)
		}
	}()
	// Reads that fail, for as long as an outage lasts, must not keep others from their turns.
	aside := func(wait func() bool) bool {
		held = s.hub.searches.Aside(ctx, s.client, wait)
		return held
	}
	found := make(map[int32][]sighting) // by partition, in order of offset
	low := tip.Clone()
	budget := s.hub.newestBytes
	for window := int64(max(64, n/max(1, len(tip.Offsets)))); ; window *= 8 {
		searched := true // back to the beginning, or as far as the bound allows
		for i, end := range tip.Offsets {
			was := low.Offsets[i].Offset
			low.Offsets[i] = record.PartitionOffset{
				Partition: end.Partition,
				Offset:    max(begin.Offset(end.Partition, 0), end.Offset-min(window, newestOffsets)),
				Epoch:     -1,
			}
			searched = searched && low.Offsets[i].Offset == was
		}
		if searched {
			break
		}
		wider, oldest := make(map[int32][]sighting), make(map[int32]int64)
		if err := s.sight(ctx, low, tip, which, &budget, wider, oldest, aside); err != nil {
			return record.Position{}, false, err
		}
		if budget <= 0 {
			break // of this window only the oldest records were read
		}
		found = wider
		if enough(found, oldest, low, begin, tip, n) {
			break
		}
	}
	from, taken := newestOf(found, tip, n)
	return from, taken < n, nil
}

// sight collects all records between two positions that pass the filter, and the
// time of the first record of each partition.
func (s *Subscription) sight(ctx context.Context, low, tip record.Position, which *filter.Filter, budget *int,
	found map[int32][]sighting, oldest map[int32]int64, aside func(wait func() bool) bool,
) error {
	var view filter.View
	kafka := &s.hub.blocks.budget // the search counts against the budget of late subscriptions
	judged := make(map[int32]*chunk)
	s.stream.readTo(ctx, low, func() record.Position { return tip }, func(r run) bool {
		if p := r.block.at(r.i).partition; which.HasPredicates() && judged[p] != r.block {
			judged[p] = r.block
			if s.ask(ctx, which, r.block) != nil {
				return false
			}
		}
		before := *budget
		for i := r.i; i < r.n; i++ {
			e := r.block.at(i)
			if _, ok := oldest[e.partition]; !ok && e.kind == entryRecord {
				oldest[e.partition] = e.time
			}
			*budget -= len(r.block.body(i))
			if e.kind == entryRecord && e.next <= tip.Offset(e.partition, 0) && passes(which, r.block, i, &view) != filter.No {
				found[e.partition] = append(found[e.partition], sighting{e.next - 1, e.time})
			}
		}
		kafka.settle(0, before-*budget)
		return *budget > 0 && kafka.wait(ctx, 0)
	}, aside)
	return ctx.Err()
}

// ask evaluates a filter with predicates on all records of a block, in turns of the
// client. The answers are kept in the block.
func (s *Subscription) ask(ctx context.Context, which *filter.Filter, block *chunk) error {
	i := 0
	return s.hub.turns.do(ctx, s.client, func(view *filter.View, atMost time.Duration) (more bool) {
		n := block.len()
		for began := s.hub.now(); i < n; {
			passes(which, block, i, view)
			if i++; s.hub.now().Sub(began) >= atMost {
				break
			}
		}
		return i < n
	})
}

// enough reports whether what was found certainly contains the newest n: what was
// not searched is older than all of them, provided that timestamps rise.
func enough(found map[int32][]sighting, oldest map[int32]int64, low, begin, tip record.Position, n int) bool {
	from, taken := newestOf(found, tip, n)
	if taken < n {
		return false
	}
	last := int64(math.MaxInt64)
	for p, all := range found {
		for _, seen := range all {
			if seen.offset >= from.Offset(p, 0) {
				last = min(last, seen.time)
			}
		}
	}
	for _, at := range low.Offsets {
		if at.Offset > begin.Offset(at.Partition, 0) && oldest[at.Partition] > last {
			return false
		}
	}
	return true
}

// newestOf takes the newest n and returns the position before them.
func newestOf(found map[int32][]sighting, tip record.Position, n int) (record.Position, int) {
	from := tip.Clone()
	left := make(map[int32]int, len(found))
	for p, all := range found {
		left[p] = len(all)
	}
	for taken := range n {
		p, ok := newestLeft(found, left)
		if !ok {
			return from, taken
		}
		left[p]--
		from.Set(record.PartitionOffset{Partition: p, Offset: found[p][left[p]].offset, Epoch: -1})
	}
	return from, n
}

// newestLeft returns the partition whose last remaining record is the newest.
func newestLeft(found map[int32][]sighting, left map[int32]int) (int32, bool) {
	newest, at := int64(math.MinInt64), int32(-1)
	for p, n := range left {
		if n == 0 {
			continue
		}
		if t := found[p][n-1].time; t > newest || t == newest && p > at {
			newest, at = t, p
		}
	}
	return at, at >= 0
}
