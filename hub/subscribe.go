package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// Subscribe begins a subscription. When the stream is not being read yet, Subscribe
// waits for Kafka, at most StartTimeout, and then fails with ErrSourceUnavailable or
// ErrUnknownTopic.
func (h *Hub) Subscribe(ctx context.Context, req Request) (*Subscription, Begun, error) {
	if !h.Has(req.Tenant, req.Stream) {
		return nil, Begun{}, ErrUnknownStream
	}
	ctx, cancel := context.WithTimeout(ctx, h.limits().StartTimeout)
	defer cancel()
	select {
	case <-h.started:
	case <-ctx.Done():
		return nil, Begun{}, ErrClosed
	}
	st, err := h.find(req.Tenant, req.Stream)
	if err != nil {
		return nil, Begun{}, err
	}
	if req.Rows.Redaction, err = st.redaction(&req.Rows); err != nil {
		return nil, Begun{}, fmt.Errorf("subscribe to %s: %w", req.Stream, err)
	}
	l, err := st.acquire(ctx)
	if err != nil {
		return nil, Begun{}, err
	}
	if req.AfterStored {
		st.awaitStored(ctx, l)
	}
	s := &Subscription{
		hub:       h,
		stream:    st,
		log:       l,
		owner:     req.Owner,
		shard:     req.Shard,
		client:    client{Tenant: req.Tenant, Principal: req.Principal},
		failOnGap: req.FailOnGap,
		start:     req.Start.Kind,
		lease:     req.Start.Lease,
		redaction: req.Rows.Redaction,
		status:    l.status.Load(),
	}
	if req.Anew {
		s.breaks.Topic = 1
	}
	if !s.status.Live {
		s.status = nil // so that StatusChange reports it
	}
	which, err := s.selection(ctx, req)
	var begun Begun
	if err == nil {
		begun, err = s.begin(ctx, req, &which)
	}
	if err != nil {
		st.release()
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w: %w", upstream.ErrSourceUnavailable, err)
		}
		return nil, Begun{}, fmt.Errorf("subscribe to %s: %w", req.Stream, err)
	}
	s.feed = l.join(which, h.digest(which), s)
	s.labelled = req.Labelled && s.feed.Filtered()
	tip := l.tip.Load()
	s.target = tip.index
	if s.own == nil {
		s.at, s.index = tip, tip.index
		s.reachTip()
		s.on(onTip)
	} else {
		s.on(onPosition)
		begun.Behind = behind(*s.own, tip.at)
	}
	return s, begun, nil
}

// awaitStored waits until the log has what this instance has stored in the stream so far,
// except what it stored longer than Limits.StoredWithin ago: an open transaction hides
// later records as long as it lasts, and a topic that was recreated never has them. Half of
// Limits.StartTimeout remains for the rest of the start.
func (st *stream) awaitStored(ctx context.Context, l *log) {
	limits, now := st.hub.limits(), st.hub.now()
	within := min(limits.StoredWithin, limits.StartTimeout/2)
	ends, last := st.stored.since(l.tip.Load().at.Topic, now.Add(-within))
	if l.tip.Load().at.Covers(ends) {
		return
	}
	over := time.NewTimer(last.Add(within).Sub(now))
	defer over.Stop()
	for {
		appended := l.next()
		if l.tip.Load().at.Covers(ends) {
			return
		}
		select {
		case <-appended:
		case <-over.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Close ends a subscription. Its owner must call Close once, and must not call Next
// afterwards.
func (s *Subscription) Close() {
	if s.inquiry != nil {
		s.hub.turns.remove(&s.inquiry.task)
	}
	if s.late != nil {
		s.endLate()
	}
	if s.conflation != nil {
		s.endConflation()
	}
	s.log.leave(s)
	s.stream.release()
}

// begin resolves the start of the subscription to a position of its own, or leaves
// the subscription at the tip.
func (s *Subscription) begin(ctx context.Context, req Request, which *filter.Filter) (Begun, error) {
	begun := Begun{Kind: req.Start.Kind}
	var (
		from record.Position
		err  error
	)
	switch req.Start.Kind {
	case StartLatest:
		return begun, nil
	case StartEarliest:
		from, err = s.places(ctx, upstream.Earliest())
	case StartTime:
		from, err = s.places(ctx, upstream.At(req.Start.Time))
	case StartLast:
		from, begun.Short, err = s.newest(ctx, req.Start.Last, which)
	case StartOffset:
		from, err = s.startAt(ctx, req.Start.Position.Offsets)
	case StartCursor, StartNamed:
		begun.Recovered = true
		from, err = s.complete(ctx, req.Start.Position)
	default:
		return begun, fmt.Errorf("unknown start %q", req.Start.Kind)
	}
	if err != nil {
		return begun, err
	}
	s.own = &from
	if topic := s.stream.topicNow().ID; from.Topic != topic {
		// The position of a cursor of another topic must not bypass the replay
		// bound.
		begun.Recovered = false
		s.void(record.Position{Topic: topic})
	}
	if begun.Recovered {
		cut, undated, err := s.cutToEnd(ctx)
		if err != nil {
			return begun, err
		}
		begun.Recovered, begun.Cut = !cut, undated
	}
	if req.Replay >= 0 {
		clamped, err := s.clamp(ctx, req, s.own.Clone())
		if err != nil {
			return begun, err
		}
		if clamped {
			begun.Recovered = false
			begun.Short = begun.Short || req.Start.Kind == StartLast
		}
	}
	return begun, nil
}

// cutToEnd checks positions that may be of a log that was truncated since. It moves
// them back to where Kafka reports the truncation and reports the gap, in the cases
// that the log in memory cannot show later: offsets beyond the end of the topic, and
// truncations before the beginning of the log. This instance can be behind the one
// that made the cursor, so only Kafka knows the end, which never goes back otherwise
// (KIP-207). The end is not the place of the truncation: records written since lie
// between, and a read from the position reveals by its epoch where the logs diverge.
// Undated are the offsets at which the subscription continues where its position had
// no epoch.
func (s *Subscription) cutToEnd(ctx context.Context) (cut bool, undated []record.PartitionOffset, err error) {
	doubtful, read := s.log.unproven(*s.own)
	ask := slices.Clone(doubtful)
	if !s.log.tip.Load().at.Covers(*s.own) {
		end, err := s.places(ctx, upstream.Tip())
		if err != nil {
			return false, nil, err
		}
		for _, at := range s.own.Offsets {
			if to, ok := end.Find(at.Partition); ok && at.Offset > to.Offset && !slices.Contains(doubtful, at) {
				ask = append(ask, at)
			}
		}
	}
	if len(ask) == 0 {
		return false, nil, nil
	}
	visit := func(f *upstream.Fetched) {
		if f.Gap == nil || f.Gap.Reason != record.GapTruncated {
			return
		}
		was, _ := s.own.Find(f.Partition)
		to := f.BehindGap()
		s.addGap(*f.Gap, to.Epoch)
		s.own.Set(to)
		cut = true
		if was.Epoch < 0 {
			undated = append(undated, to)
		}
	}
	err = s.stream.question(ctx, s.client, func() error {
		return s.stream.readEach(ctx, s.stream.topicNow(), ask, searchRead, visit)
	})
	if err != nil {
		return false, nil, err
	}
	for _, at := range doubtful {
		if now, _ := s.own.Find(at.Partition); now == at {
			s.log.prove(at, read)
		}
	}
	return cut, undated, nil
}

// complete adds to a position the partitions that it does not contain, at their
// beginnings, and removes those that the topic does not have.
func (s *Subscription) complete(ctx context.Context, from record.Position) (record.Position, error) {
	topic := s.stream.topicNow()
	if from.Topic != topic.ID {
		return from.Clone(), nil // void, which is reported later
	}
	if n := len(from.Offsets); n > 0 && from.Offsets[n-1].Partition >= topic.Partitions {
		var err error
		if topic, err = s.stream.grown(ctx); err != nil {
			return record.Position{}, err // ignoring the partition would deliver all of it again
		}
		if topic.ID != from.Topic {
			return from.Clone(), nil // as above
		}
	}
	whole := record.Position{Topic: topic.ID, Offsets: make([]record.PartitionOffset, 0, topic.Partitions)}
	for _, at := range from.Offsets {
		if at.Partition < topic.Partitions {
			whole.Offsets = append(whole.Offsets, at)
		}
	}
	if len(whole.Offsets) == int(topic.Partitions) {
		return whole, nil
	}
	begin, err := s.places(ctx, upstream.Earliest())
	if err != nil {
		return record.Position{}, err
	}
	for _, at := range begin.Offsets {
		if _, ok := whole.Find(at.Partition); !ok {
			whole.Set(at)
		}
	}
	return whole, nil
}
