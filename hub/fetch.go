package hub

import (
	"context"
	"slices"

	"sluice/hub/backoff"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// run reads until something has arrived or no subscription waits any more.
func (f *lateFetch) run() {
	c, ctx := f.cache.stream.hub.blocks, f.cache.stream.hub.running()
	retry := backoff.New()
	for c.budget.wait(ctx, f.bytes) {
		c.budget.settle(f.bytes, f.read(ctx))
		if f.moved() || c.abandoned(f) {
			break
		}
		c.yield(f)
		if !retry.Wait(ctx) || !c.resume(ctx, f) || c.abandoned(f) {
			break
		}
	}
	c.finish(f)
}

// yield leaves the turn to others while a read that has brought nothing is to be tried again: what
// cannot be read, for as long as an outage lasts, must not keep others from what can.
func (c *blockPool) yield(f *lateFetch) {
	var e deferred
	c.mu.Lock()
	for _, p := range f.parts {
		for _, l := range p.waiters {
			if l.turn == f.turn {
				c.giveTurn(l)
			}
		}
	}
	c.endTurn(f)
	f.again = &late{cache: f.cache, client: f.turn.client, fetch: f}
	f.turn, f.granted = nil, make(chan struct{})
	c.grant(&e)
	c.mu.Unlock()
	c.do(e)
}

// resume waits until the read has a turn again. It reports false if it is not to go on.
func (c *blockPool) resume(ctx context.Context, f *lateFetch) bool {
	var e deferred
	c.mu.Lock()
	c.turns.wait(f.again)
	c.grant(&e)
	c.mu.Unlock()
	c.do(e)
	select {
	case <-f.granted:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turns.leave(f.again)
	return f.turn != nil
}

// read reads once, and returns roughly how many bytes arrived. Errors are transient,
// or are handled by the goroutine that follows the topic.
func (f *lateFetch) read(ctx context.Context) (bytes int) {
	st := f.cache.stream
	topic := st.topicNow()
	if topic.ID != f.topic {
		return 0
	}
	places := make([]record.PartitionOffset, len(f.parts))
	for i, p := range f.parts {
		places[i] = p.place
	}
	st.hub.blocks.fetched()
	err := st.Source.Read(ctx, topic, places, f.bytes, func(got *upstream.Fetched) {
		for _, p := range f.parts {
			if p.place.Partition == got.Partition {
				p.answered = p.tip != nil
				bytes += max(got.Bytes, p.take(st.encoder, got))
			}
		}
	})
	for _, p := range f.parts {
		p.cut()
	}
	if err != nil && ctx.Err() == nil {
		st.logger.DebugContext(ctx, "read for late subscribers failed; retrying", "error", err)
	}
	return bytes
}

func (c *blockPool) fetched() {
	c.mu.Lock()
	c.fetches++
	c.mu.Unlock()
}

func (f *lateFetch) moved() bool {
	for _, p := range f.parts {
		if len(p.blocks) > 0 || p.gap != nil || p.answered {
			return true
		}
	}
	return false
}

// take encodes what was read.
func (p *fetchPart) take(enc *encoder, f *upstream.Fetched) (bytes int) {
	if g := f.Gap; g != nil {
		switch g.Reason {
		case record.GapRetention, record.GapLogChanged, record.GapTruncated:
			// How much is missing depends on the position of each subscription.
			p.cut()
			if len(p.blocks) == 0 {
				gap := *g
				p.gap, p.behind = &gap, record.PartitionOffset{Partition: f.Partition, Epoch: f.Next.Epoch, Offset: g.Behind()}
			}
			p.from = record.PartitionOffset{Partition: f.Partition, Epoch: -1, Offset: g.Behind()}
			p.at = p.from
		case record.GapUnreadable, record.GapTooLarge, record.GapPolicy:
			enc.gap(&p.builder, *g, f.Next.Epoch)
			p.at.Offset = g.Behind()
		}
	}
	if f.Each != nil {
		f.Each(func(r *record.Record) bool {
			if len(p.builder.bodies) == 0 {
				p.builder.bodies = make([]byte, 0, blockBytes+blockBytes/8)
			}
			before := len(p.builder.bodies)
			enc.record(&p.builder, r)
			p.at.Offset = r.Offset + 1
			bytes += len(p.builder.bodies) - before
			if len(p.builder.bodies) >= blockBytes {
				p.cut()
			}
			return true
		})
	}
	if p.at.Offset < f.Next.Offset {
		enc.advance(&p.builder, f.Next)
		p.at = f.Next
	}
	return bytes
}

// cut turns the builder's entries into a block.
func (p *fetchPart) cut() {
	n := len(p.builder.entries)
	if n == 0 {
		return
	}
	d := p.builder
	if cap(d.bodies) > 2*len(d.bodies) {
		d.bodies = slices.Clone(d.bodies)
	}
	if cap(d.entries) > 2*n {
		d.entries = slices.Clone(d.entries)
	}
	b := &block{
		chunk:     d.chunk(record.Position{}),
		cache:     p.fetch.cache,
		partition: p.place.Partition,
		epoch:     p.from.Epoch,
		from:      p.from.Offset,
	}
	last := b.at(n - 1)
	b.next = last.next
	p.from = last.place()
	p.builder = chunkBuilder{entries: make([]entry, 0, n+n/8)}
	p.blocks = append(p.blocks, b)
}
