package hub

import (
	"context"
	"sync"
	"time"
)

// horizonAge is how long it is remembered where a time in the past is.
const horizonAge = 5 * time.Second

// horizons remembers, for each span that grants allow, where in the topic it
// begins, so that many who come back at once cost one question.
type horizons struct {
	mu    sync.Mutex
	known map[time.Duration]*horizon
}

type horizon struct {
	mu    sync.Mutex // held while Kafka is asked
	asked time.Time
	at    Position
}

// clamp moves the subscription's position up to how far back it may begin, and
// has the gap told. It reports whether it had to.
func (s *Subscription) clamp(ctx context.Context, req Request, from Position) (bool, error) {
	topic := s.stream.topicNow()
	if from.Topic != topic.ID || s.remembers(from, s.hub.now().Add(-req.Replay)) {
		return false, nil
	}
	at, err := s.stream.horizon(ctx, topic, req.Replay)
	if err != nil {
		return false, err
	}
	clamped := false
	for _, first := range at.Places {
		was, _ := from.Place(first.Partition)
		if was.Offset >= first.Offset {
			continue
		}
		// To StartLast, fewer than asked for is no gap.
		if req.Start.Kind != StartLast {
			s.tell(Gap{Partition: first.Partition, From: was.Offset, To: first.Offset, Reason: GapPolicy}, first.Epoch)
		}
		s.own.set(first)
		clamped = true
	}
	return clamped, nil
}

// remembers reports whether the log shows that a position is not behind a time.
func (s *Subscription) remembers(from Position, horizon time.Time) bool {
	c, i := s.log.covering(from)
	if c == nil {
		return false
	}
	for ; i < c.len(); i++ {
		if e := c.at(i); e.kind == entryRecord {
			return e.time >= horizon.UnixMilli()
		}
	}
	// Nothing is known behind it but what comes from now on.
	tip := s.log.tip.Load()
	return from.Covers(tip.at)
}

// horizon is where a span before now begins.
func (st *stream) horizon(ctx context.Context, topic Topic, span time.Duration) (Position, error) {
	st.horizons.mu.Lock()
	if st.horizons.known == nil {
		st.horizons.known = make(map[time.Duration]*horizon)
	}
	h := st.horizons.known[span]
	if h == nil {
		h = &horizon{}
		st.horizons.known[span] = h
	}
	st.horizons.mu.Unlock()

	h.mu.Lock()
	defer h.mu.Unlock()
	now := st.hub.now()
	if h.at.Topic == topic.ID && h.at.Places != nil && now.Sub(h.asked) < horizonAge {
		return h.at, nil
	}
	places, err := st.Source.Places(ctx, topic, At(now.Add(-span)))
	if err != nil {
		return Position{}, err
	}
	sortPlaces(places)
	h.at, h.asked = Position{Topic: topic.ID, Places: places}, now
	return h.at, nil
}
