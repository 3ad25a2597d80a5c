package hub

import (
	"sluice/hub/filter"
	"sluice/hub/record"
)

// takeGapsAware takes entries in step with the log, but stops at a gap if a gap ends
// the subscription.
func (s *Subscription) takeGapsAware(c *chunk, i, n int, take takeFunc) int {
	if !s.failOnGap {
		return take(c, i, n)
	}
	for k := i; k < n; k++ {
		if e := c.at(k); e.kind == entryGap {
			if j := take(c, i, k); k == i || j < k {
				if k == i {
					s.end(onGapEnd, e.reason.Reason())
				}
				return j
			}
			s.end(onGapEnd, e.reason.Reason())
			return k
		}
	}
	return take(c, i, n)
}

// deliver takes of entries i to n those that the subscription's own position has not
// had and that pass the filter, moves the position, and returns where it stopped:
// where take stopped, when evaluating the filter has taken too long, or at a record on
// which it is to be evaluated in a turn.
func (s *Subscription) deliver(c *chunk, i, n int, take takeFunc) int {
	if s.feed.asked == nil {
		return s.deliverSome(c, i, n, take)
	}
	const some = 16 // entries between two looks at the clock
	s.judging = judging{}
	for began := s.hub.now(); i < n; {
		upTo := min(n, i+some)
		if i = s.deliverSome(c, i, upTo, take); i < upTo || s.hub.now().Sub(began) > askTime {
			break
		}
	}
	s.feed.asked.price.add(s.judging.evaluated, s.judging.spent)
	return i
}

func (s *Subscription) deliverSome(c *chunk, i, n int, take takeFunc) int {
	for i < n {
		j := s.wanted(c, i, n)
		if j == i {
			if s.judging.halted || s.outdated(c.at(i)) || s.failsAt(c, i) {
				return i
			}
			s.pass(c.at(i))
			i++
			continue
		}
		taken := i
		for taken < j {
			if e := c.at(taken); e.kind == entryGap && s.failOnGap {
				s.end(onGapEnd, e.reason.Reason())
				return taken
			}
			upTo := j
			if s.failOnGap {
				upTo = taken + 1
			}
			got := take(c, taken, upTo)
			s.passAll(c, taken, got)
			if got < upTo {
				return got
			}
			taken = got
		}
		i = j
	}
	return i
}

// wanted returns up to which entry, from i on and at most n, all entries are to be
// delivered from a position of its own. It considers one run of a partition at a
// time: offsets rise within a partition, so if the first entry of the run has not
// been delivered, the others have not been either.
func (s *Subscription) wanted(c *chunk, i, n int) int {
	partition, had := int32(-1), int64(0)
	for ; i < n; i++ {
		e := c.at(i)
		if e.kind == entryAdvance || !keyPasses(&s.feed.filter, c, i) {
			break
		}
		if e.partition != partition {
			partition, had = e.partition, s.own.Offset(e.partition, 0)
		}
		if had >= e.next && !e.truncates() {
			break
		}
		if s.feed.asked != nil && s.judge(c, i) != filter.Yes {
			break
		}
	}
	return i
}

// passAll moves the subscription's own position past entries i to n.
func (s *Subscription) passAll(c *chunk, i, n int) {
	for ; i < n; i++ {
		e := c.at(i)
		// Of several entries of a partition, whose offsets rise, only the last
		// counts.
		if i+1 == n || c.at(i+1).partition != e.partition || e.truncates() {
			s.pass(e)
		}
	}
}

// pass moves the subscription's own position past an entry.
func (s *Subscription) pass(e *entry) {
	if s.own.Offset(e.partition, -1) < e.next || e.truncates() {
		s.own.Set(e.place())
	}
}

// failsAt ends the subscription before an entry on which a predicate has failed,
// unless the entry was delivered before.
func (s *Subscription) failsAt(c *chunk, i int) bool {
	e := c.at(i)
	if !s.feed.filter.HasPredicates() || s.own.Offset(e.partition, 0) >= e.next ||
		e.kind != entryRecord || passes(&s.feed.filter, c, i, nil) != filter.Failed {
		return false
	}
	s.fail(c)
	return true
}

// fail ends the subscription at an entry of a chunk on which a predicate has failed.
func (s *Subscription) fail(c *chunk) {
	if err := s.feed.filter.Fault(&c.verdicts); err != nil {
		s.feed.asked.fault.Store(&err)
	}
	s.failHere()
}

// failHere ends the subscription where it is, because of its filter.
func (s *Subscription) failHere() {
	if s.conflation != nil {
		at := s.conflation.position() // what was left out so far is not reported any more
		s.own = &at
	}
	s.end(onFilterFailed, FilterFailed)
}

// outdated reports whether an entry, which the position covers, shows that the
// position is of a log that was truncated since: the entry has a later epoch at an
// offset before the position. This hub need not have seen the truncation if the
// position is ahead of it. If so, outdated reports the gap, and the entry is to be
// delivered.
func (s *Subscription) outdated(e *entry) bool {
	at, ok := s.own.Find(e.partition)
	if !ok || e.kind != entryRecord || at.Epoch < 0 || e.epoch <= at.Epoch || at.Offset < e.next {
		return false
	}
	from := e.next - 1
	s.addGap(record.Gap{Partition: e.partition, From: from, To: at.Offset, Reason: record.GapTruncated}, -1)
	s.own.Set(record.PartitionOffset{Partition: e.partition, Epoch: -1, Offset: from})
	return true
}
