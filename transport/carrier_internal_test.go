package transport

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"sluice/transport/socket"
)

// carried is a TLS connection over a carrier that a session has taken.
type carried struct {
	client *tls.Conn
	below  *recorder // below the client
	keys   bytes.Buffer
	server *carrier
}

// recorder is a connection whose writes can be recorded instead.
type recorder struct {
	net.Conn
	to *bytes.Buffer // nil to write
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.to != nil {
		return r.to.Write(p)
	}
	return r.Conn.Write(p)
}

// SetWriteDeadline does nothing: TLS sets one that has passed once it has ended.
func (*recorder) SetWriteDeadline(time.Time) error { return nil }

// newCarried makes the handshake while the connection is the HTTP server's, and then
// takes it.
func newCarried(t *testing.T, version uint16) *carried {
	t.Helper()
	borrowed := httptest.NewUnstartedServer(nil)
	borrowed.StartTLS()
	certificates := borrowed.TLS.Certificates
	borrowed.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := tlsListener{
		l, &tls.Config{Certificates: certificates, MinVersion: version, SessionTicketsDisabled: true},
		func(net.Conn) bool { return false },
	}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server, ok := accepted.(*tls.Conn)
	if !ok {
		t.Fatalf("accepted %T", accepted)
	}
	c := &carried{below: &recorder{Conn: conn}}
	c.client = tls.Client(c.below, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, KeyLogWriter: &c.keys})
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := errors.Join(c.client.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	poller, err := socket.NewPoller()
	if err != nil {
		t.Skip(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- poller.Run() }()
	s := &session{}
	s.state.Store(again) // so that nobody executes it
	if c.server = carrierOf(server); c.server == nil || !c.server.take(poller, s) {
		t.Fatal("not taken")
	}
	if c.server.Conn != nil {
		t.Error("the connection that was closed is kept")
	}
	t.Cleanup(func() {
		_, _ = conn.Close(), c.server.Close()
		poller.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c
}

// TestReadingGoesOnAfterNothing: a read that finds nothing, or only the beginning of
// a record, or is too late, loses nothing and does not end the TLS connection.
func TestReadingGoesOnAfterNothing(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			c := newCarried(t, version)
			sent := make([]byte, 100_000)
			for i := range sent {
				sent[i] = byte(rand.Uint32())
			}
			var records bytes.Buffer
			c.below.to = &records
			for at := 0; at < len(sent); at += 25_000 {
				if _, err := c.client.Write(sent[at : at+25_000]); err != nil {
					t.Fatal(err)
				}
			}
			_ = c.client.CloseWrite()
			c.below.to = nil
			reader := sealedConn{c.server}
			c.server.socket.Hurry(true)
			var got []byte
			buf := make([]byte, 4096)
			for n := 0; ; n++ {
				part := records.Next(1 + n%3*rand.IntN(2000))
				if _, err := c.below.Conn.Write(part); err != nil {
					t.Fatal(err)
				}
				for {
					if n%5 == 0 {
						_ = reader.SetReadDeadline(time.Unix(1, 0))
						if _, err := reader.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, io.EOF) && err != nil {
							t.Fatalf("a late read: %v", err)
						}
						_ = reader.SetReadDeadline(time.Time{})
						n++
					}
					read, err := reader.Read(buf)
					got = append(got, buf[:read]...)
					if err == nil {
						continue
					}
					if errors.Is(err, socket.ErrNothing) && records.Len() > 0 {
						break
					}
					if errors.Is(err, socket.ErrNothing) {
						continue // the last bytes are on their way
					}
					if !errors.Is(err, io.EOF) || !bytes.Equal(got, sent) {
						t.Errorf("after %d of %d bytes: %v", len(got), len(sent), err)
					}
					return
				}
			}
		})
	}
}

// TestDataBeforeAPartOfAnAlert: data is read without an error that belongs to what
// comes behind it. crypto/tls looks behind it only where alerts can be recognized.
func TestDataBeforeAPartOfAnAlert(t *testing.T) {
	t.Parallel()
	c := newCarried(t, tls.VersionTLS12)
	var records bytes.Buffer
	c.below.to = &records
	_, _ = c.client.Write([]byte("data"))
	_ = c.client.CloseWrite()
	if _, err := c.below.Conn.Write(records.Next(records.Len() - 1)); err != nil {
		t.Fatal(err)
	}
	reader, buf := sealedConn{c.server}, make([]byte, 16)
	if n, err := reader.Read(buf[:1]); n != 1 || err != nil { // waits for the data
		t.Fatalf("got %d bytes, %v", n, err)
	}
	c.server.socket.Hurry(true)
	if n, err := reader.Read(buf); n != 3 || err != nil {
		t.Errorf("got %d bytes, %v", n, err)
	}
	if n, err := reader.Read(buf); n != 0 || !errors.Is(err, socket.ErrNothing) {
		t.Errorf("then %d bytes, %v", n, err)
	}
	if _, err := c.below.Conn.Write(records.Bytes()); err != nil {
		t.Fatal(err)
	}
	c.server.socket.Hurry(false)
	if n, err := reader.Read(buf); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("in the end %d bytes, %v", n, err)
	}
}

// TestSealingIsOneStream: what the executor seals and what TLS sends by itself, while
// a client updates its keys again and again, is one stream of records in order.
func TestSealingIsOneStream(t *testing.T) {
	t.Parallel()
	c := newCarried(t, tls.VersionTLS13)
	client := NewByHand(t, c.client, c.below.Conn, c.keys.String())
	const updates, messages = 120, 3000 // so few updates that all answers may wait
	reading := make(chan error, 1)
	go func() {
		c.server.socket.Hurry(false)
		buf := make([]byte, 16)
		for n := 0; n < updates; {
			read, err := sealedConn{c.server}.Read(buf)
			if err != nil {
				reading <- err
				return
			}
			n += read
		}
		reading <- nil
	}()
	go func() {
		for range updates {
			client.Update()
			client.Send("x")
		}
	}()
	var sealed []byte
	seal := func(b []byte, last bool) {
		var err error
		if sealed, err = c.server.seal(sealed, b, last); err != nil {
			t.Fatal(err)
		}
	}
	for n := range messages {
		if n%3 == 0 {
			time.Sleep(50 * time.Microsecond)
		}
		seal(fmt.Appendf(nil, "%d ", n), false)
	}
	if err := <-reading; err != nil {
		t.Fatal(err)
	}
	if c.server.owes() {
		seal(nil, false)
	}
	seal(nil, true)
	var got []byte
	answered, ended := 0, false
	for len(sealed) > 0 {
		var (
			kind    byte
			content []byte
		)
		kind, content, sealed = client.open(sealed)
		switch {
		case ended:
			t.Fatalf("a record of type %d behind the end", kind)
		case kind == applicationRecord:
			got = append(got, content...)
		case kind == handshakeRecord && content[0] == keyUpdate[0]:
			answered++
			client.in.update()
		case kind == alertRecord:
			ended = true
		default:
			t.Fatalf("a record of type %d: %x", kind, content)
		}
	}
	var want []byte
	for n := range messages {
		want = fmt.Appendf(want, "%d ", n)
	}
	if !bytes.Equal(got, want) || answered == 0 || !ended {
		t.Errorf("got %d of %d bytes, %d answers, end %v", len(got), len(want), answered, ended)
	}
}

// TestUnaskedIsBounded: a client that makes TLS answer, and does not read the answers,
// costs little and is cut off.
func TestUnaskedIsBounded(t *testing.T) {
	t.Parallel()
	c := newCarried(t, tls.VersionTLS13)
	client := NewByHand(t, c.client, c.below.Conn, c.keys.String())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for range 1000 {
			client.Update()
			client.Send("x")
		}
	}()
	defer func() { <-sent }()
	c.server.socket.Hurry(false)
	buf := make([]byte, 16)
	for n := 0; n < 1000; n++ {
		if _, err := (sealedConn{c.server}).Read(buf); err != nil {
			break
		}
	}
	if n := len(c.server.sealed); n == 0 || n > maxUnasked {
		t.Errorf("%d bytes wait", n)
	}
	if !c.server.owes() {
		t.Error("the session does not know of it")
	}
	for _, content := range []string{"", "x"} {
		if _, err := c.server.seal(nil, []byte(content), false); err == nil {
			t.Errorf("the connection goes on with %q", content)
		}
	}
}
