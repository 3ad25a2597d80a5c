package transport_test

import (
	"net"
	"testing"
	"time"

	"sluice/transport"
)

// FuzzFrames: whatever follows a handshake, the server keeps running, its answers
// are frames, and another session is not affected.
func FuzzFrames(f *testing.F) {
	for _, fault := range frameFaults() {
		if len(fault.sent) < 4096 {
			f.Add(fault.sent)
		}
	}
	for _, m := range []string{
		`{"type":"subscribe","id":"a","stream":"orders","from":"last:5","key":["k"]}`, `{"type":"ack","id":"a","cursor":"v1.AA"}`,
		`{"type":"publish","id":"p","stream":"orders","records":[{"data":1}]}`, `{"type":"unsubscribe","id":"a"}`,
	} {
		f.Add(frame(fin|text, m))
	}
	f.Add(closeWith(1000, "bye"))
	f.Add([]byte{})
	in := start(f, options{limits: func(l *transport.Limits) {
		l.SessionsPerPrincipal, l.MessageBytes, l.MessageAssembly = 0, 1024, 200*time.Millisecond
	}})
	key := token(f, "u", "live", time.Hour)
	other := in.raw(f, "?stream=orders", key)
	f.Fuzz(func(t *testing.T, sent []byte) {
		c := in.raw(t, "", key)
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write(sent); err != nil {
			t.Fatal(err)
		}
		if half, ok := c.Conn.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
		c.readsToTheEnd(t, sent)
		_ = c.Close()
		_ = other.SetDeadline(time.Now().Add(patience))
		if _, err := other.Write(frame(fin|text, `{"type":"ping","id":"other"}`)); err != nil {
			t.Fatal(err)
		}
		for {
			m, code, err := other.next()
			if m == nil {
				t.Fatalf("the other session was closed with %d, %v", code, err)
			}
			if m.str("type") == "pong" {
				break
			}
		}
	})
}
