package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// readBuffer is what one read takes at most, in bytes.
const readBuffer = 256 << 10

// pollFor is how long the loop sleeps at most before it looks whether it has
// to end, in milliseconds.
const pollFor = 100

var (
	eventPrefix      = []byte(`{"type":"event"`)
	subscribedPrefix = []byte(`{"type":"subscribed"`)
	sseData          = []byte("data: ")
	sseReady         = []byte("event: sluice.ready")
)

// window is the span of record times that count, in Unix nanoseconds: from
// inclusive, to exclusive.
type window struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

func (w window) holds(at int64) bool { return at >= w.From && at < w.To }

// tally is what clients have seen.
type tally struct {
	Subscribed  int            `json:"subscribed"`
	Open        int            `json:"open"`
	All         int64          `json:"all"`        // events since the start
	Deliveries  int64          `json:"deliveries"` // events made within the window
	Bytes       int64          `json:"bytes"`      // read since the start
	Reads       int64          `json:"reads"`      // system calls that gave these
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
	conns   []*conn
	window  window
	tally   tally
	latency latency
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

// add takes a connection over.
func (r *reader) add(c *conn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	// What came behind the handshake wakes no epoll.
	rest := c.rest
	c.rest = nil
	r.tally.Open++
	r.take(c, rest, time.Now().UnixNano())
	r.conns = append(r.conns, c)
	if c.closed {
		return nil
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(len(r.conns) - 1)}
	if err := unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, c.fd, &event); err != nil {
		r.drop(c, "epoll: "+err.Error())
		return fmt.Errorf("add to epoll: %w", err)
	}
	return nil
}

// run reads until the context ends, and closes all sockets then.
func (r *reader) run(ctx context.Context) error {
	defer r.close()
	events := make([]unix.EpollEvent, 512)
	for ctx.Err() == nil {
		n, err := unix.EpollWait(r.epoll, events, pollFor)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for epoll: %w", err)
		}
		for _, event := range events[:max(n, 0)] {
			r.mu.Lock()
			if c := r.conns[event.Fd]; !c.closed {
				r.read(c)
			}
			r.mu.Unlock()
		}
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

// read makes one read of a socket that is ready. Epoll tells again where there
// is more, so that no socket holds up the others.
func (r *reader) read(c *conn) {
	kept := len(c.rest)
	if len(r.buf)-kept < readBuffer/2 {
		r.buf = make([]byte, 2*len(r.buf))
	}
	copy(r.buf, c.rest)
	n, err := unix.Read(c.fd, r.buf[kept:])
	now := time.Now().UnixNano()
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return
	case err != nil:
		r.drop(c, err.Error())
		return
	case n == 0:
		r.drop(c, "end of stream")
		return
	}
	r.tally.Reads++
	r.tally.Bytes += int64(n)
	if c.chunks == nil {
		r.take(c, r.buf[:kept+n], now)
		return
	}
	r.plain = append(r.plain[:0], c.rest...)
	r.plain, err = c.chunks.decode(r.plain, r.buf[kept:kept+n])
	if err != nil {
		r.drop(c, err.Error())
		return
	}
	r.take(c, r.plain, now)
}

// take consumes what can be made sense of, and keeps the rest.
func (r *reader) take(c *conn, b []byte, now int64) {
	if c.kind == kindSSE {
		b = r.lines(c, b, now)
	} else {
		b = r.frames(c, b, now)
	}
	if c.closed {
		return
	}
	if len(b) > maxFrame {
		r.drop(c, errFrameTooLarge.Error())
		return
	}
	if len(b) == 0 {
		c.rest = c.rest[:0]
		return
	}
	c.rest = append(c.rest[:0], b...)
}

func (r *reader) frames(c *conn, b []byte, now int64) []byte {
	for !c.closed {
		op, payload, used, err := nextFrame(b)
		switch {
		case err != nil:
			r.drop(c, err.Error())
			return nil
		case used == 0:
			return b
		}
		b = b[used:]
		switch op {
		case opText:
			r.message(c, payload, now)
		case opPing:
			// A socket that is full is not alive, which is what the pong would
			// deny.
			_ = writeAll(c.fd, appendFrame(nil, opPong, payload))
		case opClose:
			r.drop(c, closeReason(payload))
		}
	}
	return nil
}

func (r *reader) lines(c *conn, b []byte, now int64) []byte {
	for {
		line, used := nextLine(b)
		if used == 0 {
			return b
		}
		b = b[used:]
		if data, ok := bytes.CutPrefix(line, sseData); ok {
			r.message(c, data, now)
			continue
		}
		if !c.subscribed && bytes.Equal(line, sseReady) {
			r.subscribed(c)
		}
	}
}

// message takes a message of the protocol.
func (r *reader) message(c *conn, b []byte, now int64) {
	switch {
	case bytes.HasPrefix(b, eventPrefix):
		r.tally.All++
		if at, ok := r.find.find(b); ok && r.window.holds(at) {
			r.tally.Deliveries++
			r.latency.record(now - at)
		}
	case bytes.HasPrefix(b, subscribedPrefix):
		r.subscribed(c)
	default:
		r.refusal(b)
	}
}

func (r *reader) subscribed(c *conn) {
	if !c.subscribed {
		c.subscribed = true
		r.tally.Subscribed++
	}
}

// refusal counts the messages that say that something went wrong.
func (r *reader) refusal(b []byte) {
	var message struct {
		Type, Code, Reason string
	}
	if json.Unmarshal(b, &message) != nil {
		return
	}
	switch message.Type {
	case "error", "closing", "unsubscribed", "gap":
		r.tally.Refusals[message.Type+" "+message.Code+message.Reason]++
	}
}

func (r *reader) drop(c *conn, reason string) {
	c.closed = true
	c.rest = nil
	_ = unix.Close(c.fd)
	r.tally.Open--
	r.tally.Disconnects[reason]++
}

// begin forgets what was counted and counts from now on what the window holds.
func (r *reader) begin(w window) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.window = w
	r.tally.Deliveries = 0
	r.latency.hist.Reset()
}

func (r *reader) report() (tally, summary) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tally
	t.Disconnects, t.Refusals = maps.Clone(t.Disconnects), maps.Clone(t.Refusals)
	return t, r.latency.summary()
}
