package transport

import (
	"context"
	"slices"
	"time"
)

// Operators look at sessions while these run. What a session's executor owns, only the
// executor can tell: whoever looks leaves a look at the session and wakes it, and the
// executor answers in its next step, also while the socket is full. It costs a step one
// load of a pointer if nobody looks.

// lookWithin bounds how long an operator waits for executors. One whose connection blocks
// may not answer in time.
const lookWithin = 500 * time.Millisecond

// show answers the operators who look at the session, if some do. The executor calls it.
func (s *session) show() {
	if s.viewer.Load() == nil {
		return
	}
	l := s.viewer.Swap(nil)
	if l == nil {
		return // the session has ended, see wakeAnyway
	}
	l.sight = sight{records: s.delivered.records.Load(), gaps: s.delivered.gaps.Load(), bytes: s.delivered.bytes.Load()}
	if s.backlog != nil {
		l.sight.buffered = len(s.backlog.bytes)
	}
	for _, sub := range s.subs {
		l.sight.subs = append(l.sight.subs, sub.sight())
	}
	for _, g := range s.groups {
		if !slices.ContainsFunc(s.subs, func(sub *subscription) bool { return sub.group == g }) {
			l.sight.subs = append(l.sight.subs, subscriptionSight{id: g.id, pattern: g.text, state: stateWaiting})
		}
	}
	close(l.done)
}

func (sub *subscription) sight() subscriptionSight {
	v := subscriptionSight{id: sub.id, stream: sub.Stream(), which: sub.which}
	if sub.group != nil {
		v.id, v.pattern = sub.group.id, sub.group.text
	}
	v.at = sub.Whereabouts()
	offsets, known := v.at.Offsets()
	switch {
	case sub.Paused():
		v.state = statePaused
	case sub.Replays():
		v.state = stateReplaying
	case known && offsets == 0, sub.AtTip():
		v.state = stateLive
	default:
		v.state = stateBehind
	}
	return v
}

// look leaves a look at the session, or finds that of another operator. It stays until it is
// answered, by when nobody may wait for it anymore.
func (s *session) look() *look {
	made := &look{done: make(chan struct{})}
	for !s.viewer.CompareAndSwap(nil, made) {
		if l := s.viewer.Load(); l != nil {
			return l
		}
	}
	return made
}

// lookAt asks the executors of sessions, all at once, and returns what they tell, nil for
// those that did not answer in time.
func (s *Server) lookAt(ctx context.Context, sessions []*session) []*sight {
	if len(sessions) == 0 {
		return nil
	}
	looks := make([]*look, len(sessions))
	for i, x := range sessions {
		looks[i] = x.look()
		x.wakeAnyway()
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	seen := make([]*sight, len(sessions))
	for i, l := range looks {
		select {
		case <-l.done:
			seen[i] = &l.sight
			continue
		case <-ctx.Done():
		}
		select { // it may have been answered while others were waited for
		case <-l.done:
			seen[i] = &l.sight
		default:
		}
	}
	return seen
}

// wakeAnyway makes the executor run a step, also if the session waits for its socket, or
// has ended.
func (s *session) wakeAnyway() {
	s.resume()
	s.Pump()
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if gone {
		if l := s.viewer.Swap(nil); l != nil {
			close(l.done)
		}
	}
}

// reads reports whether the session has a subscription to a stream. Any goroutine may call
// it.
func (s *session) reads(stream string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.subs, func(sub *subscription) bool { return sub.Stream() == stream })
}
