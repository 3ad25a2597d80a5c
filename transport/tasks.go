package transport

import "sync"

// tasks are goroutines that come and go and are waited for. Unlike with a
// sync.WaitGroup, one may begin while they are waited for and none is left, as
// those that the poller begins do.
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

// Wait returns at a moment at which there are none.
func (t *tasks) Wait() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.none.L = &t.mu
	for t.n > 0 {
		t.none.Wait()
	}
}
