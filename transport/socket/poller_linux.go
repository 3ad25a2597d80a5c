package socket

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Poller watches all sockets with one goroutine. The kernel reports each change
// once (EPOLLET), so that watching a socket costs no system calls after the first
// one.
type Poller struct {
	epoll int
	file  *os.File // the same descriptor, through which the goroutine waits for it
	raw   syscall.RawConn

	closed atomic.Bool

	mu      sync.Mutex
	token   uint64
	sockets map[uint64]*Socket
}

// pollEvents is the maximum number of events taken at once.
const pollEvents = 256

// NewPoller returns a poller. It watches while Run runs, and must be closed.
func NewPoller() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	// An epoll descriptor can be waited for like a socket, so that waiting blocks
	// no thread.
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("set epoll not to block: %w", err)
	}
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("reach epoll: %w", err)
	}
	return &Poller{epoll: fd, file: file, raw: raw, sockets: make(map[uint64]*Socket)}, nil
}

// Run notifies sockets of changes, until the poller is closed.
func (p *Poller) Run() error {
	var (
		events [pollEvents]unix.EpollEvent
		ready  [pollEvents]*Socket
		n      int
		failed error
	)
	for {
		err := p.raw.Read(func(fd uintptr) bool {
			n, failed = unix.EpollWait(int(fd), events[:], 0)
			return n > 0 || failed != nil && !errors.Is(failed, unix.EINTR)
		})
		switch {
		case err != nil && p.closed.Load():
			return nil
		case err != nil:
			return fmt.Errorf("wait for epoll: %w", err)
		case failed != nil:
			return fmt.Errorf("wait for epoll: %w", failed)
		}
		// A socket that was closed in the meantime may still have been reported.
		p.mu.Lock()
		for i, e := range events[:n] {
			ready[i] = p.sockets[tokenOf(e)]
		}
		p.mu.Unlock()
		for i, s := range ready[:n] {
			if s != nil {
				s.changed(events[i].Events)
			}
		}
		clear(ready[:n])
	}
}

// Close ends Run.
func (p *Poller) Close() {
	p.closed.Store(true)
	_ = p.file.Close()
}

// watch makes the poller report changes on a socket.
func (p *Poller) watch(s *Socket) error {
	p.mu.Lock()
	p.token++
	s.token = p.token
	p.sockets[s.token] = s
	p.mu.Unlock()
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xFFFFFFFF}
	setToken(&event, s.token)
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, s.fd, &event); err != nil {
		p.forget(s)
		return fmt.Errorf("watch socket: %w", err)
	}
	return nil
}

// forget removes a socket that is about to be closed, which makes the kernel stop
// watching it.
func (p *Poller) forget(s *Socket) {
	p.mu.Lock()
	delete(p.sockets, s.token)
	p.mu.Unlock()
}

// A token is carried in the eight bytes of user data of an event. Unlike a file
// descriptor it is never used again.
func setToken(e *unix.EpollEvent, token uint64) {
	e.Fd, e.Pad = int32(uint32(token)), int32(uint32(token>>32))
}

func tokenOf(e unix.EpollEvent) uint64 {
	return uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
}
