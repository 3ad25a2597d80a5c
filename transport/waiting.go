package transport

// waiters are told when a session's inbox has been emptied and when the session
// has ended. Few sessions ever have any.
type waiters struct {
	room  chan struct{}
	ended chan struct{}
}

// waiting gives the session's waiters. The caller holds s.mu.
func (s *session) waiting() *waiters {
	if s.waiters == nil {
		s.waiters = &waiters{room: make(chan struct{}, 1), ended: make(chan struct{})}
		if s.gone {
			close(s.waiters.ended)
		}
	}
	return s.waiters
}

func (w *waiters) tellRoom() {
	select {
	case w.room <- struct{}{}:
	default:
	}
}

// ended is closed when the executor is done with the session.
func (s *session) ended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting().ended
}

func (s *session) tellEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	if s.waiters != nil {
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
		w := s.waiting()
		s.mu.Unlock()
		select {
		case <-w.room:
		case <-w.ended:
			return
		}
	}
}
