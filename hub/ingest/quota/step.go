package quota

import (
	"context"

	"sluice/hub/ingest"
)

// Check implements ingest.Step: it counts the pending records of a batch, or refuses all of
// them. It does not block.
func (q *Quotas) Check(_ context.Context, b *ingest.Batch) {
	a := ask{now: q.config.Now()}
	for i := range b.Len() {
		if b.Pending(i) {
			a.records++
			a.bytes += float64(bytesOf(b.Message(i)))
		}
	}
	refused := q.admit(b, &a)
	if refused == nil {
		return
	}
	refused.Part = a.records > 1
	verdict := ingest.Rejected(refused)
	for i := range b.Len() {
		b.Settle(i, verdict)
	}
}

// admit counts a batch in all scopes, or in none and returns why.
func (q *Quotas) admit(b *ingest.Batch, a *ask) *ingest.QuotaError {
	rules, network := q.rules.Load(), networkOf(b.Address)
	var counts [scopes]*count
	var why refusal
	counted := false
	q.mu.Lock()
	defer q.mu.Unlock()
	for by := range scopes {
		k, rule, ok := keyOf(rules, by, b.Stream, &b.Publisher, network)
		if !ok {
			continue
		}
		c := q.count(k, rule, a.now)
		counts[by], counted = c, true
		if c.sharing {
			c.note(a)
		}
		other, admitted := c.check(a)
		if !admitted && (why.count == nil || other.never && !why.never || other.never == why.never && other.wait > why.wait) {
			why = other
		}
	}
	if why.count != nil {
		return &ingest.QuotaError{
			Scope: scopeNames[why.count.key.by], Unit: why.unit, Most: int64(why.most), RetryAfter: why.wait, Never: why.never,
		}
	}
	if counted {
		for _, c := range counts {
			if c != nil {
				c.take(a)
			}
		}
		q.held[b] = counts
	}
	return nil
}

// Settled implements ingest.Step: the batch is no longer in flight.
func (q *Quotas) Settled(b *ingest.Batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	counts, ok := q.held[b]
	if !ok {
		return
	}
	delete(q.held, b)
	for _, c := range counts {
		if c != nil {
			c.inFlight--
		}
	}
}

// bytesOf returns what a record counts as.
func bytesOf(m *ingest.Message) int {
	n := len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		n += len(h.Name) + len(h.Value)
	}
	return n
}
