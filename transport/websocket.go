package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/coder/websocket"

	"sluice/transport/wire"
)

// websocketNoStatus stands for a close frame without a code (RFC 6455, section
// 7.1.5).
const websocketNoStatus = 1005

// errFlood ends the reading from a client that sends too much of nothing.
var errFlood = errors.New("the client floods the connection")

// webSocket is what a session has beside when it is a WebSocket.
type webSocket struct {
	conn  *websocket.Conn
	input *input

	deflates bool // permessage-deflate has been agreed on

	// Owned by the executor.
	welcomed  bool
	authBy    monotime // by when the first message must have come
	pingEvery time.Duration
	nextPing  monotime
	pinged    monotime
	pongBy    monotime // of the first ping without a sign of life since
	pings     uint64

	errors      int // faults in the minute of errorsSince
	errorsSince monotime

	// Owned by the reader.
	deflated      bool // the message that comes next is
	controls      int  // control frames in the second of controlsSince
	controlsSince monotime
	inflated      int // bytes in the second of inflatedSince
	inflatedSince monotime
	query         *wire.Query // nil once the session has been opened
	flooded       bool
}

// input is the connection as the WebSocket library sees it. It reads from it;
// what it writes goes to the session's one writer, so that frames never
// interleave, and what it closes is closed there.
type input struct {
	readConn
	early  []byte        // what the HTTP server had read ahead
	frames *bufio.Reader // through which the library reads

	// Owned by the reader: the close frame that the library would send, and how
	// many more bytes a message in the making may take; negative for any.
	closeCode   int
	closeReason string
	budget      int
	headers     frameHeaders
	tooLarge    bool // a message is, as the header that comes next says

	mu   sync.Mutex
	last bool // the deadline for reading is the last one
}

// readBy sets by when the next bytes must have come, which the end of the
// session overrides. The zero time is never.
func (c *input) readBy(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.last {
		_ = c.readConn.SetReadDeadline(t)
	}
}

// readLast sets when reading ends for good.
func (c *input) readLast(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = true
	_ = c.readConn.SetReadDeadline(t)
}

func (c *input) Read(p []byte) (n int, err error) {
	if c.tooLarge {
		return 0, errDeclaredTooLarge
	}
	if n, err = c.read(p); n > 0 {
		if n, c.tooLarge = c.headers.follow(p[:n]); n == 0 {
			return 0, errDeclaredTooLarge
		}
	}
	return n, err
}

func (c *input) read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	n, err := c.readConn.Read(p)
	if c.budget >= 0 {
		if c.budget -= n; c.budget < 0 {
			return 0, errFlood
		}
	}
	return n, err
}

// Write takes whole control frames: the library flushes each by itself, and its
// pongs are switched off.
func (c *input) Write(p []byte) (int, error) {
	if len(p) >= 2 && p[0] == 0x80|byte(wire.OpClose) && c.closeCode == 0 {
		c.closeCode = websocketNoStatus
		if payload := p[2:]; len(payload) >= 2 {
			c.closeCode = int(binary.BigEndian.Uint16(payload))
			c.closeReason = string(payload[2:])
		}
	}
	return len(p), nil
}

// Close makes the reader return; the connection is the session's to close.
func (c *input) Close() error {
	c.readBy(time.Unix(1, 0))
	return nil
}

// The library asks for none of these.

// LocalAddr implements net.Conn.
func (*input) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn.
func (*input) RemoteAddr() net.Addr { return nil }

// SetDeadline implements net.Conn.
func (*input) SetDeadline(time.Time) error { return errors.ErrUnsupported }

// SetReadDeadline implements net.Conn.
func (*input) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

// SetWriteDeadline implements net.Conn.
func (*input) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// isProtocolError tells a frame that the library refuses from a connection that
// ended.
func isProtocolError(err error) bool {
	var netErr net.Error
	return err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed) &&
		!errors.Is(err, os.ErrDeadlineExceeded) && !errors.As(err, &netErr)
}
