package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// plain is a client's TCP connection, for clients that do what no library does.
type plain struct {
	net.Conn
	lines *bufio.Reader
}

// dialPlain connects. narrow keeps the system's buffers small.
func dialPlain(ctx context.Context, t *testing.T, addr string, narrow bool) *plain {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	size := 4 << 10
	if narrow {
		if err := conn.(*net.TCPConn).SetReadBuffer(32 << 10); err != nil {
			t.Fatal(err)
		}
		size = 512
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	return &plain{conn, bufio.NewReaderSize(conn, size)}
}

// asks sends a request without a body, reads the head of the response and checks its
// status. The body is what is read next.
func (p *plain) asks(t *testing.T, status int, path, bearer string, more ...string) {
	t.Helper()
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: sluice\r\n", path)
	if bearer != "" {
		request += "Authorization: Bearer " + bearer + "\r\n"
	}
	if _, err := io.WriteString(p, request+strings.Join(more, "")+"\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(p.lines, nil) //nolint:bodyclose // its connection is closed instead
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != status {
		t.Fatalf("%s is answered %s", path, response.Status)
	}
}

// websocket opens a WebSocket with a first subscription; the frames are then read
// from the connection as bytes.
func (p *plain) websocket(t *testing.T, query, bearer string) {
	t.Helper()
	p.asks(t, http.StatusSwitchingProtocols, "/v1/ws?"+query, bearer,
		"Connection: Upgrade\r\n", "Upgrade: websocket\r\n", "Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n")
}

// drained reads until the connection ends, and returns the last bytes, the number of
// bytes, and the error that ended it. An expired deadline is not an end.
func (p *plain) drained() (last string, n int64, err error) {
	tail := make([]byte, 0, 8<<10)
	buf := make([]byte, 4<<10)
	for {
		m, err := p.lines.Read(buf)
		n += int64(m)
		tail = append(tail, buf[:m]...)
		if extra := len(tail) - 4<<10; extra > 0 {
			tail = append(tail[:0], tail[extra:]...)
		}
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return string(tail), n, err
		}
	}
}
