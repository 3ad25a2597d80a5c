package hub

import (
	"slices"
	"sort"

	"sluice/hub/record"
)

// block is a run of entries of one partition that was read from Kafka for late
// subscriptions, which share it. Its entries never change; which of them count is
// guarded by blocks.mu.
type block struct {
	*chunk
	cache     *blockCache
	partition int32
	epoch     int32 // of the record before the first entry, -1 when not known

	// Guarded by blocks.mu.
	from, next   int64  // it has everything between
	size         int    // as last counted
	newer, older *block // in order of use
}

// seek finds the first entry after an offset.
func (b *block) seek(offset int64) int {
	return sort.Search(b.len(), func(i int) bool { return b.at(i).next > offset })
}

// agrees reports whether a subscription at a position before entry i has read the
// same log: where a log was truncated and written again, the epochs differ.
func (b *block) agrees(at record.PartitionOffset, i int) bool {
	if at.Epoch < 0 {
		return true
	}
	before := b.epoch
	if i > 0 {
		before = b.at(i - 1).epoch
	}
	// Epochs rise, so a record of the same epoch confirms all records before it.
	return before == at.Epoch || b.at(i).epoch == at.Epoch
}

// end returns the position after the block.
func (b *block) end() record.PartitionOffset {
	return record.PartitionOffset{Partition: b.partition, Epoch: b.at(b.len() - 1).epoch, Offset: b.next}
}

// clip removes what lies beyond an offset and reports whether anything is left. The
// block must not be shared yet.
func (b *block) clip(tip int64) bool {
	k := b.seek(tip)
	before, end := b.from, uint32(0)
	if k > 0 {
		last := b.at(k - 1)
		before, end = last.next, last.end
	}
	if k == b.len() {
		return k > 0
	}
	switch {
	case before >= tip:
		b.entries = b.entries[:k]
	case b.at(k).kind == entryGap:
		b.entries = b.entries[:k+1] // it begins before the tip
	default:
		// The epoch is that of the record behind: records that are not delivered
		// can lie before the offset, and be of a later epoch than those that are.
		b.entries = b.entries[:k+1]
		b.entries[k] = entry{kind: entryAdvance, partition: b.partition, epoch: b.at(k).epoch, next: tip, end: end}
		if k > 0 {
			b.entries[k].time = b.entries[k-1].time
		}
	}
	b.filled = len(b.entries)
	b.publish()
	if b.filled == 0 {
		return false
	}
	b.next = b.at(b.filled - 1).next
	return true
}

// measure returns roughly the memory that the block takes.
func (b *block) measure() int {
	return b.chunk.size() + (cap(b.entries)-len(b.entries))*entrySize + cap(b.bodies) - len(b.bodies)
}

// blockCache holds the cached records of one stream before the log, and the fetches
// under way. It belongs to a log and becomes void with it. Guarded by blocks.mu.
type blockCache struct {
	stream *stream
	log    *log
	topic  record.TopicID
	parts  map[int32]*cachedPartition
}

// cachedPartition is one partition of a block cache.
type cachedPartition struct {
	blocks  []*block // by offset, without overlaps
	start   int64    // Kafka keeps no records below, as far as is known
	fetches []*fetchPart
}

func newBlockCache(st *stream, l *log) *blockCache {
	return &blockCache{stream: st, log: l, topic: l.at.Topic, parts: make(map[int32]*cachedPartition)}
}

func (s *blockCache) part(partition int32) *cachedPartition {
	p := s.parts[partition]
	if p == nil {
		p = &cachedPartition{}
		s.parts[partition] = p
	}
	return p
}

// eventBytes returns roughly the average size of an event of the stream.
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

// upTo returns the number of blocks that begin at an offset or before it.
func (p *cachedPartition) upTo(offset int64) int {
	return sort.Search(len(p.blocks), func(i int) bool { return p.blocks[i].from > offset })
}

// find returns the block that contains an offset, and the first entry after it.
func (p *cachedPartition) find(offset int64) (*block, int) {
	k := p.upTo(offset)
	if k == 0 || p.blocks[k-1].next <= offset {
		return nil, 0
	}
	b := p.blocks[k-1]
	return b, b.seek(offset)
}

// has reports whether a subscription at a position can continue without Kafka.
func (p *cachedPartition) has(at record.PartitionOffset) bool {
	b, i := p.find(at.Offset)
	return b != nil && b.agrees(at, i) || at.Offset < p.start
}

// underWay returns the fetch that will bring what follows a position, or nil. An
// exact want is satisfied only by a fetch that reads from that very position, and an
// unproven one only by a fetch that asks Kafka about it.
func (p *cachedPartition) underWay(at record.PartitionOffset, exact, unproven bool) *fetchPart {
	for _, f := range p.fetches {
		if unproven && f.tip == nil {
			continue
		}
		if exact && f.place == at || !exact && f.place.Offset <= at.Offset && at.Offset < f.upTo {
			return f
		}
	}
	return nil
}

// plan returns where to start reading for a subscription at a position: at the
// beginning of a span, so that the same read serves other subscriptions nearby, but
// not what is cached already.
func (p *cachedPartition) plan(at record.PartitionOffset, exact bool, span int64) record.PartitionOffset {
	if exact {
		return at
	}
	from := record.PartitionOffset{Partition: at.Partition, Epoch: -1, Offset: max(at.Offset-at.Offset%span, p.start)}
	if k := p.upTo(at.Offset); k > 0 && p.blocks[k-1].next > from.Offset {
		from = p.blocks[k-1].end()
	}
	if from.Offset >= at.Offset {
		return at
	}
	return from
}

// put adds a block. Where blocks overlap, a cached block has precedence at the
// beginning of the new one, and the new one at its end. If anew is set, overlapping
// cached blocks are removed. It returns the blocks that are void now, which may
// include b.
func (p *cachedPartition) put(b *block, anew bool) (void []*block) {
	k := p.upTo(b.from)
	if k > 0 && p.blocks[k-1].next > b.from {
		if anew {
			k--
		} else {
			b.from = p.blocks[k-1].next
		}
	}
	if b.from >= b.next {
		return []*block{b}
	}
	to := k
	for to < len(p.blocks) && p.blocks[to].from < b.next {
		if over := p.blocks[to]; over.next > b.next && !anew {
			over.from = b.next
			break
		}
		void = append(void, p.blocks[to])
		to++
	}
	p.blocks = slices.Replace(p.blocks, k, to, b)
	return void
}

// drop removes a block.
func (p *cachedPartition) drop(b *block) {
	if k := p.upTo(b.from); k > 0 && p.blocks[k-1] == b {
		p.blocks = slices.Delete(p.blocks, k-1, k)
	}
}

// cut removes the blocks that reach beyond an offset, and returns them.
func (p *cachedPartition) cut(offset int64) (void []*block) {
	k := sort.Search(len(p.blocks), func(i int) bool { return p.blocks[i].next > offset })
	void = slices.Clone(p.blocks[k:])
	clear(p.blocks[k:])
	p.blocks = p.blocks[:k]
	return void
}

// forget removes a fetch from those under way.
func (p *cachedPartition) forget(f *fetchPart) {
	if i := slices.Index(p.fetches, f); i >= 0 {
		p.fetches = slices.Delete(p.fetches, i, i+1)
	}
}

// lateFetch is one read of Kafka for late subscriptions.
type lateFetch struct {
	cache *blockCache
	topic record.TopicID
	turn  *turn // guarded by blocks.mu once it runs; nil while it has none
	parts []*fetchPart
	bytes int // bytes to ask for

	// While it has no turn, because it is to be tried again: what waits for one in its place,
	// and what is closed once it has one.
	again   *late
	granted chan struct{}
}

// fetchPart is what a read is to bring of one partition.
type fetchPart struct {
	// Immutable.
	fetch *lateFetch
	place record.PartitionOffset
	upTo  int64 // it will probably bring everything below this offset
	exact bool  // it is the position of the subscriptions that wait
	anew  bool  // replaces what is cached, which cannot be relied on
	// tip is how far the log had been read, for a position that is unproven.
	tip *mark

	// Guarded by blocks.mu.
	waiters        []*late
	void, released bool

	// Owned by the read until it is finished.
	builder chunkBuilder
	from    record.PartitionOffset // where the builder begins
	at      record.PartitionOffset // where reading continues
	blocks  []*block
	gap     *record.Gap // before all blocks
	behind  record.PartitionOffset
	// answered is set when Kafka has been asked about an unproven position.
	answered bool
}
