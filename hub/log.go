package hub

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hub/record"
)

const (
	// firstIndex leaves room in front for what is filled in backwards.
	firstIndex = 1 << 40

	minChunkBytes = 16 << 10
	maxChunkBytes = 1 << 20
	// quickChunk: a chunk that is full sooner is followed by a larger one.
	quickChunk = time.Second
	// maxCuts bounds how many truncations are remembered.
	maxCuts = 64
)

// log is the recent past of one stream: chunks of entries, numbered by index,
// from the floor to the tip. One goroutine appends; any number read, without
// locks, and remember no more than an index.
type log struct {
	stream string
	serial uint64 // tells it apart from all others that there have been
	wake   func(shard int, f *Feed)
	now    func() time.Time

	chunks atomic.Pointer[[]*chunk] // sorted by base, never empty, never changed
	tip    atomic.Pointer[mark]
	recent [8]atomic.Pointer[mark] // marks behind the tip, by index
	status atomic.Pointer[Status]
	// emptied is the index at which the log was made empty last, 0 for never.
	emptied atomic.Uint64
	cache   *blockCache // what precedes the log, for those who are late

	// Owned by the appender.
	last   *chunk
	at     record.Position
	opened time.Time // when last was made

	mu    sync.Mutex // guards the lists below, and whoever changes chunks
	feeds map[string]*Feed
	keyed keyIndex // of feeds without predicates
	// numbered is how many filters with one digest there have been at once.
	numbered int
	cuts     []cut
	// proven is what Kafka has said of each partition in front of the floor.
	proven map[int32]proof
	// shrunk is set once chunks were given up: the indexes below the floor
	// have had entries, and must not get others.
	shrunk bool

	evaluation evaluation
}

// cut is where a partition went on after being truncated.
type cut struct {
	to record.PartitionOffset
	// epoch is the last one read before, -1 when that is not known: what has
	// been given out anew is of a later one.
	epoch int32
	index uint64 // where the log went on
}

// voids reports whether a position is beyond the cut and older than it. Index
// is where in the log it was taken, 0 when that is not known.
func (c cut) voids(at record.PartitionOffset, index uint64) bool {
	if at.Partition != c.to.Partition || at.Offset <= c.to.Offset {
		return false
	}
	return index > 0 && index < c.index || at.Epoch >= 0 && at.Epoch <= c.epoch
}

// proof is that Kafka has the log in an epoch up to an offset at least: so it has
// in each later one.
type proof struct {
	epoch  int32
	offset int64
}

// mark is an index of a log with the position that belongs to it. All who are
// at that index share it, and the text of its cursor.
type mark struct {
	index uint64
	at    record.Position
	made  time.Time
	text  atomic.Pointer[string]
}

// cursor is the text of the cursor of one who is at the mark.
func (m *mark) cursor(stream string) string {
	if text := m.text.Load(); text != nil {
		return *text
	}
	text := record.Cursor{At: m.made, Streams: []record.StreamPosition{{Stream: stream, Position: m.at}}}.String()
	m.text.Store(&text)
	return text
}

// Status says whether a stream can be read from Kafka, and since when.
type Status struct {
	Live  bool
	Since time.Time
}

func newLog(stream string, start record.Position, wake func(int, *Feed), now func() time.Time) *log {
	l := &log{
		stream: stream,
		serial: serials.Add(1),
		wake:   wake,
		now:    now,
		feeds:  make(map[string]*Feed),
		keyed:  make(keyIndex),
	}
	l.evaluation.init(l)
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
	l.mu.Unlock()
}

// restart empties the log, whose entries have become void, and goes on from
// another position. Everybody is below the floor then and compares positions.
func (l *log) restart(start record.Position) {
	index := l.tip.Load().index + 1
	l.emptied.Store(index)
	if start.Topic != l.at.Topic {
		l.mu.Lock()
		l.cuts = nil // they say nothing of the new topic, whose epochs begin anew
		l.mu.Unlock()
	}
	l.begin(index, start)
	l.notifyAll()
}

// floorPosition is where the log begins.
func (l *log) floorPosition() record.Position { return l.floor().start }

// cut empties the log because a partition goes on from an earlier offset under
// a new epoch.
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

// cutBelow finds where a position that was taken before a cut goes on. Index is
// where in the log it was taken, 0 when that is not known.
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

// append adds a builder's entries and wakes whoever they are for, once.
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
	// The tip moves under the lock, so that a feed that is made now begins
	// exactly where matching has begun for it.
	l.tip.Store(tip)
	asks := len(l.evaluation.feeds) > 0
	l.mu.Unlock()
	if asks {
		l.evaluation.wake()
	}
	for _, f := range woken {
		f.notify()
	}
}

// open makes room for the builder's entries from i on.
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

// match gives new entries to the feeds by key they are for and returns all feeds that
// have something new, but for those with predicates. The caller holds the lock.
func (l *log) match(d *chunkBuilder, first uint64) []*Feed {
	var woken []*Feed
	if f := l.feeds[""]; f != nil {
		woken = append(woken, f)
	}
	if len(l.feeds) == len(woken)+len(l.evaluation.feeds) {
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
			// A map's look-up by converted bytes does not allocate.
			for _, f := range l.keyed[string(d.bodies[start+e.keyStart:start+e.keyEnd])] {
				if f.match(first+uint64(i), floor) {
					woken = append(woken, f)
				}
			}
		case entryGap:
			for name, f := range l.feeds {
				if name != "" && f.asked == nil && f.match(first+uint64(i), floor) {
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

// notifyAll wakes everybody.
func (l *log) notifyAll() {
	l.mu.Lock()
	feeds := make([]*Feed, 0, len(l.feeds))
	for _, f := range l.feeds {
		feeds = append(feeds, f)
	}
	l.mu.Unlock()
	l.evaluation.wake()
	for _, f := range feeds {
		f.notify()
	}
}

// setLive tells everybody when the stream can or cannot be read any more.
func (l *log) setLive(live bool) {
	if l.status.Load().Live == live {
		return
	}
	l.status.Store(&Status{Live: live, Since: l.now()})
	l.notifyAll()
}

// floor is the oldest chunk.
func (l *log) floor() *chunk { return (*l.chunks.Load())[0] }

// find gives the chunk that holds an index, and where in it, or nil when the
// index is below the floor.
func (l *log) find(index uint64) (*chunk, int) {
	chunks := *l.chunks.Load()
	k := sort.Search(len(chunks), func(k int) bool { return chunks[k].base > index })
	if k == 0 {
		return nil, 0
	}
	c := chunks[k-1]
	return c, int(index - c.base)
}

// markIn gives the mark in front of entry i of a chunk.
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

// covering finds the largest index at which nothing precedes that a position
// has not had, or nil when the log begins behind it.
func (l *log) covering(at record.Position) (*chunk, int) {
	tip := l.tip.Load().index
	chunks := *l.chunks.Load()
	// What the appender has opened may lie beyond the tip, whole chunks of it.
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

// firstLater finds the first record in a place's partition, in front of that
// place, that is of a later epoch, nil for none.
func (l *log) firstLater(at record.PartitionOffset) *entry {
	tip := l.tip.Load()
	if at.Epoch < 0 || noLater(tip.at, at) {
		return nil // nearly always
	}
	chunks := *l.chunks.Load()
	for k, c := range chunks {
		if c.start.Offset(at.Partition, 0) >= at.Offset || c.base >= tip.index {
			return nil
		}
		// Epochs rise, but where a log begins none may be known.
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

// noLater reports whether a position shows that nothing in front of it is of a
// later epoch than a place.
func noLater(position record.Position, at record.PartitionOffset) bool {
	now, ok := position.Find(at.Partition)
	return !ok || now.Epoch >= 0 && now.Epoch <= at.Epoch
}

// size is about what the log holds in memory.
func (l *log) size() int {
	size := 0
	for _, c := range *l.chunks.Load() {
		size += c.size()
	}
	return size
}

// shrink gives up the oldest chunks, all but the last, until the log is within
// a size. It returns the size then.
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

// prepend puts older chunks in front of the floor that they were made for. It
// reports false when that is no longer the floor, or once the log has given up
// chunks: whoever still stands in one of those would find other entries there.
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
