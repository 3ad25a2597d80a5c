//go:build !linux

package socket

import "net"

// Tune bounds what a client that does not read can hold in the kernel, to a send
// buffer of size bytes; 0 means no bound.
func Tune(conn net.Conn, size int) {
	if tcp, ok := conn.(*net.TCPConn); ok && size > 0 {
		_ = tcp.SetWriteBuffer(size)
	}
}
