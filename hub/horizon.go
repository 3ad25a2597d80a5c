package hub

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// horizonAge is how long the offsets of a time in the past are cached, and mostHorizons how many
// of a stream are before those that are older are forgotten: tokens can name any spans.
const (
	horizonAge   = 5 * time.Second
	mostHorizons = 64
)

// clamp moves the subscription's position up to how far back it may begin: the span
// of its grant, by the timestamps of records, or with a cursor what was written
// within the resume window, if that is further back. It adds gaps for what is
// skipped. What Kafka no longer keeps is reported as retention, whatever the grant
// allows, and where compaction has left no records there is no gap. It reports
// whether anything is missing.
func (s *Subscription) clamp(ctx context.Context, req Request, from record.Position) (bool, error) {
	topic, now := s.stream.topicNow(), s.hub.now()
	if from.Topic != topic.ID || s.remembers(from, now.Add(-req.Replay)) {
		return false, nil
	}
	if written, ok := s.written(topic.ID); ok && from.Covers(written) {
		return false, nil
	}
	reach, err := s.stream.horizon(ctx, topic, req.Replay)
	if err != nil {
		return false, err
	}
	return s.withhold(reach, from, s.start == StartLast), nil // fewer records than asked for is no gap
}

// written returns the position back to which a subscription may resume whatever its
// grant allows for replays: one that starts at offsets resumes as well as one that
// starts at a cursor, which has them too. Other subscriptions have none.
func (s *Subscription) written(topic record.TopicID) (record.Position, bool) {
	switch s.start {
	case StartOffset, StartCursor, StartNamed:
	case StartLatest, StartEarliest, StartTime, StartLast:
		return record.Position{}, false
	}
	return s.stream.tips.within(topic, s.hub.now(), s.hub.limits().ResumeWindow)
}

// withhold moves the subscription's position up, from where it is (from), to how far
// back it may read. It adds gaps for what is skipped, unless silent, and reports
// whether anything is missing.
func (s *Subscription) withhold(reach reach, from record.Position, silent bool) (clamped bool) {
	written, resumes := s.written(reach.at.Topic)
	for _, to := range reach.at.Offsets {
		if at := written.Offset(to.Partition, 0); resumes && at < to.Offset {
			to = record.PartitionOffset{Partition: to.Partition, Epoch: -1, Offset: at}
		}
		was, _ := from.Find(to.Partition)
		if was.Offset >= to.Offset {
			continue
		}
		kept := min(max(was.Offset, reach.kept.Offset(to.Partition, 0)), to.Offset)
		first := min(max(kept, reach.first.Offset(to.Partition, 0)), to.Offset)
		if was.Offset < kept && !silent {
			s.addGap(record.Gap{Partition: to.Partition, From: was.Offset, To: kept, Reason: record.GapRetention}, to.Epoch)
		}
		if first < to.Offset && !silent {
			s.addGap(record.Gap{Partition: to.Partition, From: first, To: to.Offset, Reason: record.GapPolicy}, to.Epoch)
		}
		clamped = clamped || was.Offset < kept || first < to.Offset
		s.own.Set(to) // after the gap: a client that leaves before the gap is to be notified of it later
	}
	return clamped
}

// Bound is how far back a stream may be read under a grant.
type Bound struct{ reach reach }

// Bound asks Kafka how far back a span, which must not be negative, reaches in a
// tenant's stream that has subscriptions.
func (h *Hub) Bound(ctx context.Context, tenant, stream string, span time.Duration) (Bound, error) {
	st, err := h.find(tenant, stream)
	if err != nil {
		return Bound{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, h.limits().StartTimeout)
	defer cancel()
	reach, err := st.horizon(ctx, st.topicNow(), span)
	if err != nil {
		return Bound{}, fmt.Errorf("bound replay of %s: %w", stream, err)
	}
	return Bound{reach}, nil
}

// Replays reports whether the subscription has not yet reached the tip. Any goroutine may call
// it.
func (s *Subscription) Replays() bool { return !s.live.Load() }

// Narrow limits how far back a subscription that replays may read from now on; what
// is skipped is reported as a gap. A subscription that has been live keeps what it
// has fallen behind.
func (s *Subscription) Narrow(b Bound) {
	if s.live.Load() || s.conflation != nil || s.mode == modeEnded {
		return
	}
	if s.own == nil {
		own := s.at.at.Clone()
		s.own = &own
		s.on(onNarrowed)
	}
	if s.own.Topic == b.reach.at.Topic {
		s.withhold(b.reach, s.own.Clone(), false)
	}
}

// remembers reports whether the log shows that a position is not older than a time.
func (s *Subscription) remembers(from record.Position, horizon time.Time) bool {
	c, i := s.log.covering(from)
	if c == nil {
		return false
	}
	for ; i < c.len(); i++ {
		if e := c.at(i); e.kind == entryRecord {
			return e.time >= horizon.UnixMilli()
		}
	}
	// Only what is yet to come follows the position.
	tip := s.log.tip.Load()
	return from.Covers(tip.at)
}

// horizon returns how far back a span before now reaches.
func (st *stream) horizon(ctx context.Context, topic record.Topic, span time.Duration) (reach, error) {
	st.horizons.mu.Lock()
	if st.horizons.known == nil {
		st.horizons.known = make(map[time.Duration]*horizon)
	}
	h := st.horizons.known[span]
	if h == nil {
		if len(st.horizons.known) >= mostHorizons {
			st.forgetHorizons()
		}
		h = &horizon{asking: make(chan struct{}, 1)}
		st.horizons.known[span] = h
	}
	st.horizons.mu.Unlock()

	select {
	case h.asking <- struct{}{}:
		defer func() { <-h.asking }()
	case <-ctx.Done():
		return reach{}, ctx.Err()
	}
	now := st.hub.now()
	if h.reach.at.Topic == topic.ID && h.reach.at.Offsets != nil && now.Sub(h.asked) < horizonAge {
		return h.reach, nil
	}
	var found reach
	if err := st.question(ctx, st.everybody(), func() (err error) {
		found, err = st.measure(ctx, topic, now.Add(-span))
		return err
	}); err != nil {
		return reach{}, err
	}
	h.reach, h.asked = found, now
	return found, nil
}

// forgetHorizons forgets those that are too old to be used and that nobody waits for. The caller
// holds the lock.
func (st *stream) forgetHorizons() {
	now := st.hub.now()
	for span, h := range st.horizons.known {
		select {
		case h.asking <- struct{}{}:
		default:
			continue
		}
		if now.Sub(h.asked) >= horizonAge {
			delete(st.horizons.known, span)
		}
		<-h.asking
	}
}

// measure asks Kafka how far back the topic reaches from a time.
func (st *stream) measure(ctx context.Context, topic record.Topic, from time.Time) (reach, error) {
	at, err := st.Source.Offsets(ctx, topic, upstream.At(from))
	if err != nil {
		return reach{}, err
	}
	kept, err := st.Source.Offsets(ctx, topic, upstream.Earliest())
	if err != nil {
		return reach{}, err
	}
	record.SortOffsets(at)
	record.SortOffsets(kept)
	r := reach{at: record.Position{Topic: topic.ID, Offsets: at}, kept: record.Position{Topic: topic.ID, Offsets: kept}, first: record.Position{Topic: topic.ID, Offsets: slices.Clone(kept)}}
	var behind []record.PartitionOffset
	for _, place := range kept {
		if place.Offset < r.at.Offset(place.Partition, 0) {
			behind = append(behind, place)
		}
	}
	if len(behind) == 0 {
		return r, nil
	}
	// A time resolves to the offset of a record, so what precedes it may hold none.
	return r, st.Source.Read(ctx, topic, behind, searchRead, func(f *upstream.Fetched) {
		first := f.Next
		if f.Each != nil {
			f.Each(func(record *record.Record) bool {
				first.Offset = record.Offset
				return false
			})
		}
		first.Partition = f.Partition
		r.first.Set(first)
	})
}

// places asks Kafka for the offsets of a topic at a point.
func (s *Subscription) places(ctx context.Context, m upstream.OffsetSpec) (at record.Position, err error) {
	err = s.stream.question(ctx, s.client, func() error {
		topic := s.stream.topicNow()
		places, err := s.stream.Source.Offsets(ctx, topic, m)
		if err == nil {
			record.SortOffsets(places)
			at = record.Position{Topic: topic.ID, Offsets: places}
		}
		return err
	})
	return at, err
}
