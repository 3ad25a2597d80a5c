package hub

import "sluice/hub/record"

// unproven returns the offsets of a position that no record in memory shows to be of
// the log as it is now: the log could have been truncated before its beginning in
// memory, and have grown since, up to the offset or beyond. A truncation after its
// beginning in memory is revealed by epochs (see firstLater). Tip is how far the log
// was read.
func (l *log) unproven(position record.Position) (places []record.PartitionOffset, tip *mark) {
	tip = l.tip.Load()
	chunks := *l.chunks.Load()
	begin := chunks[0].start
	if begin.Topic != position.Topic {
		return nil, tip // void, which is reported later
	}
	for _, at := range position.Offsets {
		from, ok := begin.Find(at.Partition)
		if !ok || at.Epoch < 0 || at.Offset < from.Offset || from.Offset == 0 {
			continue
		}
		if noLater(tip.at, at) || noLater(begin, at) || l.hasProof(at, from) || showsEpoch(chunks, tip, at) {
			continue
		}
		places = append(places, at)
	}
	return places, tip
}

func (l *log) hasProof(at, from record.PartitionOffset) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.proven[at.Partition]
	return ok && p.epoch <= at.Epoch && p.offset >= from.Offset
}

// showsEpoch reports whether the first record of a partition in a log has an epoch
// no later than at: epochs rise, so no record before it has a later one either.
func showsEpoch(chunks []*chunk, tip *mark, at record.PartitionOffset) bool {
	begin := chunks[0].start.Offset(at.Partition, 0)
	for k, c := range chunks {
		if c.base >= tip.index {
			return false
		}
		if k+1 < len(chunks) && chunks[k+1].start.Offset(at.Partition, 0) == begin {
			continue // it has nothing of the partition
		}
		for i := range min(c.len(), int(tip.index-c.base)) {
			if e := c.at(i); e.kind == entryRecord && e.partition == at.Partition {
				return e.epoch <= at.Epoch
			}
		}
	}
	return false
}

// prove records that Kafka has the log up to an offset, in its epoch. Tip is how far
// the log had been read when Kafka was asked: if the log is truncated before the
// tip, that is noticed, and the answer no longer counts.
func (l *log) prove(at record.PartitionOffset, tip *mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	begin := l.floorPosition().Offset(at.Partition, 0)
	offset := min(at.Offset, tip.at.Offset(at.Partition, 0))
	if tip.index < l.emptied.Load() || offset < begin {
		return
	}
	if p, ok := l.proven[at.Partition]; !ok || p.offset < begin || at.Epoch < p.epoch {
		l.proven[at.Partition] = proof{epoch: at.Epoch, offset: offset}
	}
}
