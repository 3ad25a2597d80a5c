package transport

import (
	"crypto/tls"
	"net"
	"runtime"
)

// patientListener accepts a connection only when it is its turn among all that
// can run. When many come at once they wait in the kernel, and those whose
// handshakes are under way get done: what a live record runs through would
// else stand in line behind thousands of them.
type patientListener struct{ net.Listener }

// Accept implements net.Listener.
func (l patientListener) Accept() (net.Conn, error) {
	runtime.Gosched()
	return l.Listener.Accept()
}

// belowTLS is the connection that carries another one.
func belowTLS(conn net.Conn) net.Conn {
	if over, ok := conn.(*tls.Conn); ok {
		return over.NetConn()
	}
	return conn
}
