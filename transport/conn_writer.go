package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// tlsRecord is the maximum size of a TLS record (RFC 8446, section 5.1). A
// connection that has accepted only part of a record can no longer be used, so
// progress applies to each record and not to the whole write.
const tlsRecord = 16 << 10

// connWriter writes to the connection of a session. Only the session's executor
// writes.
type connWriter interface {
	// Try writes what can be written without waiting, possibly nothing.
	Try(bufs [][]byte) (int, error)
	// WriteAll writes all of b, as long as the peer accepts some data within each
	// span of progress, and not after until, unless that is zero.
	WriteAll(b []byte, progress time.Duration, until time.Time) error
	// Finish ends the connection after everything written, so that the peer can
	// still read it, and waits at most wait for the peer's own end.
	Finish(wait time.Duration)
	// Abort ends the connection at once. Any goroutine may call it.
	Abort()
}

// blockingWriter is the connWriter of a hijacked connection whose writes block, where
// there is no poller. It also writes the answer to a handshake, before the poller
// takes the connection.
type blockingWriter struct{ conn net.Conn }

func (o blockingWriter) Try([][]byte) (int, error) { return 0, nil }

func (o blockingWriter) WriteAll(b []byte, progress time.Duration, until time.Time) error {
	for len(b) > 0 {
		deadline, last := writeBy(progress, until)
		if err := o.conn.SetWriteDeadline(deadline); err != nil {
			return err
		}
		part := b
		if _, ok := o.conn.(*tls.Conn); ok {
			part = b[:min(len(b), tlsRecord)]
		}
		n, err := o.conn.Write(part)
		b = b[n:]
		if err != nil && (n == 0 || last || !errors.Is(err, os.ErrDeadlineExceeded)) {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return errNoProgress
			}
			return err
		}
	}
	return o.conn.SetWriteDeadline(time.Time{})
}

func (o blockingWriter) Finish(wait time.Duration) {
	half, ok := o.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		_ = o.conn.Close()
		return
	}
	// The reader closes the connection when it sees the peer's end or this deadline.
	_ = o.conn.SetReadDeadline(time.Now().Add(wait))
}

func (o blockingWriter) Abort() { _ = o.conn.Close() }

// responsePart is how much of what is written a client has to accept within the progress
// that is asked for. It is small because progress within a write cannot be observed.
const responsePart = 4 << 10

// responseWriter is the connWriter of an HTTP response whose handler waits for the
// session, as under HTTP/2.
type responseWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	aborted atomic.Bool
}

func (o *responseWriter) Try([][]byte) (int, error) { return 0, nil }

func (o *responseWriter) WriteAll(b []byte, progress time.Duration, until time.Time) error {
	for len(b) > 0 {
		if o.aborted.Load() {
			return net.ErrClosed
		}
		part := b[:min(len(b), responsePart)]
		b = b[len(part):]
		deadline, _ := writeBy(progress, until)
		if err := o.control.SetWriteDeadline(deadline); err != nil {
			return err
		}
		_, err := o.w.Write(part)
		if err == nil && len(b) == 0 {
			err = o.control.Flush()
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errNoProgress
		}
		if err != nil {
			return err
		}
	}
	return o.control.SetWriteDeadline(time.Time{})
}

func (o *responseWriter) Finish(time.Duration) {}

// Abort ends WriteAll before its next part. The HTTP server owns the connection and ends
// it.
func (o *responseWriter) Abort() { o.aborted.Store(true) }
