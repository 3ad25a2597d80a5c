package hub

import (
	"context"
	"slices"
	"time"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

const (
	// firstWindow is how many offsets of a partition are filled in first. Each
	// further window has four times as many, up to lastWindow.
	firstWindow = 256
	lastWindow  = 1 << 20
)

// backfill fills a log backwards, so that clients that return after a restart are
// served from memory. It ends when the log holds half of what it may, or reaches
// back as far as Stream.Backfill, or to the topic's beginning.
func (st *stream) backfill(ctx context.Context, l *log) {
	topic := st.topicNow()
	begin, err := st.Source.Offsets(ctx, topic, upstream.Earliest())
	if err != nil {
		return // late subscriptions read from Kafka instead
	}
	oldest := st.hub.now().Add(-st.Backfill)
	if st.Backfill <= 0 {
		return
	}
	for window := int64(firstWindow); window <= lastWindow; window *= 4 {
		floor := l.floor()
		if floor.start.Topic != topic.ID {
			return
		}
		from := floor.start.Clone()
		behind := false
		for i, at := range from.Offsets {
			start := max(record.Position{Offsets: begin}.Offset(at.Partition, 0), at.Offset-window)
			if start < at.Offset {
				behind = true
				from.Offsets[i] = record.PartitionOffset{Partition: at.Partition, Offset: start, Epoch: -1}
			}
		}
		if !behind {
			return
		}
		older, ok := st.readChunks(ctx, from, floor.start)
		if !ok || len(older) == 0 || !l.prepend(older, floor) {
			return
		}
		size := l.size()
		// The next window brings four times as much.
		if size*5 > st.LogBytes/2 || st.hub.balance() || newestIn(older[0]) < oldest.UnixMilli() {
			return
		}
	}
}

// newestIn returns the time of the newest record of a chunk, 0 without any.
func newestIn(c *chunk) int64 {
	newest := int64(0)
	for i := range c.len() {
		newest = max(newest, c.at(i).time)
	}
	return newest
}

// readChunks reads what lies between two positions, merged by time.
func (st *stream) readChunks(ctx context.Context, from, to record.Position) ([]*chunk, bool) {
	var (
		chunks []*chunk
		d      chunkBuilder
		start  = from.Clone() // where the builder begins
		at     = from.Clone() // where it ends
		first  = make(map[int32]int32)
	)
	cut := func() {
		chunks = append(chunks, d.chunk(start))
		start, d = at.Clone(), chunkBuilder{}
	}
	passed := func(place record.PartitionOffset) {
		if _, ok := first[place.Partition]; !ok {
			first[place.Partition] = place.Epoch
		}
		at.Set(place)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	reached := st.readTo(ctx, from, func() record.Position { return to }, func(r run) bool {
		for i := r.i; i < r.n; i++ {
			e := *r.block.at(i)
			switch {
			case e.kind == entryGap:
				// A log does not begin with a gap: it begins after it.
				return false
			case e.next > to.Offset(e.partition, 0):
				// The log contains it already.
			default:
				d.bodies = append(d.bodies, r.block.body(i)...)
				d.add(e)
				passed(e.place())
			}
			if len(d.bodies) >= maxChunkBytes/4 {
				cut()
			}
		}
		return true
	}, func(wait func() bool) bool { return wait() })
	// All or nothing: the chunks must end exactly where the log begins.
	if !reached {
		return nil, false
	}
	for _, end := range to.Offsets {
		if at.Offset(end.Partition, 0) < end.Offset {
			st.encoder.advance(&d, end)
			passed(end)
		}
	}
	cut()
	for _, c := range chunks {
		dateStart(c, first)
	}
	return slices.Clip(chunks), true
}

// dateStart gives the offsets at which a chunk begins, and that have no epoch, the epoch of
// what follows them: the log had these offsets in that epoch, and no position behind them
// has an earlier one.
func dateStart(c *chunk, first map[int32]int32) {
	for i, at := range c.start.Offsets {
		if epoch, ok := first[at.Partition]; ok && at.Epoch < 0 {
			c.start.Offsets[i].Epoch = epoch
		}
	}
}
