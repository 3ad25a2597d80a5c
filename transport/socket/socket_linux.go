package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Socket is a connection that a poller has taken. Its writes never block, and
// waiting for data to read needs no goroutine.
type Socket struct {
	poller *Poller
	owner  Owner
	token  uint64
	fd     int

	// Owned by the reader.
	impatient bool // Read does not wait

	mu             sync.Mutex
	closed         bool
	notifyReadable bool // notify the owner when there is something to read
	notifyWritable bool // notify the owner when something can be written
	readable       bool // something to read was reported since the reader last looked
	writable       bool // room to write was reported since the writer last looked
	deadline       time.Time
	waiting        chan struct{} // wakes a reader that waits, else nil
}

// Take takes a connection over from Go's poller. If that is not possible, as with
// a nil poller, it reports false and leaves conn unchanged.
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
	// The duplicate keeps the connection open, and non-blocking, which is a
	// property of the connection and not of its descriptor.
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

// changed is called by the poller with the events of the kernel.
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

// signal wakes a waiting reader. The caller holds the lock.
func (s *Socket) signal() {
	if s.waiting != nil {
		select {
		case s.waiting <- struct{}{}:
		default:
		}
	}
}

// NotifyReadable makes the poller call Readable when there is something to read.
// It reports false if there may be something already.
func (s *Socket) NotifyReadable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notifyReadable, s.readable = !s.readable, false
	return s.notifyReadable
}

// CancelReadable cancels NotifyReadable. It reports false if the owner has been
// notified.
func (s *Socket) CancelReadable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.notifyReadable
	s.notifyReadable = false
	return asked
}

// NotifyWritable makes the poller call Writable when something can be written. It
// reports false if that may be possible already.
func (s *Socket) NotifyWritable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notifyWritable, s.writable = !s.writable, false
	return s.notifyWritable
}

// CancelWritable cancels NotifyWritable, for an owner that continues for another
// reason.
func (s *Socket) CancelWritable() {
	s.mu.Lock()
	s.notifyWritable = false
	s.mu.Unlock()
}

// Hurry makes reads return ErrNothing instead of waiting, or wait again. Only the
// reader may call it.
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

// wait waits until there may be something to read, or until the deadline.
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

// SetReadDeadline bounds reads, including one that is waiting. Zero means no
// bound.
func (s *Socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	s.deadline = t
	s.signal()
	s.mu.Unlock()
	return nil
}

// Close closes the socket. The reader calls it last.
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

// maxVector is the maximum number of buffers in one writev (IOV_MAX on Linux).
const maxVector = 1024

// Try writes what can be written without blocking, possibly nothing.
func (s *Socket) Try(bufs [][]byte) (int, error) {
	written := 0
	for len(bufs) > maxVector {
		// The kernel reports room for more only after a write found none.
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

// lengthOf returns the total length of buffers.
func lengthOf(bufs [][]byte) (n int) {
	for _, b := range bufs {
		n += len(b)
	}
	return n
}

// writeNow writes to a socket that does not block, without announcing the system call
// to Go's scheduler. The scheduler takes the processor away from a thread whose
// announced call lasts longer than some 20 µs, as many writes do on a busy machine:
// each time another thread is woken to go on with the processor, and this one waits
// to get a processor back.
func writeNow(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func (s *Socket) tryVector(bufs [][]byte) (int, error) {
	for {
		var (
			n   int
			err error
		)
		if len(bufs) == 1 {
			n, err = writeNow(s.fd, bufs[0])
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

// WriteAll is not supported by sockets: what Try leaves is written when the owner
// is notified that there is room.
func (s *Socket) WriteAll([]byte, time.Duration, time.Time) error { return errors.ErrUnsupported }

// Finish ends the connection after what was written, so that the peer can still
// read it. The reader then sees the end sent by the peer, or that the wait is
// over.
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
