package hub

import "sluice/hub/record"

// fallBehind continues below the floor of the log, from the position reached.
func (s *Subscription) fallBehind() {
	if s.own == nil {
		own := s.at.at.Clone()
		s.own = &own
	}
	s.fell = s.index
	// When the log was emptied, all subscriptions are below the floor, too.
	if s.live.Load() && s.index >= s.log.emptied.Load() && s.conflation == nil {
		s.on(onFellBehind)
		return
	}
	s.on(onBelowFloor)
}

// stepBehind applies the policy. If the topic was recreated, what that means for the
// position is decided when the subscription joins the new log.
func (s *Subscription) stepBehind() progress {
	s.stream.slow.Add(1)
	policy, tip := s.stream.Slow, s.log.tip.Load()
	switch {
	case policy == SlowDisconnect:
		s.end(onCutOff, SlowConsumer)
	case policy != SlowSkip && policy != SlowConflate:
		s.on(onCatchUp)
	case s.failOnGap:
		s.end(onGapEnd, record.GapPolicy)
	case tip.at.Topic != s.own.Topic:
		s.on(onCatchUp)
	case policy == SlowSkip:
		s.skip(tip)
		s.on(onSkip)
	default:
		s.conflate(tip)
		s.on(onConflate)
	}
	return onward
}

// skip continues at the tip.
func (s *Subscription) skip(tip *mark) {
	for _, to := range tip.at.Offsets {
		if from := s.own.Offset(to.Partition, 0); from < to.Offset {
			s.addGap(record.Gap{Partition: to.Partition, From: from, To: to.Offset, Reason: record.GapPolicy}, to.Epoch)
			s.own.Set(to)
		}
	}
	s.fell = tip.index
}
