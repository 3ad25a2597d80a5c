package transport

// A session's reader is a goroutine only while there is something to read:
// between messages it rests, which takes no memory but a few words, and the
// server's poller rouses it. Where connections cannot be watched, as under TLS,
// whose records are not what is read, it waits like any other goroutine.

// rest lets the reader end until it is roused. It reports false where it has to
// wait by itself, or when nothing more is to be read.
func (s *session) rest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over.Load() || s.unwatchable {
		return false
	}
	s.atRest = true
	if s.token = s.server.poller.watch(s.conn, s.token, s); s.token == 0 {
		s.atRest, s.unwatchable = false, true
		return false
	}
	return true
}

// rouse starts the reader of a session again if it rests.
func (s *session) rouse() {
	s.mu.Lock()
	rested := s.atRest
	s.atRest = false
	s.mu.Unlock()
	if rested {
		s.server.tasks.Go(s.listen)
	}
}

// stopReading has nothing more taken from the client, but its end.
func (s *session) stopReading() {
	s.mu.Lock()
	s.over.Store(true)
	s.mu.Unlock()
	s.rouse()
}

// listen is the reader: it handles what comes until it can rest, or the
// connection has ended.
func (s *session) listen() {
	if s.kind == kindWebSocket {
		s.listenToMessages()
	} else {
		s.listenForEnd()
	}
}

// listenForEnd is the reader of an event stream, to which nothing is to come.
func (s *session) listenForEnd() {
	var nothing [16]byte
	for {
		if _, err := s.conn.Read(nothing[:]); err != nil {
			break
		}
		if s.rest() {
			return
		}
	}
	s.out.abort()
	s.post(func(s *session, _ *scratch) { s.end() })
	<-s.ended
	s.server.poller.forget(s.token)
}
