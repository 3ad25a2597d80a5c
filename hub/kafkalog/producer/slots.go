package producer

import (
	"context"
	"slices"
	"sync"
)

// slots bound how many requests are in progress. A broker that does not answer keeps its requests
// for their whole timeout: however many partitions it leads, it has no more than leaderShare times
// as many slots as are free, so that some remain for the others. Two such brokers have fewer each.
type slots struct {
	mu      sync.Mutex
	free    int
	held    map[int32]int // by leader
	waiting []*slotWait   // the first one first
}

// leaderShare is high enough that a cluster of one broker has three quarters of the slots.
const leaderShare = 3

// slotWait is a request that waits for a slot.
type slotWait struct {
	leader  int32
	granted chan struct{}
}

func newSlots(most int) *slots { return &slots{free: most, held: make(map[int32]int)} }

// take waits for a slot for a request to a leader. It is given back with give.
func (s *slots) take(ctx context.Context, leader int32) error {
	w := &slotWait{leader: leader, granted: make(chan struct{})}
	s.mu.Lock()
	s.waiting = append(s.waiting, w)
	s.grant()
	s.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting, w); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	} else { // it was granted at the same time
		s.back(leader)
	}
	return ctx.Err()
}

// give gives a slot back.
func (s *slots) give(leader int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back(leader)
}

func (s *slots) back(leader int32) {
	s.free++
	if s.held[leader]--; s.held[leader] == 0 {
		delete(s.held, leader)
	}
	s.grant()
}

// grant gives slots to those that wait and may have one. The lock is held.
func (s *slots) grant() {
	s.waiting = slices.DeleteFunc(s.waiting, func(w *slotWait) bool {
		if s.held[w.leader] >= leaderShare*s.free {
			return false
		}
		s.free--
		s.held[w.leader]++
		close(w.granted)
		return true
	})
}
