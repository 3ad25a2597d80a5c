package hub

import "slices"

// replays bounds how many subscriptions have Kafka read for them at once, in all and
// for each principal. Others wait their turn, first come first served among those
// whose principal has room. A turn is for one read and for delivering what it
// brought, so that subscriptions that need several reads alternate. 0 is no bound.
// Guarded by blocks.mu.
type replays struct {
	limits func() *Limits

	running int
	of      map[string]int
	waiting []*late
}

func newReplays(limits func() *Limits) replays {
	return replays{limits: limits, of: make(map[string]int)}
}

// full reports whether no turn may begin.
func (r *replays) full() bool {
	total := r.limits().ReplaysPerInstance
	return total > 0 && r.running >= total
}

func (r *replays) room(principal string) bool {
	each := r.limits().ReplaysPerPrincipal
	return !r.full() && (each <= 0 || r.of[principal] < each)
}

// begin begins a turn, for which there must be room.
func (r *replays) begin(principal string) *turn {
	r.running++
	r.of[principal]++
	return &turn{principal: principal, holders: 1}
}

// end is called once for each holder of a turn.
func (r *replays) end(t *turn) {
	if t.holders--; t.holders > 0 {
		return
	}
	if t.patience != nil {
		t.patience.Stop()
	}
	r.running--
	if r.of[t.principal]--; r.of[t.principal] == 0 {
		delete(r.of, t.principal)
	}
}

// next removes the first waiting subscription that may have a turn, and returns it,
// or nil when there is none.
func (r *replays) next() *late {
	if r.full() {
		return nil
	}
	for i, l := range r.waiting {
		if r.room(l.principal) {
			r.waiting = slices.Delete(r.waiting, i, i+1)
			l.queued = false
			return l
		}
	}
	return nil
}

// leave removes a subscription from those that wait.
func (r *replays) leave(l *late) {
	if i := slices.Index(r.waiting, l); l.queued && i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
	}
	l.queued = false
}
