package hub

import (
	"sluice/hub/event"
	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// chunkBuilder collects encoded entries before they are put into a chunk. It is used
// by one goroutine and can be used again after reset.
type chunkBuilder struct {
	entries []entry
	bodies  []byte
	decoded []byte // memory for the decoded value of a record
	plain   []byte // memory for the plaintext of a record
}

func (d *chunkBuilder) reset() {
	d.entries = d.entries[:0]
	d.bodies = d.bodies[:0]
}

// bodyStart returns where the body of entry i begins.
func (d *chunkBuilder) bodyStart(i int) int {
	if i == 0 {
		return 0
	}
	return int(d.entries[i-1].end)
}

func (d *chunkBuilder) add(e entry) {
	e.end = uint32(len(d.bodies))
	d.entries = append(d.entries, e)
}

// chunk turns the builder, which must not be used again, into a chunk.
func (d *chunkBuilder) chunk(start record.Position) *chunk {
	c := &chunk{start: start, entries: d.entries, bodies: d.bodies, filled: len(d.entries), used: len(d.bodies)}
	c.init()
	c.publish()
	return c
}

// encoder encodes what a source reads from one stream as entries.
type encoder struct {
	events      *event.Encoder
	gaps        event.GapWriter
	recordBytes int
	decodes     Decoder     // nil if values are shown as they are stored
	decrypts    *decrypting // nil if nothing in the stream is encrypted
}

func newEncoder(stream string, content event.Content, recordBytes int) *encoder {
	return &encoder{
		events:      event.NewEncoder(stream, content),
		gaps:        event.NewGapWriter(stream),
		recordBytes: recordBytes,
	}
}

// fetched adds what was read from a partition. Was is the offset from which it was
// read.
func (e *encoder) fetched(d *chunkBuilder, f *upstream.Fetched, was int64) {
	if f.Gap != nil {
		e.gap(d, *f.Gap, f.Next.Epoch)
		was = f.Gap.Behind()
	}
	if f.Each != nil {
		f.Each(func(r *record.Record) bool {
			e.record(d, r)
			was = r.Offset + 1
			return true
		})
	}
	if was < f.Next.Offset {
		e.advance(d, f.Next)
	}
}

// advance moves the position without delivering anything.
func (e *encoder) advance(d *chunkBuilder, to record.PartitionOffset) {
	added := entry{kind: entryAdvance, partition: to.Partition, epoch: to.Epoch, next: to.Offset}
	if n := len(d.entries); n > 0 {
		// It stays with the entry before it when partitions are merged by time.
		added.time = d.entries[n-1].time
	}
	d.add(added)
}

// record adds a record, or the gap that reports why it cannot be delivered.
func (e *encoder) record(d *chunkBuilder, r *record.Record) {
	if e.decodes != nil && r.Value != nil {
		decoded := *r
		var err error
		if decoded.Value, d.decoded, err = decodeValue(e.decodes, d.decoded, r.Value); err != nil {
			e.gap(d, record.Gap{Partition: r.Partition, From: r.Offset, To: r.Offset + 1, Reason: undecoded(err)}, r.Epoch)
			return
		}
		r = &decoded
	}
	if e.decrypts != nil {
		var plain record.Record
		plain, d.plain = e.decrypts.record(d.plain, r)
		r = &plain
	}
	mark := len(d.bodies)
	bodies, key, err := e.events.Append(d.bodies, r)
	switch {
	case err != nil:
		e.gap(d, record.Gap{Partition: r.Partition, From: r.Offset, To: r.Offset + 1, Reason: record.GapUnreadable}, r.Epoch)
		return
	case e.recordBytes > 0 && len(bodies)-mark > e.recordBytes:
		e.gap(d, record.Gap{Partition: r.Partition, From: r.Offset, To: r.Offset + 1, Reason: record.GapTooLarge}, r.Epoch)
		return
	}
	d.bodies = bodies
	added := entry{
		kind:      entryRecord,
		partition: r.Partition,
		epoch:     r.Epoch,
		next:      r.Offset + 1,
		time:      r.Timestamp,
	}
	if r.Key != nil && !key.Base64 {
		added.hash = filter.Hash(r.Key)
		added.keyStart, added.keyEnd = key.Start, key.End
	}
	d.add(added)
}

func (e *encoder) gap(d *chunkBuilder, g record.Gap, epoch int32) {
	d.bodies = e.gaps.Append(d.bodies, g)
	d.add(entry{kind: entryGap, reason: g.Reason.Code(), partition: g.Partition, epoch: epoch, next: g.Behind()})
}

// fill adds as many of the builder's entries as there is room for, from entry i on,
// and returns the first that was not added. Readers see them after the next publish.
func (c *chunk) fill(d *chunkBuilder, i int) int {
	first, from := i, d.bodyStart(i)
	for ; i < len(d.entries) && c.filled < len(c.entries); i++ {
		end := int(d.entries[i].end) - from + c.used
		if end > len(c.bodies) {
			break
		}
		c.entries[c.filled] = d.entries[i]
		c.entries[c.filled].end = uint32(end)
		c.filled++
	}
	if i > first {
		c.used += copy(c.bodies[c.used:], d.bodies[from:d.entries[i-1].end])
	}
	return i
}
