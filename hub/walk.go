package hub

import "sluice/hub/filter"

// progress is what a step of a subscription has come to.
type progress uint8

const (
	// onward: there is another step.
	onward progress = iota
	// waiting: there is nothing to deliver for now; its owner will be pumped.
	waiting
	// full: there is more, but not now.
	full
)

// next walks on from where the subscription is, lets take have what is to be
// delivered, and moves behind what was taken.
func (s *Subscription) next(b *Batch, take takeFunc) (more bool) {
	if s.conflation != nil {
		s.conflation.left = conflateAtOnce
	}
	for steps := 0; ; steps++ {
		if s.hub.stepping != nil {
			s.hub.stepping(s, steps)
		}
		switch s.step(b, take) {
		case waiting:
			return false
		case full:
			return s.mode != modeEnded
		case onward:
		}
	}
}

// step delivers what is pending, else what the mode has next.
func (s *Subscription) step(b *Batch, take takeFunc) progress {
	if s.pending != nil && s.mode != modeEnded {
		return s.stepPending(take)
	}
	switch s.mode {
	case modeInStep:
		return s.stepInStep(b, take)
	case modeOwnPosition, modeScanLog, modePickLog:
		return s.stepOwnPosition(b, take)
	case modeJoining, modeScanJoining, modePickJoining:
		return s.stepJoining()
	case modeLate, modeScanLate, modePickLate:
		return s.stepLate(b, take)
	case modeBehind:
		return s.stepBehind()
	case modeStarting, modeEnded:
	}
	return waiting
}

// stepInStep delivers from the log up to the end of a chunk.
func (s *Subscription) stepInStep(b *Batch, take takeFunc) progress {
	tip := s.feed.tip()
	c, i := s.log.find(s.index)
	switch {
	case c == nil:
		if !s.missedNothing(b, tip) {
			s.fallBehind()
		}
		return onward
	case s.index >= tip.index:
		s.live = true
		if s.index == tip.index {
			s.at = tip
		}
		if s.feed.awaitBehind(tip) {
			return waiting
		}
		return s.stepInStep(b, take)
	case s.feed.Filtered():
		return s.nextMatches(b, tip, take)
	}
	n := min(c.len(), int(tip.index-c.base))
	j := s.takeGapsAware(c, i, n, take)
	s.index, s.at = c.base+uint64(j), s.log.markIn(c, j)
	if j < n {
		return full
	}
	b.looked++
	return onward
}

// stepOwnPosition delivers what of the log it has not had, up to the end of a
// chunk.
func (s *Subscription) stepOwnPosition(b *Batch, take takeFunc) progress {
	tip := s.feed.tip()
	c, i := s.log.find(s.index)
	switch f := s.conflation; {
	case f != nil && f.tooMany:
		s.conflateNothing()
		return onward
	case c == nil:
		s.fallBehind()
		return onward
	case f != nil && s.index >= f.target:
		s.endPass()
		return onward
	case s.index >= tip.index:
		s.live = true
		if s.index == tip.index && f == nil && tip.at.Covers(*s.own) {
			s.stepIn(tip)
		}
		if s.feed.awaitBehind(tip) {
			return waiting
		}
		return s.step(b, take)
	case f == nil && i == 0 && c.start.Covers(*s.own):
		s.stepIn(s.log.markIn(c, 0))
		return onward
	}
	n := min(c.len(), int(tip.index-c.base))
	j := s.deliver(c, i, n, s.through(take))
	s.index = c.base + uint64(j)
	if j < n && s.pending == nil {
		return full
	}
	if b.looked++; b.looked >= lookAtOnce {
		return full
	}
	return onward
}

// stepIn goes on in step with the log, from a mark that has all that it has had
// in front, and nothing else.
func (s *Subscription) stepIn(at *mark) {
	s.own, s.at, s.index = nil, at, at.index
	s.on(onMark)
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

// deliver takes of entries i to n what the position of its own has not had and
// the filter passes, moves that position, and returns where it stopped: where take
// did, or where predicates have taken long enough.
func (s *Subscription) deliver(c *chunk, i, n int, take takeFunc) int {
	if s.feed.asked == nil {
		return s.deliverSome(c, i, n, take)
	}
	const some = 16 // between two looks at the clock
	for began := s.hub.now(); i < n; {
		upTo := min(n, i+some)
		if i = s.deliverSome(c, i, upTo, take); i < upTo || s.hub.now().Sub(began) > askTime {
			break
		}
	}
	return i
}

func (s *Subscription) deliverSome(c *chunk, i, n int, take takeFunc) int {
	for i < n {
		j := s.wanted(c, i, n)
		if j == i {
			if s.outdated(c.at(i)) || s.failsAt(c, i) {
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

// wanted finds how far from entry i on, up to n, all is to be delivered from a
// position of its own. It looks at one run at a time: offsets rise within a
// partition, so that what it has not had at the run's start it has not had
// further on.
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
		if s.feed.asked != nil && passes(&s.feed.filter, c, i) != filter.Yes {
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
	if !s.feed.Filtered() || s.index < s.log.emptied.Load() {
		return false
	}
	if c, _ := s.log.find(tip.index); c == nil {
		return false // the log has moved on before its predicates were asked
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
func (s *Subscription) nextMatches(b *Batch, tip *mark, take takeFunc) progress {
	const atOnce = 256
	matches, ok, more := s.feed.ahead(b.matches[:0], s.index, tip.index, atOnce)
	b.matches = matches
	switch {
	case more:
		return full
	case !ok:
		s.fallBehind()
		return onward
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
			return onward
		}
		if s.feed.failed(c, i) {
			s.index, s.at = index, s.log.markIn(c, i)
			s.fail(c)
			return full
		}
		if j := s.takeGapsAware(c, i, i+1, take); j == i {
			// What lies between was not for this feed.
			s.index, s.at = index, s.log.markIn(c, i)
			return full
		}
		s.index, last = index+1, c
	}
	if len(matches) < atOnce {
		s.index, s.at = tip.index, tip
		return onward
	}
	s.at = s.log.markIn(last, int(s.index-last.base))
	return onward
}

// failsAt ends the subscription in front of an entry on which a predicate has failed,
// if it has not had it.
func (s *Subscription) failsAt(c *chunk, i int) bool {
	e := c.at(i)
	if s.feed.asked == nil || s.own.Offset(e.partition, 0) >= e.next || !s.feed.failed(c, i) {
		return false
	}
	if s.conflation != nil {
		at := s.conflation.position() // what was left out so far is not reported any more
		s.own = &at
	}
	s.fail(c)
	return true
}

// fail ends the subscription where a predicate has failed on an entry of a chunk.
func (s *Subscription) fail(c *chunk) {
	if err := s.feed.filter.Fault(&c.verdicts); err != nil {
		s.feed.asked.fault.Store(&err)
	}
	s.end(onFilterFailed, FilterFailed)
}
