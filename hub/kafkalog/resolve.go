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

// epochsAsked bounds the number of epochs that dateTips goes back.
const epochsAsked = 100

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
		if err := s.offsetsAt(ctx, l, leader, partitions, at, found); err != nil {
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

func (s *Source) offsetsAt(ctx context.Context, l layout, leader int32, partitions []leadership, at upstream.OffsetSpec, found map[int32]record.PartitionOffset) error {
	when, isolation := timeLatest, readCommitted
	tips := make(map[int32]record.PartitionOffset)
	t, timed := at.Time()
	switch {
	case timed:
		// The tips are asked for first: a record that is written between the two
		// requests can have the given time, and a tip that is asked for later
		// would skip it.
		if err := s.offsetsAt(ctx, l, leader, partitions, upstream.Tip(), tips); err != nil {
			return err
		}
		when = max(t.UnixMilli(), 0)
	case at.IsEarliest():
		when = timeEarliest
	case at.IsLogEnd():
		isolation = unreplicated
	}
	answers, err := s.cluster.listOffsets(ctx, l.name, leader, partitions, when, isolation)
	if err != nil {
		return err
	}
	if when == timeLatest && !at.IsLogEnd() {
		if err := s.dateTips(ctx, l, leader, partitions, answers); err != nil {
			return err
		}
	}
	for _, p := range partitions {
		a := answers[p.partition]
		switch {
		case a.err != nil:
			err = fmt.Errorf("list offsets of partition %d of %q: %w", p.partition, l.name, a.err)
		case a.offset < 0 && timed:
			// No record has the given time or a later one.
			found[p.partition] = tips[p.partition]
		case a.offset < 0:
			err = fmt.Errorf("list offsets of partition %d of %q: no offset in the response", p.partition, l.name)
		default:
			// The epoch is that of the record, and at the tip that of the one before.
			// It serves to detect a truncated log.
			found[p.partition] = record.PartitionOffset{Partition: p.partition, Epoch: a.epoch, Offset: a.offset}
		}
	}
	return err
}

// dateTips gives tips the epoch of the record before them, where ListOffsets answers the
// leader's. The two differ until the leader has written something that can be read. What
// follows such a tip may have an epoch between them: records of an open transaction;
// records above the high watermark of a new leader, which does not know at first how
// much of its log the others have; and records that the leader does not have at all, if
// a replica that has them is elected next, before it has removed them. A position with
// the leader's epoch would have a later epoch than those behind it. The result is -1 if
// there are too many epochs in between.
//
// Where a leader's epoch begins is asked once, as it does not change.
func (s *Source) dateTips(ctx context.Context, l layout, leader int32, partitions []leadership, tips map[int32]listed) error {
	var asked []epochOf
	for _, lead := range partitions {
		tip := tips[lead.partition]
		if tip.err != nil || tip.epoch <= 0 {
			continue
		}
		if epoch, known := s.epochs.date(l, lead.partition, tip); known {
			tip.epoch = epoch
			tips[lead.partition] = tip
			continue
		}
		asked = append(asked, epochOf{lead, tip.epoch - 1})
	}
	for round := 0; len(asked) > 0; round++ {
		ends, err := s.cluster.epochEnds(ctx, l.name, leader, asked)
		if err != nil {
			return err
		}
		if round == 0 {
			s.epochs.keep(l, asked, ends)
		}
		var earlier []epochOf
		for _, a := range asked {
			tip, before := tips[a.lead.partition], ends[a.lead.partition]
			if before.Epoch < 0 || before.Offset < tip.offset {
				continue
			}
			if tip.epoch = before.Epoch; round == epochsAsked {
				tip.epoch = -1
			}
			tips[a.lead.partition] = tip
			if before.Offset > tip.offset && tip.epoch > 0 {
				earlier = append(earlier, epochOf{a.lead, tip.epoch - 1})
			}
		}
		asked = earlier
	}
	return nil
}
