package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sluice/bench/load/scenario"
)

// bareFull is how long a socket may stay full before the run fails.
const bareFull = 10 * time.Second

var errBareFull = errors.New("a socket takes nothing")

// bareJob configures the peer bare.
type bareJob struct {
	Brokers []string `json:"brokers"`
	// Topics are the topics to read; the streams have the same names.
	Topics []string `json:"topics"`
}

// bareReport is the address of bare's listener.
type bareReport struct {
	Address string `json:"address"`
}

// bare is the limit of what any server can do here: one loop that fetches, encodes
// each record as one frame, and writes the frames of a fetch to each socket in turn,
// with one write. Its clients use Sluice's protocol and get the same events, but
// there are no rights, filters, cursors, pings or limits, and no client is left
// behind: all wait for a socket that is full. An error ends the loop and is
// reported, because silently lost records would make it look fast.
type bare struct {
	tail
	listener net.Listener
	accepts  sync.WaitGroup

	// Guarded by the tail's mu, which is held in take.
	streams map[string]*bareStream
}

// bareStream is a topic with its clients and the frames of a fetch for them.
type bareStream struct {
	head    []byte // of its events, up to the partition
	ws, sse []int  // sockets
	forWS   []byte
	forSSE  []byte
	event   []byte // buffer for one event
}

// runBare is the process of the peer bare.
func runBare(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	b := newBare()
	err := answerCommands(in, out, func(cmd command) (answer, error) {
		switch cmd.Do {
		case "open":
			address, err := b.open(ctx, *cmd.Bare)
			return answer{Bare: &bareReport{Address: address}}, err
		case "report":
			b.mu.Lock()
			defer b.mu.Unlock()
			return answer{}, b.fault
		}
		return answer{}, fmt.Errorf("unknown command %q", cmd.Do)
	})
	cancel()
	b.close()
	return err
}

func newBare() *bare {
	b := &bare{}
	b.take = b.deliver
	return b
}

// open starts to read, and to listen on a free loopback port.
func (b *bare) open(ctx context.Context, job bareJob) (address string, err error) {
	b.streams = make(map[string]*bareStream, len(job.Topics))
	for _, topic := range job.Topics {
		b.streams[topic] = newBareStream(topic)
	}
	if err := b.tail.open(ctx, job.Brokers, job.Topics); err != nil {
		return "", err
	}
	listener, err := (&net.ListenConfig{KeepAlive: -1}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	b.listener = listener
	b.accepts.Go(func() { b.accept(ctx) })
	return listener.Addr().String(), nil
}

// close stops what open started. Its context has ended.
func (b *bare) close() {
	if b.listener != nil {
		_ = b.listener.Close()
	}
	b.accepts.Wait()
	b.tail.close()
	for _, s := range b.streams {
		for _, fd := range append(s.ws, s.sse...) {
			_ = unix.Close(fd)
		}
	}
}

// accept accepts clients until the listener is closed.
func (b *bare) accept(ctx context.Context) {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				fmt.Fprintln(os.Stderr, "bare: accept:", err)
			}
			return
		}
		b.accepts.Go(func() {
			defer func() { _ = conn.Close() }()
			if err := b.welcome(conn); err != nil {
				fmt.Fprintln(os.Stderr, "bare:", err)
			}
		})
	}
}

// welcome does the handshake with a client and adds its socket to the loop, which
// owns it from then on.
func (b *bare) welcome(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(dialTimeout * time.Second)); err != nil {
		return err
	}
	kind, name, err := bareHandshake(conn)
	if err != nil {
		return err
	}
	fd, err := ownDescriptor(conn)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.streams[name]
	if s == nil {
		_ = unix.Close(fd)
		return fmt.Errorf("%w: no stream %q", errHandshake, name)
	}
	// The loop is paused here, so that the client gets every record from now on, and
	// none before.
	answer := `event: sluice.ready` + "\n" + `data: {"type":"ready"}` + "\n\n"
	if kind == scenario.WebSocket {
		answer = string(appendServerFrame(nil, `{"type":"subscribed","id":"`+bareRequest+`"}`))
	}
	if _, err := io.WriteString(conn, answer); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("answer: %w", err)
	}
	if kind == scenario.WebSocket {
		s.ws = append(s.ws, fd)
	} else {
		s.sse = append(s.sse, fd)
	}
	return nil
}

// ownDescriptor duplicates the descriptor of a connection's socket, so that the
// runtime does not know of it.
func ownDescriptor(conn net.Conn) (int, error) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("take over socket: %w", err)
	}
	var fd int
	var failed error
	err = raw.Control(func(of uintptr) { fd, failed = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, failed); err != nil {
		return -1, fmt.Errorf("take over socket: %w", err)
	}
	return fd, nil
}

// deliver is the body of the loop.
func (b *bare) deliver(parts []part, _ int64) error {
	for _, p := range parts {
		s := b.streams[p.topic]
		for records := range batches(p.batches) {
			if err := s.layOut(p.partition, p.offset, records); err != nil {
				return fmt.Errorf("read %s: %w", p.topic, err)
			}
		}
	}
	for _, s := range b.streams {
		if err := errors.Join(writeEach(s.ws, s.forWS), writeEach(s.sse, s.forSSE)); err != nil {
			return err
		}
		s.forWS, s.forSSE = s.forWS[:0], s.forSSE[:0]
	}
	return nil
}

func writeEach(sockets []int, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	for _, fd := range sockets {
		n, err := writeNow(fd, b)
		if err != nil || n < len(b) {
			if err = writeRest(fd, b[n:], err); err != nil {
				return fmt.Errorf("write to a client: %w", err)
			}
		}
	}
	return nil
}

// writeRest waits until a socket that was full has accepted everything.
func writeRest(fd int, b []byte, err error) error {
	for until := time.Now().Add(bareFull); ; {
		switch {
		case err == nil && len(b) == 0:
			return nil
		case err == nil, errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EAGAIN):
			return err
		case time.Now().After(until):
			return errBareFull
		default:
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 100)
		}
		var n int
		n, err = writeNow(fd, b)
		b = b[n:]
	}
}
