//go:build linux

package transport

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pairOf is a connection whose one end is a session's socket. Nobody runs the
// poller: what the kernel would tell, tests tell.
func pairOf(t *testing.T) (*session, net.Conn) {
	t.Helper()
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := &session{worker: newWorker(0)}
	own, ok := p.takeSocket(conn, s)
	if !ok {
		t.Fatal("the socket was not taken")
	}
	t.Cleanup(func() { _ = own.Close() })
	s.socket, s.conn, s.out = own, own, own
	return s, client
}

// A write of more buffers than the kernel takes at once is written like any
// other: as long as the socket has room nothing tells that there is some.
func TestWriteOfManyBuffers(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, maxVector - 1, maxVector, maxVector + 1, 3*maxVector + 1} {
		s, client := pairOf(t)
		var bufs [][]byte
		var want []byte
		for i := range n {
			bufs = append(bufs, []byte{byte(i), byte(i >> 8)})
			want = append(want, byte(i), byte(i>>8))
		}
		got := make([]byte, len(want))
		written, err := s.socket.try(bufs)
		if err != nil || written != len(want) {
			t.Fatalf("%d buffers: wrote %d bytes of %d, %v", n, written, len(want), err)
		}
		_ = client.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d buffers: other bytes came, %v", n, err)
		}
	}
}

// A stalled session that goes on because of the time, and stalls again, does not
// miss that something could be written meanwhile.
func TestRoomWhileTimeHasItGoOn(t *testing.T) {
	t.Parallel()
	s, _ := pairOf(t)
	s.socket.changed(unix.EPOLLOUT) // as the kernel says at first
	s.socket.stall()
	s.state.Store(stalled)
	if !s.socket.stall() {
		t.Fatal("there is room where none was told")
	}
	s.resume() // the worker's clock
	if s.state.Load() != queued {
		t.Fatal("the session does not go on")
	}
	s.state.Store(running)
	s.socket.changed(unix.EPOLLOUT)
	s.state.Store(stalled)
	if s.socket.stall() {
		t.Error("the room is forgotten, and the session waits for more")
	}
}
