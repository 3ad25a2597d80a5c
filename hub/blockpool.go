package hub

import (
	"sync"
	"time"

	"sluice/hub/record"
)

const (
	// lateRead is about how much one read asks for, over all partitions, and
	// latePartRead the least for one of them.
	lateRead     = 1 << 20
	latePartRead = 32 << 10
	// blockBytes is about how large a block is.
	blockBytes = 256 << 10
)

// blockPool is what all subscriptions that are late share: blocks of all streams within a bound
// of memory, those not used for longest given up first, and one read under way
// for whatever is not there. No reader has a goroutine; each read has one.
type blockPool struct {
	hub    *Hub
	most   int // bytes, 0 for no bound
	budget budget

	mu             sync.Mutex
	turns          replays
	size, count    int
	newest, oldest *block
	waiting        int
	fetches, made  uint64
}

// deferred is what is to be done once blocks.mu is no longer held.
type deferred struct {
	fetch []*lateFetch
	pump  []Owner
}

func (c *blockPool) do(e deferred) {
	for _, f := range e.fetch {
		// Where the hub is closed they wait until they are closed too.
		c.hub.spawn(f.run)
	}
	for _, owner := range e.pump {
		owner.Pump()
	}
}

// await has a subscription wait for what follows some places. It will be
// pumped when all of that has come, or is known not to come.
func (c *blockPool) await(l *late, wants []want) {
	var e deferred
	c.mu.Lock()
	c.giveTurn(l)
	l.wants = wants
	l.waiting.Store(true)
	c.waiting++
	missing := false
	for i := range l.wants {
		missing = !c.joinFetch(l, &l.wants[i]) || missing
	}
	if missing {
		l.queued = true
		c.turns.waiting = append(c.turns.waiting, l)
	} else {
		c.settle(l, &e)
	}
	c.grant(&e)
	c.mu.Unlock()
	c.do(e)
}

// joinFetch reports whether what is wanted is there, or on its way.
func (c *blockPool) joinFetch(l *late, w *want) bool {
	if w.joined {
		return true
	}
	p := l.cache.part(w.place.Partition)
	if !w.unproven && p.has(w.place) {
		w.joined = true
		return true
	}
	if f := p.underWay(w.place, w.exact, w.unproven); f != nil {
		f.waiters = append(f.waiters, l)
		l.pending++
		w.joined = true
	}
	return w.joined
}

// settle lets a subscription go on that has nothing left to wait for.
func (c *blockPool) settle(l *late, e *deferred) {
	if l.pending == 0 && !l.queued && l.waiting.Load() {
		c.waiting--
		l.waiting.Store(false)
		e.pump = append(e.pump, l.owner)
	}
}

// grant gives turns to those in front that may have one.
func (c *blockPool) grant(e *deferred) {
	for l := c.turns.next(); l != nil; l = c.turns.next() {
		l.turn = c.turns.begin(l.principal)
		var missing []want
		for i := range l.wants {
			if !c.joinFetch(l, &l.wants[i]) {
				l.wants[i].joined = true
				l.pending++
				missing = append(missing, l.wants[i])
			}
		}
		if len(missing) == 0 {
			c.giveTurn(l)
			c.settle(l, e)
			continue
		}
		f := c.newFetch(l.cache, missing, l.turn)
		for _, p := range f.parts {
			p.waiters = append(p.waiters, l)
		}
		e.fetch = append(e.fetch, f)
	}
}

// readAhead reads what will be wanted soon, when nobody waits for a turn.
func (c *blockPool) readAhead(l *late, places []record.PartitionOffset, e *deferred) {
	if len(c.turns.waiting) > 0 || !c.turns.room(l.principal) {
		return
	}
	wants := make([]want, len(places))
	for i, at := range places {
		wants[i] = want{place: at}
	}
	t := c.turns.begin(l.principal)
	e.fetch = append(e.fetch, c.newFetch(l.cache, wants, t))
	t.holders = 1 // the read alone
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

// giveTurn ends the turn of a subscription, if it has one.
func (c *blockPool) giveTurn(l *late) {
	if l.turn != nil {
		c.turns.end(l.turn)
		l.turn = nil
	}
}

// lose ends the turn of one that has not taken what it was read for.
func (c *blockPool) lose(l *late, t *turn) {
	var e deferred
	c.mu.Lock()
	if l.turn == t {
		c.giveTurn(l)
		c.grant(&e)
	}
	c.mu.Unlock()
	c.do(e)
}

// leave is for a subscription that is late no more.
func (c *blockPool) leave(l *late) {
	var e deferred
	c.mu.Lock()
	c.giveTurn(l)
	c.turns.leave(l)
	if l.waiting.Load() {
		c.waiting--
		l.waiting.Store(false)
	}
	l.left = true
	c.grant(&e)
	c.mu.Unlock()
	c.do(e)
}

// finish takes what a fetch has brought, and lets go on who has waited for it.
func (c *blockPool) finish(f *lateFetch) {
	var e deferred
	c.mu.Lock()
	for _, p := range f.parts {
		c.take(p)
		c.release(p, &e)
	}
	c.trim()
	c.turns.end(f.turn)
	if f.turn.holders > 0 {
		for _, p := range f.parts {
			for _, l := range p.waiters {
				if l.turn == f.turn && f.turn.patience == nil {
					f.turn.patience = time.AfterFunc(latePatience, func() { c.lose(l, f.turn) })
				}
			}
		}
	}
	c.recheck(f.cache, &e)
	c.grant(&e)
	c.mu.Unlock()
	c.do(e)
}

// take puts what was read of a partition into the cache.
func (c *blockPool) take(p *fetchPart) {
	s := p.fetch.cache
	part := s.part(p.place.Partition)
	part.forget(p)
	tip := s.log.tip.Load().at
	if p.void || tip.Topic != p.fetch.topic || s.topic != p.fetch.topic {
		return
	}
	if p.gap == nil && p.answered {
		s.log.prove(p.place, p.tip)
	}
	if p.gap != nil {
		switch {
		case p.gap.Reason == record.GapRetention:
			part.start = max(part.start, p.gap.To)
		case p.exact:
			for _, l := range p.waiters {
				l.verdicts = append(l.verdicts, verdict{p.place, *p.gap, p.behind})
			}
		default:
			// What is at hand in front of it was cut off.
			c.forget(part.cut(p.gap.Behind()))
		}
	}
	// Of those that come together the first is used first.
	for i := len(p.blocks) - 1; i >= 0; i-- {
		b := p.blocks[i]
		// What lies beyond the tip could be cut off unseen.
		if !b.clip(tip.Offset(b.partition, 0)) {
			continue
		}
		for _, void := range part.put(b, p.anew) {
			c.forget([]*block{void})
			if void == b {
				b = nil
			}
		}
		if b != nil {
			c.made++
			c.count++
			c.link(b)
		}
	}
}

// release lets those who have waited for a part of a fetch wait for it no more.
func (c *blockPool) release(p *fetchPart, e *deferred) {
	if p.released {
		return
	}
	p.released = true
	for _, l := range p.waiters {
		l.pending--
		c.settle(l, e)
	}
}

// recheck lets go on who waits for a turn and needs none any more.
func (c *blockPool) recheck(s *blockCache, e *deferred) {
	kept := c.turns.waiting[:0]
	for _, l := range c.turns.waiting {
		if l.cache == s {
			missing := false
			for i := range l.wants {
				w := &l.wants[i]
				w.joined = w.joined || !w.unproven && s.part(w.place.Partition).has(w.place)
				missing = missing || !w.joined
			}
			if !missing {
				l.queued = false
				c.settle(l, e)
				continue
			}
		}
		kept = append(kept, l)
	}
	clear(c.turns.waiting[len(kept):])
	c.turns.waiting = kept
}

// cut forgets what lies beyond a place at which a partition was cut short.
func (c *blockPool) cut(s *blockCache, to record.PartitionOffset) {
	var e deferred
	c.mu.Lock()
	part := s.part(to.Partition)
	c.forget(part.cut(to.Offset))
	c.void(part, &e)
	c.mu.Unlock()
	c.do(e)
}

// reset forgets all of a stream's past, as its topic was made again or nobody
// reads it any more.
func (c *blockPool) reset(s *blockCache, topic record.TopicID) {
	var e deferred
	c.mu.Lock()
	s.topic = topic
	for _, part := range s.parts {
		c.forget(part.blocks)
		c.void(part, &e)
	}
	clear(s.parts)
	kept := c.turns.waiting[:0]
	for _, l := range c.turns.waiting {
		if l.cache != s {
			kept = append(kept, l)
			continue
		}
		l.queued = false
		c.settle(l, &e)
	}
	clear(c.turns.waiting[len(kept):])
	c.turns.waiting = kept
	c.mu.Unlock()
	c.do(e)
}

// void has what is on its way ignored when it comes.
func (c *blockPool) void(part *cachedPartition, e *deferred) {
	for _, p := range part.fetches {
		p.void = true
		c.release(p, e)
	}
	part.fetches = nil
}

// abandoned reports whether nobody waits for a fetch any more.
func (c *blockPool) abandoned(f *lateFetch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range f.parts {
		if p.void {
			continue
		}
		for _, l := range p.waiters {
			if !l.left {
				return false
			}
		}
	}
	return true
}

// touch notes that a block is being used.
func (c *blockPool) touch(b *block) {
	if c.newest != b {
		c.unlink(b)
		c.link(b)
	}
}

// laidOut measures blocks anew that have been delivered from: they grow as they
// are laid out for wire formats. Those given up meanwhile count no more.
func (c *blockPool) laidOut(runs []lateRun) {
	c.mu.Lock()
	for _, r := range runs {
		if b := r.block; b.size > 0 {
			size := b.measure()
			c.size += size - b.size
			b.size = size
		}
	}
	c.mu.Unlock()
}

func (c *blockPool) link(b *block) {
	b.size = b.measure()
	c.size += b.size
	b.older, b.newer = c.newest, nil
	if c.newest != nil {
		c.newest.newer = b
	} else {
		c.oldest = b
	}
	c.newest = b
}

func (c *blockPool) unlink(b *block) {
	if b.newer != nil {
		b.newer.older = b.older
	} else {
		c.newest = b.older
	}
	if b.older != nil {
		b.older.newer = b.newer
	} else {
		c.oldest = b.newer
	}
	b.newer, b.older = nil, nil
	c.size -= b.size
	b.size = 0
}

// forget takes out blocks that are in no cache any more.
func (c *blockPool) forget(void []*block) {
	for _, b := range void {
		if b.size > 0 {
			c.unlink(b)
			c.count--
		}
	}
}

// trim gives up what was not used for longest.
func (c *blockPool) trim() {
	for c.most > 0 && c.size > c.most && c.oldest != nil && c.oldest != c.newest {
		b := c.oldest
		b.cache.part(b.partition).drop(b)
		c.forget([]*block{b})
	}
}

// LateInfo is what is to be known of those who read what precedes the logs.
type LateInfo struct {
	// Waiting is how many wait for Kafka or for their turn.
	Waiting int
	// Blocks and Bytes are what is kept for them in memory.
	Blocks, Bytes int
	// ConflationBytes is about what the keys take that conflating subscriptions
	// remember.
	ConflationBytes int
	// Fetches and Made are how many reads of Kafka there were, and how many
	// blocks they made, since the start.
	Fetches, Made uint64
}

// Late tells of those who read what precedes the logs.
func (h *Hub) Late() LateInfo {
	c := h.blocks
	c.mu.Lock()
	defer c.mu.Unlock()
	return LateInfo{
		Waiting: c.waiting, Blocks: c.count, Bytes: c.size, Fetches: c.fetches, Made: c.made,
		ConflationBytes: int(h.conflated.Load()) * conflateKeyBytes,
	}
}
