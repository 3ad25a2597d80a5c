package kafkalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// attempts bounds how often Offsets and Read try when a partition's leader has
// moved or a broker does not answer.
const attempts = 6

// Offsets implements upstream.Source.
func (s *Source) Offsets(ctx context.Context, topic record.Topic, at upstream.OffsetSpec) ([]record.PartitionOffset, error) {
	found := make(map[int32]record.PartitionOffset)
	pace := newBackoff()
	for try := 1; ; try++ {
		l, err := s.layoutOf(ctx, topic, true)
		if err == nil {
			err = s.offsetsOnce(ctx, l, at, found)
		}
		if err == nil {
			break
		}
		if errors.Is(err, upstream.ErrLogChanged) {
			return nil, fmt.Errorf("find offsets: %w", err)
		}
		if try == attempts || !sleep(ctx, pace.NextBackOff()) {
			return nil, fmt.Errorf("find offsets: %w", ensureUnavailable(cmp.Or(ctx.Err(), err)))
		}
	}
	return slices.SortedFunc(maps.Values(found), byPartition), nil
}

func byPartition(a, b record.PartitionOffset) int { return cmp.Compare(a.Partition, b.Partition) }

// ensureUnavailable wraps err in ErrSourceUnavailable unless it already is.
func ensureUnavailable(err error) error {
	if errors.Is(err, upstream.ErrSourceUnavailable) {
		return err
	}
	return unavailable(err)
}

// offsetsOnce asks each leader for its partitions that are not in found yet.
func (s *Source) offsetsOnce(ctx context.Context, l layout, at upstream.OffsetSpec, found map[int32]record.PartitionOffset) error {
	leaders := make(map[int32][]leadership)
	var failed error
	for _, p := range l.partitions {
		if _, ok := found[p.partition]; ok {
			continue
		}
		if p.leader < 0 {
			failed = leaderless(l.name, p)
			continue
		}
		leaders[p.leader] = append(leaders[p.leader], p)
	}
	for leader, partitions := range leaders {
		if err := s.offsetsAt(ctx, l.name, leader, partitions, at, found); err != nil {
			failed = err
		}
	}
	return failed
}

func leaderless(topic string, p leadership) error {
	if p.err != nil {
		return fmt.Errorf("partition %d of %q: %w", p.partition, topic, p.err)
	}
	return fmt.Errorf("partition %d of %q has no leader", p.partition, topic)
}

func (s *Source) offsetsAt(ctx context.Context, topic string, leader int32, partitions []leadership, at upstream.OffsetSpec, found map[int32]record.PartitionOffset) error {
	when := timeLatest
	tips := make(map[int32]record.PartitionOffset)
	t, timed := at.Time()
	switch {
	case timed:
		// The tips are asked for first: a record that is written between the two
		// requests can have the given time, and a tip that is asked for later
		// would skip it.
		if err := s.offsetsAt(ctx, topic, leader, partitions, upstream.Tip(), tips); err != nil {
			return err
		}
		when = max(t.UnixMilli(), 0)
	case at.IsEarliest():
		when = timeEarliest
	}
	answers, err := s.cluster.listOffsets(ctx, topic, leader, partitions, when, readCommitted)
	if err != nil {
		return err
	}
	if when == timeLatest {
		if err := s.dateTips(ctx, topic, leader, partitions, answers); err != nil {
			return err
		}
	}
	for _, p := range partitions {
		a := answers[p.partition]
		switch {
		case a.err != nil:
			err = fmt.Errorf("list offsets of partition %d of %q: %w", p.partition, topic, a.err)
		case a.offset < 0 && timed:
			// No record has the given time or a later one.
			found[p.partition] = tips[p.partition]
		case a.offset < 0:
			err = fmt.Errorf("list offsets of partition %d of %q: no offset in the response", p.partition, topic)
		default:
			// The epoch is that of the record, and at the tip that of the leader.
			// The offset has existed in the log with it, so it serves to detect a
			// truncated log.
			found[p.partition] = record.PartitionOffset{Partition: p.partition, Epoch: a.epoch, Offset: a.offset}
		}
	}
	return err
}

// dateTips corrects the epoch of those tips after which there are already
// records, of an open transaction: these records can have an earlier epoch than
// the leader's, and the epoch of a position would go down as it advances. The end
// is asked for later; if it is not above the tip, all records to come have the
// leader's epoch or a later one.
func (s *Source) dateTips(ctx context.Context, topic string, leader int32, partitions []leadership, tips map[int32]listed) error {
	ends, err := s.cluster.listOffsets(ctx, topic, leader, partitions, timeLatest, readUncommitted)
	if err != nil {
		return err
	}
	for _, lead := range partitions {
		tip, end := tips[lead.partition], ends[lead.partition]
		if tip.err != nil || end.err == nil && end.offset <= tip.offset {
			continue
		}
		if tip.epoch, err = s.cluster.epochAt(ctx, topic, lead, tip.offset, tip.epoch); err != nil {
			return err
		}
		tips[lead.partition] = tip
	}
	return nil
}
