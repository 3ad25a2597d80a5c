package cursors_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"sluice/hub/cursors"
	"sluice/hub/record"
)

// slowStore is a store that accepts commits until their context ends.
type slowStore struct {
	mu     sync.Mutex
	stored map[cursors.Key]int64
	writes int
}

func (c *slowStore) Load(context.Context, cursors.Key) (cursors.Stored, error) {
	return cursors.Stored{}, cursors.ErrNoCursor
}

func (c *slowStore) Take(context.Context, cursors.Key) (cursors.Stored, error) {
	return cursors.Stored{Fence: 1}, cursors.ErrNoCursor
}

func (c *slowStore) Commit(ctx context.Context, commits []cursors.Commit) []cursors.Committed {
	c.mu.Lock()
	defer c.mu.Unlock()
	results := make([]cursors.Committed, len(commits))
	for i, commit := range commits {
		if results[i].Err = ctx.Err(); results[i].Err == nil {
			c.stored[commit.Key] = max(c.stored[commit.Key], commit.Position.Offset(0, 0))
			c.writes++
		}
	}
	return results
}

func (c *slowStore) Move(context.Context, cursors.Key, record.Position, time.Time) (cursors.Stored, error) {
	return cursors.Stored{}, cursors.ErrNoCursor
}

func (c *slowStore) Delete(context.Context, cursors.Key) error { return nil }

func (c *slowStore) Superseded(ctx context.Context, _ func(cursors.Taken), _ func()) error {
	<-ctx.Done()
	return ctx.Err()
}

func offset(n int64) record.Position {
	return record.Position{Offsets: []record.PartitionOffset{{Offset: n}}}
}

// TestAcksAtTheEndAreWritten: acks that are made before the committer ends are
// stored, whichever it sees first, the ack or the end.
func TestAcksAtTheEndAreWritten(t *testing.T) {
	t.Parallel()
	for range 50 {
		store := &slowStore{stored: make(map[cursors.Key]int64)}
		k, err := cursors.NewCommitter(store, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		name := cursors.Key{Name: "a"}
		_, lease, err := k.Take(t.Context(), name, func(*cursors.Lease) {})
		if !errors.Is(err, cursors.ErrNoCursor) {
			t.Fatal(err)
		}
		var acked []error
		for n := range int64(3) {
			lease.Ack(cursors.Ack{Position: offset(n + 1)}, func(c cursors.Committed) { acked = append(acked, c.Err) })
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

func (*slowStore) Fences(_ context.Context, names []cursors.Key) ([]cursors.Taken, error) {
	return make([]cursors.Taken, len(names)), nil
}
