package transport

import "sync"

// sessionSet is the set of open sessions.
type sessionSet struct {
	mu  sync.Mutex
	set map[*session]struct{}

	follower follower
}

func newSessionSet() *sessionSet { return &sessionSet{set: make(map[*session]struct{})} }

func (s *sessionSet) add(x *session) {
	s.mu.Lock()
	s.set[x] = struct{}{}
	s.mu.Unlock()
}

func (s *sessionSet) remove(x *session) {
	s.mu.Lock()
	delete(s.set, x)
	s.mu.Unlock()
}

func (s *sessionSet) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.set)
}

func (s *sessionSet) all() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*session, 0, len(s.set))
	for x := range s.set {
		all = append(all, x)
	}
	return all
}

// count counts the sessions of a protocol.
func (s *sessionSet) count(p protocol) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for x := range s.set {
		if x.dialect.protocol() == p {
			n++
		}
	}
	return n
}

// openSessions returns how many sessions of a protocol are open. A long-polling page
// counts as one, and so does a body whose records are published while it arrives, and a
// publish that waits for a reply.
func (s *Server) openSessions(p protocol) int {
	switch p {
	case protocolPage:
		return int(s.polls.Load())
	case protocolPublish:
		return int(s.intakes.Load())
	default:
		return s.sessions.count(p)
	}
}

// follow brings the subscriptions by pattern of the session up to date. The executor
// calls it.
func (s *session) follow() {
	if len(s.groups) > 0 {
		s.server.sessions.follower.ask(s)
	}
}

// followIfReplaced is follow, if the streams have been replaced since the groups began:
// the session may not have been known then.
func (s *session) followIfReplaced() {
	for _, g := range s.groups {
		select {
		case <-g.replaced:
			s.follow()
			return
		default:
		}
	}
}
