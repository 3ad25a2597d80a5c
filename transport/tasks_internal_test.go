package transport

import (
	"sync"
	"sync/atomic"
	"testing"
)

// TestTasksBeginWhileTheyAreWaitedFor: a task may begin while Wait is running and
// none is left. With a sync.WaitGroup instead the race detector reports a race.
func TestTasksBeginWhileTheyAreWaitedFor(t *testing.T) {
	t.Parallel()
	for range 1000 {
		var all tasks
		var ended atomic.Int32
		var waiting sync.WaitGroup
		end := make(chan struct{})
		all.Go(func() { <-end; ended.Add(1) })
		waiting.Go(all.Wait)
		close(end)
		for range 3 {
			all.Go(func() { ended.Add(1) })
		}
		waiting.Wait()
		all.Wait()
		if ended.Load() != 4 {
			t.Fatalf("%d of 4 have ended", ended.Load())
		}
	}
}
