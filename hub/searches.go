package hub

import (
	"context"
	"sync"
)

// searches bounds how many subscriptions search Kafka for their newest records at
// once, in all, for each tenant and for each principal, because a request for a few
// records of a key can cause much to be read. Others wait.
type searches struct {
	mu      sync.Mutex
	shares  shares
	waiting lines[*search]
}

// search is a waiting search.
type search struct {
	of     client
	begins chan struct{} // closed when the search may begin
}

func newSearches(limits func() *Limits) *searches {
	return &searches{shares: newShares(limits), waiting: newLines(func(s *search) client { return s.of })}
}

// enter waits until a client may search. Unless enter fails, the caller must call
// leave.
func (s *searches) enter(ctx context.Context, of client) error {
	waits := &search{of: of, begins: make(chan struct{})}
	s.mu.Lock()
	s.waiting.add(waits)
	s.begin()
	s.mu.Unlock()
	select {
	case <-waits.begins:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	waited := s.waiting.remove(waits)
	s.mu.Unlock()
	if !waited { // its turn has come in the meantime
		s.leave(of)
	}
	return ctx.Err()
}

func (s *searches) leave(of client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shares.giveBack(of)
	s.begin()
}

// begin starts the waiting searches that may begin. The caller holds the lock.
func (s *searches) begin() {
	for {
		next, ok := s.waiting.next(&s.shares)
		if !ok {
			return
		}
		s.shares.take(next.of)
		close(next.begins)
	}
}
