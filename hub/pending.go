package hub

import (
	"slices"

	"sluice/hub/record"
)

// pendingGaps are what a subscription is owed before anything else, in whatever
// mode it is: gaps of its own, which the log and the blocks do not have.
type pendingGaps struct {
	gaps      *chunk
	delivered int // of them
	// before is where it was in front of the first of them. Its cursor is that
	// until all of them have been delivered.
	before record.Position
}

// addGap has a gap delivered before anything else. The position of the
// subscription is to be moved behind the gap after that.
func (s *Subscription) addGap(g record.Gap, epoch int32) {
	var d chunkBuilder
	s.stream.encoder.gap(&d, g, epoch)
	s.addGaps(d.chunk(record.Position{}))
}

// addGaps has all gaps of a chunk delivered, behind those that are pending.
func (s *Subscription) addGaps(gaps *chunk) {
	if s.pending == nil {
		s.pending = &pendingGaps{gaps: gaps, before: s.Position().Clone()}
		return
	}
	was := s.pending.gaps
	d := chunkBuilder{entries: slices.Clone(was.entries), bodies: slices.Clone(was.bodies)}
	for i := range gaps.len() {
		d.bodies = append(d.bodies, gaps.body(i)...)
		d.add(*gaps.at(i))
	}
	s.pending.gaps = d.chunk(record.Position{})
}

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

// pendingWhileConflating sees to gaps that come up in a conflation. In the first
// pass they are dropped: those of retention are found again in the second. Others
// make void what was seen.
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
	// What was left out so far precedes them.
	found := *s.pending
	s.pending = nil
	s.reportDropped()
	s.addGaps(found.gaps)
	s.pending.before = found.before
	if !retention {
		s.on(onVoid)
	}
}
