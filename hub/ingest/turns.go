package ingest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"sluice/hub/upstream"
)

// turnTime is how long a batch has its turn before it is the turn of others that wait, but for
// the value that is checked then.
const turnTime = time.Millisecond

// longTurn is how long a turn takes at least that others would notice.
const longTurn = 2 * turnTime

// Turns are those of batches whose values are checked, a few at a time. Tenants have equal shares
// of the time, and in each of them principals, however many batches of theirs wait. One turn
// more is kept for principals that have none and whose turns are short, so that they need not
// wait for values of others that take long.
type Turns struct {
	most int

	mu   sync.Mutex
	held int
	all  parties // the tenants
}

// NewTurns returns turns for so many batches at the same time, and one more.
func NewTurns(most int) *Turns { return &Turns{most: max(1, most)} }

// wait is a batch that waits, and then has its turn.
type wait struct {
	granted           chan struct{}
	tenant, principal *party
}

// take waits for a turn of a publisher.
func (t *Turns) take(ctx context.Context, by *Publisher) (*wait, error) {
	w := t.enter(by)
	select {
	case <-w.granted:
		return w, nil
	case <-ctx.Done():
		t.leave(w)
		return nil, ctx.Err()
	}
}

func (t *Turns) enter(by *Publisher) *wait {
	t.mu.Lock()
	defer t.mu.Unlock()
	tenant := t.all.named(by.Tenant)
	w := &wait{granted: make(chan struct{}), tenant: tenant, principal: tenant.members.named(by.Principal)}
	tenant.busy++
	w.principal.busy++
	t.all.enqueue(tenant)
	tenant.members.enqueue(w.principal)
	w.principal.waits = append(w.principal.waits, w)
	t.grant()
	return w
}

// leave ends a wait whose batch needs no turn any more.
func (t *Turns) leave(w *wait) {
	t.mu.Lock()
	i := slices.Index(w.principal.waits, w)
	if i >= 0 {
		t.remove(w, i)
		w.free()
	}
	t.mu.Unlock()
	if i < 0 { // it has its turn already
		t.end(w, 0)
	}
}

// remove takes a wait out of those of its principal.
func (t *Turns) remove(w *wait, i int) {
	w.principal.waits = slices.Delete(w.principal.waits, i, i+1)
	if len(w.principal.waits) > 0 {
		return
	}
	w.tenant.members.dequeue(w.principal)
	if len(w.tenant.members.queue) == 0 {
		t.all.dequeue(w.tenant)
	}
}

func (w *wait) free() {
	w.tenant.busy--
	w.principal.busy--
}

// end ends a turn that took so long.
func (t *Turns) end(w *wait, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held--
	w.free()
	w.principal.long = took > longTurn
	w.tenant.members.charge(w.principal, took-turnTime)
	t.all.charge(w.tenant, took-turnTime)
	if t.grant(); t.held == 0 && max(len(t.all.byName), len(w.tenant.members.byName)) > manyParties {
		t.all = parties{} // nobody waits for those who have had more than others
	}
}

// grant gives turns to those who wait. The caller holds the lock.
func (t *Turns) grant() {
	for t.held < t.most && len(t.all.queue) > 0 {
		tenant := t.all.queue[0]
		t.begin(tenant, tenant.members.queue[0])
	}
	if t.held != t.most {
		return
	}
	for _, tenant := range t.all.queue {
		if i := slices.IndexFunc(tenant.members.queue, (*party).isShort); i >= 0 {
			t.begin(tenant, tenant.members.queue[i])
			return
		}
	}
}

// begin begins the next turn of a principal. It is charged for a turn now, and for what that
// really took at its end.
func (t *Turns) begin(tenant, principal *party) {
	t.all.now = max(t.all.now, t.all.queue[0].had)
	tenant.members.now = max(tenant.members.now, tenant.members.queue[0].had)
	w := principal.waits[0]
	t.remove(w, 0)
	t.all.charge(tenant, turnTime)
	tenant.members.charge(principal, turnTime)
	t.held++
	close(w.granted)
}

// turn is that of a batch. A turn for each value would pass from batch to batch with each of
// them, and take longer than the check.
type turn struct {
	of    *Turns
	by    *Publisher
	has   *wait
	since time.Time
	steps int // since the time was looked at
}

// stepsBetween is how many steps are taken before the time is looked at again.
const stepsBetween = 1000

// take waits for the turn, if it has not come yet, or has been long.
func (t *turn) take(ctx context.Context) error {
	if t.has != nil {
		if t.steps < stepsBetween {
			return nil
		}
		if t.steps = 0; time.Since(t.since) < turnTime {
			return nil
		}
		t.end()
	}
	has, err := t.of.take(ctx, t.by)
	if err != nil {
		return fmt.Errorf("wait to check the value: %w", upstream.ErrPublishUnavailable)
	}
	t.has, t.since = has, time.Now()
	return nil
}

// end gives the turn back.
func (t *turn) end() {
	if t.has != nil {
		t.of.end(t.has, time.Since(t.since))
		t.has = nil
	}
}
