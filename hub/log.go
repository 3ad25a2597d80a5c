package hub

import (
	"maps"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hub/filter"
	"sluice/hub/record"
)

const (
	// firstIndex leaves room below for the chunks that are filled in backwards.
	firstIndex = 1 << 40

	minChunkBytes = 16 << 10
	maxChunkBytes = 1 << 20
	// quickChunk: a chunk that is full in less time is followed by a larger one.
	quickChunk = time.Second
	// maxCuts bounds how many truncations are remembered.
	maxCuts = 64
)

// log holds the recent records of one stream: chunks of entries, numbered by index,
// from the floor to the tip. One goroutine appends; any number of subscriptions read
// without locks and remember only an index.
type log struct {
	lane   *Lane
	stream string
	serial uint64 // unique among all logs and chunks
	wake   func(shard int, f *Feed)
	now    func() time.Time

	chunks atomic.Pointer[[]*chunk] // sorted by base, never empty, never changed
	tip    atomic.Pointer[mark]
	recent [8]atomic.Pointer[mark] // a cache of marks, by index
	status atomic.Pointer[Status]
	paused atomic.Int32 // subscriptions
	// emptied is the index at which the log was last emptied, 0 for never.
	emptied atomic.Uint64
	cache   *blockCache // the records before the log, for late subscriptions
	turns   *turns      // in which costly filters are evaluated
	// filterLag returns Limits.FilterLag.
	filterLag func() time.Duration

	// Owned by the appender.
	last   *chunk
	at     record.Position
	opened time.Time // when last was created

	mu    sync.Mutex // guards the fields below, and changes of chunks
	feeds map[string]*Feed
	// resting are the feeds of paused subscriptions, by name.
	resting map[string]*Feed
	keyed   textIndex // the feeds for which a record's key alone decides
	// numbered is the largest number that was given to one of several filters with
	// the same digest.
	numbered int
	cuts     []cut
	// proven is what Kafka has confirmed of each partition before the floor.
	proven map[int32]proof
	// appended is closed at the next change of the tip. It is nil while nobody waits.
	appended chan struct{}
	// shrunk is set once chunks were removed: the indexes below the floor have had
	// entries and must not get others.
	shrunk bool

	evaluations [evaluations]evaluation
}

// cut is where a partition continued after a truncation.
type cut struct {
	to record.PartitionOffset
	// epoch is the last one read before the cut, -1 when that is not known. Offsets
	// that were reused since have a later epoch.
	epoch int32
	index uint64 // where the log continued
}

// voids reports whether a position is beyond the cut and older than it. Index is
// where in the log the position was taken, 0 when that is not known.
func (c cut) voids(at record.PartitionOffset, index uint64) bool {
	if at.Partition != c.to.Partition || at.Offset <= c.to.Offset {
		return false
	}
	return index > 0 && index < c.index || at.Epoch >= 0 && at.Epoch <= c.epoch
}

// proof records that Kafka has the log in an epoch up to an offset at least, and so
// in each later epoch.
type proof struct {
	epoch  int32
	offset int64
}

// Status is whether a stream can be read from Kafka, and since when.
type Status struct {
	Live  bool
	Since time.Time
}

func newLog(lane *Lane, start record.Position, wake func(int, *Feed), now func() time.Time) *log {
	l := &log{
		lane:    lane,
		stream:  lane.Stream,
		serial:  serials.Add(1),
		wake:    wake,
		now:     now,
		feeds:   make(map[string]*Feed),
		resting: make(map[string]*Feed),
		keyed:   make(textIndex),
	}
	for k := range l.evaluations {
		l.evaluations[k].init(l)
	}
	l.status.Store(&Status{Live: true, Since: now()})
	l.begin(firstIndex, start)
	return l
}

// begin makes the log empty, with its floor and tip at an index.
func (l *log) begin(index uint64, start record.Position) {
	l.at = start.Clone()
	l.last = newChunk(index, start.Clone(), 0, 0)
	l.mu.Lock()
	l.shrunk = index != firstIndex
	l.proven = make(map[int32]proof)
	l.chunks.Store(&[]*chunk{l.last})
	l.tip.Store(&mark{index: index, at: start.Clone(), made: l.now()})
	l.tellNext()
	l.mu.Unlock()
}

// restart empties the log, because its entries have become void, and continues from
// another position. All subscriptions are then below the floor and compare
// positions.
func (l *log) restart(start record.Position) {
	index := l.tip.Load().index + 1
	l.emptied.Store(index)
	if start.Topic != l.at.Topic {
		l.mu.Lock()
		l.cuts = nil // they do not apply to the new topic, whose epochs begin anew
		l.mu.Unlock()
	}
	l.begin(index, start)
	l.notifyAll()
}

// floorPosition returns the position at which the log begins.
func (l *log) floorPosition() record.Position { return l.floor().start }

// cut empties the log because a partition continues from an earlier offset under a
// new epoch.
func (l *log) cut(to record.PartitionOffset) {
	next := l.at.Clone()
	was, ok := next.Find(to.Partition)
	if !ok {
		was.Epoch = -1
	}
	next.Set(to)
	made := cut{to: to, epoch: was.Epoch, index: l.tip.Load().index + 1}
	l.mu.Lock()
	l.cuts = append(l.cuts[max(0, len(l.cuts)-maxCuts+1):], made)
	l.mu.Unlock()
	l.restart(next)
}

// cutBelow finds the offset at which a position that was taken before a cut
// continues. Index is where in the log the position was taken, 0 when that is not
// known.
func (l *log) cutBelow(at record.PartitionOffset, index uint64) (record.PartitionOffset, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := at, false
	for _, c := range l.cuts {
		if c.voids(at, index) && c.to.Offset < found.Offset {
			found, ok = c.to, true
		}
	}
	return found, ok
}

// append adds a builder's entries and wakes the feeds that they are for, once.
func (l *log) append(d *chunkBuilder) {
	if len(d.entries) == 0 {
		return
	}
	first := l.last.base + uint64(l.last.filled)
	for i := 0; i < len(d.entries); {
		next := l.last.fill(d, i)
		if next == i {
			l.open(d, i)
			continue
		}
		l.last.publish()
		for ; i < next; i++ {
			l.at.Set(d.entries[i].place())
		}
	}
	tip := &mark{index: first + uint64(len(d.entries)), at: l.at.Clone(), made: l.now()}

	l.mu.Lock()
	woken := l.match(d, first)
	// The tip moves under the lock, so that a feed that is created now begins
	// exactly where matching has begun for it.
	l.tip.Store(tip)
	l.tellNext()
	for k := range l.evaluations {
		l.evaluations[k].appended()
	}
	l.mu.Unlock()
	for _, f := range woken {
		f.notify()
	}
}

// next returns a channel that is closed when the tip moves next.
func (l *log) next() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.appended == nil {
		l.appended = make(chan struct{})
	}
	return l.appended
}

// tellNext tells those who wait that the tip has moved. The caller holds the lock.
func (l *log) tellNext() {
	if l.appended != nil {
		close(l.appended)
		l.appended = nil
	}
}

// open creates a chunk with room for the builder's entries from i on.
func (l *log) open(d *chunkBuilder, i int) {
	size := max(minChunkBytes, len(l.last.bodies))
	now := l.now()
	if now.Sub(l.opened) < quickChunk {
		size *= 2
	}
	need := len(d.bodies) - d.bodyStart(i)
	size = max(min(max(size, need), maxChunkBytes), int(d.entries[i].end)-d.bodyStart(i))
	each := max(64, need/(len(d.entries)-i))
	entries := min(size/each+size/each/4+16, 1<<16)

	l.opened = now
	l.last = newChunk(l.last.base+uint64(l.last.filled), l.at.Clone(), entries, size)
	l.mu.Lock()
	chunks := append(slices.Clone(*l.chunks.Load()), l.last)
	l.chunks.Store(&chunks)
	l.mu.Unlock()
}

// match gives new entries to the feeds that have their keys and returns all feeds
// that have something new, except those whose filters are evaluated. The caller holds the lock.
func (l *log) match(d *chunkBuilder, first uint64) []*Feed {
	var woken []*Feed
	if f := l.feeds[""]; f != nil {
		woken = append(woken, f)
	}
	if len(l.feeds) == len(woken)+l.evaluated() {
		return woken
	}
	floor := l.floor().base
	for i := range d.entries {
		e := &d.entries[i]
		switch e.kind {
		case entryRecord:
			if e.keyEnd == 0 {
				continue
			}
			start := uint32(d.bodyStart(i))
			// Indexing a map by converted bytes does not allocate.
			for _, f := range l.keyed[string(d.bodies[start+e.keyStart:start+e.keyEnd])] {
				if f.match(first+uint64(i), floor, filter.Yes) {
					woken = append(woken, f)
				}
			}
		case entryGap:
			for name, f := range l.feeds {
				if name != "" && f.asked == nil && f.match(first+uint64(i), floor, filter.Yes) {
					woken = append(woken, f)
				}
			}
		case entryAdvance:
		}
	}
	for _, f := range woken {
		f.matching = false
	}
	return woken
}

// notifyAll wakes all feeds, those of paused subscriptions too.
func (l *log) notifyAll() {
	l.mu.Lock()
	feeds := slices.AppendSeq(make([]*Feed, 0, len(l.feeds)+len(l.resting)), maps.Values(l.feeds))
	feeds = slices.AppendSeq(feeds, maps.Values(l.resting))
	for k := range l.evaluations {
		l.evaluations[k].wake()
		l.evaluations[k].appended()
	}
	l.mu.Unlock()
	for _, f := range feeds {
		f.notify()
	}
}

// setLive sets the status and notifies all feeds, when the stream has become
// available or unavailable.
func (l *log) setLive(live bool) {
	if l.status.Load().Live == live {
		return
	}
	l.status.Store(&Status{Live: live, Since: l.now()})
	l.notifyAll()
}

// floor returns the oldest chunk.
func (l *log) floor() *chunk { return (*l.chunks.Load())[0] }

// find returns the chunk that holds an index and the entry's number in it, or nil
// when the index is below the floor.
func (l *log) find(index uint64) (*chunk, int) {
	chunks := *l.chunks.Load()
	k := sort.Search(len(chunks), func(k int) bool { return chunks[k].base > index })
	if k == 0 {
		return nil, 0
	}
	c := chunks[k-1]
	return c, int(index - c.base)
}

// markIn returns the mark before entry i of a chunk.
func (l *log) markIn(c *chunk, i int) *mark {
	index := c.base + uint64(i)
	if tip := l.tip.Load(); tip.index == index {
		return tip
	}
	slot := &l.recent[index%uint64(len(l.recent))]
	if m := slot.Load(); m != nil && m.index == index {
		return m
	}
	m := &mark{index: index, at: c.positionBefore(i), made: l.now()}
	slot.Store(m)
	return m
}

// covering finds the largest index below which the log has no entry that a position
// does not cover. It returns nil when the log begins after the position.
func (l *log) covering(at record.Position) (*chunk, int) {
	tip := l.tip.Load().index
	chunks := *l.chunks.Load()
	// The appender may have opened chunks that lie wholly beyond the tip.
	k := sort.Search(len(chunks), func(k int) bool { return chunks[k].base > tip || !at.Covers(chunks[k].start) })
	if k == 0 {
		return nil, 0
	}
	c := chunks[k-1]
	i, n := 0, min(c.len(), int(tip-c.base))
	for i < n {
		e := c.at(i)
		if at.Offset(e.partition, 0) < e.next {
			break
		}
		i++
	}
	return c, i
}

// firstLater finds the first record of a later epoch than a position's, in its
// partition and before its offset. It returns nil when there is none.
func (l *log) firstLater(at record.PartitionOffset) *entry {
	tip := l.tip.Load()
	if at.Epoch < 0 || noLater(tip.at, at) {
		return nil // the usual case
	}
	chunks := *l.chunks.Load()
	for k, c := range chunks {
		if c.start.Offset(at.Partition, 0) >= at.Offset || c.base >= tip.index {
			return nil
		}
		// Epochs rise, but where a log begins the epoch may be unknown.
		if k+1 < len(chunks) && noLater(chunks[k+1].start, at) {
			continue
		}
		for i := range min(c.len(), int(tip.index-c.base)) {
			if e := c.at(i); e.kind == entryRecord && e.partition == at.Partition && e.epoch > at.Epoch {
				return e
			}
		}
	}
	return nil
}

// noLater reports whether a position shows that no record before it is of a later
// epoch than at.
func noLater(position record.Position, at record.PartitionOffset) bool {
	now, ok := position.Find(at.Partition)
	return !ok || now.Epoch >= 0 && now.Epoch <= at.Epoch
}

// size returns roughly the memory that the log takes.
func (l *log) size() int {
	size := 0
	for _, c := range *l.chunks.Load() {
		size += c.size()
	}
	return size
}

// shrink removes the oldest chunks, never the last, until the log is within a size.
// It returns the size after that.
func (l *log) shrink(most int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	chunks := *l.chunks.Load()
	sizes := make([]int, len(chunks))
	size := 0
	for i, c := range chunks {
		sizes[i] = c.size()
		size += sizes[i]
	}
	drop := 0
	for drop < len(chunks)-1 && size > most {
		size -= sizes[drop]
		drop++
	}
	if drop > 0 {
		kept := slices.Clone(chunks[drop:])
		l.chunks.Store(&kept)
		l.shrunk = true
	}
	return size
}

// prepend puts older chunks before the floor for which they were made. It reports
// false when the floor has changed, or once the log has removed chunks: a
// subscription whose index is in a removed chunk would find other entries there.
func (l *log) prepend(older []*chunk, floor *chunk) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	chunks := *l.chunks.Load()
	if l.shrunk || chunks[0] != floor {
		return false
	}
	base := floor.base
	for _, c := range slices.Backward(older) {
		base -= uint64(c.filled)
		c.base = base
	}
	all := append(slices.Clone(older), chunks...)
	l.chunks.Store(&all)
	return true
}
