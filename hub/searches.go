package hub

import (
	"context"
	"slices"
	"sync"
)

// searches bounds how many subscriptions search Kafka for their newest records at
// once, in all and for each principal, because a request for a few records of a key
// can cause much to be read. Others wait, first come first served among those whose
// principal has room. 0 is no bound.
type searches struct {
	limits func() *Limits

	mu      sync.Mutex
	running int
	of      map[string]int
	waiting []*search
}

// search is a waiting search.
type search struct {
	principal string
	begins    chan struct{} // closed when the search may begin
}

func newSearches(limits func() *Limits) *searches {
	return &searches{limits: limits, of: make(map[string]int)}
}

// enter waits until a principal may search. Unless enter fails, the caller must call
// leave.
func (s *searches) enter(ctx context.Context, principal string) error {
	waits := &search{principal: principal, begins: make(chan struct{})}
	s.mu.Lock()
	s.waiting = append(s.waiting, waits)
	s.begin()
	s.mu.Unlock()
	select {
	case <-waits.begins:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	i := slices.Index(s.waiting, waits)
	if i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 { // its turn has come in the meantime
		s.leave(principal)
	}
	return ctx.Err()
}

func (s *searches) leave(principal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.of[principal]--; s.of[principal] == 0 {
		delete(s.of, principal)
	}
	s.begin()
}

// begin starts the waiting searches that may begin. The caller holds the lock.
func (s *searches) begin() {
	total, each := s.limits().ReplaysPerInstance, s.limits().ReplaysPerPrincipal
	for i := 0; i < len(s.waiting) && (total <= 0 || s.running < total); {
		next := s.waiting[i]
		if each > 0 && s.of[next.principal] >= each {
			i++
			continue
		}
		s.waiting = slices.Delete(s.waiting, i, i+1)
		s.running++
		s.of[next.principal]++
		close(next.begins)
	}
}
