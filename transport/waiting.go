package transport

func (w *waiters) tellRoom() {
	if w.room == nil {
		return
	}
	select {
	case w.room <- struct{}{}:
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
