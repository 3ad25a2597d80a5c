package kafkalog

import (
	"context"
	"time"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// outOfRange is a partition whose offset is out of the log's range.
type outOfRange struct {
	part *partition
	at   record.PartitionOffset
}

// relocate asks where reading continues for partitions whose offsets are out of
// range, and reports that to their followers.
func (b *broker) relocate(ctx context.Context, all []outOfRange) {
	for _, one := range all {
		b.relocateOne(ctx, one)
	}
}

func (b *broker) relocateOne(ctx context.Context, o outOfRange) {
	s := b.s
	s.mu.Lock()
	lead, fresh, strange := o.part.lead, o.part.fresh, o.part.strange
	s.mu.Unlock()
	topic := o.part.f.topic.Name
	to, gap, err := s.cluster.relocate(ctx, topic, lead, o.at)
	inRange := err == nil && gap == nil && to == o.at
	if inRange && strange >= 3 {
		// The log does not have the epoch, whichever broker leads.
		to, gap, err = s.cluster.restart(ctx, topic, lead, o.at)
		inRange = false
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	part := o.part
	switch {
	case part.f.gone:
		part.free()
	case err != nil:
		part.failed(now, err)
		part.free()
		s.refresh()
	case inRange:
		part.strange++
		part.failed(now, kafkaError(codeOffsetOutOfRange))
		part.free()
		s.refresh()
	default:
		if fresh {
			gap = nil
		}
		part.reached()
		part.strange = 0
		part.f.post(&delivery{gaps: []upstream.Fetched{{
			Partition: to.Partition, Gap: gap, Next: to, Start: -1, Tip: -1,
		}}})
	}
}
