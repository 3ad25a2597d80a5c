package hub

// conflate begins to conflate the missed records up to the tip.
func (s *Subscription) conflate(tip *mark) {
	s.conflation = &conflation{
		sub: s, from: s.own.Clone(), until: tip.at, target: tip.index, fell: s.fell,
		newest: make(map[conflateKey]int64), dropped: make(map[int32]droppedRange),
	}
}

// through wraps take with the current pass of the conflation, if there is one.
func (s *Subscription) through(take takeFunc) takeFunc {
	switch {
	case !s.mode.conflating():
		return take
	case s.mode.scanning():
		return s.conflation.scan
	}
	return func(c *chunk, i, n int) int { return s.conflation.deliver(c, i, n, take) }
}

// endPass continues after everything to be conflated has been read: with the second
// pass, or with the records after it.
func (s *Subscription) endPass() {
	if s.mode.scanning() {
		s.goBack()
		s.on(onScanned)
		return
	}
	s.reportDropped()
	s.on(onConflated)
}

// conflateNothing continues without a conflation, from where the subscription fell
// behind, because there are too many keys.
func (s *Subscription) conflateNothing() {
	s.goBack()
	s.on(onTooManyKeys)
}

// outrun reports whether the subscription has delivered everything to be conflated
// and the log no longer reaches back to its position either: it delivers more slowly
// than records arrive. If the log begins within the range to be conflated or at its
// end, the subscription only has to join it.
func (s *Subscription) outrun() bool {
	f := s.conflation
	return f != nil && !s.mode.scanning() && s.own.Covers(f.until) && !s.own.Covers(s.log.floorPosition())
}

// conflateAnew reports what was left out so far, and has the policy applied again.
func (s *Subscription) conflateAnew() {
	s.reportDropped()
	s.fell = 0
	s.on(onOutrun)
}

// goBack moves the position back to where the subscription fell behind.
func (s *Subscription) goBack() {
	own := s.conflation.from.Clone()
	s.own, s.fell = &own, s.conflation.fell
}

// reportDropped adds gaps for everything that was left out so far.
func (s *Subscription) reportDropped() {
	for partition, d := range s.conflation.dropped {
		s.addGap(d.gap(), d.epoch)
		delete(s.conflation.dropped, partition)
	}
}
