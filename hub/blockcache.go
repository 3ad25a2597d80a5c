package hub

import (
	"slices"
	"sort"

	"sluice/hub/record"
)

// block is a run of entries of one partition that was read from Kafka for those
// who are late, and is shared by all of them. What it holds never changes; what
// of it counts is guarded by the cache.
type block struct {
	*chunk
	cache     *blockCache
	partition int32
	epoch     int32 // of the record in front of the first entry, -1 when not known

	// Guarded by blocks.mu.
	from, next   int64  // it has everything between
	size         int    // as it was counted last
	newer, older *block // by when they were used
}

// seek finds the first entry behind an offset.
func (b *block) seek(offset int64) int {
	return sort.Search(b.len(), func(i int) bool { return b.at(i).next > offset })
}

// agrees reports whether one who stands at a place in front of entry i has read
// the same log: where a log was cut short and written anew, the epochs tell.
func (b *block) agrees(at record.PartitionOffset, i int) bool {
	if at.Epoch < 0 {
		return true
	}
	before := b.epoch
	if i > 0 {
		before = b.at(i - 1).epoch
	}
	// Epochs rise, so a record of the same one says it of all before it.
	return before == at.Epoch || b.at(i).epoch == at.Epoch
}

// end is the place behind the block.
func (b *block) end() record.PartitionOffset {
	return record.PartitionOffset{Partition: b.partition, Epoch: b.at(b.len() - 1).epoch, Offset: b.next}
}

// clip leaves out what lies beyond an offset, and reports whether anything is
// left. It is for who has the block to himself.
func (b *block) clip(tip int64) bool {
	k := b.seek(tip)
	before, epoch, end := b.from, b.epoch, uint32(0)
	if k > 0 {
		last := b.at(k - 1)
		before, epoch, end = last.next, last.epoch, last.end
	}
	if k == b.len() {
		return k > 0
	}
	switch {
	case before >= tip:
		b.entries = b.entries[:k]
	case b.at(k).kind == entryGap:
		b.entries = b.entries[:k+1] // it begins in front of the tip
	default:
		b.entries = b.entries[:k+1]
		b.entries[k] = entry{kind: entryAdvance, partition: b.partition, epoch: epoch, next: tip, end: end}
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

// measure is about what the block holds in memory.
func (b *block) measure() int {
	return b.chunk.size() + (cap(b.entries)-len(b.entries))*entrySize + cap(b.bodies) - len(b.bodies)
}

// blockCache is what is at hand of one stream's past, and what is on its way. It
// belongs to a log and is void with it. Guarded by blocks.mu.
type blockCache struct {
	stream *stream
	log    *log
	topic  record.TopicID
	parts  map[int32]*cachedPartition
}

// cachedPartition is one partition's part of a block cache.
type cachedPartition struct {
	blocks  []*block // by offset, none over another
	start   int64    // Kafka keeps nothing below, as far as that is known
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

// upTo counts the blocks that begin at an offset or before.
func (p *cachedPartition) upTo(offset int64) int {
	return sort.Search(len(p.blocks), func(i int) bool { return p.blocks[i].from > offset })
}

// find gives the block that has an offset, and the first entry behind it.
func (p *cachedPartition) find(offset int64) (*block, int) {
	k := p.upTo(offset)
	if k == 0 || p.blocks[k-1].next <= offset {
		return nil, 0
	}
	b := p.blocks[k-1]
	return b, b.seek(offset)
}

// has reports whether one who stands at a place can go on without Kafka.
func (p *cachedPartition) has(at record.PartitionOffset) bool {
	if b, i := p.find(at.Offset); b != nil {
		return b.agrees(at, i)
	}
	return at.Offset < p.start
}

// underWay gives the fetch that will bring what follows a place, or nil. Who
// wants it exact takes only what is read from that very place; an unproven place is
// only answered by a fetch that asks about it.
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

// plan says from where on to read for one who stands at a place: from the
// beginning of a span, so that others nearby are served by the same read, but
// not what is at hand already.
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

// put adds a block. What is at hand already stays where the new one begins,
// and gives way where it ends; anew it gives way altogether. It returns what is void now, which may be the
// block itself.
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

// drop takes a block out.
func (p *cachedPartition) drop(b *block) {
	if k := p.upTo(b.from); k > 0 && p.blocks[k-1] == b {
		p.blocks = slices.Delete(p.blocks, k-1, k)
	}
}

// cut takes out all that reaches beyond an offset.
func (p *cachedPartition) cut(offset int64) (void []*block) {
	k := sort.Search(len(p.blocks), func(i int) bool { return p.blocks[i].next > offset })
	void = slices.Clone(p.blocks[k:])
	clear(p.blocks[k:])
	p.blocks = p.blocks[:k]
	return void
}

// forget takes a fetch out of those under way.
func (p *cachedPartition) forget(f *fetchPart) {
	if i := slices.Index(p.fetches, f); i >= 0 {
		p.fetches = slices.Delete(p.fetches, i, i+1)
	}
}

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
