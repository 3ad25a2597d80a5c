package cursors_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub/cursors"
	"sluice/hub/record"
)

// ledger is a Store that records what it is asked.
type ledger struct {
	mu      sync.Mutex
	rounds  [][]cursors.Commit
	fence   int64
	away    bool
	refused int64 // fences up to this one are superseded
}

func (l *ledger) Load(context.Context, cursors.Key) (cursors.Stored, error) {
	return cursors.Stored{}, cursors.ErrNoCursor
}

func (l *ledger) Take(context.Context, cursors.Key) (cursors.Stored, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fence++
	return cursors.Stored{Fence: l.fence}, cursors.ErrNoCursor
}

func (l *ledger) Commit(_ context.Context, commits []cursors.Commit) []cursors.Committed {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rounds = append(l.rounds, commits)
	results := make([]cursors.Committed, len(commits))
	for i, c := range commits {
		switch {
		case l.away:
			results[i].Err = cursors.ErrStoreUnavailable
		case c.Fence != 0 && c.Fence <= l.refused:
			results[i].Err = cursors.ErrSuperseded
		}
	}
	return results
}

func (l *ledger) Move(_ context.Context, _ cursors.Key, to record.Position, now time.Time) (cursors.Stored, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fence++
	return cursors.Stored{Position: to, At: now, Fence: l.fence, Moved: l.fence}, nil
}

func (l *ledger) Delete(context.Context, cursors.Key) error { return nil }

func (l *ledger) Superseded(ctx context.Context, _ func(cursors.Taken), _ func()) error {
	<-ctx.Done()
	return ctx.Err()
}

func at(offset int64) record.Position {
	return record.Position{Offsets: []record.PartitionOffset{{Offset: offset}}}
}

func TestAcksAreWrittenTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &ledger{}
		k, err := cursors.NewCommitter(store, 200*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = k.Run(ctx) })
		defer running.Wait()
		defer cancel()

		_, a, err := k.Take(ctx, cursors.Key{Name: "a"}, func(*cursors.Lease) {})
		if !errors.Is(err, cursors.ErrNoCursor) {
			t.Fatal(err)
		}
		_, b, _ := k.Take(ctx, cursors.Key{Name: "b"}, func(*cursors.Lease) {})
		var done []error
		note := func(c cursors.Committed) { done = append(done, c.Err) }
		a.Ack(cursors.Ack{Position: at(1), At: time.Now()}, note)
		synctest.Wait() // written at once; later acks are collected
		for offset := range int64(50) {
			a.Ack(cursors.Ack{Position: at(offset), At: time.Now()}, note)
			b.Ack(cursors.Ack{Position: at(offset), At: time.Now()}, note)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(store.rounds) != 2 || len(store.rounds[0]) != 1 || len(store.rounds[1]) != 2 {
			t.Fatalf("written in %v", store.rounds)
		}
		for _, c := range store.rounds[1] {
			if c.Position.Offset(0, 0) != 49 {
				t.Errorf("written is %v", c.Position)
			}
		}
		if len(done) != 101 || errors.Join(done...) != nil {
			t.Errorf("%d acks are done: %v", len(done), errors.Join(done...))
		}
	})
}

func TestAcksFailWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &ledger{away: true}
		k, err := cursors.NewCommitter(store, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = k.Run(ctx) })
		defer running.Wait()
		defer cancel()
		var got error
		k.Set(cursors.Key{Name: "a"}, at(1), time.Now(), 0, false, func(c cursors.Committed) { got = c.Err })
		synctest.Wait()
		if !errors.Is(got, cursors.ErrStoreUnavailable) {
			t.Errorf("the ack is done with %v", got)
		}
	})
}

func TestNameTakenHereOrElsewhereIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &ledger{}
		k, err := cursors.NewCommitter(store, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = k.Run(ctx) })
		defer running.Wait()
		defer cancel()
		told := ""
		name := cursors.Key{Name: "a"}
		_, first, _ := k.Take(ctx, name, func(*cursors.Lease) { told += "first " })
		_, second, _ := k.Take(ctx, name, func(*cursors.Lease) { told += "second " })
		first.Release() // it no longer holds the name
		store.refused = 2
		second.Ack(cursors.Ack{Position: at(1), At: time.Now()}, func(cursors.Committed) {})
		synctest.Wait()
		if told != "first second " {
			t.Errorf("told were: %s", told)
		}
	})
}

// toldStore reports, while a name is being taken here, that it was taken
// elsewhere.
type toldStore struct {
	ledger
	told chan func(cursors.Taken)
}

func (s *toldStore) Superseded(ctx context.Context, told func(cursors.Taken), _ func()) error {
	s.told <- told
	<-ctx.Done()
	return ctx.Err()
}

func (s *toldStore) Take(ctx context.Context, name cursors.Key) (cursors.Stored, error) {
	taken, err := s.ledger.Take(ctx, name)
	told := <-s.told
	told(cursors.Taken{Key: name, Fence: taken.Fence})
	told(cursors.Taken{Key: name, Fence: taken.Fence + 1})
	return taken, err
}

// TestNameTakenElsewhereMeanwhile: the take of another instance can be heard
// before the store's answer to this instance's take arrives.
func TestNameTakenElsewhereMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &toldStore{told: make(chan func(cursors.Taken), 1)}
		k, err := cursors.NewCommitter(store, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = k.Run(ctx) })
		defer running.Wait()
		defer cancel()
		var told []*cursors.Lease
		_, h, err := k.Take(ctx, cursors.Key{Name: "a"}, func(h *cursors.Lease) { told = append(told, h) })
		if !errors.Is(err, cursors.ErrNoCursor) || len(told) != 1 || told[0] != h || !h.Superseded() {
			t.Errorf("told %v of %v, %v", told, h, err)
		}
	})
}

func (*ledger) Fences(_ context.Context, names []cursors.Key) ([]cursors.Taken, error) {
	return make([]cursors.Taken, len(names)), nil
}
