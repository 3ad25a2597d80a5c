package hub

// next takes steps from the current position, passes take what is to be delivered,
// and moves past what was taken.
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

// step delivers pending gaps, else what the mode has next.
func (s *Subscription) step(b *Batch, take takeFunc) progress {
	if s.mode != modeEnded && s.stream.isRetired() {
		s.end(onRetired, StreamChanged)
	}
	if s.paused {
		return waiting
	}
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
		s.reachTip()
		if s.index == tip.index {
			s.at = tip
		}
		if s.feed.lags() {
			s.failHere()
			return waiting
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

// stepOwnPosition delivers the entries of the log that the subscription has not had,
// up to the end of a chunk.
func (s *Subscription) stepOwnPosition(b *Batch, take takeFunc) progress {
	if s.inquires() {
		return waiting
	}
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
		s.reachTip()
		if s.index == tip.index && f == nil && tip.at.Covers(*s.own) && s.feed.reaches(tip.index) {
			s.stepIn(tip)
		}
		if s.feed.lags() {
			s.failHere()
			return waiting
		}
		if s.feed.awaitBehind(tip) {
			return waiting
		}
		return s.step(b, take)
	case f == nil && i == 0 && c.start.Covers(*s.own) && s.feed.reaches(c.base):
		s.stepIn(s.log.markIn(c, 0))
		return onward
	}
	n := min(c.len(), int(tip.index-c.base))
	j := s.deliver(c, i, n, s.through(take))
	s.index = c.base + uint64(j)
	switch {
	case j < n && s.judging.unknown:
		return s.inquireAt(s.index)
	case j < n && s.pending == nil:
		return full
	}
	if b.looked++; b.looked >= lookAtOnce {
		return full
	}
	return onward
}

// missedNothing moves forward a subscription in step that is below the floor, when
// its feed has had no matches that the log no longer holds: a feed is not woken for
// entries that do not match.
func (s *Subscription) missedNothing(b *Batch, tip *mark) bool {
	if !s.feed.Filtered() || s.index < s.log.emptied.Load() {
		return false
	}
	if c, _ := s.log.find(tip.index); c == nil {
		return false // the log has moved on before the filters were evaluated
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

// nextMatches delivers the matches of a filtered feed, in step with the log.
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
	var last *chunk // contains the last match that was taken
	for _, index := range matches {
		c, i := s.log.find(index)
		if c == nil {
			// The floor has moved past the match in the meantime.
			if last != nil {
				s.at = s.log.markIn(last, int(s.index-last.base))
			}
			s.fallBehind()
			return onward
		}
		if s.feed.failed(index) {
			s.index, s.at = index, s.log.markIn(c, i)
			s.fail(c)
			return full
		}
		if j := s.takeGapsAware(c, i, i+1, take); j == i {
			// The entries between did not match.
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
