package transport_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

// BenchmarkDelivery delivers records of 200 bytes, one by one or 100 at once, to each
// of some clients on loopback: the append, the layout, the workers' steps, the writes
// to sockets, and the clients' reads. Processor time is that of all of this.
func BenchmarkDelivery(b *testing.B) {
	for _, protocol := range []string{"websocket", "sse", "websocket over TLS", "sse over TLS"} {
		protocol, overTLS := strings.CutSuffix(protocol, " over TLS")
		for _, size := range []struct{ clients, records int }{{1, 100}, {100, 1}, {100, 100}} {
			clients, records := size.clients, size.records
			name := fmt.Sprintf("%s/%d clients/%d at once", protocol, clients, records)
			if overTLS {
				name = "TLS/" + name
			}
			b.Run(name, func(b *testing.B) {
				in := start(b, options{
					tls:    overTLS,
					limits: func(l *transport.Limits) { l.SessionsPerPrincipal = 0 },
					stream: func(s *hub.Stream) { s.LogBytes = 8 << 20 },
				})
				rounds := make(chan struct{}, clients)
				for range clients {
					var c io.Reader
					if protocol == "sse" {
						c = in.rawGet("/v1/streams/public.news/events", token(b, "u", "live", time.Hour))
					} else {
						socket, _ := in.open(b, handshakeOf("?stream=public.news"), false)
						if _, err := socket.Write(frame(fin|text, `{"type":"ping","id":"x"}`)); err != nil {
							b.Fatal(err)
						}
						_ = socket.SetReadDeadline(time.Time{})
						c = socket.Conn
					}
					go awaitMarks(c, rounds)
				}
				in.eventually("all are subscribed", func() bool { return in.sample("sluice_subscriptions") == float64(clients) })
				batch := make([]record.Record, records)
				for i := range batch {
					batch[i] = record.Record{Value: fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, i, bytes.Repeat([]byte("x"), 180)), Timestamp: time.Now().UnixMilli()}
				}
				batch[records-1].Value = fmt.Appendf(nil, `{"mark":"%s","pad":"%s"}`, roundMark, bytes.Repeat([]byte("x"), 150))
				b.ReportAllocs()
				used := processorTime(b)
				for b.Loop() {
					in.topics.AppendBatch("public.news", batch)
					for range clients {
						<-rounds
					}
				}
				deliveries := float64(b.N * records * clients)
				b.ReportMetric(float64((processorTime(b)-used).Nanoseconds())/deliveries, "cpu-ns/delivery")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/deliveries, "ns/delivery")
			})
		}
	}
}

const roundMark = "end-of-round"

// awaitMarks sends on rounds for each mark that it reads, until the connection ends.
func awaitMarks(c io.Reader, rounds chan<- struct{}) {
	buf := make([]byte, 64<<10)
	kept := 0
	for {
		n, err := c.Read(buf[kept:])
		if err != nil {
			return
		}
		seen := buf[:kept+n]
		for range bytes.Count(seen, []byte(roundMark)) {
			rounds <- struct{}{}
		}
		// The input may end with the beginning of a mark, never with a whole one.
		rest := seen[max(0, len(seen)-len(roundMark)+1):]
		kept = copy(buf, rest)
	}
}
