package hub_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/record"
)

// ledger is a CursorStore that writes down what it is asked.
type ledger struct {
	mu      sync.Mutex
	rounds  [][]hub.Commit
	fence   int64
	away    bool
	refused int64 // fences up to this one are superseded
}

func (l *ledger) Load(context.Context, hub.CursorName) (record.Position, time.Time, error) {
	return record.Position{}, time.Time{}, hub.ErrNoCursor
}

func (l *ledger) Take(context.Context, hub.CursorName) (record.Position, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fence++
	return record.Position{}, l.fence, hub.ErrNoCursor
}

func (l *ledger) Commit(_ context.Context, commits []hub.Commit) []hub.Committed {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rounds = append(l.rounds, commits)
	results := make([]hub.Committed, len(commits))
	for i, c := range commits {
		switch {
		case l.away:
			results[i].Err = hub.ErrStoreUnavailable
		case c.Fence != 0 && c.Fence <= l.refused:
			results[i].Err = hub.ErrSuperseded
		}
	}
	return results
}

func (l *ledger) Delete(context.Context, hub.CursorName) error { return nil }

func (l *ledger) Superseded(ctx context.Context, _ func(hub.CursorName, int64), _ func()) error {
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
		k, err := hub.NewCommitter(store, 200*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = k.Run(ctx) })
		defer running.Wait()
		defer cancel()

		_, a, err := k.Take(ctx, hub.CursorName{Name: "a"}, func(*hub.Lease) {})
		if !errors.Is(err, hub.ErrNoCursor) {
			t.Fatal(err)
		}
		_, b, _ := k.Take(ctx, hub.CursorName{Name: "b"}, func(*hub.Lease) {})
		var done []error
		note := func(c hub.Committed) { done = append(done, c.Err) }
		a.Ack(hub.Ack{Position: at(1), At: time.Now()}, note)
		synctest.Wait() // written at once; what follows gathers
		for offset := range int64(50) {
			a.Ack(hub.Ack{Position: at(offset), At: time.Now()}, note)
			b.Ack(hub.Ack{Position: at(offset), At: time.Now()}, note)
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
		k, err := hub.NewCommitter(store, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = k.Run(ctx) })
		defer running.Wait()
		defer cancel()
		var got error
		k.Set(hub.CursorName{Name: "a"}, at(1), time.Now(), false, func(c hub.Committed) { got = c.Err })
		synctest.Wait()
		if !errors.Is(got, hub.ErrStoreUnavailable) {
			t.Errorf("the ack is done with %v", got)
		}
	})
}

func TestNameTakenHereOrElsewhereIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &ledger{}
		k, err := hub.NewCommitter(store, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = k.Run(ctx) })
		defer running.Wait()
		defer cancel()
		told := ""
		name := hub.CursorName{Name: "a"}
		_, first, _ := k.Take(ctx, name, func(*hub.Lease) { told += "first " })
		_, second, _ := k.Take(ctx, name, func(*hub.Lease) { told += "second " })
		first.Release() // it is no longer its to give up
		store.refused = 2
		second.Ack(hub.Ack{Position: at(1), At: time.Now()}, func(hub.Committed) {})
		synctest.Wait()
		if told != "first second " {
			t.Errorf("told were: %s", told)
		}
	})
}

// toldStore tells that a name was taken elsewhere while it is taken here.
type toldStore struct {
	ledger
	told chan func(hub.CursorName, int64)
}

func (s *toldStore) Superseded(ctx context.Context, told func(hub.CursorName, int64), _ func()) error {
	s.told <- told
	<-ctx.Done()
	return ctx.Err()
}

func (s *toldStore) Take(ctx context.Context, name hub.CursorName) (record.Position, int64, error) {
	at, fence, err := s.ledger.Take(ctx, name)
	told := <-s.told
	told(name, fence)
	told(name, fence+1)
	return at, fence, err
}

// TestNameTakenElsewhereMeanwhile: that another instance has taken a name can be
// told before the answer to the take of this one is here.
func TestNameTakenElsewhereMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &toldStore{told: make(chan func(hub.CursorName, int64), 1)}
		k, err := hub.NewCommitter(store, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = k.Run(ctx) })
		defer running.Wait()
		defer cancel()
		var told []*hub.Lease
		_, h, err := k.Take(ctx, hub.CursorName{Name: "a"}, func(h *hub.Lease) { told = append(told, h) })
		if !errors.Is(err, hub.ErrNoCursor) || len(told) != 1 || told[0] != h || !h.Superseded() {
			t.Errorf("told %v of %v, %v", told, h, err)
		}
	})
}

func (*ledger) Fences(_ context.Context, names []hub.CursorName) ([]int64, error) {
	return make([]int64, len(names)), nil
}
