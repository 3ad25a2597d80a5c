package transport

import "sync"

// tasks is a set of goroutines that can be waited for. Unlike with a sync.WaitGroup,
// a goroutine may start while Wait is running and no other is left, as those that
// the poller starts do.
type tasks struct {
	mu   sync.Mutex
	n    int
	none sync.Cond // uses mu
}

// Go runs f in a goroutine of its own.
func (t *tasks) Go(f func()) {
	t.mu.Lock()
	t.n++
	t.mu.Unlock()
	go func() {
		defer t.done()
		f()
	}()
}

func (t *tasks) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n--; t.n == 0 && t.none.L != nil {
		t.none.Broadcast()
	}
}

// Wait returns at a time when there are no goroutines.
func (t *tasks) Wait() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.none.L = &t.mu
	for t.n > 0 {
		t.none.Wait()
	}
}
