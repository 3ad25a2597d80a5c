package hub

import (
	"context"
	"fmt"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// vouchRead is how much is read to learn an epoch: one batch, however small.
const vouchRead = 1 << 10

// Vouch checks a position that a client of a tenant presents to be stored against Kafka. An
// offset whose epoch the client does not know (~) gets the epoch of the cursor
// before it, and is moved back to where that epoch ends: beyond it the log may be
// another one than the client has read. An offset beyond the end of the log is
// ErrBadCursor. An offset with an epoch is left as it is, because the epoch reveals
// a truncation when a subscription starts there; but partitions that the topic does
// not have are removed, because a client could invent any number of them (see
// Subscription.Ack).
func (h *Hub) Vouch(ctx context.Context, tenant string, at record.StreamPosition) (record.Position, error) {
	position := at.Position
	var undated []record.PartitionOffset // from where the client says that it has read
	for _, place := range position.Offsets {
		if place.Epoch < 0 {
			undated = append(undated, at.Before(place))
		}
	}
	st, err := h.find(tenant, at.Stream)
	if err != nil {
		return record.Position{}, err
	}
	if len(undated) == 0 && st.has(position) {
		return position, nil
	}
	topic, err := st.Source.Topic(ctx, st.Topic)
	if err != nil {
		return record.Position{}, fmt.Errorf("check a cursor of %s: %w", at.Stream, err)
	}
	void := topic.ID != position.Topic // which is reported to a subscription that starts there
	position = position.Only(func(place record.PartitionOffset) bool {
		return place.Partition < topic.Partitions || place.Epoch < 0 && !void
	})
	if void || len(undated) == 0 {
		return position, nil
	}
	position = position.Clone()
	if err := st.vouch(ctx, topic, position, undated); err != nil {
		return record.Position{}, fmt.Errorf("check a cursor of %s: %w", at.Stream, err)
	}
	return position, nil
}

// has reports whether the topic is known to have all partitions of a position.
func (st *stream) has(position record.Position) bool {
	n, known := len(position.Offsets), st.topic.Load()
	return n == 0 || known != nil && position.Offsets[n-1].Partition < known.Partitions
}

// vouch adds epochs to offsets of a position, in place.
func (st *stream) vouch(ctx context.Context, topic record.Topic, position record.Position, undated []record.PartitionOffset) error {
	places, err := st.Source.Offsets(ctx, topic, upstream.Tip())
	if err != nil {
		return err
	}
	record.SortOffsets(places)
	tip := record.Position{Topic: topic.ID, Offsets: places}
	for _, before := range undated {
		if position.Offset(before.Partition, 0) > tip.Offset(before.Partition, -1) {
			return fmt.Errorf("%w: it is ahead of the end of the log", record.ErrBadCursor)
		}
	}
	first := record.Position{} // the epochs of what follows the cursor
	if err := st.readEach(ctx, topic, undated, vouchRead*len(undated), func(f *upstream.Fetched) {
		if _, known := first.Find(f.Partition); known {
			return
		}
		follows := record.PartitionOffset{Partition: f.Partition, Epoch: f.Next.Epoch}
		if f.Each != nil {
			f.Each(func(r *record.Record) bool {
				follows.Epoch = r.Epoch
				return false
			})
		}
		// Without records it may have read over some that are not delivered.
		if follows.Epoch >= 0 {
			first.Set(follows)
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
	return st.readEach(ctx, topic, ask, vouchRead*len(ask), func(f *upstream.Fetched) {
		if f.Gap == nil || f.Gap.Reason != record.GapTruncated {
			return
		}
		to, _ := position.Find(f.Partition)
		to.Offset = f.Gap.Behind()
		for _, before := range undated {
			if before.Partition == f.Partition && before.Offset > to.Offset {
				to = before // its epoch reveals that it is void
			}
		}
		position.Set(to)
	})
}

// Redate dates a position anew that a client of a tenant presented to be stored, given
// what is stored then. Without a lease a store compares epochs before offsets, as an earlier
// epoch with a higher offset can be of a log that was truncated since. It is not if the log
// still has that offset in that epoch: the stored offset then has a later epoch than that of
// the record before it, such as an ack has (see Subscription.Acked), and the result has that
// epoch too. Redate reports false if nothing of the position is to be stored again.
func (h *Hub) Redate(ctx context.Context, tenant string, at record.StreamPosition, stored record.Position) (record.Position, bool, error) {
	var ask []record.PartitionOffset
	position := at.Position.Clone()
	for _, place := range at.Position.Offsets {
		was, ok := stored.Find(place.Partition)
		if !ok || stored.Topic != position.Topic || was.Offset >= place.Offset || was.Epoch <= place.Epoch {
			continue
		}
		if place.Epoch < 0 {
			place.Epoch = was.Epoch
		}
		ask = append(ask, place)
		place.Epoch = was.Epoch
		position.Set(place)
	}
	if len(ask) == 0 {
		return record.Position{}, false, nil
	}
	st, err := h.find(tenant, at.Stream)
	if err != nil {
		return record.Position{}, false, err
	}
	topic, err := st.Source.Topic(ctx, st.Topic)
	if err != nil {
		return record.Position{}, false, fmt.Errorf("compare a cursor of %s: %w", at.Stream, err)
	}
	if topic.ID != position.Topic {
		return record.Position{}, false, nil
	}
	confirmed := len(ask)
	if err := st.readEach(ctx, topic, ask, vouchRead*len(ask), func(f *upstream.Fetched) {
		if f.Gap != nil && (f.Gap.Reason == record.GapTruncated || f.Gap.Reason == record.GapRetention) {
			was, _ := at.Position.Find(f.Partition)
			position.Set(was)
			confirmed--
		}
	}); err != nil {
		return record.Position{}, false, fmt.Errorf("compare a cursor of %s: %w", at.Stream, err)
	}
	return position, confirmed > 0, nil
}
