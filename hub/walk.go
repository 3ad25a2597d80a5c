package hub

// stepsAtOnce is more than any way through next takes. It is there so that one
// whose way has no end would cost its own turns, and not the worker.
const stepsAtOnce = 10_000

// next walks on from where the subscription is, lets take have what is to be
// delivered, and moves behind what was taken.
func (s *Subscription) next(b *Batch, take takeFunc) (more bool) {
	if s.conflation != nil {
		s.conflation.left = conflateAtOnce
	}
	all := take
	for steps := 0; s.ended == ""; steps++ {
		if steps == stepsAtOnce {
			return true
		}
		take := s.through(all)
		switch {
		case s.conflation != nil && s.conflation.tooMany:
			s.rewind(s.conflation)
			s.endConflation()
		case s.outrun():
			s.tellDropped()
			s.endConflation()
			s.again = true
		case s.again && s.told == nil:
			s.slowAgain()
		case s.told != nil && s.conflation != nil && s.toldNext == 0:
			if s.toldWhileConflating(); s.told != nil && !s.deliverTold(all) {
				return s.ended == ""
			}
		case s.told != nil:
			if !s.deliverTold(all) {
				return s.ended == ""
			}
		case s.late != nil:
			waiting, full := s.nextLate(take)
			if waiting || full {
				return full
			}
			if b.looked++; b.looked >= lookAtOnce {
				return s.ended == ""
			}
		case !s.joined:
			s.join()
		default:
			tip := s.log.tip.Load()
			c, i := s.log.find(s.index)
			if c == nil {
				if !s.missedNothing(b, tip) {
					s.fallBehind()
				}
				continue
			}
			if s.conflation != nil && s.index >= s.conflation.target {
				s.conflated()
				continue
			}
			if s.index == tip.index {
				s.reachTip(tip)
				return false
			}
			if s.own == nil && s.feed.Filtered() {
				if full := s.nextMatches(b, tip, take); full {
					return true
				}
				continue
			}
			n := min(c.len(), int(tip.index-c.base))
			if s.own != nil && s.conflation == nil && i == 0 && s.own.Topic == c.start.Topic && c.start.Covers(*s.own) {
				s.own, s.at = nil, s.log.markIn(c, 0)
				continue
			}
			var j int
			if s.own == nil {
				j = s.takeGapsAware(c, i, n, take)
			} else {
				j = s.deliver(c, i, n, take)
			}
			s.index = c.base + uint64(j)
			if s.own == nil {
				s.at = s.log.markIn(c, j)
			}
			if j < n && s.told == nil {
				return s.ended == ""
			}
			if b.looked++; b.looked >= lookAtOnce && s.own != nil {
				return s.ended == ""
			}
		}
	}
	return false
}

// takeGapsAware takes entries in step with the log, but stops at a gap where
// that ends the subscription.
func (s *Subscription) takeGapsAware(c *chunk, i, n int, take takeFunc) int {
	if !s.failOnGap {
		return take(c, i, n)
	}
	for k := i; k < n; k++ {
		if e := c.at(k); e.kind == entryGap {
			if j := take(c, i, k); k == i || j < k {
				if k == i {
					s.ended = e.reason.Reason()
				}
				return j
			}
			s.ended = e.reason.Reason()
			return k
		}
	}
	return take(c, i, n)
}

// deliver takes of entries i to n what the position of its own has not had and
// the filter passes, moves that position, and returns where it stopped.
func (s *Subscription) deliver(c *chunk, i, n int, take takeFunc) int {
	for i < n {
		j := s.wanted(c, i, n)
		if j == i {
			if s.outdated(c.at(i)) {
				return i
			}
			s.pass(c.at(i))
			i++
			continue
		}
		taken := i
		for taken < j {
			if e := c.at(taken); e.kind == entryGap && s.failOnGap {
				s.ended = e.reason.Reason()
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

// wanted finds how far from entry i on, up to n, all is to be delivered from a
// position of its own. It looks at one run at a time: offsets rise within a
// partition, so that what it has not had at the run's start it has not had
// further on.
func (s *Subscription) wanted(c *chunk, i, n int) int {
	partition, had := int32(-1), int64(0)
	for ; i < n; i++ {
		e := c.at(i)
		if e.kind == entryAdvance || !s.feed.filter.passes(c, i) {
			break
		}
		if e.partition != partition {
			partition, had = e.partition, s.own.Offset(e.partition, 0)
		}
		if had >= e.next && !e.truncates() {
			break
		}
	}
	return i
}

// passAll moves its own position behind entries i to n.
func (s *Subscription) passAll(c *chunk, i, n int) {
	for ; i < n; i++ {
		e := c.at(i)
		// Of several in a partition, whose offsets rise, the last says it all.
		if i+1 == n || c.at(i+1).partition != e.partition || e.truncates() {
			s.pass(e)
		}
	}
}

// pass moves its own position behind an entry.
func (s *Subscription) pass(e *entry) {
	if s.own.Offset(e.partition, -1) < e.next || e.truncates() {
		s.own.Set(e.place())
	}
}

// missedNothing moves a subscription below the floor on, in step with the log,
// where its feed has had nothing that the log no longer holds: nobody wakes a
// feed for what it does not have.
func (s *Subscription) missedNothing(b *Batch, tip *mark) bool {
	if s.own != nil || !s.feed.Filtered() || s.index < s.log.emptied.Load() {
		return false
	}
	matches, ok, more := s.feed.ahead(b.matches[:0], s.index, tip.index, 1)
	b.matches = matches
	if !ok || more {
		return false
	}
	if len(matches) == 0 {
		s.index, s.at = tip.index, tip
		return true
	}
	c, i := s.log.find(matches[0])
	if c == nil {
		return false
	}
	s.index, s.at = matches[0], s.log.markIn(c, i)
	return true
}

// nextMatches delivers what a filtered feed has, in step with the log.
func (s *Subscription) nextMatches(b *Batch, tip *mark, take takeFunc) (full bool) {
	const atOnce = 256
	matches, ok, more := s.feed.ahead(b.matches[:0], s.index, tip.index, atOnce)
	b.matches = matches
	switch {
	case more:
		return true
	case !ok:
		s.fallBehind()
		return false
	}
	var last *chunk // holds the last match that was taken
	for _, index := range matches {
		c, i := s.log.find(index)
		if c == nil {
			// The floor has moved past it meanwhile.
			if last != nil {
				s.at = s.log.markIn(last, int(s.index-last.base))
			}
			s.fallBehind()
			return false
		}
		if j := s.takeGapsAware(c, i, i+1, take); j == i {
			// What lies between was not for this feed.
			s.index, s.at = index, s.log.markIn(c, i)
			return s.ended == ""
		}
		s.index, last = index+1, c
	}
	if len(matches) < atOnce {
		s.index, s.at = tip.index, tip
		return false
	}
	s.at = s.log.markIn(last, int(s.index-last.base))
	return false
}

// reachTip notes that there is nothing left to deliver for now.
func (s *Subscription) reachTip(tip *mark) {
	s.live = true
	if s.own == nil || tip.at.Covers(*s.own) {
		s.own, s.at = nil, tip
	}
}
