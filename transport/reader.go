package transport

import (
	"errors"
	"sync"

	"sluice/transport/socket"
)

// A session's reader is a goroutine only while there is something to read. Between
// messages it rests, which takes no memory, and the server's poller notifies the
// session when data arrives. Under TLS the reader rests once it has read all complete
// records. On connections that cannot be watched it waits in its goroutine.

// rest lets the reader end until there is something to read. It returns false if the
// reader has to go on.
func (s *session) rest() bool {
	if s.socket == nil || s.over.Load() || !s.socket.NotifyReadable() {
		return false
	}
	// A goroutine that has set over meanwhile may have missed that the reader rests.
	return !s.over.Load() || !s.socket.CancelReadable()
}

// Readable implements socket.Owner: it restarts the reader.
func (s *session) Readable() { s.server.tasks.Go(s.listen) }

// listen is the reader: it handles what the client sends until the reader can rest,
// or the connection has ended, which it then closes.
func (s *session) listen() { s.dialect.listen(s) }

// listenForEnd is the reader of an event stream, whose client is not expected to
// send anything.
func (s *session) listenForEnd() {
	var nothing [16]byte
	for {
		if s.socket != nil {
			s.socket.Hurry(!s.over.Load())
		}
		n, err := s.conn.Read(nothing[:])
		switch {
		case n == len(nothing):
			s.passOver()
		case errors.Is(err, socket.ErrNothing):
			if s.rest() {
				return
			}
		case err != nil:
			s.lost()
			<-s.ended()
			_ = s.conn.Close()
			return
		}
	}
}

// passBuffers holds the buffers for input that is discarded.
var passBuffers = sync.Pool{New: func() any { return new([4 << 10]byte) }}

// passOver discards more of the unexpected input at once, so that a large amount
// costs little. An error is left to the next read.
func (s *session) passOver() {
	if buf, ok := passBuffers.Get().(*[4 << 10]byte); ok {
		_, _ = s.conn.Read(buf[:])
		passBuffers.Put(buf)
	}
}
