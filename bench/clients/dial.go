package clients

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"
)

// ErrCut is the error of reading from a connection that was cut on purpose.
var ErrCut = errors.New("the client cut the connection")

// conn is a connection that breaks after a number of bytes, or when it is idle too
// long.
type conn struct {
	net.Conn
	// left is how many bytes are read before the connection breaks, which is usually
	// in the middle of a frame. There is no close handshake: every second connection
	// is reset (RST), the others are closed (FIN). Negative means never.
	left int64
	cut  atomic.Bool
	// idle is how long the connection may be silent before it is considered dead; 0
	// means forever.
	idle time.Duration
}

// orCut returns ErrCut if the connection was cut, because the error of an
// interrupted handshake reports a malformed one.
func orCut(c net.Conn, err error) error {
	if c, ok := c.(*conn); ok && err != nil && c.cut.Load() {
		return ErrCut
	}
	return err
}

// Wire configures the behavior of a connection.
type Wire struct {
	// CutAfter is the number of bytes read after which the connection breaks; 0
	// means never.
	CutAfter int64
	// Idle is how long the connection may be silent before it is considered dead; 0
	// means forever.
	Idle time.Duration
	// Narrow keeps the system's buffers small, so that a reader that pauses blocks
	// the writer.
	Narrow bool
}

func dial(ctx context.Context, addr string, w Wire) (net.Conn, error) {
	raw, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := raw.(*net.TCPConn); ok && w.Narrow {
		if err := tcp.SetReadBuffer(32 << 10); err != nil {
			return nil, errors.Join(err, raw.Close())
		}
	}
	if w.CutAfter == 0 && w.Idle == 0 {
		return raw, nil
	}
	c := &conn{Conn: raw, left: w.CutAfter, idle: w.Idle}
	if w.CutAfter == 0 {
		c.left = -1
	}
	return c, nil
}

func (c *conn) Read(p []byte) (int, error) {
	if c.left == 0 {
		c.cut.Store(true)
		if tcp, ok := c.Conn.(*net.TCPConn); ok && rand.IntN(2) == 0 {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
		return 0, ErrCut
	}
	if c.left > 0 && int64(len(p)) > c.left {
		p = p[:c.left]
	}
	if c.idle > 0 {
		if err := c.SetReadDeadline(time.Now().Add(c.idle)); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Read(p)
	if c.left > 0 {
		c.left -= int64(n)
	}
	return n, err
}
