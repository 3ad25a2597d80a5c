package hub

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"sluice/hub/event"
	"sluice/hub/filter"
	"sluice/hub/record"
)

// serials numbers logs and chunks, so that they can be told apart by who does
// not keep them in memory.
var serials atomic.Uint64

// entryKind says what an entry of a chunk is.
type entryKind uint8

const (
	// entryRecord has an event as its body.
	entryRecord entryKind = iota
	// entryGap has a gap event as its body.
	entryGap
	// entryAdvance has no body: it moves the position over what subscribers
	// never see (control batches, aborted transactions, compacted offsets).
	entryAdvance
)

// entry is one step of a chunk: it moves the position in one partition.
type entry struct {
	// next is the offset behind the entry.
	next int64
	// time is the record's timestamp.
	time int64
	// hash is that of the record's key.
	hash uint64
	// end is where the entry's body ends in the chunk's bodies.
	end uint32
	// keyStart and keyEnd bound the key's JSON text within the body; both are
	// zero where it is null or is not text.
	keyStart, keyEnd uint32
	partition        int32
	epoch            int32
	kind             entryKind
	reason           record.GapCode
}

const entrySize = int(unsafe.Sizeof(entry{}))

func (e *entry) place() record.PartitionOffset {
	return record.PartitionOffset{Partition: e.partition, Epoch: e.epoch, Offset: e.next}
}

// truncates reports whether the position goes back with this entry.
func (e *entry) truncates() bool {
	return e.kind == entryGap && e.reason.Reason() == record.GapTruncated
}

// chunk is a run of entries with the bodies they have on the wire. One goroutine
// fills it and publishes entries by raising count. What is published never
// changes, so that any number of readers go without locks.
type chunk struct {
	// Immutable.
	base   uint64          // log index of the first entry
	start  record.Position // in front of the first entry
	serial uint64          // tells it apart from all others

	// Room of fixed size: written behind what is published, read before it.
	entries []entry
	bodies  []byte
	count   atomic.Uint32 // published entries

	// Owned by who fills the chunk.
	filled, used int

	formats      [event.FormatSlots]framing
	compressions [CodecSlots]atomic.Pointer[compression]
	verdicts     filter.Verdicts
}

// framing is a chunk in one wire format, laid out as far as somebody has asked.
type framing struct {
	mu   sync.Mutex // held by who lays out more
	done atomic.Pointer[framed]
}

// framed is an immutable state of a framing: entry i ends at ends[i].
type framed struct {
	bytes []byte
	ends  []uint32
}

// newChunk makes a chunk with room for so many entries and bytes of bodies.
func newChunk(base uint64, start record.Position, entries, bytes int) *chunk {
	return &chunk{
		base:    base,
		start:   start,
		serial:  serials.Add(1),
		entries: make([]entry, entries),
		bodies:  make([]byte, bytes),
	}
}

// publish makes all entries readable.
func (c *chunk) publish() { c.count.Store(uint32(c.filled)) }

// len is the number of readable entries.
func (c *chunk) len() int { return int(c.count.Load()) }

// at gives readable entry i.
func (c *chunk) at(i int) *entry { return &c.entries[i] }

// body gives the body of readable entry i.
func (c *chunk) body(i int) []byte {
	start, end := uint32(0), c.entries[i].end
	if i > 0 {
		start = c.entries[i-1].end
	}
	return c.bodies[start:end:end]
}

// Room implements filter.Records.
func (c *chunk) Room() int { return len(c.entries) }

// Load implements filter.Records.
func (c *chunk) Load(i int, r *filter.Record) {
	e := c.at(i)
	r.Set(c.body(i), e.partition, e.next-1, e.time)
}

// size is about what the chunk holds in memory.
func (c *chunk) size() int {
	size := len(c.entries)*entrySize + len(c.bodies) + c.verdicts.Size()
	for i := range c.formats {
		if done := c.formats[i].done.Load(); done != nil {
			size += cap(done.bytes) + 4*cap(done.ends)
		}
	}
	for i := range c.compressions {
		if pk := c.compressions[i].Load(); pk != nil {
			size += int(pk.size.Load())
		}
	}
	return size
}

// framed gives the chunk in a format, laid out for at least n entries. It is
// laid out once for everybody, by whoever is first to ask.
func (c *chunk) framed(f event.Format, n int) *framed {
	fr := &c.formats[f.Slot()]
	if done := fr.done.Load(); done != nil && len(done.ends) >= n {
		return done
	}
	fr.mu.Lock()
	defer fr.mu.Unlock()
	var next framed
	if done := fr.done.Load(); done != nil {
		if len(done.ends) >= n {
			return done
		}
		next = *done
	} else {
		next.bytes = make([]byte, 0, len(c.bodies)+8*len(c.entries))
		next.ends = make([]uint32, 0, len(c.entries))
	}
	// Readers of an older state look only at what precedes its length, so its
	// memory can be appended to.
	for i, all := len(next.ends), c.len(); i < all; i++ {
		next.bytes = c.appendFramed(next.bytes, f, i)
		next.ends = append(next.ends, uint32(len(next.bytes)))
	}
	fr.done.Store(&next)
	return &next
}

// appendFramed lays out one entry.
func (c *chunk) appendFramed(dst []byte, f event.Format, i int) []byte {
	switch c.at(i).kind {
	case entryRecord:
		return f.AppendEvent(dst, c.body(i))
	case entryGap:
		return f.AppendGap(dst, c.body(i))
	default:
		return dst
	}
}

// positionBefore is the position in front of entry i.
func (c *chunk) positionBefore(i int) record.Position {
	at := c.start.Clone()
	for k := range i {
		at.Set(c.at(k).place())
	}
	return at
}

// slice gives the framed bytes of entries i to j.
func (f *framed) slice(i, j int) []byte {
	end := f.ends[j-1]
	return f.bytes[f.start(i):end:end]
}

// start is where entry i begins.
func (f *framed) start(i int) uint32 {
	if i == 0 {
		return 0
	}
	return f.ends[i-1]
}
