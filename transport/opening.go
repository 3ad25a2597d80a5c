package transport

import (
	"crypto/rand"
	"net"
)

// newSession makes a session for a client. Nothing is delivered to it, and what
// is posted to it waits, until it is started.
func (s *Server) newSession(d dialect, c *client) *session {
	x := &session{
		server:    s,
		worker:    s.config.Workers.next(),
		id:        "s_" + rand.Text(),
		dialect:   d,
		address:   c.address,
		principal: c.principal,
		lastWrite: monotimeNow(),
	}
	// Nobody runs it before start, whatever its subscriptions have already.
	x.state.Store(again)
	return x
}

// attach gives a session the connection that was hijacked for it.
func (s *session) attach(conn net.Conn) {
	if own, ok := s.server.poller.Take(conn, s); ok {
		s.socket, s.conn, s.out = own, own, own
		return
	}
	s.conn, s.out = conn, blockingWriter{conn}
}

// start lets a session be delivered to, and has it count against limits until
// it ends. What it does first comes before all that was posted.
func (s *Server) start(x *session, c *client, first ...command) {
	x.started, x.admission = true, c.handOver()
	x.mu.Lock()
	x.inbox = append(first, x.inbox...)
	x.mu.Unlock()
	s.sessions.add(x)
	x.worker.add(x)
	x.behind.Store(true) // until it shows that it is not
	x.state.Store(queued)
	x.worker.enqueue(x)
	if s.draining.Load() {
		x.drainSoon(spread(s.config.DrainSpread))
	}
}
