package kafkalog

import (
	"context"
	"errors"
	"fmt"

	"sluice/hub/record"
)

// errDeposed means that a broker's log ends before an offset, and that the broker
// led the partition only before the record at that offset was written. A broker
// that was paused does not know yet that another one leads, and neither may the
// metadata at hand. The current leader has an epoch that is at least that of any
// record.
var errDeposed = errors.New("another broker now leads the partition")

// deposedPatience is for how many answers in a row this is at least assumed to be
// the reason, with new metadata each time. After that, and once all brokers
// report that broker as the leader, the offset belongs to no existing log.
const deposedPatience = 5

// deposed reports whether a leadership is older than the record at the position.
func (l leadership) deposed(at record.PartitionOffset) bool {
	return l.epoch >= 0 && l.epoch < at.Epoch
}

// relocate finds where reading continues after the leader has reported that an
// offset is out of range, and the gap that this leaves, which is nil if no
// records are missing. An offset that is in range is returned unchanged.
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
		// The log was truncated. The epoch shows at which offset; the records
		// that have been written from there on are new.
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

// restart replaces an offset whose epoch the log does not know by the earliest
// one: it is unknown how much of what was read before is still in the log.
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

// truncated returns the gap of records that were read, or asked for, and no
// longer exist, nil if there are none.
func truncated(at, to record.PartitionOffset) *record.Gap {
	if to.Offset >= at.Offset {
		return nil
	}
	return &record.Gap{Partition: at.Partition, From: to.Offset, To: at.Offset, Reason: record.GapTruncated}
}
