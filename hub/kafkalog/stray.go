package kafkalog

import (
	"context"
	"time"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// stray is a partition whose place is out of the log's range.
type stray struct {
	part *partition
	at   record.PartitionOffset
}

// find asks where partitions go on whose places are out of range, and tells
// their followers.
func (b *broker) find(ctx context.Context, strays []stray) {
	for _, st := range strays {
		b.findOne(ctx, st)
	}
}

func (b *broker) findOne(ctx context.Context, st stray) {
	s := b.s
	s.mu.Lock()
	lead, fresh, strange := st.part.lead, st.part.fresh, st.part.strange
	s.mu.Unlock()
	topic := st.part.f.topic.Name
	to, gap, err := s.cluster.relocate(ctx, topic, lead, st.at)
	inRange := err == nil && gap == nil && to == st.at
	if inRange && strange >= 3 {
		// The log has no such epoch, whoever leads it.
		to, gap, err = s.cluster.restart(ctx, topic, lead, st.at)
		inRange = false
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	part := st.part
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
