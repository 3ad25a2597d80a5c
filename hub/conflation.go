package hub

import "sluice/hub/record"

const (
	// conflateAtOnce bounds how many entries a conflating subscription looks at
	// before others have their turn.
	conflateAtOnce = 8 << 10
)

// conflation is a subscription that goes twice through what it has missed:
// first to see which record of each key is the newest, then to deliver those.
type conflation struct {
	sub    *Subscription
	from   record.Position // where it fell behind
	until  record.Position // what is newer is delivered as it comes
	target uint64          // the index in the log that belongs to until
	fell   uint64

	newest  map[conflateKey]int64 // the offset behind the newest record
	tooMany bool                  // there are more keys than memory for them
	left    int                   // entries before others have their turn
	// dropped is what has been left out and not told yet, by partition.
	dropped map[int32]droppedRange
}

type conflateKey struct {
	hash      uint64
	partition int32
}

type droppedRange struct {
	from  record.PartitionOffset
	to    int64
	epoch int32
}

// scan notes the newest record of each key.
func (f *conflation) scan(c *chunk, i, n int) int {
	for ; i < n && f.left > 0 && !f.tooMany; i++ {
		f.left--
		e := c.at(i)
		if e.kind != entryRecord || e.keyEnd == 0 || f.passed(e) {
			continue
		}
		key := conflateKey{e.hash, e.partition}
		if _, ok := f.newest[key]; !ok {
			most := int64(f.sub.hub.config.LateMemory / 4 / conflateKeyBytes)
			if held := f.sub.hub.conflated.Add(1); most > 0 && held > most {
				f.tooMany = true
			}
		}
		f.newest[key] = e.next
	}
	return i
}

// passed reports whether an entry lies behind all that is conflated.
func (f *conflation) passed(e *entry) bool {
	return e.next > f.until.Offset(e.partition, 0)
}

// deliver lets take have what is the newest of its key. A gap tells what has
// been left out in front of it.
func (f *conflation) deliver(c *chunk, i, n int, take takeFunc) int {
	for ; i < n; i++ {
		if f.left <= 0 {
			return i
		}
		f.left--
		e := c.at(i)
		dropped, pending := f.dropped[e.partition]
		if e.kind == entryRecord && e.keyEnd > 0 && !f.passed(e) && e.next != f.newest[conflateKey{e.hash, e.partition}] {
			if !pending {
				dropped.from, _ = f.sub.own.Find(e.partition)
				dropped.from.Partition, dropped.from.Offset = e.partition, e.next-1
			}
			dropped.to, dropped.epoch = e.next, e.epoch
			f.dropped[e.partition] = dropped
			continue
		}
		if pending {
			var d chunkBuilder
			f.sub.stream.encoder.gap(&d, dropped.gap(), dropped.epoch)
			if take(d.chunk(record.Position{}), 0, 1) == 0 {
				return i
			}
			delete(f.dropped, e.partition)
		}
		if take(c, i, i+1) == i {
			return i
		}
	}
	return i
}

func (d droppedRange) gap() record.Gap {
	return record.Gap{Partition: d.from.Partition, From: d.from.Offset, To: d.to, Reason: record.GapPolicy}
}

// position is behind what has been delivered or told.
func (f *conflation) position() record.Position {
	if f.sub.mode.scanning() {
		return f.from.Clone()
	}
	at := f.sub.own.Clone()
	for _, d := range f.dropped {
		at.Set(d.from)
	}
	return at
}
