package transport_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

// TestAnswersThatAreNotRead: a client that requests a page and reads nothing of it
// holds neither the page nor a request's goroutine, on any protocol.
func TestAnswersThatAreNotRead(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/1.1 over TLS", "HTTP/2"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			o := options{
				limits: func(l *transport.Limits) {
					l.WriteProgress, l.SendBuffer, l.PageBytes = 300*time.Millisecond, 8<<10, 8<<20
				},
				stream: func(s *hub.Stream) { s.LogBytes = 32 << 20 },
			}
			var in *instance
			var h2 *http.Client
			if protocol == "HTTP/1.1" {
				in = start(t, o)
			} else {
				in, h2, _ = overTLS(t, o)
			}
			value := fmt.Appendf(nil, `"%s"`, bytes.Repeat([]byte("x"), 64<<10))
			for range 120 { // more than the window of an HTTP/2 stream
				in.topics.Append("orders", record.Record{Value: value, Timestamp: 1})
			}
			tok := token(t, "u", "live", time.Hour)
			const path = "/v1/streams/orders/records?from=earliest&limit=1000"
			var body io.ReadCloser
			if protocol == "HTTP/2" {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, in.url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer "+tok)
				res, err := h2.Do(req) //nolint:bodyclose // body is closed below
				if err != nil {
					t.Fatal(err)
				}
				body = res.Body
			} else {
				var conn net.Conn
				conn, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimPrefix(in.url, "http://"), "https://"))
				if err != nil {
					t.Fatal(err)
				}
				if tcp, ok := conn.(*net.TCPConn); ok {
					_ = tcp.SetReadBuffer(8 << 10)
				}
				if protocol != "HTTP/1.1" {
					conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
				}
				if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, tok); err != nil {
					t.Fatal(err)
				}
				body = conn
			}
			defer body.Close()
			in.eventually("the client is cut off", func() bool {
				return in.metric(`sluice_cut_off_total{reason="no_progress"}`) == 1
			})
			if n, err := io.Copy(io.Discard, body); n > 7<<20 {
				t.Errorf("%d bytes came, and %v: want a part of the page", n, err)
			}
		})
	}
}
