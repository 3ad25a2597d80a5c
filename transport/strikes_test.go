package transport_test

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"sluice/hub/cursors"
	"sluice/hub/upstream"
)

// striking is a listener whose connections fail in the server's hands when their
// clients have requested it.
type striking struct {
	net.Listener
	armed sync.Map // a client's address: its *strike
}

// strike is the fate of the server's next write on a connection.
type strike struct {
	kind    string        // "hold", "stuck" or "panic"
	reached chan struct{} // closed when the server writes
	release chan struct{} // closed by the client; a held write waits for it
	failed  chan error    // the result of the write
}

// arm makes the next write on a client's connection fail.
func (l *striking) arm(client net.Conn, kind string) *strike {
	s := &strike{kind: kind, reached: make(chan struct{}), release: make(chan struct{}), failed: make(chan error, 1)}
	l.armed.Store(client.LocalAddr().String(), s)
	return s
}

// Accept implements net.Listener.
func (l *striking) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &struckConn{Conn: conn, listener: l}, nil
}

type struckConn struct {
	net.Conn
	listener *striking

	mu       sync.Mutex
	deadline time.Time
}

// SetDeadline implements net.Conn.
func (c *struckConn) SetDeadline(t time.Time) error {
	c.note(t)
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *struckConn) SetWriteDeadline(t time.Time) error {
	c.note(t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *struckConn) note(t time.Time) {
	c.mu.Lock()
	c.deadline = t
	c.mu.Unlock()
}

// Write implements net.Conn.
func (c *struckConn) Write(b []byte) (int, error) {
	armed, ok := c.listener.armed.LoadAndDelete(c.RemoteAddr().String())
	if !ok {
		return c.Conn.Write(b)
	}
	s, _ := armed.(*strike)
	close(s.reached)
	switch s.kind {
	case "panic":
		s.failed <- nil
		panic("a fault of ours")
	case "stuck":
		// The peer accepts nothing. Without a deadline the write blocks forever, or
		// until the client gives up.
		c.mu.Lock()
		deadline := c.deadline
		c.mu.Unlock()
		if deadline.IsZero() {
			<-s.release
			return 0, net.ErrClosed
		}
		time.Sleep(time.Until(deadline))
		s.failed <- os.ErrDeadlineExceeded
		return 0, os.ErrDeadlineExceeded
	}
	<-s.release
	n, err := c.Conn.Write(b)
	s.failed <- err
	return n, err
}

// faulty panics for cursors and messages with this name.
type faulty struct {
	upstream.Producer
	*memoryStore
}

const boom = "boom"

// Produce implements upstream.Producer.
func (f faulty) Produce(ctx context.Context, topic string, messages []upstream.Message, done func([]upstream.Stored)) {
	if strings.Contains(string(messages[0].Value), boom) {
		panic("a fault of ours")
	}
	f.Producer.Produce(ctx, topic, messages, done)
}

// Load implements cursors.Store.
func (f faulty) Load(ctx context.Context, name cursors.Key) (cursors.Stored, error) {
	if name.Name == boom {
		panic("a fault of ours")
	}
	return f.memoryStore.Load(ctx, name)
}

// Take implements cursors.Store.
func (f faulty) Take(ctx context.Context, name cursors.Key) (cursors.Stored, error) {
	if name.Name == boom {
		panic("a fault of ours")
	}
	return f.memoryStore.Take(ctx, name)
}
