package transport

import (
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// followAtOnce is how many sessions are brought up to date at the same time.
	followAtOnce = 16
	// followAside is how long a session's executor may take before others are served meanwhile.
	followAside = 20 * time.Millisecond
	// followAgain is how long a stream that could not be subscribed to is left alone.
	followAgain = 5 * time.Second
	// failedMost is how many failures are remembered; there may be one for each client.
	failedMost = 1000
)

// follower brings subscriptions by pattern up to date: after a change of the streams in
// force or of a principal's rights, and where a stream could not be subscribed to
// before. Its goroutines, at most followAtOnce beside those that wait for executors, end when
// there is nothing to do.
type follower struct {
	// Immutable.
	tasks *tasks
	// update brings a session up to date. It waits for the session's executor by aside.
	update func(*session, *place)

	mu      sync.Mutex
	waiting []*session
	working int
	failed  map[attempt]monotime // when a stream could not be subscribed to
}

// attempt is what has failed: a stream as a tenant has it, for a principal, or for everybody
// where that is empty.
type attempt struct{ tenant, stream, principal string }

// ask brings a session up to date soon.
func (f *follower) ask(x *session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !x.following.asked {
		x.following.asked = true
		f.queue(x)
	}
}

// queue makes a session wait for its turn, unless it is being served: two turns at once
// would begin a stream twice. The caller holds f.mu.
func (f *follower) queue(x *session) {
	if !x.following.asked || x.following.served {
		return
	}
	f.waiting = append(f.waiting, x)
	if f.working < followAtOnce {
		f.working++
		f.tasks.Go(f.work)
	}
}

func (f *follower) work() {
	own := &place{of: f}
	for own.of != nil {
		f.mu.Lock()
		if len(f.waiting) == 0 {
			f.working--
			f.mu.Unlock()
			return
		}
		x := f.waiting[0]
		f.waiting = slices.Delete(f.waiting, 0, 1)
		x.following = keepingUp{served: true} // what changes from now on is looked at again
		f.mu.Unlock()
		f.update(x, own)
		f.mu.Lock()
		x.following.served = false
		f.queue(x)
		f.mu.Unlock()
	}
}

// place is one of the places of a follower, whose goroutine owns it.
type place struct{ of *follower } // nil once it was given up

// aside waits for the executor of a session. An executor waits for a client that does not read,
// so that the place is given up soon, for other sessions: the goroutine ends after this one.
func (p *place) aside(wait func()) {
	f := p.of
	if f == nil {
		wait()
		return
	}
	given := make(chan struct{})
	late := time.AfterFunc(followAside, func() {
		defer close(given)
		f.tasks.Go(f.work)
	})
	wait()
	if !late.Stop() {
		<-given
		p.of = nil
	}
}

// mayTry reports whether it is time to subscribe to a stream: not soon after it failed for
// the principal or for everybody, as each session would wait for it in vain.
func (f *follower) mayTry(a attempt) bool {
	everybody := a
	everybody.principal = ""
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range [...]attempt{a, everybody} {
		if at, has := f.failed[one]; has && monotimeNow().Sub(at) < followAgain {
			return false
		}
	}
	return true
}

// note records whether a stream could be subscribed to. What fails for a reason that is the
// client's own is to be tried for others all the same.
func (f *follower) note(a attempt, failed, own bool) {
	everybody := a
	everybody.principal = ""
	f.mu.Lock()
	defer f.mu.Unlock()
	if !failed {
		delete(f.failed, a)
		delete(f.failed, everybody)
		return
	}
	if !own {
		a = everybody
	}
	if _, again := f.failed[a]; !again && len(f.failed) >= failedMost {
		f.forget()
	}
	if f.failed == nil {
		f.failed = make(map[attempt]monotime)
	}
	f.failed[a] = monotimeNow()
}

// forget makes room for another failure. The caller holds the lock.
func (f *follower) forget() {
	now := monotimeNow()
	maps.DeleteFunc(f.failed, func(_ attempt, at monotime) bool { return now.Sub(at) >= followAgain })
	for one := range f.failed {
		if len(f.failed) < failedMost {
			return
		}
		delete(f.failed, one) // any: it is tried again sooner
	}
}
