package transport

import (
	"bufio"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coder/websocket"

	"sluice/transport/wire"
)

// websocketNoStatus represents a close frame without a code (RFC 6455, section
// 7.1.5).
const websocketNoStatus = 1005

// errFlood ends the reading from a client that sends too much without content.
var errFlood = errors.New("too many control frames, or a message took too long to arrive")

// webSocket is the additional state of a session over a WebSocket.
type webSocket struct {
	conn  *websocket.Conn
	input *input

	deflates bool // permessage-deflate has been agreed on
	// certificate is the client's, nil for none.
	certificate *x509.Certificate
	// tenant is that of the host name of the handshake, "" for none.
	tenant string
	// headers are those of the handshake that are passed on with credentials.
	headers http.Header

	// Owned by the executor.
	welcomed  bool
	authBy    monotime // deadline of the first message
	pingEvery time.Duration
	nextPing  monotime
	pinged    monotime
	pongBy    monotime // deadline of the first ping since the last sign of life
	pings     uint64

	errors      int // faults in the minute that began at errorsSince
	errorsSince monotime

	// Owned by the reader.
	deflated      bool // the next message is compressed
	controls      int  // control frames in the second that began at controlsSince
	controlsSince monotime
	inflated      int // bytes in the second that began at inflatedSince
	inflatedSince monotime
	query         *wire.Query // nil once the session has been opened
	// stream is the one that the client has named when it connected, "" for none.
	stream  string
	flooded bool
	// byQuery is set until the first message of a client that has sent no credential and
	// whose query has opened the session.
	byQuery bool
}

// input is the connection as the WebSocket library sees it. The library reads from
// it. What the library writes is recorded and left to the session's one writer, so
// that frames never interleave, and only the session closes the connection.
type input struct {
	readConn
	early  []byte        // what the HTTP server has read ahead
	frames *bufio.Reader // the buffer that the library reads through

	// Owned by the reader: the close frame that the library would send, and how many
	// more bytes the message being read may take; negative for any number.
	closeCode   int
	closeReason string
	budget      int
	headers     frameHeaders
	tooLarge    bool // the next header declares a message that is too large

	mu   sync.Mutex
	last bool // the read deadline is final
}

// readBy sets the deadline of the next bytes, unless the session's end has set a
// final one. The zero time is no deadline.
func (c *input) readBy(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.last {
		_ = c.readConn.SetReadDeadline(t)
	}
}

// readLast sets the final deadline of reading.
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

// Write is called with whole control frames only: the library flushes each one by
// itself, and its pongs are disabled.
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

// Close makes the reader return; the session closes the connection.
func (c *input) Close() error {
	c.readBy(time.Unix(1, 0))
	return nil
}

// The library calls none of the following methods.

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

// isProtocolError reports whether err is a frame that the library rejects, rather
// than the end of the connection.
func isProtocolError(err error) bool {
	var netErr net.Error
	return err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed) &&
		!errors.Is(err, os.ErrDeadlineExceeded) && !errors.As(err, &netErr)
}
