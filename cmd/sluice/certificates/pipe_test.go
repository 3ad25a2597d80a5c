package certificates_test

import (
	"io"
	"net"
	"sync"
	"time"
)

// queue is one direction of a connection. Writes do not wait for reads, unlike with
// net.Pipe, where both ends of a handshake that fails may wait in a write.
type queue struct {
	mu     sync.Mutex
	filled sync.Cond
	bytes  []byte
	closed bool
}

func newQueue() *queue { q := &queue{}; q.filled.L = &q.mu; return q }

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.filled.Broadcast()
	q.mu.Unlock()
}

// end is one end of a connection in memory.
type end struct{ in, out *queue }

func pipe() (end, end) { a, b := newQueue(), newQueue(); return end{a, b}, end{b, a} }

func (e end) Read(p []byte) (int, error) {
	q := e.in
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.bytes) == 0 {
		if q.closed {
			return 0, io.EOF
		}
		q.filled.Wait()
	}
	n := copy(p, q.bytes)
	q.bytes = q.bytes[n:]
	return n, nil
}

func (e end) Write(p []byte) (int, error) {
	q := e.out
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, net.ErrClosed
	}
	q.bytes = append(q.bytes, p...)
	q.filled.Broadcast()
	return len(p), nil
}

func (e end) Close() error { e.in.close(); e.out.close(); return nil }

func (end) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (end) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (end) SetDeadline(time.Time) error      { return nil }
func (end) SetReadDeadline(time.Time) error  { return nil }
func (end) SetWriteDeadline(time.Time) error { return nil }
