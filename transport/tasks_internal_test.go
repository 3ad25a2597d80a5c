package transport

import (
	"sync"
	"sync/atomic"
	"testing"
)

// TestTasksBeginWhileTheyAreWaitedFor: with a sync.WaitGroup in its place the
// race detector reports this.
func TestTasksBeginWhileTheyAreWaitedFor(t *testing.T) {
	t.Parallel()
	for range 1000 {
		var all tasks
		var begun, ended atomic.Int32
		var others sync.WaitGroup
		for range 3 {
			others.Go(func() { begun.Add(1); all.Go(func() { ended.Add(1) }) })
		}
		all.Wait()
		others.Wait()
		all.Wait()
		if begun.Load() != ended.Load() {
			t.Fatalf("%d have begun and %d have ended", begun.Load(), ended.Load())
		}
	}
}
