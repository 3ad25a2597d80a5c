package share

import (
	"context"
	"sync"
)

// Slots are what a bounded number of goroutines may have at the same time. The others wait.
type Slots struct {
	mu      sync.Mutex
	counts  Counts
	waiting Lines[*wait]
}

// wait is who waits for a slot.
type wait struct {
	of      Client
	granted chan struct{} // closed when it has one
}

// NewSlots returns slots within bounds, which are asked for each time.
func NewSlots(bounds func() Bounds) *Slots {
	return &Slots{counts: NewCounts(bounds), waiting: NewLines(func(w *wait) Client { return w.of }, nil)}
}

// Take waits for a slot for a client. Unless it fails, which it does with the error of the
// context, the slot must be given back.
func (s *Slots) Take(ctx context.Context, of Client) error {
	_, err := s.TakeUnless(ctx, of, nil)
	return err
}

// TakeUnless is like Take, but waits no longer once a channel is closed. It reports whether the
// client has a slot.
func (s *Slots) TakeUnless(ctx context.Context, of Client, needless <-chan struct{}) (taken bool, err error) {
	w := &wait{of: of, granted: make(chan struct{})}
	s.mu.Lock()
	s.waiting.Add(w)
	s.grant()
	s.mu.Unlock()
	select {
	case <-w.granted:
		return true, nil
	case <-needless:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.mu.Lock()
	waited := s.waiting.Remove(w)
	s.mu.Unlock()
	if !waited { // it was granted in the meantime
		s.Give(of)
	}
	return false, err
}

// Give gives a slot back.
func (s *Slots) Give(of Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Give(of)
	s.grant()
}

// Aside gives a slot back while something else is waited for, which wait reports to have
// come, and takes one again. It reports whether the client has a slot again; if not, wait has
// reported false or the context has ended.
func (s *Slots) Aside(ctx context.Context, of Client, wait func() bool) bool {
	s.Give(of)
	return wait() && s.Take(ctx, of) == nil
}

// Held returns how many slots are taken.
func (s *Slots) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts.Running()
}

// grant gives slots to those that wait and may have one. The caller holds the lock.
func (s *Slots) grant() {
	for {
		w, ok := s.waiting.Next(&s.counts)
		if !ok {
			return
		}
		s.counts.Take(w.of)
		close(w.granted)
	}
}
