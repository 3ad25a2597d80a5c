package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"sluice/bench/load/scenario"
)

// dialTimeout bounds each read and write of a handshake, in seconds.
const dialTimeout = 20

// maxResponseHead bounds the header of the response to a handshake.
const maxResponseHead = 16 << 10

// stalledBuffer is the receive buffer of a client that never reads, in bytes.
const stalledBuffer = 4096

var errHandshake = errors.New("handshake refused")

// conn is one client: a socket and its unparsed input.
type conn struct {
	wish
	fd int
	// tls is the TLS connection over fd, nil for none.
	tls *tls.Conn
	// rest holds the beginning of an incomplete frame or line, and inner that of a
	// line within frames.
	rest, inner []byte
	// chunks is set if the response's transfer coding is chunked.
	chunks     *chunks
	subscribed bool
	closed     bool
	// behind is set from the time when the client comes back until it has received a
	// record that was made since.
	behind bool
	track  *track
	resume *resume
	// host is the Host of requests, fields are more of their header, and unanswered is
	// what they have published, in order, if the client publishes over HTTP.
	host, fields string
	unanswered   []publishing
}

// dial opens a connection and subscribes.
func (t target) dial(ctx context.Context, w wish, receiveBuffer int) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fd, err := t.connect(w.client, receiveBuffer)
	if err != nil {
		return nil, err
	}
	c := &conn{wish: w, fd: fd, host: t.Address}
	if t.Token != "" {
		c.fields = "Authorization: Bearer " + t.Token + "\r\n"
	}
	below := &blockingConn{rawConn: rawConn{fd}}
	if t.TLS {
		c.tls = tls.Client(below, clientTLS)
	}
	if !posts(w.kind) {
		if err := t.handshake(c); err != nil {
			_ = unix.Close(fd)
			return nil, err
		}
	}
	below.established = true
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("set non-blocking: %w", err)
	}
	return c, nil
}

// connect makes a blocking socket with timeouts.
func (t target) connect(i, receiveBuffer int) (int, error) {
	to, err := netip.ParseAddrPort(t.Address)
	if err != nil || !to.Addr().Is4() {
		return 0, fmt.Errorf("connect to %q: an IPv4 address and a port are needed", t.Address)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("make socket: %w", err)
	}
	limit := unix.Timeval{Sec: dialTimeout}
	err = errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
	)
	if err == nil && receiveBuffer > 0 {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	if err == nil && t.Sources > 0 && to.Addr().IsLoopback() {
		from := unix.SockaddrInet4{Addr: [4]byte{127, 0, byte(i % t.Sources / 250), byte(2 + i%t.Sources%250)}}
		// The port is chosen at connect, when the destination is known, so that it
		// only has to be free for that destination.
		err = errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
			unix.Bind(fd, &from))
	}
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
		if errors.Is(err, unix.EINTR) {
			err = connected(fd)
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return 0, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// connected waits for a connect that a signal interrupted, which continues in the
// background.
func connected(fd int) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, dialTimeout*1000)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		}
		code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		return err
	}
}

// handshake requests the stream, and stores in c.rest what followed the response's
// header.
func (t target) handshake(c *conn) error {
	if err := c.writeAll(t.request(c.wish)); err != nil {
		return fmt.Errorf("send handshake: %w", err)
	}
	head, rest, err := c.readHead()
	if err != nil {
		return fmt.Errorf("read handshake: %w", err)
	}
	status, fields, _ := bytes.Cut(head, []byte("\r\n"))
	want := " 101 "
	if c.kind == scenario.SSE {
		want = " 200 "
	}
	if !strings.Contains(string(status)+" ", want) {
		return fmt.Errorf("%w: %s: %.200s", errHandshake, status, rest)
	}
	c.rest = rest
	if c.kind == scenario.SSE {
		if bytes.Contains(bytes.ToLower(fields), []byte("transfer-encoding: chunked")) {
			c.chunks = &chunks{}
		}
		return nil
	}
	messages, err := t.first(c.wish)
	if err != nil {
		return err
	}
	for _, message := range messages {
		if err := c.writeAll(appendFrame(nil, opText, []byte(message))); err != nil {
			return fmt.Errorf("send first message: %w", err)
		}
	}
	return nil
}

func (t target) request(w wish) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", t.path(w), t.Address)
	if t.Token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", t.Token)
	}
	if w.kind == scenario.SSE {
		b.WriteString("Accept: text/event-stream\r\n" + w.lastEventID() + "\r\n")
		return b.Bytes()
	}
	var key [16]byte
	_, _ = rand.Read(key[:])
	b.WriteString("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
	if t.Subprotocol != "" {
		fmt.Fprintf(&b, "Sec-WebSocket-Protocol: %s\r\n", t.Subprotocol)
	}
	fmt.Fprintf(&b, "Sec-WebSocket-Key: %s\r\n\r\n", base64.StdEncoding.EncodeToString(key[:]))
	return b.Bytes()
}

var errHungUp = fmt.Errorf("%w: the server hung up", errHandshake)

func (c *conn) readHead() (head, rest []byte, err error) {
	var all []byte
	buf := make([]byte, 2048)
	read := (&blockingConn{rawConn: rawConn{c.fd}}).Read
	if c.tls != nil {
		read = c.tls.Read
	}
	for len(all) < maxResponseHead {
		n, err := read(buf)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, buf[:n]...)
		if head, rest, ok := bytes.Cut(all, []byte("\r\n\r\n")); ok {
			return head, bytes.Clone(rest), nil
		}
	}
	return nil, nil, fmt.Errorf("%w: header too large", errHandshake)
}

// writeAll writes all of b.
func (c *conn) writeAll(b []byte) error {
	if c.tls == nil {
		return writeSocket(c.fd, b)
	}
	_, err := c.tls.Write(b)
	return err
}

// writePatience bounds how long a publish waits for room in the socket, in
// milliseconds.
const writePatience = 20_000

// publish writes a publish, which may be larger than what the socket has room for.
func (c *conn) publish(b []byte) error {
	if c.tls != nil {
		return c.writeAll(b)
	}
	for len(b) > 0 {
		n, err := unix.Write(c.fd, b)
		switch {
		case err == nil:
			b = b[n:]
		case errors.Is(err, unix.EAGAIN):
			if n, err := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLOUT}}, writePatience); err == nil && n == 0 {
				return unix.ETIMEDOUT
			}
		case !errors.Is(err, unix.EINTR):
			return err
		}
	}
	return nil
}

func writeSocket(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
