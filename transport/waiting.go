package transport

// tell notifies a waiter, if there is one.
func tell(waiter chan<- struct{}) {
	if waiter == nil {
		return
	}
	select {
	case waiter <- struct{}{}:
	default:
	}
}

// ended returns a channel that is closed when the executor is done with the session.
func (s *session) ended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whenEnded()
}

// whenEnded is ended for a caller that holds s.mu.
func (s *session) whenEnded() <-chan struct{} {
	if s.waiters.ended == nil {
		s.waiters.ended = make(chan struct{})
		if s.gone {
			close(s.waiters.ended)
		}
	}
	return s.waiters.ended
}

func (s *session) tellEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	if s.waiters.ended != nil {
		close(s.waiters.ended)
	}
}

// awaitRoom waits until there is room in the inbox, or the session has ended.
func (s *session) awaitRoom() {
	for {
		s.mu.Lock()
		if len(s.inbox) < fullInbox || s.gone {
			s.mu.Unlock()
			return
		}
		if s.waiters.room == nil {
			s.waiters.room = make(chan struct{}, 1)
		}
		room, ended := s.waiters.room, s.whenEnded()
		s.mu.Unlock()
		select {
		case <-room:
		case <-ended:
			return
		}
	}
}

// awaitSlot waits until the session may have another publish in flight. Meanwhile nothing
// that the client sends is read, which keeps the order of what the client publishes: a
// publish that was refused instead would be overtaken by those sent after it. It reports
// false if the session has ended or is closing. The wait is bounded, because publishes are
// answered within publish_timeout.
func (s *session) awaitSlot() bool {
	defer s.unread.Store(false)
	for {
		most := s.server.limits().PublishesPerSession
		if most <= 0 || int(s.inFlight.Load()) < most {
			return !s.over.Load()
		}
		s.unread.Store(true)
		s.mu.Lock()
		if s.waiters.slot == nil {
			s.waiters.slot = make(chan struct{}, 1)
		}
		slot, ended := s.waiters.slot, s.whenEnded()
		s.mu.Unlock()
		if int(s.inFlight.Load()) < most {
			continue // it was freed before there was a channel
		}
		select {
		case <-slot:
		case <-ended:
			return false
		}
	}
}

// freeSlot ends a publish that was in flight.
func (s *session) freeSlot() {
	s.inFlight.Add(-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	tell(s.waiters.slot)
}

// do runs a command in the executor and waits for it. It reports false if the session
// has ended without it.
func (s *session) do(c command) (ran bool) {
	done := make(chan struct{})
	s.post(func(s *session, sc *scratch) { defer close(done); c(s, sc) })
	select {
	case <-done:
		return true
	case <-s.ended():
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}
