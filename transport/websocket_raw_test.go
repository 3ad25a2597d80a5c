package transport_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// The bits and opcodes of frames (RFC 6455, section 5.2).
const (
	fin          = 0x80
	continuation = 0x0
	text         = 0x1
	binaryFrame  = 0x2
	closeFrame   = 0x8
	pingFrame    = 0x9
	pongFrame    = 0xA
)

// frame returns a masked frame, as a client must send.
func frame(first byte, payload string) []byte {
	mask := [4]byte{0xA5, 0x5A, 0x01, 0xFE}
	b := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, 0x80|byte(n))
	case n <= 0xFFFF:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return b
}

// closeWith returns a close frame.
func closeWith(code uint16, reason string) []byte {
	return frame(fin|closeFrame, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

func joined(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// rawSocket is a WebSocket client that writes exactly what it is given, and checks
// everything that it reads strictly against RFC 6455. It answers no ping.
type rawSocket struct {
	t testing.TB
	net.Conn
	lines  *bufio.Reader
	status int
	// The payloads that have been read.
	pings, pongs [][]byte
	last         message
}

// handshakeOf returns a handshake with additional headers.
func handshakeOf(path string, header ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "GET /v1/ws%s HTTP/1.1\r\nHost: sluice\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", path)
	for i := 0; i+1 < len(header); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", header[i], header[i+1])
	}
	return b.String() + "\r\n"
}

// answer is the answer to a handshake.
type answer struct {
	status int
	header http.Header
	body   string
}

// open sends a request and reads the head of the answer, and its body if it is not a
// WebSocket.
func (in *instance) open(t testing.TB, request string, smallBuffer bool) (*rawSocket, answer) {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		if !smallBuffer {
			return nil
		}
		var err error
		if controlErr := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		}); controlErr != nil {
			return controlErr
		}
		return err
	}}
	connect := func(ctx context.Context) (net.Conn, error) {
		conn, err := d.DialContext(ctx, "tcp", in.address())
		if err != nil {
			return nil, err
		}
		return in.secured(conn), nil
	}
	if in.connect != nil {
		connect = in.connect
	}
	conn, err := connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	c := &rawSocket{t: t, Conn: conn, lines: bufio.NewReaderSize(conn, 16)}
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(c.lines, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	c.status = res.StatusCode
	if c.status == http.StatusSwitchingProtocols {
		return c, answer{res.StatusCode, res.Header, ""}
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return c, answer{res.StatusCode, res.Header, string(body)}
}

// raw opens a WebSocket with a token and reads its welcome.
func (in *instance) raw(t testing.TB, path, token string) *rawSocket {
	t.Helper()
	c, res := in.open(t, handshakeOf(path, "Authorization", "Bearer "+token), false)
	if c.status != http.StatusSwitchingProtocols {
		t.Fatalf("got status %d: %s", c.status, res.body)
	}
	if m := c.until("welcome"); m == nil {
		t.Fatal("no welcome came")
	}
	return c
}

// sample reads a number from the admin listener; a missing series is 0.
func (in *instance) sample(series string) float64 {
	in.t.Helper()
	res, err := http.Get(in.admin + "/metrics")
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				in.t.Fatal(err)
			}
			return n
		}
	}
	return 0
}

// sampleBecomes waits until a metric has a value.
func (in *instance) sampleBecomes(series string, want float64) {
	in.t.Helper()
	got := 0.0
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if got = in.sample(series); got == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	in.t.Fatalf("%s is %v, want %v", series, got, want)
}

func (c *rawSocket) put(parts ...[]byte) {
	c.t.Helper()
	if _, err := c.Write(joined(parts...)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *rawSocket) say(format string, args ...any) {
	c.t.Helper()
	c.put(frame(fin|text, fmt.Sprintf(format, args...)))
}

// readFrame reads one frame, which must be valid for a server.
func (c *rawSocket) readFrame() (op byte, payload []byte, err error) {
	var head [10]byte
	if _, err := io.ReadFull(c.lines, head[:2]); err != nil {
		return 0, nil, err
	}
	op, n := head[0]&0xF, uint64(head[1])
	if head[0]&0xF0 != fin || head[1]&0x80 != 0 {
		return 0, nil, fmt.Errorf("header % x is fragmented, reserved or masked", head[:2])
	}
	switch n {
	case 126:
		if _, err := io.ReadFull(c.lines, head[:2]); err != nil {
			return 0, nil, err
		}
		if n = uint64(binary.BigEndian.Uint16(head[:])); n <= 125 {
			return 0, nil, errors.New("length is not in its shortest form")
		}
	case 127:
		if _, err := io.ReadFull(c.lines, head[:8]); err != nil {
			return 0, nil, err
		}
		if n = binary.BigEndian.Uint64(head[:]); n <= 0xFFFF || n > 1<<30 {
			return 0, nil, fmt.Errorf("length %d", n)
		}
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(c.lines, payload); err != nil {
		return 0, nil, fmt.Errorf("payload of %d: %w", n, err)
	}
	switch op {
	case text:
		if !utf8.Valid(payload) || !json.Valid(payload) {
			return 0, nil, fmt.Errorf("text %q is not JSON", payload)
		}
	case closeFrame, pingFrame, pongFrame:
		if n > 125 {
			return 0, nil, fmt.Errorf("control frame of %d", n)
		}
	default:
		return 0, nil, fmt.Errorf("opcode %d", op)
	}
	return op, payload, nil
}

// next returns the next message, recording control frames, or nil and the code of
// the close.
func (c *rawSocket) next() (m message, code int, err error) {
	for {
		op, payload, err := c.readFrame()
		switch {
		case err != nil:
			return nil, 0, err
		case op == pingFrame:
			c.pings = append(c.pings, payload)
		case op == pongFrame:
			c.pongs = append(c.pongs, payload)
		case op == closeFrame:
			if len(payload) < 2 || !utf8.Valid(payload[2:]) {
				return nil, 0, fmt.Errorf("close payload %q", payload)
			}
			return nil, int(binary.BigEndian.Uint16(payload)), nil
		default:
			m := message{}
			if err := json.Unmarshal(payload, &m); err != nil {
				return nil, 0, err
			}
			c.last = m
			return m, 0, nil
		}
	}
}

// until returns the next message of a type, skipping others.
func (c *rawSocket) until(kind string) message {
	c.t.Helper()
	for {
		m, code, err := c.next()
		if err != nil || m == nil {
			c.t.Fatalf("waiting for %s: close %d, error %v, last message %v", kind, code, err, c.last)
		}
		if m.str("type") == kind {
			return m
		}
	}
}

// closes reads up to the close and returns its code. Nothing but the end of the
// connection may follow the close.
func (c *rawSocket) closes() int {
	c.t.Helper()
	for {
		m, code, err := c.next()
		if err != nil {
			c.t.Fatalf("no close came: %v, last message %v", err, c.last)
		}
		if m != nil {
			continue
		}
		if _, _, err := c.readFrame(); !errors.Is(err, io.EOF) {
			c.t.Fatalf("behind the close came not the end but %v", err)
		}
		return code
	}
}

// closesAfter is closes for a close by the server, which a message announces.
func (c *rawSocket) closesAfter(code string) int {
	c.t.Helper()
	got := c.closes()
	if c.last.str("type") != "closing" || c.last["close"] != float64(got) || c.last.str("code") != code || c.last.str("action") == "" {
		c.t.Fatalf("before close %d came %v, want closing with code %s", got, c.last, code)
	}
	return got
}

// dialWith opens a WebSocket with headers, or returns the answer that refuses it.
func (in *instance) dialWith(query string, header ...string) (*socket, answer, error) {
	in.t.Helper()
	o := &websocket.DialOptions{HTTPHeader: http.Header{}, HTTPClient: in.client}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Sec-WebSocket-Protocol" {
			o.Subprotocols = strings.Split(header[i+1], ", ")
			continue
		}
		o.HTTPHeader.Add(header[i], header[i+1])
	}
	c, res, err := websocket.Dial(in.t.Context(), in.url+"/v1/ws"+query, o) //nolint:bodyclose // the library has
	if err != nil {
		refused := answer{}
		if res != nil {
			body, _ := io.ReadAll(res.Body)
			refused = answer{res.StatusCode, res.Header, string(body)}
		}
		return nil, refused, err
	}
	c.SetReadLimit(-1)
	in.t.Cleanup(func() { _ = c.CloseNow() })
	return &socket{t: in.t, Conn: c}, answer{res.StatusCode, res.Header, ""}, nil
}

// closesWith reads up to the close, which the closing message announces.
func (s *socket) closesWith(code string, want int) message {
	s.t.Helper()
	last, got := s.closed()
	if int(got) != want || last.str("type") != "closing" || last.str("code") != code || last["close"] != float64(want) {
		s.t.Fatalf("closed with %d after %v, want %s, %d", got, last, code, want)
	}
	return last
}

// fails expects an error for a request.
func (s *socket) fails(id, code string) message {
	s.t.Helper()
	m := s.until("error")
	if m.str("id") != id || m.str("code") != code {
		s.t.Fatalf("got %v, want %s for %s", m, code, id)
	}
	return m
}

// alive checks that the session still answers.
func (s *socket) alive() {
	s.t.Helper()
	s.send(`{"type":"ping","id":"alive"}`)
	for s.until("pong").str("id") != "alive" {
	}
}

// quiet expects no message of a type for a while, which takes no time in a bubble.
func (s *socket) quiet(kind string, d time.Duration) {
	s.t.Helper()
	time.Sleep(d)
	s.send(`{"type":"ping","id":"quiet"}`)
	for {
		ctx, cancel := context.WithTimeout(s.t.Context(), patience)
		_, b, err := s.Read(ctx)
		cancel()
		var m message
		if err != nil || json.Unmarshal(b, &m) != nil {
			s.t.Fatalf("read: %v", err)
		}
		switch {
		case m.str("type") == kind:
			s.t.Fatalf("got %v", m)
		case m.str("type") == "pong" && m.str("id") == "quiet":
			return
		}
	}
}

// readsToTheEnd checks all frames against RFC 6455 until the connection ends, in
// whichever way.
func (c *rawSocket) readsToTheEnd(t *testing.T, sent []byte) {
	t.Helper()
	for {
		_, _, err := c.readFrame()
		var broken *net.OpError
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &broken) && !broken.Timeout() {
			return
		}
		if err != nil {
			t.Fatalf("% x was answered with %v", sent, err)
		}
	}
}
