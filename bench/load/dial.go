package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// Transports that clients can speak.
const (
	kindWebSocket = "ws"
	kindSSE       = "sse"
)

// dialTimeout bounds each read and write of a handshake, in seconds.
const dialTimeout = 20

// maxResponseHead bounds the header of the answer to a handshake.
const maxResponseHead = 16 << 10

var errHandshake = errors.New("handshake refused")

// target is what clients connect to.
type target struct {
	// Kind is ws or sse.
	Kind string `json:"kind"`
	// Address is an IPv4 address with a port.
	Address string `json:"address"`
	// Path is the request's, with its query.
	Path string `json:"path"`
	// Stream is what to subscribe to; a WebSocket sends it as a message.
	Stream string `json:"stream"`
	// Token is sent as a bearer token, where it is not empty.
	Token string `json:"token,omitempty"`
	// Sources is over how many addresses from 127.0.0.2 on connections are
	// spread, as a server has at most some 28,000 ports for each.
	Sources int `json:"sources"`
}

// conn is one client: a socket and what it has not made sense of yet.
type conn struct {
	fd   int
	kind string
	// rest holds the beginning of a frame or line whose end has not come.
	rest []byte
	// chunks is set where the answer's transfer coding is chunked.
	chunks     *chunks
	subscribed bool
	closed     bool
}

// dial opens connection number i, up to and with its subscription.
func (t target) dial(ctx context.Context, i int) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fd, err := t.connect(i)
	if err != nil {
		return nil, err
	}
	c := &conn{fd: fd, kind: t.Kind}
	if err := t.handshake(c); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("set non-blocking: %w", err)
	}
	return c, nil
}

// connect makes a blocking socket with time-outs.
func (t target) connect(i int) (int, error) {
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
	if err == nil && t.Sources > 0 && to.Addr().IsLoopback() {
		from := unix.SockaddrInet4{Addr: [4]byte{127, 0, byte(i % t.Sources / 250), byte(2 + i%t.Sources%250)}}
		// The port is chosen at connect, when the destination is known, so that
		// it only has to be free towards that.
		err = errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
			unix.Bind(fd, &from))
	}
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	}
	if err != nil {
		_ = unix.Close(fd)
		return 0, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// handshake asks for the stream, and leaves in c.rest what came behind the
// answer's header.
func (t target) handshake(c *conn) error {
	if err := writeAll(c.fd, t.request()); err != nil {
		return fmt.Errorf("send handshake: %w", err)
	}
	head, rest, err := readHead(c.fd)
	if err != nil {
		return fmt.Errorf("read handshake: %w", err)
	}
	status, fields, _ := bytes.Cut(head, []byte("\r\n"))
	want := " 101 "
	if t.Kind == kindSSE {
		want = " 200 "
	}
	if !strings.Contains(string(status)+" ", want) {
		return fmt.Errorf("%w: %s: %s", errHandshake, status, rest)
	}
	c.rest = rest
	if t.Kind == kindSSE {
		if bytes.Contains(bytes.ToLower(fields), []byte("transfer-encoding: chunked")) {
			c.chunks = &chunks{}
		}
		return nil
	}
	message, err := json.Marshal(map[string]string{"type": "subscribe", "id": "0", "stream": t.Stream})
	if err != nil {
		return fmt.Errorf("encode subscribe: %w", err)
	}
	if err := writeAll(c.fd, appendFrame(nil, opText, message)); err != nil {
		return fmt.Errorf("send subscribe: %w", err)
	}
	return nil
}

func (t target) request() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", t.Path, t.Address)
	if t.Token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", t.Token)
	}
	if t.Kind == kindSSE {
		b.WriteString("Accept: text/event-stream\r\n\r\n")
		return b.Bytes()
	}
	var key [16]byte
	_, _ = rand.Read(key[:])
	fmt.Fprintf(&b, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Protocol: sluice.v1.json\r\nSec-WebSocket-Key: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(key[:]))
	return b.Bytes()
}

func readHead(fd int) (head, rest []byte, err error) {
	var all []byte
	buf := make([]byte, 2048)
	for len(all) < maxResponseHead {
		n, err := unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, nil, err
		case n == 0:
			return nil, nil, fmt.Errorf("%w: the server hung up", errHandshake)
		}
		all = append(all, buf[:n]...)
		if head, rest, ok := bytes.Cut(all, []byte("\r\n\r\n")); ok {
			return head, bytes.Clone(rest), nil
		}
	}
	return nil, nil, fmt.Errorf("%w: header too large", errHandshake)
}

func writeAll(fd int, b []byte) error {
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
