package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// readBuffer is the maximum size of one read, in bytes.
const readBuffer = 256 << 10

// pollFor is how long the loop sleeps at most before it checks whether to end, in
// milliseconds.
const pollFor = 100

// window is the range of record times that count, in Unix nanoseconds: From
// inclusive, To exclusive.
type window struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

func (w window) holds(at int64) bool { return at >= w.From && at < w.To }

// tally counts what clients have received.
type tally struct {
	Subscribed int   `json:"subscribed"`
	Open       int   `json:"open"`
	All        int64 `json:"all"` // events since the start
	// Deliveries are the events made within the window, each once per client;
	// Duplicated those that a client had before, or after a later one of their slot;
	// Foreign those that a client should not have received.
	Deliveries  int64          `json:"deliveries"`
	Duplicated  int64          `json:"duplicated"`
	Foreign     int64          `json:"foreign"`
	Published   int64          `json:"published"` // answers to publishes made within the window
	Last        int64          `json:"last"`      // when the last delivery arrived, in Unix nanoseconds
	Back        int            `json:"back"`      // clients that came back and have caught up
	BackLast    int64          `json:"back_last"` // when the last of them caught up, in Unix nanoseconds
	Bytes       int64          `json:"bytes"`     // read since the start
	Reads       int64          `json:"reads"`     // system calls that read them
	Disconnects map[string]int `json:"disconnects,omitempty"`
	Refusals    map[string]int `json:"refusals,omitempty"`
}

// reader reads all sockets of the process through one epoll instance.
type reader struct {
	epoll int

	// Owned by the loop.
	buf   []byte
	plain []byte
	find  finder

	mu      sync.Mutex // guards what follows
	dialect string
	conns   []*conn
	window  window
	// returned is when clients came back, in Unix nanoseconds.
	returned int64
	tally    tally
	latency  latency
}

func newReader() (*reader, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	return &reader{
		epoll:   epoll,
		buf:     make([]byte, readBuffer),
		latency: newLatency(),
		tally:   tally{Disconnects: map[string]int{}, Refusals: map[string]int{}},
	}, nil
}

// add adds a connection, at an index in place of another one, or at the end if the
// index is -1.
func (r *reader) add(c *conn, at int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Input that followed the handshake does not trigger epoll.
	rest := c.rest
	c.rest = nil
	r.tally.Open++
	if at < 0 {
		at = len(r.conns)
		r.conns = append(r.conns, nil)
	}
	r.conns[at] = c
	// A plain subscription is not acknowledged, and a client that posts has none.
	if r.dialect == dialectPlain || posts(c.kind) {
		r.subscribed(c)
	}
	r.take(c, rest, time.Now().UnixNano())
	if c.closed {
		return nil
	}
	// Edge-triggered: a socket is reported once for new input, which saves the
	// kernel another check after each read.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(at)}
	if err := unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, c.fd, &event); err != nil {
		r.drop(c, "epoll: "+err.Error())
		return fmt.Errorf("add to epoll: %w", err)
	}
	return nil
}

// run reads until the context ends, and then closes all sockets.
func (r *reader) run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer r.close()
	events := make([]unix.EpollEvent, 512)
	for ctx.Err() == nil {
		n, err := unix.EpollWait(r.epoll, events, pollFor)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for epoll: %w", err)
		}
		r.mu.Lock()
		for _, event := range events[:max(n, 0)] {
			for c := r.conns[event.Fd]; !c.closed; {
				if !r.read(c) {
					break
				}
			}
		}
		r.mu.Unlock()
	}
	return nil
}

func (r *reader) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		if !c.closed {
			_ = unix.Close(c.fd)
		}
	}
	_ = unix.Close(r.epoll)
}

// readSome reads what there is. At the end of the stream it returns 0 or an error.
func (c *conn) readSome(p []byte) (int, error) {
	if c.tls == nil {
		return readNow(c.fd, p)
	}
	return c.tls.Read(p)
}

// read does one read of a socket that is ready, and reports whether there may be
// more.
func (r *reader) read(c *conn) (more bool) {
	kept := len(c.rest)
	if len(r.buf)-kept < readBuffer/2 {
		r.buf = make([]byte, 2*len(r.buf))
	}
	copy(r.buf, c.rest)
	n, err := c.readSome(r.buf[kept:])
	now := time.Now().UnixNano()
	switch {
	case errors.Is(err, errNothing{}):
		return false
	case errors.Is(err, unix.EINTR):
		return true
	case errors.Is(err, unix.EAGAIN):
		return false
	case err != nil:
		r.drop(c, err.Error())
		return false
	case n == 0:
		r.drop(c, "end of stream")
		return false
	}
	r.tally.Reads++
	r.tally.Bytes += int64(n)
	// Behind a record of TLS there may be another one.
	more = c.tls != nil || kept+n == len(r.buf)
	if c.chunks == nil {
		r.take(c, r.buf[:kept+n], now)
		return more
	}
	r.plain = append(r.plain[:0], c.rest...)
	r.plain, err = c.chunks.decode(r.plain, r.buf[kept:kept+n])
	if err != nil {
		r.drop(c, err.Error())
		return false
	}
	r.take(c, r.plain, now)
	return more
}

func (r *reader) drop(c *conn, reason string) {
	c.closed = true
	c.rest, c.inner = nil, nil
	_ = unix.Close(c.fd)
	r.tally.Open--
	r.tally.Disconnects[reason]++
}

// begin resets the counters, and counts from now on what is in the window.
func (r *reader) begin(w window) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.window = w
	r.tally.Deliveries, r.tally.Duplicated, r.tally.Foreign, r.tally.Published = 0, 0, 0, 0
	r.latency.hist.Reset()
}

// report returns the counters, and the histogram if it is requested.
func (r *reader) report(histogram bool) (tally, []byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tally
	t.Disconnects, t.Refusals = maps.Clone(t.Disconnects), maps.Clone(t.Refusals)
	if !histogram {
		return t, nil, nil
	}
	compressed, err := r.latency.encode()
	return t, compressed, err
}
