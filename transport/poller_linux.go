package transport

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// poller watches the connections of sessions whose readers rest, with one
// goroutine for all of them: it rouses a session when there is something to
// read, or when its peer has gone.
type poller struct {
	epoll int
	file  *os.File // the same, through which the goroutine waits for it
	raw   syscall.RawConn

	mu      sync.Mutex
	token   uint64
	resting map[uint64]rouser
}

// rouser is who rests. It is roused once each time it was watched.
type rouser interface{ rouse() }

// pollEvents is how many events are taken at once.
const pollEvents = 256

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	// An epoll can be waited for like a socket, so that waiting for it takes no
	// thread.
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
	return &poller{epoll: fd, file: file, raw: raw, resting: make(map[uint64]rouser)}, nil
}

// run rouses those for whom there is something, until the poller is closed.
func (p *poller) run() error {
	var (
		events [pollEvents]unix.EpollEvent
		ready  []rouser
		n      int
		failed error
	)
	for {
		err := p.raw.Read(func(fd uintptr) bool {
			n, failed = unix.EpollWait(int(fd), events[:], 0)
			return n > 0 || failed != nil && !errors.Is(failed, unix.EINTR)
		})
		switch {
		case errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("wait for epoll: %w", err)
		case failed != nil:
			return fmt.Errorf("wait for epoll: %w", failed)
		}
		p.mu.Lock()
		for _, e := range events[:n] {
			// One that was forgotten meanwhile may still have been reported.
			if r := p.resting[tokenOf(e)]; r != nil {
				ready = append(ready, r)
			}
		}
		p.mu.Unlock()
		for _, r := range ready {
			r.rouse()
		}
		clear(ready)
		ready = ready[:0]
	}
}

func (p *poller) close() { _ = p.file.Close() }

// watch rouses r, once, when there is something to read on conn. The token is
// what watch gave before for the same connection, or 0. The token that it gives
// is 0 where conn cannot be watched.
func (p *poller) watch(conn net.Conn, token uint64, r rouser) uint64 {
	if p == nil {
		return 0
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0
	}
	op := unix.EPOLL_CTL_MOD
	if token == 0 {
		op = unix.EPOLL_CTL_ADD
		p.mu.Lock()
		p.token++
		token = p.token
		p.resting[token] = r
		p.mu.Unlock()
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT}
	setToken(&event, token)
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.EpollCtl(p.epoll, op, int(fd), &event) })
	if err != nil || failed != nil {
		p.forget(token)
		return 0
	}
	return token
}

// forget is for a token whose connection ends: the kernel stops watching it by
// itself when it is closed.
func (p *poller) forget(token uint64) {
	if p == nil || token == 0 {
		return
	}
	p.mu.Lock()
	delete(p.resting, token)
	p.mu.Unlock()
}

// The token travels in the event's eight bytes of user data.
func setToken(e *unix.EpollEvent, token uint64) {
	e.Fd, e.Pad = int32(uint32(token)), int32(uint32(token>>32))
}

func tokenOf(e unix.EpollEvent) uint64 {
	return uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
}
