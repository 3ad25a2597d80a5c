package socket

import (
	"net"

	"golang.org/x/sys/unix"
)

// Tune bounds what a client that does not read can hold in the kernel, to a send
// buffer of size bytes; 0 means no bound. A failure is ignored: the system's
// bounds then apply.
func Tune(conn net.Conn, size int) {
	tcp, ok := conn.(*net.TCPConn)
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
