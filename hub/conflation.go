package hub

import "sluice/hub/record"

const (
	// conflateAtOnce bounds how many entries a conflating subscription examines
	// before other subscriptions have their turn.
	conflateAtOnce = 8 << 10
)

// conflation is the state of a subscription that reads twice what it has missed:
// first to find the newest record of each key, then to deliver those.
type conflation struct {
	sub    *Subscription
	from   record.Position // where the subscription fell behind
	until  record.Position // the end of what is conflated; later records are delivered as they come
	target uint64          // the index in the log that belongs to until
	fell   uint64

	newest  map[conflateKey]int64 // the offset after the newest record
	tooMany bool                  // there is no memory for so many keys
	left    int                   // entries until other subscriptions have their turn
	// dropped is what has been left out and not reported yet, by partition.
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

// scan finds the newest record of each key.
func (f *conflation) scan(c *chunk, i, n int) int {
	for ; i < n && f.left > 0 && !f.tooMany; i++ {
		f.left--
		e := c.at(i)
		if e.kind != entryRecord || e.keyEnd == 0 || f.passed(e) {
			continue
		}
		key := conflateKey{e.hash, e.partition}
		if _, ok := f.newest[key]; !ok {
			most := int64(f.sub.hub.limits().LateMemory / 4 / conflateKeyBytes)
			if held := f.sub.hub.conflated.Add(1); most > 0 && held > most {
				f.tooMany = true
			}
		}
		f.newest[key] = e.next
	}
	return i
}

// passed reports whether an entry lies after everything to be conflated.
func (f *conflation) passed(e *entry) bool {
	return e.next > f.until.Offset(e.partition, 0)
}

// deliver passes to take the records that are the newest of their keys. A gap before
// each reports what has been left out.
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

// position returns the position after what has been delivered or reported.
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
