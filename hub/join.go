package hub

import "sluice/hub/record"

// stepJoining finds the index in the log that belongs to its position, or begins
// to read what precedes the log.
func (s *Subscription) stepJoining() progress {
	if s.outrun() {
		s.conflateAnew()
		return onward
	}
	floor := s.log.floor().start
	if s.own.Topic != floor.Topic {
		s.void(floor)
		return onward
	}
	for _, at := range s.own.Offsets {
		if to, ok := s.log.cutBelow(at, s.fell); ok {
			s.addGap(record.Gap{Partition: at.Partition, From: to.Offset, To: at.Offset, Reason: record.GapTruncated}, to.Epoch)
			s.own.Set(to)
		}
	}
	s.fell = 0
	if unproven, _ := s.log.unproven(*s.own); len(unproven) > 0 {
		s.on(onPast) // Kafka is asked
		return onward
	}
	for _, at := range s.own.Offsets {
		if e := s.log.firstLater(at); e != nil {
			s.outdated(e)
		}
	}
	c, i := s.log.covering(*s.own)
	if c == nil {
		s.on(onPast)
		return onward
	}
	if m := s.log.markIn(c, i); s.conflation == nil && m.at.Covers(*s.own) {
		s.stepIn(m)
		return onward
	}
	s.index = c.base + uint64(i)
	s.on(onFound)
	return onward
}

// void goes on at the start of a topic that was made again.
func (s *Subscription) void(floor record.Position) {
	for _, at := range s.own.Offsets {
		s.addGap(record.Gap{Partition: at.Partition, From: at.Offset, To: 0, Reason: record.GapLogChanged}, -1)
	}
	s.own = &record.Position{Topic: floor.Topic}
}

// stepIn goes on in step with the log, from a mark that has all that it has had
// in front, and nothing else.
func (s *Subscription) stepIn(at *mark) {
	s.own, s.at, s.index = nil, at, at.index
	s.on(onMark)
}
