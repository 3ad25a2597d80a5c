package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sluice/transport/socket"
)

// maxUnasked bounds what TLS may have to send by itself, in bytes: answers to updates
// of keys (RFC 8446, section 4.6.3) and alerts. A client that makes it send more
// without reading it is cut off.
const maxUnasked = 4 << 10

// errUnasked ends a TLS connection whose client asks for answers that it does not
// read.
var errUnasked = errors.New("too many answers of TLS that are not read")

// carrier is the connection below a TLS connection. At first it is the connection
// that the HTTP server reads and writes, which waits. Once a session has taken it, it
// never waits: reads are those of a socket, and what TLS writes is collected for the
// session's executor, so that all output of the connection goes through one writer,
// under TLS as without.
type carrier struct {
	net.Conn // until it is taken

	over *tls.Conn // the TLS connection

	// Set by take.
	owner  carrierOwner
	socket *socket.Socket

	unasked atomic.Bool // TLS has written something by itself
	ended   atomic.Bool // nothing more is written

	mu       sync.Mutex
	sealing  bool   // by the executor
	sealed   []byte // what TLS has written
	overflow bool   // TLS had more to write by itself than maxUnasked
}

// carrierOwner is the session that has taken a carrier.
type carrierOwner interface {
	socket.Owner
	// Pump makes the executor write what TLS has written by itself.
	Pump()
}

// newCarrier returns a carrier on conn, with a TLS connection over it, whose handshake
// is still to be made.
func newCarrier(conn net.Conn, config *tls.Config) *carrier {
	c := &carrier{Conn: conn}
	c.over = tls.Server(c, config)
	return c
}

// carrierOf returns the connection below conn, nil if that is not TLS on a carrier.
func carrierOf(conn net.Conn) *carrier {
	over, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	c, _ := over.NetConn().(*carrier)
	return c
}

// take makes the connection a socket of the poller. No goroutine may be using it.
func (c *carrier) take(p *socket.Poller, o carrierOwner) bool {
	own, ok := p.Take(c.Conn, o)
	if ok {
		// The connection is closed and would only take memory. The HTTP server has read
		// its addresses.
		c.socket, c.owner, c.Conn = own, o, nil
	}
	return ok
}

// Read implements net.Conn, for TLS.
func (c *carrier) Read(p []byte) (int, error) {
	if c.socket == nil {
		return c.Conn.Read(p)
	}
	return c.socket.Read(p)
}

// Write implements net.Conn, for TLS, which does not call it concurrently.
func (c *carrier) Write(p []byte) (int, error) {
	if c.socket == nil {
		return c.Conn.Write(p)
	}
	if c.ended.Load() {
		return len(p), nil
	}
	c.mu.Lock()
	byItself := !c.sealing
	// A record that is left out can have no successor.
	c.overflow = c.overflow || byItself && len(c.sealed)+len(p) > maxUnasked
	overflow := c.overflow
	if !overflow {
		c.sealed = append(c.sealed, p...)
	}
	c.mu.Unlock()
	if byItself {
		c.unasked.Store(true)
		c.owner.Pump()
	}
	if overflow {
		return 0, errUnasked
	}
	return len(p), nil
}

// seal appends the records of b to dst, behind what TLS has written by itself. last
// ends the connection's direction with an alert (close_notify), so that the client
// can tell that nothing is missing. If it fails, the records are what TLS has to say
// about it.
func (c *carrier) seal(dst, b []byte, last bool) ([]byte, error) {
	var err error
	c.mu.Lock()
	c.unasked.Store(false)
	c.sealed, c.sealing = append(dst, c.sealed...), true
	if c.overflow {
		err = errUnasked
	}
	c.mu.Unlock()
	if len(b) > 0 && err == nil {
		_, err = c.over.Write(b)
	}
	if last && err == nil {
		err = c.over.CloseWrite()
	}
	c.mu.Lock()
	dst, c.sealed, c.sealing = c.sealed, nil, false
	c.mu.Unlock()
	return dst, err
}

// owes reports whether TLS has written something by itself.
func (c *carrier) owes() bool { return c.unasked.Load() }

// Close implements net.Conn.
func (c *carrier) Close() error {
	if c.socket == nil {
		return c.Conn.Close()
	}
	return c.socket.Close()
}

// SetWriteDeadline implements net.Conn.
func (c *carrier) SetWriteDeadline(t time.Time) error {
	if c.socket == nil {
		return c.Conn.SetWriteDeadline(t)
	}
	return nil // nothing waits
}

// SetReadDeadline implements net.Conn.
func (c *carrier) SetReadDeadline(t time.Time) error {
	if c.socket == nil {
		return c.Conn.SetReadDeadline(t)
	}
	return c.socket.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *carrier) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// sealedConn is the readConn of a session over TLS.
type sealedConn struct{ *carrier }

// Read returns decrypted bytes.
func (c sealedConn) Read(p []byte) (int, error) {
	n, err := c.over.Read(p)
	if n > 0 && errors.Is(err, socket.ErrNothing) {
		err = nil // of an alert behind the data, of which a part has arrived
	}
	return n, err
}

// sealedWriter is the connWriter of a session over TLS. Its bytes are sealed.
type sealedWriter struct{ *carrier }

// Try implements connWriter.
func (o sealedWriter) Try(bufs [][]byte) (int, error) { return o.socket.Try(bufs) }

// WriteAll implements connWriter.
func (o sealedWriter) WriteAll(b []byte, progress time.Duration, until time.Time) error {
	return o.socket.WriteAll(b, progress, until)
}

// Finish implements connWriter.
func (o sealedWriter) Finish(wait time.Duration) {
	o.ended.Store(true)
	o.socket.Finish(wait)
}

// Abort implements connWriter.
func (o sealedWriter) Abort() {
	o.ended.Store(true)
	o.socket.Abort()
}
