package hub

import (
	"slices"

	"sluice/hub/record"
)

// join finds the place in the log that belongs to its position, or begins to
// read what precedes the log.
func (s *Subscription) join() {
	floor := s.log.floor().start
	if s.own.Topic != floor.Topic {
		s.void(floor)
		return
	}
	for _, at := range s.own.Offsets {
		if to, ok := s.log.cutBelow(at, s.fell); ok {
			s.tell(record.Gap{Partition: at.Partition, From: to.Offset, To: at.Offset, Reason: record.GapTruncated}, to.Epoch)
			s.own.Set(to)
		}
	}
	s.fell = 0
	if unproven, _ := s.log.unproven(*s.own); len(unproven) > 0 {
		s.beLate() // Kafka is asked
		return
	}
	for _, at := range s.own.Offsets {
		if e := s.log.firstLater(at); e != nil {
			s.outdated(e)
		}
	}
	c, i := s.log.covering(*s.own)
	if c == nil {
		s.beLate()
		return
	}
	s.joined, s.index = true, c.base+uint64(i)
	if m := s.log.markIn(c, i); s.conflation == nil && m.at.Covers(*s.own) {
		s.own, s.at = nil, m
	}
}

// outdated reports whether an entry, which is not behind its position, shows
// that the position is of a log that was cut short since: a later epoch at an
// offset before it. This hub need not have seen the cut, when the position is
// ahead of it. The gap is told, and the entry wanted.
func (s *Subscription) outdated(e *entry) bool {
	at, ok := s.own.Find(e.partition)
	if !ok || e.kind != entryRecord || at.Epoch < 0 || e.epoch <= at.Epoch || at.Offset < e.next {
		return false
	}
	from := e.next - 1
	s.tell(record.Gap{Partition: e.partition, From: from, To: at.Offset, Reason: record.GapTruncated}, -1)
	s.own.Set(record.PartitionOffset{Partition: e.partition, Epoch: -1, Offset: from})
	return true
}

// void goes on at the start of a topic that was made again.
func (s *Subscription) void(floor record.Position) {
	for _, at := range s.own.Offsets {
		s.tell(record.Gap{Partition: at.Partition, From: at.Offset, To: 0, Reason: record.GapLogChanged}, -1)
	}
	s.own = &record.Position{Topic: floor.Topic}
}

// tell has a gap of its own delivered before anything else. Its position is to
// be moved behind the gap after that: until the gap has been delivered, the
// cursor is what it was before.
func (s *Subscription) tell(g record.Gap, epoch int32) {
	var d draft
	s.stream.encoder.gap(&d, g, epoch)
	s.tellAll(d.chunk(record.Position{}))
}

// tellAll has all gaps of a chunk told behind those that are to be told already.
func (s *Subscription) tellAll(gaps *chunk) {
	if s.untold == nil {
		at := s.Position().Clone()
		s.untold = &at
	}
	if s.told == nil {
		s.told = gaps
		return
	}
	d := draft{entries: slices.Clone(s.told.entries), bodies: slices.Clone(s.told.bodies)}
	for i := range gaps.len() {
		d.bodies = append(d.bodies, gaps.body(i)...)
		d.add(*gaps.at(i))
	}
	s.told = d.chunk(record.Position{})
}

// deliverTold delivers gaps of its own, and reports whether that was all.
func (s *Subscription) deliverTold(take takeFunc) bool {
	if s.failOnGap {
		s.ended = s.told.at(s.toldNext).reason.Reason()
		return false
	}
	n := s.told.len()
	if s.toldNext = take(s.told, s.toldNext, n); s.toldNext < n {
		return false
	}
	s.breaks = toldBreaks(s.breaks, s.told)
	s.told, s.toldNext, s.untold = nil, 0, nil
	return true
}
