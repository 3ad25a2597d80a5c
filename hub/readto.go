package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sluice/hub/backoff"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// searchRead is roughly how much one read asks for, over all partitions.
const searchRead = 512 << 10

// run is some entries of what was read of one partition.
type run struct {
	block *chunk
	i, n  int
}

// readTo reads from a position on, roughly in order of time, until the target has
// been reached, and passes what it reads to put in runs. It retries transient
// errors; aside calls the function that waits in between, and reports false if it does.
// readTo returns when put returns false or the topic has been recreated, and reports
// whether the target was reached.
func (st *stream) readTo(ctx context.Context, from record.Position, target func() record.Position, put func(run) bool,
	aside func(wait func() bool) bool,
) (reached bool) {
	at := from.Clone()
	pending := make(map[int32]run)
	retry := backoff.New()
	for ctx.Err() == nil {
		to := target()
		if to.Topic != at.Topic {
			return false
		}
		// Partitions that are behind and have no block pending are read next; those
		// with a pending block wait for them, to be merged by time.
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
				if !aside(func() bool { return retry.Wait(ctx) }) {
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

// readBlocks reads once and adds a block to pending for each partition that has
// advanced.
func (st *stream) readBlocks(ctx context.Context, from []record.PartitionOffset, at *record.Position, pending map[int32]run) (moved bool, err error) {
	builders := make(map[int32]*chunkBuilder)
	topic := st.topicNow()
	if topic.ID != at.Topic {
		// The topic has been recreated, which the log reports soon.
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

// mergeRuns passes pending blocks to put in order of time, until a partition has no
// block left.
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

// readEach reads once from each of the offsets, at least, and about maxBytes in each of the
// reads that this takes: a single one may leave partitions out (see upstream.Source).
func (st *stream) readEach(ctx context.Context, topic record.Topic, from []record.PartitionOffset, maxBytes int, visit func(*upstream.Fetched)) error {
	left := slices.Clone(from)
	for asked := from; len(left) > 0; {
		before := len(left)
		err := st.Source.Read(ctx, topic, asked, maxBytes, func(f *upstream.Fetched) {
			left = slices.DeleteFunc(left, func(at record.PartitionOffset) bool { return at.Partition == f.Partition })
			visit(f)
		})
		switch {
		case err != nil:
			return err
		case len(left) < before:
			asked = slices.Clone(left)
		case len(asked) > 1:
			asked = slices.Clone(left[:1]) // a read of one partition leaves nothing out
		default:
			return fmt.Errorf("%w: partition %d of %q is missing in what was read", upstream.ErrSourceUnavailable, asked[0].Partition, topic.Name)
		}
	}
	return nil
}
