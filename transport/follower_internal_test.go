package transport

import (
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestASessionIsBroughtUpToDateOnceAtATime: what is asked for during a turn is done in
// another one after it, sessions do not wait for each other up to a bound, and nothing
// is left running.
func TestASessionIsBroughtUpToDateOnceAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			all              tasks
			running, most    atomic.Int32
			sessions         [3 * followAtOnce]session
			served, together [len(sessions)]atomic.Int32
		)
		index := func(x *session) int {
			for i := range sessions {
				if x == &sessions[i] {
					return i
				}
			}
			return -1
		}
		f := follower{tasks: &all, update: func(x *session, _ *place) {
			i := index(x)
			if together[i].Add(1) > 1 {
				t.Error("a session has two turns at once")
			}
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			together[i].Add(-1)
			served[i].Add(1)
		}}
		for range 5 {
			for i := range sessions {
				f.ask(&sessions[i])
				f.ask(&sessions[i])
			}
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		for i := range served {
			// Those that had to wait for their first turn were asked for within it.
			if n, want := served[i].Load(), map[bool]int32{true: 2, false: 1}[i < followAtOnce]; n != want {
				t.Errorf("session %d had %d turns, want %d", i, n, want)
			}
		}
		if most.Load() != followAtOnce {
			t.Errorf("at most %d sessions had their turns at once, want %d", most.Load(), followAtOnce)
		}
		now := monotimeNow()
		one, other := attempt{"", "a", "u1"}, attempt{"", "a", "u2"}
		f.note(one, true, false)
		if f.mayTry(one) || f.mayTry(other) || !f.mayTry(attempt{"", "b", "u1"}) {
			t.Error("a stream that has just failed is tried again, or another is not")
		}
		time.Sleep(followAgain)
		if !f.mayTry(one) {
			t.Errorf("it is left alone for longer than %v", monotimeNow().Sub(now))
		}
		f.note(one, false, false)
		f.note(one, true, true)
		if f.mayTry(one) || !f.mayTry(other) {
			t.Error("what has failed for one client is tried again for it, or not for others")
		}
		f.note(one, false, false)
		if len(f.failed) != 0 {
			t.Error("a stream that works is remembered")
		}
	})
}

// TestFailuresAreForgotten: what is remembered of failures is bounded, however many clients
// fail at once, each for a reason of its own.
func TestFailuresAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f follower
		for i := range 3 * failedMost {
			a := attempt{"", "a", strconv.Itoa(i)}
			f.note(a, true, true)
			if f.mayTry(a) {
				t.Fatalf("failure %d is not remembered", i)
			}
		}
		if n := len(f.failed); n > failedMost {
			t.Errorf("%d failures are remembered", n)
		}
	})
}
