//go:build !linux

package transport

import "net"

func (s *Server) tuneSocket(conn net.Conn) {
	if tcp, ok := belowTLS(conn).(*net.TCPConn); ok && s.config.Limits.SendBuffer > 0 {
		_ = tcp.SetWriteBuffer(s.config.Limits.SendBuffer)
	}
}
