package hub

import (
	"context"
	"fmt"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// vouchRead is how much is read to learn an epoch: one batch, however small.
const vouchRead = 1 << 10

// Vouch holds a position that a client hands in, to be stored, against Kafka. A
// place whose epoch the client cannot tell (~) gets that of the cursor in front
// of it, and is moved back to where that epoch ends: behind it the log may be
// another one than the client has read. A place beyond the end of its log is
// ErrBadCursor. What has an epoch is left as it is, as it shows by itself, to
// one who starts there, that a log was cut short; but partitions that the topic
// does not have are left out, as a client could make any number of them (see
// Subscription.Ack).
func (h *Hub) Vouch(ctx context.Context, at record.StreamPosition) (record.Position, error) {
	position := at.Position
	var undated []record.PartitionOffset // from where on the client says that it has read
	for _, place := range position.Offsets {
		if place.Epoch < 0 {
			undated = append(undated, at.Before(place))
		}
	}
	st, ok := h.streams[at.Stream]
	if !ok {
		return record.Position{}, ErrUnknownStream
	}
	if len(undated) == 0 && st.has(position) {
		return position, nil
	}
	topic, err := st.Source.Topic(ctx, st.Topic)
	if err != nil {
		return record.Position{}, fmt.Errorf("vouch for a cursor of %s: %w", at.Stream, err)
	}
	void := topic.ID != position.Topic // as whoever starts there is told
	position = position.Only(func(place record.PartitionOffset) bool {
		return place.Partition < topic.Partitions || place.Epoch < 0 && !void
	})
	if void || len(undated) == 0 {
		return position, nil
	}
	position = position.Clone()
	if err := st.vouch(ctx, topic, position, undated); err != nil {
		return record.Position{}, fmt.Errorf("vouch for a cursor of %s: %w", at.Stream, err)
	}
	return position, nil
}

// has reports whether the topic is known to have all partitions of a position.
func (st *stream) has(position record.Position) bool {
	n, known := len(position.Offsets), st.topic.Load()
	return n == 0 || known != nil && position.Offsets[n-1].Partition < known.Partitions
}

// vouch gives places of a position epochs, in the position itself.
func (st *stream) vouch(ctx context.Context, topic record.Topic, position record.Position, undated []record.PartitionOffset) error {
	places, err := st.Source.Offsets(ctx, topic, upstream.Tip())
	if err != nil {
		return err
	}
	record.SortOffsets(places)
	tip := record.Position{Topic: topic.ID, Offsets: places}
	for _, before := range undated {
		if position.Offset(before.Partition, 0) > tip.Offset(before.Partition, -1) {
			return fmt.Errorf("%w: it is ahead of the log", record.ErrBadCursor)
		}
	}
	first := record.Position{} // the epochs of what follows the cursor
	if err := st.Source.Read(ctx, topic, undated, vouchRead*len(undated), func(f *upstream.Fetched) {
		if f.Each != nil {
			f.Each(func(r *record.Record) bool {
				if _, ok := first.Find(f.Partition); !ok {
					first.Set(record.PartitionOffset{Partition: f.Partition, Epoch: r.Epoch})
				}
				return false
			})
		}
	}); err != nil {
		return err
	}
	ask := make([]record.PartitionOffset, len(undated))
	for i, before := range undated {
		to, _ := position.Find(before.Partition)
		to.Epoch = before.Epoch
		if read, ok := first.Find(before.Partition); ok && to.Epoch < 0 {
			to.Epoch = read.Epoch
		}
		if end, ok := tip.Find(before.Partition); ok && to.Epoch < 0 {
			to.Epoch = end.Epoch
		}
		ask[i] = to
		position.Set(to)
	}
	return st.Source.Read(ctx, topic, ask, vouchRead*len(ask), func(f *upstream.Fetched) {
		if f.Gap == nil || f.Gap.Reason != record.GapTruncated {
			return
		}
		to, _ := position.Find(f.Partition)
		to.Offset = f.Gap.Behind()
		for _, before := range undated {
			if before.Partition == f.Partition && before.Offset > to.Offset {
				to = before // that it is void is seen by its epoch
			}
		}
		position.Set(to)
	})
}
