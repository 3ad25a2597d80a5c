package transport

import (
	"net"

	"golang.org/x/sys/unix"
)

// tuneSocket bounds what a client that does not read can hold in the kernel.
// Failing to is no fault: the bounds are then the system's.
func (s *Server) tuneSocket(conn net.Conn) {
	size := s.config.Limits.SendBuffer
	tcp, ok := belowTLS(conn).(*net.TCPConn)
	if !ok || size <= 0 {
		return
	}
	_ = tcp.SetWriteBuffer(size)
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, size/4)
	})
}
