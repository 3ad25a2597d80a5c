package transport

import (
	"errors"
	"sync"

	"sluice/transport/socket"
)

// A session's reader is a goroutine only while there is something to read:
// between messages it rests, which takes no memory, and the server's poller
// tells when something has come. On connections that cannot be watched, as
// under TLS, whose records are not what is read, it waits in its goroutine.

// rest lets the reader end until there is something to read. It reports false
// when it has to go on.
func (s *session) rest() bool {
	if s.socket == nil || s.over.Load() || !s.socket.NotifyReadable() {
		return false
	}
	// Who has set over meanwhile may not have seen the rest.
	return !s.over.Load() || !s.socket.CancelReadable()
}

// Readable implements socket.Owner: it starts the reader again.
func (s *session) Readable() { s.server.tasks.Go(s.listen) }

// listen is the reader: it handles what comes until it can rest, or the
// connection has ended, which it then closes.
func (s *session) listen() { s.dialect.listen(s) }

// listenForEnd is the reader of an event stream, to which nothing is to come.
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
			s.cutSoon()
			<-s.ended()
			_ = s.conn.Close()
			return
		}
	}
}

// passBuffers are what is read into that is not looked at.
var passBuffers = sync.Pool{New: func() any { return new([4 << 10]byte) }}

// passOver takes more of what is not to come, so that much of it costs little.
// How it ends is for the next to read.
func (s *session) passOver() {
	if buf, ok := passBuffers.Get().(*[4 << 10]byte); ok {
		_, _ = s.conn.Read(buf[:])
		passBuffers.Put(buf)
	}
}
