package hub

import (
	"sync"
	"time"

	"sluice/hub/record"
)

const (
	// lateRead is roughly how much one read asks for, over all partitions, and
	// latePartRead the minimum for one partition.
	lateRead     = 1 << 20
	latePartRead = 32 << 10
	// blockBytes is roughly the size of a block.
	blockBytes = 256 << 10
)

// blockPool is shared by all late subscriptions. It holds the blocks of all streams
// within a bound of memory, removing the least recently used first, and starts one
// read for each range that is missing. No subscription has a goroutine; each read
// has one.
type blockPool struct {
	hub    *Hub
	budget budget

	mu    sync.Mutex
	turns replays
	blockList
	count         int
	again         int // reads that are tried again now
	waiting       int
	fetches, made uint64
}

// deferred is what is to be done once blockPool.mu has been released.
type deferred struct {
	fetch []*lateFetch
	pump  []Owner
}

func (c *blockPool) do(e deferred) {
	for _, f := range e.fetch {
		// If the hub is closed, the subscriptions wait until they are closed too.
		c.hub.spawn(f.run)
	}
	for _, owner := range e.pump {
		owner.Pump()
	}
}

// await makes a subscription wait for the entries after some offsets. Its owner is
// pumped when all of them have been read, or are known to be unavailable.
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
		c.turns.wait(l)
	} else {
		c.settle(l, &e)
	}
	c.grant(&e)
	c.mu.Unlock()
	c.do(e)
}

// joinFetch reports whether what is wanted is in the cache, or being read.
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

// settle resumes a subscription that has nothing left to wait for.
func (c *blockPool) settle(l *late, e *deferred) {
	if l.pending == 0 && !l.queued && l.waiting.Load() {
		c.waiting--
		l.waiting.Store(false)
		e.pump = append(e.pump, l.owner)
	}
}

// grant gives turns to the first waiting subscriptions that may have one.
func (c *blockPool) grant(e *deferred) {
	for l := c.turns.next(); l != nil; l = c.turns.next() {
		l.turn = c.turns.begin(l.client)
		if l.fetch != nil {
			c.goOn(l)
			continue
		}
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

// mayBegin reports whether who waits for a turn may have one. Reads that are tried again have half
// of the turns: each can take long to fail, and as many as there are may be of one outage.
func (c *blockPool) mayBegin(l *late) bool {
	total := c.hub.limits().ReplaysPerInstance
	return l.fetch == nil || total <= 0 || c.again < max(1, total/2)
}

// goOn gives a read that is tried again the turn that was granted for it, and one of those that
// wait for it, who has it while it is delivered what was read.
func (c *blockPool) goOn(again *late) {
	f := again.fetch
	f.turn, again.turn = again.turn, nil
	c.again++
	close(f.granted)
	for _, p := range f.parts {
		for _, l := range p.waiters {
			if l.waiting.Load() && !l.left && l.turn == nil && l.client == f.turn.client {
				l.turn = f.turn
				f.turn.holders++
				return
			}
		}
	}
}

// readAhead reads what will be wanted soon, unless a subscription waits for a turn.
func (c *blockPool) readAhead(l *late, places []record.PartitionOffset, e *deferred) {
	if c.turns.waiting.Len() > 0 || !c.turns.Room(l.client) {
		return
	}
	wants := make([]want, len(places))
	for i, at := range places {
		wants[i] = want{place: at}
	}
	t := c.turns.begin(l.client)
	e.fetch = append(e.fetch, c.newFetch(l.cache, wants, t))
	t.holders = 1 // only the read
}

// newFetch prepares a read of what is wanted. The caller holds blocks.mu and starts
// the read.
func (c *blockPool) newFetch(s *blockCache, wants []want, t *turn) *lateFetch {
	t.holders++
	each := lateRead / len(wants)
	if most := c.hub.limits().LateMemory; most > 0 {
		// A subscription that reads all partitions, and ahead, must still find in
		// the cache what was read for it.
		each = min(each, most/(8*max(1, int(s.stream.topicNow().Partitions))))
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

// endTurn ends the part that a read has in a turn, if it has one.
func (c *blockPool) endTurn(f *lateFetch) {
	if f.turn == nil {
		return
	}
	if f.again != nil {
		c.again--
	}
	c.turns.end(f.turn)
}

// lose ends the turn of a subscription that has not taken what was read for it.
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

// leave is called when a subscription is no longer late.
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

// finish puts what a fetch has read into the cache and resumes the subscriptions
// that wait for it.
func (c *blockPool) finish(f *lateFetch) {
	var e deferred
	c.mu.Lock()
	for _, p := range f.parts {
		c.take(p)
		c.release(p, &e)
	}
	c.trim()
	c.endTurn(f)
	if f.turn != nil && f.turn.holders > 0 {
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
			// The cached blocks that reach beyond the truncation are void.
			c.forget(part.cut(p.gap.Behind()))
		}
	}
	// Of the blocks that arrive together the first is used first.
	for i := len(p.blocks) - 1; i >= 0; i-- {
		b := p.blocks[i]
		// A truncation beyond the tip would not be noticed.
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

// release ends the waiting for a part of a fetch, and resumes the subscriptions that
// have nothing else to wait for.
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

// recheck resumes the subscriptions that wait for a turn and no longer need one.
func (c *blockPool) recheck(s *blockCache, e *deferred) {
	c.turns.waiting.Sift(func(l *late) bool {
		if l.cache != s || l.fetch != nil {
			return false
		}
		missing := false
		for i := range l.wants {
			w := &l.wants[i]
			w.joined = w.joined || !w.unproven && s.part(w.place.Partition).has(w.place)
			missing = missing || !w.joined
		}
		if !missing {
			l.queued = false
			c.settle(l, e)
		}
		return !missing
	})
}

// cut removes what is cached beyond the offset at which a partition was truncated.
func (c *blockPool) cut(s *blockCache, to record.PartitionOffset) {
	var e deferred
	c.mu.Lock()
	part := s.part(to.Partition)
	c.forget(part.cut(to.Offset))
	c.void(part, &e)
	c.mu.Unlock()
	c.do(e)
}

// reset removes everything cached of a stream, because its topic was recreated or
// the stream is no longer read.
func (c *blockPool) reset(s *blockCache, topic record.TopicID) {
	var e deferred
	c.mu.Lock()
	s.topic = topic
	for _, part := range s.parts {
		c.forget(part.blocks)
		c.void(part, &e)
	}
	clear(s.parts)
	c.turns.waiting.Sift(func(l *late) bool {
		if l.cache != s {
			return false
		}
		l.queued = false
		if l.fetch != nil {
			close(l.fetch.granted) // it is void
		}
		c.settle(l, &e)
		return true
	})
	c.mu.Unlock()
	c.do(e)
}

// void has the fetches under way of a partition ignored when they arrive.
func (c *blockPool) void(part *cachedPartition, e *deferred) {
	for _, p := range part.fetches {
		p.void = true
		c.release(p, e)
	}
	part.fetches = nil
}

// abandoned reports whether no subscription waits for a fetch any more.
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

// LateInfo describes the late subscriptions and their memory.
type LateInfo struct {
	// Waiting is how many subscriptions wait for Kafka or for their turn.
	Waiting int
	// Blocks and Bytes are the blocks in memory.
	Blocks, Bytes int
	// ConflationBytes is roughly the memory of the keys that conflating
	// subscriptions remember.
	ConflationBytes int
	// Fetches and Made count the reads of Kafka and the blocks made from them since
	// the start.
	Fetches, Made uint64
}

// Late describes the late subscriptions and their memory.
func (h *Hub) Late() LateInfo {
	c := h.blocks
	c.mu.Lock()
	defer c.mu.Unlock()
	return LateInfo{
		Waiting: c.waiting, Blocks: c.count, Bytes: c.size, Fetches: c.fetches, Made: c.made,
		ConflationBytes: int(h.conflated.Load()) * conflateKeyBytes,
	}
}

// laidOut updates the sizes of blocks from which entries were delivered: blocks grow
// as they are laid out for wire formats. Blocks that were removed in the meantime do
// not count any more.
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

// forget removes from the pool blocks that are no longer in a cache.
func (c *blockPool) forget(void []*block) {
	for _, b := range void {
		if b.size > 0 {
			c.unlink(b)
			c.count--
		}
	}
}

// trim removes the least recently used blocks until the pool is within its bound.
func (c *blockPool) trim() {
	most := c.hub.limits().LateMemory
	for most > 0 && c.size > most && c.oldest != nil && c.oldest != c.newest {
		b := c.oldest
		b.cache.part(b.partition).drop(b)
		c.forget([]*block{b})
	}
}
