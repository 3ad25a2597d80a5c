package hub

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"sluice/hub/event"
	"sluice/hub/filter"
	"sluice/hub/record"
)

// serials numbers logs and chunks, so that they can be told apart without keeping
// them in memory.
var serials atomic.Uint64

// entryKind is what an entry of a chunk is.
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

// entry is one step in a chunk: it moves the position in one partition.
type entry struct {
	// next is the offset after the entry.
	next int64
	// time is the record's timestamp.
	time int64
	// hash is the hash of the record's key.
	hash uint64
	// end is where the entry's body ends in the chunk's bodies.
	end uint32
	// keyStart and keyEnd bound the key's JSON text within the body; both are zero
	// where the key is null or is not text.
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

// truncates reports whether the entry moves the position back.
func (e *entry) truncates() bool {
	return e.kind == entryGap && e.reason.Reason() == record.GapTruncated
}

// chunk is a run of entries with their bodies in wire form. One goroutine fills it
// and publishes entries by raising count. Published entries never change, so any
// number of readers need no locks.
type chunk struct {
	// Immutable.
	base   uint64          // log index of the first entry
	start  record.Position // before the first entry
	serial uint64          // unique among all chunks and logs

	// Memory of fixed size: written beyond the published entries, read below.
	entries []entry
	bodies  []byte
	count   atomic.Uint32 // published entries

	// Owned by the goroutine that fills the chunk.
	filled, used int

	formats      [event.FormatSlots]framing
	compressions [CodecSlots]atomic.Pointer[compression]
	verdicts     filter.Verdicts
}

// framing is a chunk in one wire format, laid out as far as it was asked for.
type framing struct {
	mu   sync.Mutex // held while more is laid out
	done atomic.Pointer[framed]
}

// framed is an immutable state of a framing: entry i ends at ends[i].
type framed struct {
	bytes []byte
	ends  []uint32
}

// newChunk returns a chunk with room for a number of entries and bytes of bodies.
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

// len returns the number of readable entries.
func (c *chunk) len() int { return int(c.count.Load()) }

// at returns readable entry i.
func (c *chunk) at(i int) *entry { return &c.entries[i] }

// body returns the body of readable entry i.
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

// size returns roughly the memory that the chunk takes.
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

// framed returns the chunk in a format, laid out for at least n entries. The layout
// is made once for all subscriptions, by the first that asks.
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
	// Readers of an older state look only at the bytes within its length, so its
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

// positionBefore returns the position before entry i.
func (c *chunk) positionBefore(i int) record.Position {
	at := c.start.Clone()
	for k := range i {
		at.Set(c.at(k).place())
	}
	return at
}

// slice returns the framed bytes of entries i to j.
func (f *framed) slice(i, j int) []byte {
	end := f.ends[j-1]
	return f.bytes[f.start(i):end:end]
}

// start returns where entry i begins.
func (f *framed) start(i int) uint32 {
	if i == 0 {
		return 0
	}
	return f.ends[i-1]
}
