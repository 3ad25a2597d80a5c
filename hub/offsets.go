package hub

import (
	"context"
	"fmt"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// OffsetError means that StartOffset names a place that the stream does not have. The
// text is for the subscriber.
type OffsetError struct {
	Partition int32
	// Partitions is how many partitions the stream has, if it does not have Partition.
	Partitions int32
	// End is the end of the partition, if the offset is beyond it.
	End int64
}

// Error implements error.
func (e *OffsetError) Error() string {
	if e.Partitions > 0 {
		return fmt.Sprintf("the stream has no partition %d: it has %d, numbered from 0", e.Partition, e.Partitions)
	}
	return fmt.Sprintf("partition %d ends at offset %d, so it cannot be read from a later one", e.Partition, e.End)
}

// startAt completes offsets that a subscriber names: partitions that are not among them
// begin at their ends. An offset beyond the end is an error: from the end on, records
// with lower offsets than asked for would be delivered, and waiting for the offset would
// look like a stream without records. Only Kafka knows the end: this instance can be
// behind the one at which the subscriber has read.
func (s *Subscription) startAt(ctx context.Context, named []record.PartitionOffset) (record.Position, error) {
	topic := s.stream.topicNow()
	if n := len(named); n > 0 && named[n-1].Partition >= topic.Partitions {
		var err error
		if topic, err = s.stream.grown(ctx); err != nil {
			return record.Position{}, err
		}
		if last := named[n-1].Partition; last >= topic.Partitions {
			return record.Position{}, &OffsetError{Partition: last, Partitions: topic.Partitions}
		}
	}
	at, err := s.places(ctx, upstream.Tip())
	if err != nil {
		return record.Position{}, err
	}
	for _, want := range named {
		if end, ok := at.Find(want.Partition); ok && want.Offset > end.Offset {
			return record.Position{}, &OffsetError{Partition: want.Partition, End: end.Offset}
		}
		at.Set(record.PartitionOffset{Partition: want.Partition, Offset: want.Offset, Epoch: -1})
	}
	return at, nil
}
