//go:build unix

package transport

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// socketOutlet is an outlet on a plain TCP connection: it can write what the
// socket takes now and leave the rest.
type socketOutlet struct {
	connOutlet
	raw syscall.RawConn
}

// newOutlet makes the best outlet for a hijacked connection.
func newOutlet(conn net.Conn) outlet {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return connOutlet{conn}
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return connOutlet{conn}
	}
	return &socketOutlet{connOutlet: connOutlet{conn}, raw: raw}
}

// maxVector is how many buffers one writev takes (IOV_MAX on Linux).
const maxVector = 1024

func (o *socketOutlet) try(bufs [][]byte) (int, error) {
	var (
		n   int
		err error
	)
	if len(bufs) > maxVector {
		bufs = bufs[:maxVector]
	}
	// To return true is to say: do not wait until the socket can be written.
	waitErr := o.raw.Write(func(fd uintptr) bool {
		for {
			if len(bufs) == 1 {
				n, err = unix.Write(int(fd), bufs[0])
			} else {
				n, err = unix.Writev(int(fd), bufs)
			}
			if !errors.Is(err, unix.EINTR) {
				return true
			}
		}
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case errors.Is(err, unix.EAGAIN):
		return 0, nil
	case err != nil:
		return max(n, 0), err
	}
	return n, nil
}
