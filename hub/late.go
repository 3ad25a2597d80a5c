package hub

import (
	"slices"

	"sluice/hub/record"
)

// maxLateWaits is how often in a row a subscription waits for all partitions, to
// merge them by time, before it delivers those that are available.
const maxLateWaits = 4

// stepLate delivers what is cached, up to the end of a block.
func (s *Subscription) stepLate(b *Batch, take takeFunc) progress {
	if s.inquires() {
		return waiting
	}
	switch f := s.conflation; {
	case f != nil && f.tooMany:
		s.conflateNothing()
		return onward
	case s.outrun():
		s.conflateAnew()
		return onward
	}
	if p := s.deliverLate(s.through(take)); p != onward {
		return p
	}
	if b.looked++; b.looked >= lookAtOnce {
		return full
	}
	return onward
}

// deliverLate delivers the blocks that are cached, or waits for those that are not.
func (s *Subscription) deliverLate(take takeFunc) progress {
	l := s.late
	if l.waiting.Load() {
		return waiting
	}
	wants, behind := s.gatherLate()
	switch {
	case s.pending != nil:
		clear(l.runs)
		return onward
	case !behind:
		s.on(onFloor)
		return onward
	case len(wants) > 0 && (len(l.runs) == 0 || l.waits < maxLateWaits):
		l.waits++
		l.asked = l.asked[:0]
		for _, w := range wants {
			l.asked = append(l.asked, w.place)
		}
		clear(l.runs)
		s.hub.blocks.await(l, wants)
		if l.waiting.Load() {
			return waiting
		}
		return onward
	}
	p := s.mergeLate(take)
	s.hub.blocks.laidOut(l.runs)
	clear(l.runs) // a slow subscription must not keep blocks that the pool has removed
	return p
}

// gatherLate finds the next block of each partition in which the subscription is
// behind the floor of the log, and what is missing of them. It reports whether any
// partition is behind.
func (s *Subscription) gatherLate() (wants []want, behind bool) {
	l, c := s.late, s.hub.blocks
	l.runs = l.runs[:0]
	floor := s.log.floorPosition()
	var (
		e     deferred
		ahead []record.PartitionOffset
		gone  []record.Gap
	)
	c.mu.Lock()
	defer func() {
		c.mu.Unlock()
		c.do(e)
		for _, g := range gone {
			s.addGap(g, -1)
			s.own.Set(record.PartitionOffset{Partition: g.Partition, Epoch: -1, Offset: g.To})
		}
	}()
	verdicts := l.verdicts
	l.verdicts = nil
	if floor.Topic != s.own.Topic || l.cache.topic != s.own.Topic {
		return nil, false // it is reported later
	}
	for _, v := range verdicts {
		if at, ok := s.own.Find(v.place.Partition); ok && at == v.place {
			s.addGap(v.gap, v.behind.Epoch)
			s.own.Set(v.behind)
		}
	}
	if s.pending != nil {
		return nil, true
	}
	unproven, _ := s.log.unproven(*s.own)
	for _, end := range floor.Offsets {
		at, ok := s.own.Find(end.Partition)
		if !ok {
			at = record.PartitionOffset{Partition: end.Partition, Epoch: -1}
		}
		doubtful := slices.Contains(unproven, at)
		if at.Offset >= end.Offset && !doubtful {
			continue
		}
		behind = true
		part := l.cache.part(end.Partition)
		b, i := part.find(at.Offset)
		switch {
		case doubtful && at.Offset >= part.start:
			wants = append(wants, want{place: at, exact: true, unproven: true})
		case b != nil && b.agrees(at, i):
			c.touch(b)
			l.runs = append(l.runs, lateRun{b, i, b.len()})
			if next := b.end(); 2*i >= b.len() && next.Offset < end.Offset &&
				!part.has(next) && part.underWay(next, false, false) == nil {
				ahead = append(ahead, next)
			}
		case at.Offset < part.start:
			// What is cached cannot be compared with what was read any more.
			gone = append(gone, record.Gap{Partition: at.Partition, From: at.Offset, To: part.start, Reason: record.GapRetention})
		default:
			wants = append(wants, want{place: at, exact: b != nil || slices.Contains(l.asked, at)})
		}
	}
	c.trim()
	if len(ahead) > 0 && len(wants) == 0 {
		c.readAhead(l, ahead, &e)
	}
	return wants, behind
}

// mergeLate delivers the gathered runs in order of time, until a block ends.
func (s *Subscription) mergeLate(take takeFunc) progress {
	l := s.late
	for {
		k, until := firstRun(l.runs)
		r := &l.runs[k]
		n := r.i + 1
		for n < r.n && r.block.at(n).time <= until {
			n++
		}
		j := s.deliver(r.block.chunk, r.i, n, take)
		if j > r.i {
			l.waits = 0
		}
		switch r.i = j; {
		case j < n && s.judging.unknown:
			return s.inquireLate(r.block.partition)
		case j < n && s.pending == nil:
			return full
		case j < n || j == r.n:
			return onward
		}
	}
}
