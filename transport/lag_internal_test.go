package transport

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
)

// TestLag: it is how long a feed waits from being woken until it is delivered by a round
// that has taken it, and how long one has waited so far. It is forgotten soon.
func TestLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l lag
		is := func(what string, want time.Duration) {
			t.Helper()
			if got := l.now(monotimeNow()); got != want {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		time.Sleep(time.Minute)
		is("nothing was woken", 0)
		one, other := new(hub.Feed), new(hub.Feed)
		l.woken(one)
		time.Sleep(100 * time.Millisecond)
		l.woken(other)
		l.take(other)
		l.delivered(other)
		l.delivered(one) // by the round that was running when it was woken
		is("it waits", 100*time.Millisecond)
		l.take(one)
		time.Sleep(50 * time.Millisecond)
		l.delivered(one)
		time.Sleep(10 * time.Millisecond)
		is("it was delivered", 150*time.Millisecond)
		l.woken(one)
		time.Sleep(200 * time.Millisecond)
		is("another one waits longer", 200*time.Millisecond)
		l.take(one)
		l.delivered(one)
		time.Sleep(lagLasts)
		is("for long nothing was woken", 0)
	})
}
