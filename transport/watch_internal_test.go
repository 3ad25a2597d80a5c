package transport

import (
	"testing"
	"time"
)

// TestWatchAfterAPause: after a pause of the process, input from clients is read
// before any client is considered silent.
func TestWatchAfterAPause(t *testing.T) {
	t.Parallel()
	now := monotime(time.Hour)
	w := watch{looked: now}
	for range 50 {
		if now = now.Add(wheelTick); !w.look(now) {
			t.Fatal("it may not look, though it was never stopped")
		}
	}
	now = now.Add(10 * time.Second)
	for woken := now; now.Before(woken.Add(pauseGrace)); now = now.Add(wheelTick) {
		if w.look(now) {
			t.Fatalf("it looks %v behind the pause", now.Sub(woken))
		}
	}
	if !w.look(now) {
		t.Error("it never looks again")
	}
}
