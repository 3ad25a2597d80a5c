package transport

import (
	"context"
	"slices"
	"testing"
)

// TestLiveSessionsGoFirst: however many sessions have to catch up, one that is
// live waits for a few of them at most.
func TestLiveSessionsGoFirst(t *testing.T) {
	t.Parallel()
	const catchingUp = 20 * behindShare
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := newWorker(0)
	var order []string
	enqueue := func(name string, behind bool, then func()) {
		s := &session{worker: w, inbox: []command{func(s *session, _ *scratch) {
			order = append(order, name)
			then()
			s.closed = true
		}}}
		s.behind.Store(behind)
		s.state.Store(queued)
		w.enqueue(s)
	}
	for range catchingUp {
		enqueue("behind", true, func() {
			switch len(order) {
			case 100:
				enqueue("live amid them", false, func() {})
			case catchingUp + 2:
				cancel()
			}
		})
	}
	enqueue("live at first", false, func() {})
	w.run(ctx)
	if len(order) != catchingUp+2 || order[0] != "live at first" {
		t.Fatalf("%d had their turn, %q as the first", len(order), order[0])
	}
	if at := slices.Index(order, "live amid them"); at < 100 || at > 100+behindShare {
		t.Errorf("one that is live had its turn as number %d, and came as number 100", at)
	}
}
