package hub

import "sluice/hub/record"

// stepJoining finds the index in the log that belongs to the subscription's
// position, or begins to read the records before the log.
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
	if m := s.log.markIn(c, i); s.conflation == nil && m.at.Covers(*s.own) && s.feed.reaches(m.index) {
		s.stepIn(m)
		return onward
	}
	s.index = c.base + uint64(i)
	s.on(onFound)
	return onward
}

// void reports that the topic was recreated, and moves the position to the start of
// the new topic.
func (s *Subscription) void(floor record.Position) {
	for _, at := range s.own.Offsets {
		s.addGap(record.Gap{Partition: at.Partition, From: at.Offset, To: 0, Reason: record.GapLogChanged}, -1)
	}
	s.own = &record.Position{Topic: floor.Topic}
}

// stepIn continues in step with the log, from a mark before which the log has
// exactly what the subscription has had.
func (s *Subscription) stepIn(at *mark) {
	s.own, s.at, s.index = nil, at, at.index
	s.on(onMark)
}
