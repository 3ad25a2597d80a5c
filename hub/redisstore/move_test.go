package redisstore_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"sluice/hub/cursors"
)

// TestMove: an operator's position replaces what is stored, whoever holds the name loses it at
// the same time and is told why, and whoever takes it next begins there.
func TestMove(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		if _, err := f.Move(ctx, name, at(oldTopic, 0, 1, 0), noon); !errors.Is(err, cursors.ErrNoCursor) {
			t.Fatalf("of a name that is not stored: %v", err)
		}
		taken, err := f.Take(ctx, name)
		fence := taken.Fence
		if !errors.Is(err, cursors.ErrNoCursor) {
			t.Fatal(err)
		}
		if _, err := f.Move(ctx, name, at(oldTopic, 0, 1, 0), noon); !errors.Is(err, cursors.ErrNoCursor) {
			t.Fatalf("of a name that was taken only: %v", err)
		}
		own := cursors.Commit{Key: name, Ack: cursors.Ack{Position: at(oldTopic, 0, 7, 0, 1, 7, 0), At: noon}, Fence: fence}
		f.mustCommit(t, own)
		moved, err := f.Move(ctx, name, at(oldTopic, 0, 3, 0), noon.Add(time.Second))
		if err != nil || moved.Fence <= fence || moved.Moved != moved.Fence {
			t.Fatalf("moved with the fence %d after %d, %v", moved.Fence, fence, err)
		}
		f.want(t, name, at(oldTopic, 0, 3, 0))
		err = f.Commit(ctx, []cursors.Commit{own})[0].Err
		if !errors.Is(err, cursors.ErrMoved) || !errors.Is(err, cursors.ErrSuperseded) {
			t.Errorf("an ack of the holder: %v", err)
		}
		f.want(t, name, at(oldTopic, 0, 3, 0))
		taken, err = f.Take(ctx, name)
		again := taken.Fence
		if err != nil || again <= moved.Fence || taken.Moved != moved.Fence || taken.Position.Offset(0, -1) != 3 || len(taken.Position.Offsets) != 1 {
			t.Fatalf("taken at %+v, %v", taken, err)
		}
		if err := f.Commit(ctx, []cursors.Commit{own})[0].Err; !errors.Is(err, cursors.ErrSuperseded) || errors.Is(err, cursors.ErrMoved) {
			t.Errorf("an ack of the one before: %v", err)
		}
		own.Fence, own.Position = again, at(oldTopic, 0, 4, 0)
		f.mustCommit(t, own)
		f.want(t, name, at(oldTopic, 0, 4, 0))
		if n := f.plain.PTTL(ctx, f.config.Prefix+"cursor:{"+name.Principal+"/"+name.Stream+"/"+name.Name+"}").Val(); n <= 0 {
			t.Errorf("it lives for %v", n)
		}
	})
}

// TestMovesAreNotUndone: a position that is stored without a lease loses to a move if it was read
// before, however late it arrives, until it is stored with reset.
func TestMovesAreNotUndone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		holds := f.mustTake(t)
		f.mustCommit(t, cursors.Commit{Key: name, Ack: cursors.Ack{Position: at(oldTopic, 0, 7, 0), At: noon}, Fence: holds})
		moved, err := f.Move(ctx, name, at(oldTopic, 0, 3, 0), noon)
		if err != nil {
			t.Fatal(err)
		}
		put := func(topic byte, since int64, reset bool) error {
			c := cursors.Commit{Key: name, Ack: cursors.Ack{Position: at(topic, 0, 9, 0), At: noon.Add(time.Hour)}, Since: since, Reset: reset}
			return f.Commit(ctx, []cursors.Commit{c})[0].Err
		}
		for range 2 {
			for _, since := range []int64{0, holds, moved.Fence - 1} {
				for _, topic := range []byte{oldTopic, newTopic} {
					if err := put(topic, since, false); !errors.Is(err, cursors.ErrMoved) {
						t.Errorf("since %d: %v", since, err)
					}
				}
			}
			f.want(t, name, at(oldTopic, 0, 3, 0))
			f.mustTake(t) // the consumer comes back, which is no reason to forget the move
		}
		taken := f.mustTake(t)
		anew := cursors.Commit{Key: name, Ack: cursors.Ack{Position: at(newTopic, 0, 1, 0), At: noon, Breaks: cursors.Breaks{Topic: 1}}, Fence: taken}
		f.mustCommit(t, anew) // replaces everything
		if err := put(oldTopic, holds, false); !errors.Is(err, cursors.ErrMoved) {
			t.Errorf("after a position in another topic: %v", err)
		}
		for _, since := range []int64{moved.Fence, taken} {
			if err := put(newTopic, since, false); err != nil {
				t.Errorf("since the move: %v", err)
			}
		}
		f.want(t, name, at(newTopic, 0, 9, 0))
		if err := put(oldTopic, holds, true); err != nil {
			t.Errorf("with reset: %v", err)
		}
		if err := put(oldTopic, holds, false); err != nil {
			t.Errorf("after a reset: %v", err)
		}
		f.want(t, name, at(oldTopic, 0, 9, 0))
	})
}

// TestFencesTellMoves: whether it was an operator who has taken a name last.
func TestFencesTellMoves(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		f.mustCommit(t, commitOf(at(oldTopic, 0, 7, 0)))
		want := cursors.Taken{Key: name}
		for _, what := range []string{"nobody", "taken", "moved", "taken again"} {
			switch what {
			case "moved":
				stored, err := f.Move(ctx, name, at(oldTopic, 0, 3, 0), noon)
				if err != nil {
					t.Fatal(err)
				}
				want.Fence, want.Moved = stored.Fence, true
			case "taken", "taken again":
				want.Fence, want.Moved = f.mustTake(t), false
			}
			other := named("u", 99)
			got, err := f.Fences(ctx, []cursors.Key{name, other})
			if err != nil || len(got) != 2 || got[0] != want || got[1] != (cursors.Taken{Key: other}) {
				t.Errorf("%s: got %+v, %v; want %+v", what, got, err, want)
			}
		}
	})
}

// TestMovesThatWereMissedAreTold: the holder of a name that an operator has moved while that was
// not heard is told of the move, not of another holder.
func TestMovesThatWereMissedAreTold(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		f.mustCommit(t, commitOf(at(oldTopic, 0, 7, 0)))
		mute := &muteStore{Store: f.Store, end: make(chan struct{})}
		committer, err := cursors.NewCommitter(mute, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		running, cancel := context.WithCancel(context.Background())
		var tasks sync.WaitGroup
		tasks.Go(func() { _ = committer.Run(running) })
		defer tasks.Wait()
		defer cancel()
		lost := make(chan *cursors.Lease, 1)
		if _, _, err := committer.Take(ctx, name, func(l *cursors.Lease) { lost <- l }); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Move(ctx, name, at(oldTopic, 0, 3, 0), noon); err != nil {
			t.Fatal(err) // by another instance
		}
		close(mute.end)
		if lease := <-lost; !lease.Moved() {
			t.Error("it is told that another subscription has the name")
		}
	})
}

// TestMovesAreTold: the holder on another instance learns that it was an operator, and one whose
// name another subscription takes does not.
func TestMovesAreTold(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		committer, err := cursors.NewCommitter(f.Store, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		running, cancel := context.WithCancel(context.Background())
		var tasks sync.WaitGroup
		tasks.Go(func() { _ = committer.Run(running) })
		defer tasks.Wait()
		defer cancel()
		elsewhere := open(t, f.config)
		listen(t, elsewhere).takeUntilTold(t, f.Store, named("u", 99)) // takes are heard by now, here as there, or soon
		f.mustCommit(t, commitOf(at(oldTopic, 0, 7, 0)))
		for _, move := range []bool{true, false, true} {
			lost := make(chan *cursors.Lease, 1)
			_, lease, err := committer.Take(ctx, name, func(l *cursors.Lease) { lost <- l })
			if err != nil {
				t.Fatal(err)
			}
			for told := false; !told; {
				if move {
					_, err = elsewhere.Move(ctx, name, at(oldTopic, 0, 2, 0), noon)
				} else {
					_, err = elsewhere.Take(ctx, name)
				}
				if err != nil {
					t.Fatal(err)
				}
				select { // until takes are heard, moves are not
				case <-lost:
					told = true
				case <-time.After(100 * time.Millisecond):
				}
			}
			if lease.Moved() != move || !lease.Superseded() {
				t.Errorf("moved %v: its lease says %v", move, lease.Moved())
			}
		}
	})
}
