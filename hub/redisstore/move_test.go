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
		_, fence, err := f.Take(ctx, name)
		if !errors.Is(err, cursors.ErrNoCursor) {
			t.Fatal(err)
		}
		if _, err := f.Move(ctx, name, at(oldTopic, 0, 1, 0), noon); !errors.Is(err, cursors.ErrNoCursor) {
			t.Fatalf("of a name that was taken only: %v", err)
		}
		own := cursors.Commit{Key: name, Ack: cursors.Ack{Position: at(oldTopic, 0, 7, 0, 1, 7, 0), At: noon}, Fence: fence}
		f.mustCommit(t, own)
		moved, err := f.Move(ctx, name, at(oldTopic, 0, 3, 0), noon.Add(time.Second))
		if err != nil || moved <= fence {
			t.Fatalf("moved with the fence %d after %d, %v", moved, fence, err)
		}
		f.want(t, name, at(oldTopic, 0, 3, 0))
		err = f.Commit(ctx, []cursors.Commit{own})[0].Err
		if !errors.Is(err, cursors.ErrMoved) || !errors.Is(err, cursors.ErrSuperseded) {
			t.Errorf("an ack of the holder: %v", err)
		}
		f.want(t, name, at(oldTopic, 0, 3, 0))
		position, again, err := f.Take(ctx, name)
		if err != nil || again <= moved || position.Offset(0, -1) != 3 || len(position.Offsets) != 1 {
			t.Fatalf("taken at %v with the fence %d, %v", position, again, err)
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
					_, _, err = elsewhere.Take(ctx, name)
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
