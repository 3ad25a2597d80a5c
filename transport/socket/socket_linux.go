package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is a connection that a poller has taken. Its writes never wait, and it
// can be waited for to have something to read without a goroutine.
type Socket struct {
	poller *Poller
	owner  Owner
	token  uint64
	fd     int

	// Owned by the reader.
	impatient bool // Read does not wait

	mu             sync.Mutex
	closed         bool
	notifyReadable bool // tell the owner when there is something to read
	notifyWritable bool // tell the owner when something can be written
	readable       bool // there has been something to read since the reader looked
	writable       bool // likewise
	deadline       time.Time
	waiting        chan struct{} // of a reader that waits, else nil
}

// Take takes a connection from Go's poller. It reports false, and leaves conn as
// it is, where that cannot be, as for a poller that is nil.
func (p *Poller) Take(conn net.Conn, owner Owner) (*Socket, bool) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok || p == nil {
		return nil, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, false
	}
	own := -1
	// The copy keeps the connection open, and not blocking, which belongs to
	// the connection and not to its descriptor.
	err = raw.Control(func(fd uintptr) { own, _ = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil || own < 0 {
		return nil, false
	}
	s := &Socket{poller: p, owner: owner, fd: own}
	if err := p.watch(s); err != nil {
		_ = unix.Close(own)
		return nil, false
	}
	_ = conn.Close()
	return s, true
}

// changed is the poller's: what the kernel has told.
func (s *Socket) changed(events uint32) {
	const (
		in  = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
		out = unix.EPOLLOUT | unix.EPOLLHUP | unix.EPOLLERR
	)
	var readable, writable bool
	s.mu.Lock()
	if events&in != 0 {
		readable, s.notifyReadable = s.notifyReadable, false
		s.readable = !readable
		s.signal()
	}
	if events&out != 0 {
		writable, s.notifyWritable = s.notifyWritable, false
		s.writable = !writable
	}
	s.mu.Unlock()
	if readable {
		s.owner.Readable()
	}
	if writable {
		s.owner.Writable()
	}
}

// signal wakes a reader that waits. The caller holds the lock.
func (s *Socket) signal() {
	if s.waiting != nil {
		select {
		case s.waiting <- struct{}{}:
		default:
		}
	}
}

// NotifyReadable has the owner told when there is something to read. It reports false
// when there may be already.
func (s *Socket) NotifyReadable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notifyReadable, s.readable = !s.readable, false
	return s.notifyReadable
}

// CancelReadable takes NotifyReadable back. It reports false where the owner has been told.
func (s *Socket) CancelReadable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.notifyReadable
	s.notifyReadable = false
	return asked
}

// NotifyWritable has the owner told when something can be written. It reports false
// when that may be so already.
func (s *Socket) NotifyWritable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notifyWritable, s.writable = !s.writable, false
	return s.notifyWritable
}

// CancelWritable takes NotifyWritable back, for an owner that goes on for another reason.
func (s *Socket) CancelWritable() {
	s.mu.Lock()
	s.notifyWritable = false
	s.mu.Unlock()
}

// Hurry has reads return ErrNothing instead of waiting, or wait again. It is the
// reader's to call.
func (s *Socket) Hurry(impatient bool) { s.impatient = impatient }

// Read implements io.Reader.
func (s *Socket) Read(p []byte) (int, error) {
	for {
		s.mu.Lock()
		late := !s.deadline.IsZero() && !time.Now().Before(s.deadline)
		s.mu.Unlock()
		if late {
			return 0, os.ErrDeadlineExceeded
		}
		n, err := unix.Read(s.fd, p)
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EAGAIN):
			return 0, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", err)}
		case s.impatient:
			return 0, ErrNothing
		default:
			s.wait()
		}
	}
}

// wait waits until there may be something to read, or the deadline.
func (s *Socket) wait() {
	s.mu.Lock()
	if s.readable {
		s.readable = false
		s.mu.Unlock()
		return
	}
	woken := make(chan struct{}, 1)
	s.waiting = woken
	deadline := s.deadline
	s.mu.Unlock()
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-woken:
	case <-late:
	}
	s.mu.Lock()
	s.waiting, s.readable = nil, false
	s.mu.Unlock()
}

// SetReadDeadline bounds reads, those that wait too. Zero is no bound.
func (s *Socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	s.deadline = t
	s.signal()
	s.mu.Unlock()
	return nil
}

// Close is the reader's last act.
func (s *Socket) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	s.poller.forget(s)
	return unix.Close(s.fd)
}

// maxVector is how many buffers one writev takes (IOV_MAX on Linux).
const maxVector = 1024

// Try writes what can be written without waiting, possibly nothing.
func (s *Socket) Try(bufs [][]byte) (int, error) {
	written := 0
	for len(bufs) > maxVector {
		// That there is room for more is told only once there was none.
		n, err := s.tryVector(bufs[:maxVector])
		written += n
		if err != nil || n < lengthOf(bufs[:maxVector]) {
			return written, err
		}
		bufs = bufs[maxVector:]
	}
	n, err := s.tryVector(bufs)
	return written + n, err
}

// lengthOf is how many bytes buffers have.
func lengthOf(bufs [][]byte) (n int) {
	for _, b := range bufs {
		n += len(b)
	}
	return n
}

func (s *Socket) tryVector(bufs [][]byte) (int, error) {
	for {
		var (
			n   int
			err error
		)
		if len(bufs) == 1 {
			n, err = unix.Write(s.fd, bufs[0])
		} else {
			n, err = unix.Writev(s.fd, bufs)
		}
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		case !errors.Is(err, unix.EINTR):
			return 0, &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", err)}
		}
	}
}

// WriteAll is not for sockets: what Try leaves is tried again when the owner is
// told that there is room.
func (s *Socket) WriteAll([]byte, time.Duration, time.Time) error { return errors.ErrUnsupported }

// Finish ends the connection behind what was written, so that the peer can still
// read it. The reader sees the peer's own end, or that the wait is over.
func (s *Socket) Finish(wait time.Duration) {
	s.shutdown(unix.SHUT_WR)
	_ = s.SetReadDeadline(time.Now().Add(wait))
}

// Abort ends the connection at once.
func (s *Socket) Abort() { s.shutdown(unix.SHUT_RDWR) }

func (s *Socket) shutdown(how int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		_ = unix.Shutdown(s.fd, how)
	}
}
