package transport

import (
	"context"
	"sync"

	"sluice/auth"
)

// pendingSet is the set of requests that wait for something, so that a revocation can
// end them. Each has a client that waits too, so their number is bounded with those.
type pendingSet struct {
	mu  sync.Mutex
	set map[*pending]struct{}
}

// pending is one request that waits.
type pending struct {
	principal *auth.Principal
	end       context.CancelCauseFunc
}

func (s *pendingSet) add(waits *pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = make(map[*pending]struct{})
	}
	s.set[waits] = struct{}{}
}

func (s *pendingSet) remove(waits *pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, waits)
}

// end ends the requests of principals that fit.
func (s *pendingSet) end(fits func(*auth.Principal) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for waits := range s.set {
		if fits(waits.principal) {
			waits.end(auth.ErrRevoked)
		}
	}
}
