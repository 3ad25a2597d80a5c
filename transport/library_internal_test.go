package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/coder/websocket"

	"sluice/transport/wire"
)

// fed is a connection on which a client has sent some bytes and then nothing.
type fed struct{ *strings.Reader }

func (fed) SetReadDeadline(time.Time) error { return nil }
func (fed) Close() error                    { return nil }

// libraryConn makes the library accept a connection on which a client sends bytes.
func libraryConn(t *testing.T, bytes string, options *websocket.AcceptOptions) (*websocket.Conn, *input) {
	t.Helper()
	in := &input{readConn: fed{strings.NewReader(bytes)}, budget: -1}
	r := httptest.NewRequest(http.MethodGet, "/v1/ws", nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		r.Header.Set(name, value)
	}
	options.CompressionMode = websocket.CompressionDisabled
	w := &hijackWriter{header: make(http.Header), input: in}
	conn, err := w.accept(r, options)
	if err != nil {
		t.Fatal(err)
	}
	return conn, in
}

// masked returns a client's frame, with a mask of zeros.
func masked(first byte, payload string) string {
	return string([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}) + payload
}

// TestLibraryReadsThroughTheHijackedBuffer: the library reads what was changed in
// the buffer. It refuses a frame whose RSV1 was left.
func TestLibraryReadsThroughTheHijackedBuffer(t *testing.T) {
	t.Parallel()
	for _, taken := range []bool{true, false} {
		conn, in := libraryConn(t, masked(0x80|0x40|byte(wire.OpText), "hi"), &websocket.AcceptOptions{})
		head, err := in.frames.Peek(wire.ControlHead)
		if err != nil {
			t.Fatal(err)
		}
		if taken && !wire.TakeDeflated(head) {
			t.Fatal("the frame is not taken for a compressed one")
		}
		kind, message, err := conn.Read(context.Background())
		switch {
		case taken && (err != nil || kind != websocket.MessageText || string(message) != "hi"):
			t.Errorf("with RSV1 cleared: got %v %q, %v", kind, message, err)
		case !taken && !isProtocolError(err):
			t.Errorf("with RSV1 set: got %v", err)
		}
	}
}

// TestLibrarySaysItsCloseInOneWrite: the close that the library would send is read
// from what it writes.
func TestLibrarySaysItsCloseInOneWrite(t *testing.T) {
	t.Parallel()
	closeFrame := func(payload string) string { return masked(0x80|byte(wire.OpClose), payload) }
	for name, c := range map[string]struct {
		bytes, reason string
		code          int
		closed        bool // by the client
	}{
		"a code and a reason": {closeFrame("\x0F\xA0bye"), "bye", 4000, true},
		"a code":              {closeFrame("\x03\xE8"), "", 1000, true},
		"no code":             {closeFrame(""), "", websocketNoStatus, true},
		"an unknown opcode":   {masked(0x83, ""), "*", wire.CloseProtocolError, false},
		"a reserved bit":      {masked(0x80|0x20|byte(wire.OpText), "hi"), "*", wire.CloseProtocolError, false},
		// Here the library writes nothing, and the server closes with 1002 by
		// itself.
		"no mask":            {"\x81\x02hi", "", 0, false},
		"a code of one byte": {closeFrame("\x03"), "*", wire.CloseProtocolError, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, in := libraryConn(t, c.bytes, &websocket.AcceptOptions{})
			_, _, err := conn.Read(context.Background())
			if in.closeCode != c.code || c.reason != "*" && in.closeReason != c.reason {
				t.Errorf("the close has code %d and reason %q, want %d and %q (%v)", in.closeCode, in.closeReason, c.code, c.reason, err)
			}
			if byClient := errors.As(err, new(websocket.CloseError)); c.closed && c.code != websocketNoStatus && !byClient {
				t.Errorf("the error is %v, want the client's close", err)
			}
		})
	}
}

// TestLibraryConnectionIsCollected: a connection that is reachable from its own
// callbacks is collected with what refers to it.
func TestLibraryConnectionIsCollected(t *testing.T) {
	t.Parallel()
	type owner struct {
		conn *websocket.Conn
		pad  [64]byte
	}
	left := func() weak.Pointer[owner] {
		o := &owner{}
		o.conn, _ = libraryConn(t, "", &websocket.AcceptOptions{
			OnPongReceived: func(context.Context, []byte) { o.pad[0]++ },
		})
		if _, _, err := o.conn.Read(context.Background()); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("the end of the connection is %v", err)
		}
		return weak.Make(o)
	}()
	for range 10 {
		if left.Value() == nil {
			return
		}
		runtime.GC()
	}
	t.Error("it is kept")
}
