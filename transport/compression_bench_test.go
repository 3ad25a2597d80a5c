package transport_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

// benchClients is the number of clients that read the stream, benchEvery the
// interval between records.
const (
	benchClients = 1000
	benchEvery   = 5 * time.Millisecond
)

// BenchmarkCompressed measures the fan-out of records, plain and compressed, with
// the processor time of the whole process, including the clients, which read and
// discard.
//
//	go test ./transport -run '^$' -bench Compressed -benchtime 600x
func BenchmarkCompressed(b *testing.B) {
	const events, socket = "/v1/streams/public.news/events", "/v1/ws?stream=public.news"
	upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, size := range []int{200, 1000} {
		for _, together := range []int{1, 20} {
			for _, way := range []struct{ name, kind, path, header string }{
				{"sse/plain", "sse", events, ""},
				{"sse/gzip", "sse", events, "Accept-Encoding: gzip\r\n"},
				{"websocket/plain", "websocket", socket, upgrade},
				{"websocket/deflate", "websocket", socket, upgrade + "Sec-WebSocket-Extensions: permessage-deflate\r\n"},
				{"websocket/no takeover", "websocket", socket, upgrade + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n"},
			} {
				b.Run(fmt.Sprintf("%d bytes, %d together/%s", size, together, way.name), func(b *testing.B) {
					request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: sluice\r\n%s\r\n", way.path, way.header)
					benchFanOut(b, way.kind, request, size, together)
				})
			}
		}
	}
}

func benchFanOut(b *testing.B, kind, request string, size, together int) {
	in := start(b, options{
		config: compressing, limits: func(l *transport.Limits) { l.SessionsPerPrincipal = 0 },
		stream: func(s *hub.Stream) { s.LogBytes = 64 << 20 },
	})
	var read atomic.Int64
	var clients sync.WaitGroup
	defer clients.Wait()
	for range benchClients {
		conn, err := net.Dial("tcp", strings.TrimPrefix(in.url, "http://"))
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, request); err != nil {
			b.Fatal(err)
		}
		if kind == "websocket" {
			_, _ = conn.Write(frame(fin|text, `{"type":"ping","id":"x"}`))
		}
		clients.Go(func() {
			buf := make([]byte, 32<<10)
			for {
				n, err := conn.Read(buf)
				if read.Add(int64(n)); err != nil {
					return
				}
			}
		})
	}
	in.sampleBecomes("sluice_subscriptions", benchClients)
	deliveries := float64(b.N * together * benchClients)
	sent := `sluice_events_sent_total{protocol="` + kind + `"}`
	bytes, began := read.Load(), processorTime(b)
	b.ResetTimer()
	for n := range b.N {
		for k := range together {
			in.topics.Append("public.news", benchRecord(n*together+k, size))
		}
		time.Sleep(benchEvery)
	}
	for in.metric(sent) < deliveries {
		time.Sleep(10 * time.Millisecond)
	}
	b.StopTimer()
	time.Sleep(50 * time.Millisecond)
	b.ReportMetric(float64(processorTime(b)-began)/deliveries, "cpu-ns/delivery")
	b.ReportMetric(float64(read.Load()-bytes)/deliveries, "wire-bytes/delivery")
	http.DefaultClient.CloseIdleConnections()
}

// processorTime returns the processor time that the process has used.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchRecord returns JSON as markets and devices send it: the same names, other
// numbers.
func benchRecord(n, size int) record.Record {
	symbol := []string{"NORD", "ALPN", "BRCK", "HAFN", "LUMO", "QUEL"}[rand.IntN(6)]
	cents := func() float64 { return float64(rand.IntN(9999)) / 100 }
	value := fmt.Appendf(nil, `{"symbol":%q,"price":%.2f,"bid":%.2f,"ask":%.2f,"seq":%d,"venue":"XETR","halted":false,"note":null`,
		symbol, cents(), cents(), cents(), rand.IntN(1e9))
	for k := 0; len(value) < size-30; k++ {
		value = fmt.Appendf(value, `,"field_%d":{"count":%d,"unit":"ms","tag":"%08x"}`, k, rand.IntN(10000), rand.Uint32())
	}
	return record.Record{Partition: int32(n % 2), Key: []byte(symbol), Value: append(value, '}'), Timestamp: time.Now().UnixMilli()}
}
