package transport

import (
	"crypto/tls"
	"net"
	"runtime"

	"sluice/transport/wire"
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
	// refuses reports whether a connection is closed before its handshake, which
	// costs little.
	refuses func(net.Conn) bool
}

// Accept implements net.Listener.
func (l tlsListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if !l.refuses(conn) {
			return newCarrier(conn, l.config).over, nil
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // so that nothing is left of it
		}
		_ = conn.Close()
	}
}

// clients returns the listener for clients.
func (s *Server) clients() net.Listener {
	l := patientListener{s.config.Listener}
	if s.config.TLS == nil {
		return l
	}
	return tlsListener{l, s.config.TLS, s.shakesTooFast}
}

// shakesTooFast counts a client that connects over TLS, and reports whether clients of
// its address do so too fast. Trusted proxies connect for others.
func (s *Server) shakesTooFast(conn net.Conn) bool {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return false
	}
	from := tcp.AddrPort().Addr().Unmap().WithZone("")
	if s.trusts(from) || s.handshakes.admit(networkAt(from), monotimeNow()) <= 0 {
		return false
	}
	s.metrics.handshakesRefused.Inc()
	s.faults.note(wire.Errorf(wire.RateLimited, "TLS handshakes are refused: they come too fast from this address"), from.String())
	return true
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
