package hub

import "sluice/hub/share"

// replays bounds how many subscriptions have Kafka read for them at once, in all, for
// each tenant and for each principal. Others wait their turn. A turn is for one read and
// for delivering what it brought, so that subscriptions that need several reads
// alternate. Guarded by blockPool.mu.
type replays struct {
	share.Counts
	waiting share.Lines[*late]
}

func newReplays(limits func() *Limits, mayBegin func(*late) bool) replays {
	return replays{share.NewCounts(boundsOf(limits)), share.NewLines(func(l *late) client { return l.client }, mayBegin)}
}

// boundsOf returns the bounds of replays, which are those of searches, too.
func boundsOf(limits func() *Limits) func() share.Bounds {
	return func() share.Bounds {
		l := limits()
		return share.Bounds{Total: l.ReplaysPerInstance, Tenant: l.ReplaysPerTenant, Principal: l.ReplaysPerPrincipal}
	}
}

// begin begins a turn, for which there must be room.
func (r *replays) begin(of client) *turn {
	r.Take(of)
	return &turn{client: of, holders: 1}
}

// end is called once for each holder of a turn.
func (r *replays) end(t *turn) {
	if t.holders--; t.holders > 0 {
		return
	}
	if t.patience != nil {
		t.patience.Stop()
	}
	r.Give(t.client)
}

// wait makes a subscription wait for a turn.
func (r *replays) wait(l *late) {
	l.queued = true
	r.waiting.Add(l)
}

// next removes the first waiting subscription that may have a turn, and returns it,
// or nil when there is none.
func (r *replays) next() *late {
	l, ok := r.waiting.Next(&r.Counts)
	if !ok {
		return nil
	}
	l.queued = false
	return l
}

// leave removes a subscription from those that wait.
func (r *replays) leave(l *late) {
	if l.queued {
		r.waiting.Remove(l)
	}
	l.queued = false
}
