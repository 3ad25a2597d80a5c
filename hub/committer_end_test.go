package hub_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/record"
)

// cursors is a store that takes what it is given while its context lives.
type cursors struct {
	mu     sync.Mutex
	stored map[hub.CursorName]int64
	writes int
}

func (c *cursors) Load(context.Context, hub.CursorName) (record.Position, time.Time, error) {
	return record.Position{}, time.Time{}, hub.ErrNoCursor
}

func (c *cursors) Take(context.Context, hub.CursorName) (record.Position, int64, error) {
	return record.Position{}, 1, hub.ErrNoCursor
}

func (c *cursors) Commit(ctx context.Context, commits []hub.Commit) []hub.Committed {
	c.mu.Lock()
	defer c.mu.Unlock()
	results := make([]hub.Committed, len(commits))
	for i, commit := range commits {
		if results[i].Err = ctx.Err(); results[i].Err == nil {
			c.stored[commit.CursorName] = max(c.stored[commit.CursorName], commit.Position.Offset(0, 0))
			c.writes++
		}
	}
	return results
}

func (c *cursors) Delete(context.Context, hub.CursorName) error { return nil }

func (c *cursors) Superseded(ctx context.Context, _ func(hub.CursorName, int64), _ func()) error {
	<-ctx.Done()
	return ctx.Err()
}

func offset(n int64) record.Position {
	return record.Position{Offsets: []record.PartitionOffset{{Offset: n}}}
}

// TestAcksAtTheEndAreWritten: what is acked before the committer ends is stored,
// whichever it sees first, the ack or the end.
func TestAcksAtTheEndAreWritten(t *testing.T) {
	t.Parallel()
	for range 50 {
		store := &cursors{stored: make(map[hub.CursorName]int64)}
		k, err := hub.NewCommitter(store, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		name := hub.CursorName{Name: "a"}
		_, lease, err := k.Take(t.Context(), name, func(*hub.Lease) {})
		if !errors.Is(err, hub.ErrNoCursor) {
			t.Fatal(err)
		}
		var acked []error
		for n := range int64(3) {
			lease.Ack(hub.Ack{Position: offset(n + 1)}, func(c hub.Committed) { acked = append(acked, c.Err) })
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := k.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(acked) != 3 || acked[0] != nil || store.stored[name] != 3 || store.writes != 1 {
			t.Fatalf("acked %v, stored %d in %d writes; want 3 in one", acked, store.stored[name], store.writes)
		}
	}
}

func (*cursors) Fences(_ context.Context, names []hub.CursorName) ([]int64, error) {
	return make([]int64, len(names)), nil
}
