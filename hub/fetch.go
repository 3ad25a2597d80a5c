package hub

import (
	"context"
	"slices"

	"sluice/hub/backoff"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

const (
	// lateRead is about how much one read asks for, over all partitions, and
	// latePartRead the least for one of them.
	lateRead     = 1 << 20
	latePartRead = 32 << 10
	// blockBytes is about how large a block is.
	blockBytes = 256 << 10
)

// lateFetch is one read of Kafka for those who are late.
type lateFetch struct {
	cache *blockCache
	topic record.TopicID
	turn  *turn
	parts []*fetchPart
	bytes int // asked for
}

// fetchPart is what a read is to bring of one partition.
type fetchPart struct {
	// Immutable.
	fetch *lateFetch
	place record.PartitionOffset
	upTo  int64 // it will probably bring all below this
	exact bool  // it is the place of those who wait
	anew  bool  // what is at hand is not to be relied on
	// tip is as far as the log had been read, for a place that is unproven.
	tip *mark

	// Guarded by blocks.mu.
	waiters        []*late
	void, released bool

	// Owned by the read until it is finished.
	builder chunkBuilder
	from    record.PartitionOffset // where the builder begins
	at      record.PartitionOffset // where reading goes on
	blocks  []*block
	gap     *record.Gap // in front of all
	behind  record.PartitionOffset
	// answered is set when Kafka has been asked about an unproven place.
	answered bool
}

// newFetch prepares to read what is wanted. The caller holds blocks.mu, and
// starts it.
func (c *blockPool) newFetch(s *blockCache, wants []want, t *turn) *lateFetch {
	t.holders++
	each := lateRead / len(wants)
	if c.most > 0 {
		// One who reads all partitions, and ahead, is to find what he has had read.
		each = min(each, c.most/(8*max(1, int(s.stream.topicNow().Partitions))))
	}
	each = max(each, latePartRead)
	f := &lateFetch{cache: s, topic: s.topic, turn: t, bytes: each * len(wants)}
	events := int64(max(1, each/s.eventBytes()))
	span := int64(1)
	for span*4 <= events {
		span *= 2
	}
	for _, w := range wants {
		part := s.part(w.place.Partition)
		from := part.plan(w.place, w.exact, span)
		p := &fetchPart{fetch: f, place: from, from: from, at: from, exact: from == w.place, anew: w.exact}
		if w.unproven {
			p.tip = s.log.tip.Load()
		}
		p.upTo = max(from.Offset+events, w.place.Offset+1)
		part.fetches = append(part.fetches, p)
		f.parts = append(f.parts, p)
	}
	return f
}

// forget takes a fetch out of those under way.
func (p *cachedPartition) forget(f *fetchPart) {
	if i := slices.Index(p.fetches, f); i >= 0 {
		p.fetches = slices.Delete(p.fetches, i, i+1)
	}
}

// eventBytes is about how large an event of the stream is.
func (s *blockCache) eventBytes() int {
	bytes, events := 0, 0
	for _, c := range *s.log.chunks.Load() {
		if n := c.len(); n > 0 {
			bytes += int(c.at(n - 1).end)
			events += n
		}
	}
	if events == 0 {
		return 1 << 10
	}
	return max(1, bytes/events)
}

// run reads until something has come or nobody waits any more.
func (f *lateFetch) run() {
	c, ctx := f.cache.stream.hub.blocks, f.cache.stream.hub.running()
	retry := backoff.New()
	for c.budget.wait(ctx, f.bytes) {
		c.budget.settle(f.bytes, f.read(ctx))
		if f.moved() || c.abandoned(f) || !retry.Wait(ctx) {
			break
		}
	}
	c.finish(f)
}

// read reads once, and gives about how many bytes came. What it fails with
// passes, or is told by who follows the topic.
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
				bytes += max(got.Bytes, p.take(st.encoder, got))
			}
		}
	})
	for _, p := range f.parts {
		p.cut()
		p.answered = p.tip != nil && err == nil
	}
	if err != nil && ctx.Err() == nil {
		st.logger.DebugContext(ctx, "reading for late subscribers failed; it is tried again", "error", err)
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
			// How much is missing depends on where one stands.
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

// cut makes the builder a block.
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
