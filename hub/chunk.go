package hub

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"sluice/hub/event"
	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/hub/redact"
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
	base  uint64          // log index of the first entry
	start record.Position // before the first entry

	// Memory of fixed size: written beyond the published entries, read below.
	entries []entry
	bodies  []byte
	count   atomic.Uint32 // published entries

	// Owned by the goroutine that fills the chunk.
	filled, used int

	whole    shown
	shadows  shadows
	verdicts filter.Verdicts
}

// shown is a chunk as some of the subscriptions are shown it: whole, or under a redaction,
// and in wire formats.
type shown struct {
	// Immutable.
	of     *chunk
	under  *redact.Redaction // nil for a whole chunk
	serial uint64            // unique among chunks, under whatever redaction, and logs

	bodies       framing // what remains of the chunk's bodies under the redaction
	formats      [event.FormatSlots]framing
	compressions [CodecSlots]atomic.Pointer[compression]
}

const shownSize = int(unsafe.Sizeof(shown{}))

// shadows are a chunk under redactions.
type shadows struct {
	mu  sync.Mutex               // held while one is added
	all atomic.Pointer[[]*shown] // never changed, but replaced; nil for none
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
	c := &chunk{base: base, start: start, entries: make([]entry, entries), bodies: make([]byte, bytes)}
	c.init()
	return c
}

func (c *chunk) init() { c.whole.of, c.whole.serial = c, serials.Add(1) }

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
	size := len(c.entries)*entrySize + len(c.bodies) + c.verdicts.Size() + c.whole.size()
	if all := c.shadows.all.Load(); all != nil {
		for _, v := range *all {
			size += shownSize + v.size()
		}
	}
	return size
}

// size returns roughly the memory that was laid out and compressed.
func (v *shown) size() int {
	size := v.bodies.size()
	for i := range v.formats {
		size += v.formats[i].size()
	}
	for i := range v.compressions {
		if pk := v.compressions[i].Load(); pk != nil {
			size += int(pk.size.Load())
		}
	}
	return size
}

func (fr *framing) size() int {
	done := fr.done.Load()
	if done == nil {
		return 0
	}
	return cap(done.bytes) + 4*cap(done.ends)
}

// positionBefore returns the position before entry i.
func (c *chunk) positionBefore(i int) record.Position {
	at := c.start.Clone()
	for k := range i {
		at.Set(c.at(k).place())
	}
	return at
}
