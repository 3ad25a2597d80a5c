package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a plain TCP connection that was taken from Go's own poller, whose
// state for it, with the net.Conn, takes more memory than the rest of a quiet
// session. It is a connWriter whose writes never wait, and can be waited for to
// have something to read without a goroutine.
//
// One goroutine at a time reads and one writes; abort may be called by anyone.
// It is closed by the reader, after the writer's end.
type socket struct {
	poller  *poller
	session *session // told of what changes
	token   uint64
	fd      int

	// Owned by the reader.
	impatient bool // Read does not wait

	mu       sync.Mutex
	closed   bool
	resting  bool // tell the session when there is something to read
	stalled  bool // tell the session when something can be written
	readable bool // there has been something to read since the reader looked
	writable bool // likewise
	deadline time.Time
	waiting  chan struct{} // of a reader that waits, else nil
}

// errNothing is an impatient reader's, when there is nothing to read.
var errNothing = errors.New("there is nothing to read at once")

// takeSocket takes a connection from Go's poller to the server's, for a
// session. It reports false, and leaves conn as it is, where that cannot be.
func (p *poller) takeSocket(conn net.Conn, x *session) (*socket, bool) {
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
	s := &socket{poller: p, session: x, fd: own}
	if err := p.watch(s); err != nil {
		_ = unix.Close(own)
		return nil, false
	}
	_ = conn.Close()
	return s, true
}

// changed is the poller's: what the kernel has told.
func (s *socket) changed(events uint32) {
	const (
		in  = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
		out = unix.EPOLLOUT | unix.EPOLLHUP | unix.EPOLLERR
	)
	var rouse, resume bool
	s.mu.Lock()
	if events&in != 0 {
		rouse, s.resting = s.resting, false
		s.readable = !rouse
		s.signal()
	}
	if events&out != 0 {
		resume, s.stalled = s.stalled, false
		s.writable = !resume
	}
	s.mu.Unlock()
	if rouse {
		s.session.readable()
	}
	if resume {
		s.session.resume()
	}
}

// signal wakes a reader that waits. The caller holds the lock.
func (s *socket) signal() {
	if s.waiting != nil {
		select {
		case s.waiting <- struct{}{}:
		default:
		}
	}
}

// rest has the session told when there is something to read. It reports false
// when there may be already.
func (s *socket) rest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resting, s.readable = !s.readable, false
	return s.resting
}

// unrest takes a rest back. It reports false when there was none.
func (s *socket) unrest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	rested := s.resting
	s.resting = false
	return rested
}

// stall has the session told when something can be written. It reports false
// when that may be so already.
func (s *socket) stall() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled, s.writable = !s.writable, false
	return s.stalled
}

// unstall takes a stall back, for a session that goes on for another reason.
func (s *socket) unstall() {
	s.mu.Lock()
	s.stalled = false
	s.mu.Unlock()
}

// hurry has reads return errNothing instead of waiting, or wait again.
func (s *socket) hurry(impatient bool) { s.impatient = impatient }

func (s *socket) Read(p []byte) (int, error) {
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
			return 0, errNothing
		default:
			s.wait()
		}
	}
}

// wait waits until there may be something to read, or the deadline.
func (s *socket) wait() {
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
func (s *socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	s.deadline = t
	s.signal()
	s.mu.Unlock()
	return nil
}

// Close is the reader's last act.
func (s *socket) Close() error {
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

func (s *socket) try(bufs [][]byte) (int, error) {
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

func (s *socket) tryVector(bufs [][]byte) (int, error) {
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

// write is not for sockets: what try leaves is tried again when the session is
// resumed.
func (s *socket) write([]byte, time.Duration, time.Time) error { return errors.ErrUnsupported }

func (s *socket) finish(wait time.Duration) {
	s.shutdown(unix.SHUT_WR)
	// The reader sees the peer's end, or this deadline, and closes.
	_ = s.SetReadDeadline(time.Now().Add(wait))
}

func (s *socket) abort() { s.shutdown(unix.SHUT_RDWR) }

func (s *socket) shutdown(how int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		_ = unix.Shutdown(s.fd, how)
	}
}
