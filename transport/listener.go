package transport

import (
	"crypto/tls"
	"net"
	"runtime"
)

// patientListener yields to the other runnable goroutines before it accepts a
// connection. When many clients connect at once, the new connections wait in the
// kernel while the handshakes under way complete: otherwise the goroutines that
// deliver a live record would wait behind thousands of handshakes.
type patientListener struct{ net.Listener }

// Accept implements net.Listener.
func (l patientListener) Accept() (net.Conn, error) {
	runtime.Gosched()
	return l.Listener.Accept()
}

// tlsListener accepts TLS connections, each over a carrier. Handshakes are left to
// the HTTP server.
type tlsListener struct {
	net.Listener
	config *tls.Config
}

// Accept implements net.Listener.
func (l tlsListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(&carrier{Conn: conn}, l.config), nil
}

// clients returns the listener for clients.
func (s *Server) clients() net.Listener {
	l := patientListener{s.config.Listener}
	if s.config.TLS == nil {
		return l
	}
	return tlsListener{l, s.config.TLS}
}

// belowTLS returns the connection that carries a TLS connection, or conn itself.
func belowTLS(conn net.Conn) net.Conn {
	if c := carrierOf(conn); c != nil {
		return c.Conn
	}
	if over, ok := conn.(*tls.Conn); ok {
		return over.NetConn()
	}
	return conn
}
