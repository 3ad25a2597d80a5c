package hub

import "sluice/hub/record"

// stepPending delivers pending gaps.
func (s *Subscription) stepPending(take takeFunc) progress {
	if s.mode.conflating() && s.pending.delivered == 0 {
		s.pendingWhileConflating()
	}
	p := s.pending
	switch {
	case p == nil:
		return onward
	case s.failOnGap:
		s.end(onGapEnd, p.gaps.at(p.delivered).reason.Reason())
		return full
	}
	n := p.gaps.len()
	if p.delivered = take(p.gaps, p.delivered, n); p.delivered < n {
		return full
	}
	s.breaks = reportedBreaks(s.breaks, p.gaps)
	s.pending = nil
	return onward
}

// pendingWhileConflating handles gaps that are added during a conflation. In the
// first pass they are dropped: gaps of retention are found again in the second pass.
// All others make void what was found.
func (s *Subscription) pendingWhileConflating() {
	retention := true
	for i := range s.pending.gaps.len() {
		retention = retention && s.pending.gaps.at(i).reason.Reason() == record.GapRetention
	}
	if s.mode.scanning() {
		s.pending = nil
		if !retention {
			s.goBack()
			s.on(onVoid)
		}
		return
	}
	// What was left out so far precedes these gaps.
	found := *s.pending
	s.pending = nil
	s.reportDropped()
	s.addGaps(found.gaps)
	s.pending.before = found.before
	if !retention {
		s.on(onVoid)
	}
}
