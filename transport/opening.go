package transport

import (
	"crypto/rand"
	"net"
)

// newSession creates a session for a client. Until it is started nothing is
// delivered to it, and commands posted to it wait.
func (s *Server) newSession(d dialect, c *client) *session {
	x := &session{
		server:    s,
		worker:    s.config.Workers.next(),
		id:        "s_" + rand.Text(),
		dialect:   d,
		address:   c.address,
		principal: c.principal,
		since:     monotimeNow(),
		lastWrite: monotimeNow(),
		audited:   s.audit.session(c.credential.Source, c.credential.Scheme),
	}
	// In this state no executor runs the session before start, whatever its
	// subscriptions already have.
	x.state.Store(again)
	return x
}

// attach sets the connection that was hijacked for a session.
func (s *session) attach(conn net.Conn) {
	if c := carrierOf(conn); c != nil && c.take(s.server.poller, s) {
		s.socket, s.tls, s.conn, s.out = c.socket, c, sealedConn{c}, sealedWriter{c}
		return
	}
	if own, ok := s.server.poller.Take(conn, s); ok {
		s.socket, s.conn, s.out = own, own, own
		return
	}
	s.conn, s.out = conn, blockingWriter{conn}
}

// start begins delivery to a session, which counts against limits until it ends. The
// commands in first run before those that were already posted.
func (s *Server) start(x *session, c *client, first ...command) {
	x.started, x.admission = true, c.handOver()
	s.audit.started(x)
	if c.principal != nil {
		x.tenant = s.tenants.of(c.principal.Tenant())
	}
	x.mu.Lock()
	x.inbox = append(first, x.inbox...)
	x.mu.Unlock()
	s.sessions.add(x)
	x.worker.add(x)
	x.behind.Store(true) // until a step finds that it is in step
	x.state.Store(queued)
	x.worker.enqueue(x)
	if s.draining.Load() {
		x.drainSoon(spread(s.config.DrainSpread), s.config.DrainTimeout)
	}
	x.refresh() // the grants may have been replaced while the session was opened
	// Looked at after the session was added: a revocation finds the session, or the
	// session the revocation.
	x.endIfRevoked(c.principal)
}
