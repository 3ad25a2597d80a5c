package e2e_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"
)

// errCut is what the reader of a connection that was cut by the test sees.
var errCut = errors.New("the test cut the connection")

// cutConn is a connection that breaks once it has read so many bytes, which is
// most often in the middle of a frame. No goodbye is sent: every second one is
// reset (RST), the others are closed (FIN).
type cutConn struct {
	net.Conn
	left int64
	cut  atomic.Bool
}

// orCut is errCut where a connection was cut, as a handshake that breaks off is
// said to be malformed.
func orCut(conn net.Conn, err error) error {
	if c, ok := conn.(*cutConn); ok && c.cut.Load() {
		return errCut
	}
	return err
}

// dial connects, with a connection that breaks after so many bytes; 0 never.
func dial(ctx context.Context, addr string, cutAfter int64) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil || cutAfter == 0 {
		return conn, err
	}
	return &cutConn{Conn: conn, left: cutAfter}, nil
}

func (c *cutConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.cut.Store(true)
		if tcp, ok := c.Conn.(*net.TCPConn); ok && rand.IntN(2) == 0 {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
		return 0, errCut
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	c.left -= int64(n)
	return n, err
}
