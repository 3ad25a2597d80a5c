package transport_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a net.Listener whose connections stay in the process, so that a server
// and its clients can run in a bubble of testing/synctest, where hours pass in no
// time.
type pipes struct {
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newPipes() *pipes {
	return &pipes{incoming: make(chan net.Conn), closed: make(chan struct{})}
}

// inBubble runs a test with a server of its own, which is reached through pipes.
func inBubble(t *testing.T, o options, test func(t *testing.T, in *instance)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if o.pipes == nil {
			o.pipes = newPipes()
		}
		// The HTTP server lingers for half a second with a connection whose body it has not
		// read to its end.
		t.Cleanup(func() { time.Sleep(time.Second) })
		test(t, start(t, o))
	})
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.incoming:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// dial opens a connection whose client end buffers everything that the server
// writes.
func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.incoming <- &farEnd{Conn: far}:
		return newNearEnd(near), nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// client returns an HTTP client that connects through the pipes.
func (p *pipes) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx) },
	}}
}

// farEnd is the server's end: a connection from somewhere on the network.
type farEnd struct{ net.Conn }

func (*farEnd) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000} }

// nearEnd is the client's end. It buffers what the server writes until it is read.
type nearEnd struct {
	net.Conn

	mu    sync.Mutex
	came  sync.Cond
	taken sync.Cond
	most  int // how many bytes are buffered, 0 for no limit
	bytes []byte
	err   error
}

func newNearEnd(conn net.Conn) *nearEnd {
	e := &nearEnd{Conn: conn}
	e.came.L, e.taken.L = &e.mu, &e.mu
	go func() {
		var buf [4 << 10]byte
		for {
			e.mu.Lock()
			for e.most > 0 && len(e.bytes) > e.most {
				e.taken.Wait()
			}
			e.mu.Unlock()
			n, err := conn.Read(buf[:])
			e.mu.Lock()
			e.bytes, e.err = append(e.bytes, buf[:n]...), err
			e.mu.Unlock()
			e.came.Broadcast()
			if err != nil {
				return
			}
		}
	}()
	return e
}

func (e *nearEnd) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.bytes) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.came.Wait()
	}
	n := copy(p, e.bytes)
	e.bytes = e.bytes[n:]
	e.taken.Broadcast()
	return n, nil
}

// fill makes the server's writes wait for the client once most bytes are buffered.
func (e *nearEnd) fill(most int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.most = most
}

// Close ends the connection, even if its buffer is full.
func (e *nearEnd) Close() error {
	e.fill(0)
	e.taken.Broadcast()
	return e.Conn.Close()
}

// SetReadDeadline does nothing: synctest detects a test in a bubble that waits
// forever.
func (*nearEnd) SetReadDeadline(time.Time) error { return nil }
