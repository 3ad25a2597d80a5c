package kafkalog

import (
	"context"
	"errors"
	"fmt"

	"sluice/hub/record"
)

// errDeposed is a broker whose log ends before an offset, and which led the
// partition only before the record there was written. One that was paused does
// not know yet that another one leads, nor may our metadata. The leader of now
// has an epoch that is no lower than that of any record.
var errDeposed = errors.New("another broker leads the partition by now")

// deposedPatience is how often in a row that is taken for the reason at least, with
// what metadata says by then. After that, and once all brokers have that broker for
// the leader, the offset is of no log that there is.
const deposedPatience = 5

// deposed reports whether a leadership is from before the record there was written.
func (l leadership) deposed(at record.PartitionOffset) bool {
	return l.epoch >= 0 && l.epoch < at.Epoch
}

// relocate finds where reading goes on after the leader has said that an offset
// is out of range, and the gap that this leaves, which is nil where nothing is
// missing. An offset that is in range is returned as it was.
func (c *Cluster) relocate(ctx context.Context, topic string, lead leadership, at record.PartitionOffset) (record.PartitionOffset, *record.Gap, error) {
	one := []leadership{lead}
	ask := func(when int64) (int64, error) {
		found, err := c.listOffsets(ctx, topic, lead.leader, one, when, readUncommitted)
		if err != nil {
			return 0, err
		}
		l := found[lead.partition]
		if l.err != nil {
			return 0, fmt.Errorf("list offsets: %w", l.err)
		}
		return l.offset, nil
	}
	start, err := ask(timeEarliest)
	if err != nil {
		return at, nil, err
	}
	end, err := ask(timeLatest)
	if err != nil {
		return at, nil, err
	}
	to := record.PartitionOffset{Partition: at.Partition, Epoch: -1}
	switch {
	case at.Offset < start:
		to.Offset = start
		return to, &record.Gap{Partition: at.Partition, From: at.Offset, To: start, Reason: record.GapRetention}, nil
	case at.Offset > end:
		// The log was cut short. Where it was cut the epoch tells; the
		// records that have come since then are new.
		to.Offset = end
		if at.Epoch >= 0 {
			cut, err := c.epochEnd(ctx, topic, lead, at.Epoch)
			if err == nil && cut.Epoch >= 0 && cut.Offset >= start && cut.Offset < end {
				to.Offset, to.Epoch = cut.Offset, cut.Epoch
			}
		}
	default:
		return at, nil, nil
	}
	return to, truncated(at, to), nil
}

// restart gives up an offset whose epoch the log does not know: nothing says
// how much of what was read before it is still there.
func (c *Cluster) restart(ctx context.Context, topic string, lead leadership, at record.PartitionOffset) (record.PartitionOffset, *record.Gap, error) {
	found, err := c.listOffsets(ctx, topic, lead.leader, []leadership{lead}, timeEarliest, readUncommitted)
	if err != nil {
		return at, nil, err
	}
	l := found[lead.partition]
	if l.err != nil {
		return at, nil, fmt.Errorf("list offsets: %w", l.err)
	}
	to := record.PartitionOffset{Partition: at.Partition, Epoch: -1, Offset: l.offset}
	return to, truncated(at, to), nil
}

// truncated is the gap of what was read, or asked for, and is no longer there.
func truncated(at, to record.PartitionOffset) *record.Gap {
	if to.Offset >= at.Offset {
		return nil
	}
	return &record.Gap{Partition: at.Partition, From: to.Offset, To: at.Offset, Reason: record.GapTruncated}
}
