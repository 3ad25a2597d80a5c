//go:build linux

package socket

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// told counts the notifications of a socket's owner.
type told struct{ readable, writable int }

func (o *told) Readable() { o.readable++ }
func (o *told) Writable() { o.writable++ }

// pairOf returns a connection one end of which is a socket. The poller does not
// run: tests report the kernel's events.
func pairOf(t *testing.T) (own *Socket, owner *told, client net.Conn) {
	t.Helper()
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	owner = &told{}
	own, ok := p.Take(conn, owner)
	if !ok {
		t.Fatal("the socket was not taken")
	}
	t.Cleanup(func() { _ = own.Close() })
	return own, owner, client
}

// A write of more buffers than the kernel takes at once is written like any
// other: as long as the socket has room, no event reports room.
func TestWriteOfManyBuffers(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, maxVector - 1, maxVector, maxVector + 1, 3*maxVector + 1} {
		s, _, client := pairOf(t)
		var bufs [][]byte
		var want []byte
		for i := range n {
			bufs = append(bufs, []byte{byte(i), byte(i >> 8)})
			want = append(want, byte(i), byte(i>>8))
		}
		got := make([]byte, len(want))
		written, err := s.Try(bufs)
		if err != nil || written != len(want) {
			t.Fatalf("%d buffers: wrote %d bytes of %d, %v", n, written, len(want), err)
		}
		_ = client.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d buffers: other bytes came, %v", n, err)
		}
	}
}

// An owner that stalls, continues for another reason, and stalls again does not
// miss that something could be written in the meantime.
func TestRoomBetweenStalls(t *testing.T) {
	t.Parallel()
	s, owner, _ := pairOf(t)
	s.changed(unix.EPOLLOUT) // as the kernel reports at first
	s.NotifyWritable()
	if !s.NotifyWritable() {
		t.Fatal("there is room where none was told")
	}
	s.CancelWritable()
	s.changed(unix.EPOLLOUT)
	if s.NotifyWritable() {
		t.Error("the room is forgotten, and the owner waits for more")
	}
	if owner.writable != 0 {
		t.Error("the owner was told of room while it did not wait")
	}
	s.NotifyWritable()
	s.changed(unix.EPOLLOUT)
	s.changed(unix.EPOLLOUT)
	if owner.writable != 1 {
		t.Errorf("the owner was told of room %d times, want once", owner.writable)
	}
}
