package hub

import (
	"context"
	"errors"

	"sluice/hub/backoff"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// searchRead is about how much one read asks for, over all partitions.
const searchRead = 512 << 10

// run is some entries of what was read of one partition.
type run struct {
	block *chunk
	i, n  int
}

// readTo reads from a position on, in order of time as well as it can, until
// the target has been reached, and hands over what it reads in runs. It goes on
// through errors that can pass, and returns when put returns false or the
// topic is another one. It reports whether it got there.
func (st *stream) readTo(ctx context.Context, from record.Position, target func() record.Position, put func(run) bool) (reached bool) {
	at := from.Clone()
	pending := make(map[int32]run)
	retry := backoff.New()
	for ctx.Err() == nil {
		to := target()
		if to.Topic != at.Topic {
			return false
		}
		// What is behind and has nothing at hand is read next; what has
		// something at hand waits for it, to be merged by time.
		var wanted []record.PartitionOffset
		for _, end := range to.Offsets {
			if _, ok := pending[end.Partition]; !ok && at.Offset(end.Partition, 0) < end.Offset {
				place, ok := at.Find(end.Partition)
				if !ok {
					place = record.PartitionOffset{Partition: end.Partition, Epoch: -1}
				}
				wanted = append(wanted, place)
			}
		}
		if len(wanted) == 0 && len(pending) == 0 {
			return true
		}
		if len(wanted) > 0 {
			moved, err := st.readBlocks(ctx, wanted, &at, pending)
			switch {
			case errors.Is(err, upstream.ErrLogChanged):
				return false
			case err != nil || !moved:
				if !retry.Wait(ctx) {
					return false
				}
				continue
			}
			retry.Reset()
		}
		if !mergeRuns(pending, put) {
			return false
		}
	}
	return false
}

// readBlocks reads once and adds a block to pending for each partition that
// moved.
func (st *stream) readBlocks(ctx context.Context, from []record.PartitionOffset, at *record.Position, pending map[int32]run) (moved bool, err error) {
	builders := make(map[int32]*chunkBuilder)
	topic := st.topicNow()
	if topic.ID != at.Topic {
		// It has been made again, which the log will say in a moment.
		return false, upstream.ErrLogChanged
	}
	err = st.Source.Read(ctx, topic, from, searchRead, func(f *upstream.Fetched) {
		d := builders[f.Partition]
		if d == nil {
			d = &chunkBuilder{}
			builders[f.Partition] = d
		}
		st.encoder.fetched(d, f, at.Offset(f.Partition, 0))
	})
	for partition, d := range builders {
		if len(d.entries) == 0 {
			continue
		}
		moved = true
		at.Set(d.entries[len(d.entries)-1].place())
		pending[partition] = run{block: d.chunk(record.Position{}), n: len(d.entries)}
	}
	return moved, err
}

// mergeRuns hands over what is at hand in order of time, until a partition has
// nothing left at hand.
func mergeRuns(pending map[int32]run, put func(run) bool) bool {
	for len(pending) > 0 {
		first, second := int32(-1), int64(0)
		var firstTime int64
		for p, r := range pending {
			t := r.block.at(r.i).time
			switch {
			case first < 0:
				first, firstTime = p, t
				second = 1<<63 - 1
			case t < firstTime || t == firstTime && p < first:
				first, firstTime, second = p, t, firstTime
			default:
				second = min(second, t)
			}
		}
		r := pending[first]
		n := r.i + 1
		for n < r.n && r.block.at(n).time <= second {
			n++
		}
		out := run{block: r.block, i: r.i, n: n}
		if n == r.n {
			delete(pending, first)
		} else {
			r.i = n
			pending[first] = r
		}
		if !put(out) {
			return false
		}
		if n == r.n {
			return true
		}
	}
	return true
}
