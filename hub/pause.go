package hub

// Pause stops delivery until Resume. The subscription keeps its position and nothing
// else: it has no part in what is evaluated, read from Kafka or kept in memory for
// others, and new records do not wake its owner. Next returns nothing, and Ended still
// reports that the stream has another definition. Pausing a paused subscription has no
// effect.
func (s *Subscription) Pause() {
	if s.paused || s.mode == modeEnded {
		return
	}
	if s.inquiry != nil {
		s.hub.turns.remove(&s.inquiry.task)
		s.inquiry = nil // the turn may still run
	}
	s.leaveConflation()
	if s.own == nil {
		own := s.at.at.Clone()
		s.own = &own
	}
	if s.mode == modeInStep || s.mode == modeOwnPosition {
		s.fell = s.index
	}
	s.on(onPaused)
	s.paused = true
	s.log.rest(s)
}

// leaveConflation moves the position of a conflating subscription back to before what it
// has not delivered. The policy decides again when it is resumed.
func (s *Subscription) leaveConflation() {
	if s.conflation != nil && s.pending != nil && s.pending.delivered == 0 {
		s.pendingWhileConflating()
	}
	switch {
	case s.conflation == nil:
	case s.mode.scanning():
		s.goBack()
		s.on(onVoid)
	default:
		s.reportDropped()
		s.on(onVoid)
	}
}

// Paused reports whether the subscription is paused.
func (s *Subscription) Paused() bool { return s.paused }

// Resume goes on where the subscription was paused. If the log no longer has what is
// next, and the subscription had been at the tip, the stream's policy decides, except that
// none cuts it off: what it has missed is read from Kafka then. A bound, which may be nil,
// is how far back it may read; what is skipped is reported as a gap.
func (s *Subscription) Resume(b *Bound) {
	if !s.paused {
		return
	}
	s.log.wakeUp(s)
	s.paused = false
	if s.mode == modeEnded {
		return
	}
	if b != nil && s.own.Topic == b.reach.at.Topic {
		// Its position counts like that of a cursor.
		s.start = StartCursor
		s.withhold(b.reach, s.own.Clone(), false)
	}
	policy := s.stream.Slow
	if s.mode == modeJoining && s.live.Load() && (policy == SlowSkip || policy == SlowConflate) && s.missed() {
		s.on(onFellBehind)
	}
}

// missed reports whether the log has removed records that follow the position. If it was
// emptied meanwhile, positions have to be compared, as for any subscription.
func (s *Subscription) missed() bool {
	floor := s.log.floor()
	return s.fell >= s.log.emptied.Load() && s.own.Topic == floor.start.Topic && !s.own.Covers(floor.start)
}

// bare returns a feed that is the same for clients, and has no part in what is evaluated:
// the one of paused subscriptions.
func (f *Feed) bare() *Feed {
	return &Feed{log: f.log, filter: f.filter, name: f.name, label: f.label, rests: true}
}

// Is reports whether two feeds are the same for a client: that of a paused subscription
// is the one that it had before.
func (f *Feed) Is(other *Feed) bool { return f.log == other.log && f.name == other.name }

// rest moves a subscription to the paused ones of its feed. The feed keeps its name while
// it has any, and is not evaluated while it has no others.
func (l *log) rest(s *Subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.resting[s.feed.name]
	if f == nil {
		f = s.feed.bare()
		l.resting[f.name] = f
	}
	l.part(s)
	s.feed = f
	f.mu.Lock()
	f.add(s)
	f.mu.Unlock()
	l.paused.Add(1)
}

// wakeUp moves a paused subscription back to those that its feed is delivered to.
func (l *log) wakeUp(s *Subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := s.feed
	l.part(s)
	s.feed = l.enter(l.feeds[was.name], was.name, &was.filter, s)
}
