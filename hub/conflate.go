package hub

// conflate begins to conflate what has been missed up to the tip.
func (s *Subscription) conflate(tip *mark) {
	s.conflation = &conflation{
		sub: s, from: s.own.Clone(), until: tip.at, target: tip.index, fell: s.fell,
		newest: make(map[conflateKey]int64), dropped: make(map[int32]droppedRange),
	}
}

// through has what is taken conflated, while that goes on.
func (s *Subscription) through(take takeFunc) takeFunc {
	switch {
	case !s.mode.conflating():
		return take
	case s.mode.scanning():
		return s.conflation.scan
	}
	return func(c *chunk, i, n int) int { return s.conflation.deliver(c, i, n, take) }
}

// endPass goes on when all that is conflated has been gone through: to deliver
// what was found, or to what is newer.
func (s *Subscription) endPass() {
	if s.mode.scanning() {
		s.goBack()
		s.on(onScanned)
		return
	}
	s.reportDropped()
	s.on(onConflated)
}

// conflateNothing goes on without a conflation, from where it fell behind, as
// there are too many keys.
func (s *Subscription) conflateNothing() {
	s.goBack()
	s.on(onTooManyKeys)
}

// outrun reports whether it has delivered all that is conflated and the log
// no longer reaches back to that either: it takes less than there is. Where the log
// begins at what is conflated, or in front of its end, it has only to join it.
func (s *Subscription) outrun() bool {
	f := s.conflation
	return f != nil && !s.mode.scanning() && s.own.Covers(f.until) && !s.own.Covers(s.log.floorPosition())
}

// conflateAnew has the policy decide once more, when what was left out so far
// has been reported.
func (s *Subscription) conflateAnew() {
	s.reportDropped()
	s.fell = 0
	s.on(onOutrun)
}

// goBack goes back to where it fell behind.
func (s *Subscription) goBack() {
	own := s.conflation.from.Clone()
	s.own, s.fell = &own, s.conflation.fell
}

// reportDropped has gaps tell of all that was left out so far.
func (s *Subscription) reportDropped() {
	for partition, d := range s.conflation.dropped {
		s.addGap(d.gap(), d.epoch)
		delete(s.conflation.dropped, partition)
	}
}
