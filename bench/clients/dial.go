package clients

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"
)

// ErrCut is what the reader of a connection that it was told to cut sees.
var ErrCut = errors.New("the client cut the connection")

// conn is a connection that can break, and that can be given up.
type conn struct {
	net.Conn
	// left is how many bytes it reads before it breaks, which is most often in
	// the middle of a frame. No goodbye is sent: every second one is reset
	// (RST), the others are closed (FIN). Negative is never.
	left int64
	cut  atomic.Bool
	// idle is how long it may be silent before it is taken for dead; 0 for
	// ever.
	idle time.Duration
}

// orCut is ErrCut where a connection was cut, as a handshake that breaks off is
// said to be malformed.
func orCut(c net.Conn, err error) error {
	if c, ok := c.(*conn); ok && err != nil && c.cut.Load() {
		return ErrCut
	}
	return err
}

// Wire says how a connection behaves.
type Wire struct {
	// CutAfter breaks it after so many bytes read; 0 never.
	CutAfter int64
	// Idle takes it for dead when it was silent for so long; 0 never.
	Idle time.Duration
	// Narrow keeps the system's buffers small, so that a reader that rests is
	// felt by whoever writes.
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
