package hub

import (
	"container/list"
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hub/filter"
)

// Predicates that are not known to be quick are evaluated in turns, by a few goroutines
// that all streams share, so that they leave time to all else: on what is appended, on
// what late subscriptions and pages read, and in searches. Tenants have turns alike, and
// in each of them principals, however many filters, subscriptions and requests of theirs
// wait: a principal delays nobody but itself.

// shortTurn is so little time that nothing more is begun in what is left of a turn.
const shortTurn = turnTime / 4

// pauseAfter is how long evaluations take at a stretch on the only processor.
const pauseAfter = 4 * turnTime

// maxPayers bounds how many of the clients that a task is for are considered for having
// it in their turn.
const maxPayers = 8

// turns are the tasks that wait, and who has the next turn.
type turns struct {
	now func() time.Time
	// ready has room for a value for each goroutine that evaluates.
	ready chan struct{}

	mu     sync.Mutex
	all    party // the tenants; the clients without one are one of these
	tasks  int   // that wait
	payers []client

	spent atomic.Int64 // the time that evaluations took, in nanoseconds
}

// task is something to be evaluated. The client whose turn comes first, of those that it
// is for, has it in that turn.
type task struct {
	// run evaluates for about that long, or less if there is no more, and reports whether
	// there is more.
	run func(view *filter.View, atMost time.Duration) (more bool)
	// clients appends to dst some clients that the task is for, at most maxPayers. It must
	// not block.
	clients func(dst []client) []client
	// ended is closed after it has run for the last time, if it is set. It must not be
	// added again then.
	ended chan struct{}

	// Guarded by turns.mu.
	places  []place // where it waits
	running bool
	again   bool // it is to run once more after that
	removed bool
}

// place is a task's place among those of a client.
type place struct {
	of *party
	at *list.Element
}

func newTurns(evaluators int, now func() time.Time) *turns {
	return &turns{now: now, ready: make(chan struct{}, evaluators)}
}

// evaluators is the number of goroutines that evaluate: half of the processors, or one.
func evaluators() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// run has turns until the context ends. It is called once for each value that ready has
// room for.
func (t *turns) run(ctx context.Context) {
	var view filter.View
	for worked := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-t.ready:
		}
		for ctx.Err() == nil {
			of := t.begin()
			if of == nil {
				break
			}
			if worked += t.serve(of, &view); worked < pauseAfter {
				runtime.Gosched()
				continue
			}
			pause(ctx, worked/4)
			worked = 0
		}
		view.Release()
	}
}

// serve has a turn of a client, and returns how long it took.
func (t *turns) serve(of *party, view *filter.View) (took time.Duration) {
	for took < turnTime-shortTurn {
		k := t.take(of)
		if k == nil {
			break
		}
		began := t.now()
		more := k.run(view, turnTime-took)
		spent := t.now().Sub(began)
		took += spent
		t.spent.Add(int64(spent))
		switch {
		case t.done(k, of, spent, more):
			t.add(k)
		case k.ended != nil:
			close(k.ended)
		}
	}
	t.mu.Lock()
	of.end()
	t.mu.Unlock()
	return took
}

// pause leaves the processor idle for a while, if there are no others: what has arrived
// from the network is not looked for while goroutines can run.
func pause(ctx context.Context, while time.Duration) {
	if runtime.GOMAXPROCS(0) > 1 {
		runtime.Gosched()
		return
	}
	timer := time.NewTimer(while)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// add has a task run in a turn of one of its clients, or once more if it is running.
func (t *turns) add(k *task) {
	t.mu.Lock()
	k.again = k.running
	waits := k.running || k.removed || len(k.places) > 0
	if !waits {
		t.payers = k.clients(t.payers[:0])
		for _, of := range t.payers {
			t.enter(k, of)
		}
	}
	t.mu.Unlock()
	if !waits {
		ring(t.ready)
	}
}

// join lets a task that waits run in a turn of another client, too.
func (t *turns) join(k *task, of client) {
	t.mu.Lock()
	if len(k.places) > 0 && len(k.places) < maxPayers {
		t.enter(k, of)
	}
	t.mu.Unlock()
}

// enter has a task wait for a turn of a client. The caller holds the lock.
func (t *turns) enter(k *task, of client) {
	if k.running || k.removed {
		return
	}
	by := t.all.member(of.Tenant).member(of.Principal)
	if slices.ContainsFunc(k.places, func(p place) bool { return p.of == by }) {
		return
	}
	if len(k.places) == 0 {
		t.tasks++
	}
	k.places = append(k.places, place{by, by.tasks.PushBack(k)})
	by.count(1)
}

// take takes a client's next task, nil for none.
func (t *turns) take(of *party) *task {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := of.tasks.Front()
	if first == nil {
		return nil
	}
	k, _ := first.Value.(*task)
	t.withdraw(k)
	k.running = true
	return k
}

// withdraw ends a task's waiting. The caller holds the lock.
func (t *turns) withdraw(k *task) {
	if len(k.places) > 0 {
		t.tasks--
	}
	for _, p := range k.places {
		p.of.tasks.Remove(p.at)
		p.of.count(-1)
	}
	clear(k.places)
	k.places = k.places[:0]
}

// done is called after a task has run in a client's turn. It reports whether the task is
// to run again.
func (t *turns) done(k *task, of *party, spent time.Duration, more bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	of.charge(spent)
	more = more || k.again
	k.running, k.again = false, false
	return more && !k.removed
}

// remove removes a task for good, and reports whether it is running.
func (t *turns) remove(k *task) (running bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.withdraw(k)
	k.removed = true
	return k.running
}

// begin begins a turn of the client whose turn is next, and returns nil if no task waits.
func (t *turns) begin() *party {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all.waiting == 0 {
		if t.all.busy == 0 {
			t.all = party{} // nobody has waited for those who have taken more than a turn
		}
		return nil
	}
	of := t.all.next().next()
	of.begin()
	return of
}

// do has something evaluated in turns of a client, and returns when run has reported
// that there is no more, or the context has ended.
func (t *turns) do(ctx context.Context, of client, run func(*filter.View, time.Duration) (more bool)) error {
	k := &task{
		run:     func(view *filter.View, atMost time.Duration) bool { return ctx.Err() == nil && run(view, atMost) },
		clients: func(dst []client) []client { return append(dst, of) },
		ended:   make(chan struct{}),
	}
	t.add(k)
	select {
	case <-k.ended:
	case <-ctx.Done():
		if t.remove(k) {
			<-k.ended
		}
	}
	return ctx.Err()
}

// Evaluations is the state of the evaluation of filters in turns.
type Evaluations struct {
	// Waiting is how many wait: filters for what was appended, subscriptions, searches.
	Waiting int
	// Spent is the time that they have taken.
	Spent time.Duration
}

// state returns the state of the turns.
func (t *turns) state() Evaluations {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Evaluations{Waiting: t.tasks, Spent: time.Duration(t.spent.Load())}
}

// ring has a goroutine that waits for a signal go on, or not wait.
func ring(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}
