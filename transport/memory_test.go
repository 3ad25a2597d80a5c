package transport_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

// TestMemoryGoesWithTheLastReader: a stream is read again and again by ever fewer
// clients of all kinds, which leave, while one client without the stream stays.
// Nothing of a log that is no longer kept stays in memory, whoever has read it. The
// test is not parallel, as it measures the memory of the whole process.
func TestMemoryGoesWithTheLastReader(t *testing.T) {
	const records, together, size = 1250, 250, 1 << 10
	in := start(t, options{
		config: compressing,
		stream: func(s *hub.Stream) { s.LogBytes, s.Linger = 64<<20, 10*time.Millisecond },
		limits: unlimitedSessions,
	})
	written := 0
	write := func() {
		batch := make([]record.Record, together)
		for i := range batch {
			batch[i] = record.Record{
				Key: fmt.Appendf(nil, "k%d", i%2), Timestamp: time.Now().UnixMilli(),
				Value: fmt.Appendf(nil, `{"n":%d,"pad":"%0*d"}`, written+i, size, i),
			}
		}
		in.topics.AppendBatch("orders", batch)
		written += together
	}
	for written < records {
		write()
	}
	// The memory of compressors is allocated once.
	cold := liveHeap()
	in.publish("public.news", 0, 0, 1)
	first, _ := in.compressedEvents("/v1/streams/public.news/events?from=earliest", "")
	first.offsets(1)
	first.cancel()
	in.sampleBecomes(`sluice_stream_log_bytes{stream="public.news"}`, 0)

	tok := token(t, "u42", "live", time.Hour)
	before, since := liveHeap(), written
	if more := before - cold; more > 8<<20 {
		t.Errorf("compressors take %d KiB", more>>10)
	}
	const logBytes = `sluice_stream_log_bytes{stream="orders"}`
	for _, readers := range []int{3, 1} {
		stays := in.dialDeflated(websocket.CompressionContextTakeover, tok)
		stays.until("welcome")
		stays.send(`{"type":"subscribe","id":"1","stream":"orders","from":"earliest"}`)
		leave := in.readAll("orders", tok, readers, write, func() int { return written })
		if held := in.sample(logBytes); held < records*size {
			t.Fatalf("the log has %v bytes, which is less than its records", held)
		}
		stays.until("caught_up")
		stays.send(`{"type":"unsubscribe","id":"1"}`)
		leave()
		in.sampleBecomes("sluice_subscriptions", 0)
		in.sampleBecomes(logBytes, 0)
		// Records written meanwhile are in the topic.
		topic := (written - since) * (size + 300)
		// The last clients may still be leaving.
		more := liveHeap() - before - topic
		for end := time.Now().Add(patience / 2); more > 1<<20 && time.Now().Before(end); more = liveHeap() - before - topic {
			time.Sleep(50 * time.Millisecond)
		}
		if more > 1<<20 {
			t.Errorf("when %d clients of each kind have left, %d KiB stay in memory", readers, more>>10)
		}
	}
}

// unlimitedSessions removes the limits of sessions, for tests with many clients of
// one principal.
func unlimitedSessions(l *transport.Limits) { l.SessionsPerPrincipal, l.SessionsPerAddress = 0, 0 }

// readAll makes n clients of each kind read a stream from its beginning, including
// the records that write appends while the clients are connected. It returns a
// function that disconnects them.
func (in *instance) readAll(stream, token string, n int, write func(), written func() int) (leave func()) {
	in.t.Helper()
	var (
		conns   []net.Conn
		readers sync.WaitGroup
	)
	open := func(request string, header ...string) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(in.url, "http://"))
		if err != nil {
			in.t.Fatal(err)
		}
		conns = append(conns, conn)
		if token != "" {
			header = append(header, "Authorization: Bearer "+token)
		}
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: sluice\r\n%s\r\n\r\n", request, strings.Join(header, "\r\n")); err != nil {
			in.t.Fatal(err)
		}
		readers.Go(func() { _, _ = io.Copy(io.Discard, conn) })
	}
	delivered := func() int {
		return int(in.sample(`sluice_events_sent_total{protocol="sse"}`) + in.sample(`sluice_events_sent_total{protocol="websocket"}`))
	}
	events := "/v1/streams/" + stream + "/events?from=earliest"
	socket := "/v1/ws?from=earliest&stream=" + stream
	upgrade := []string{
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
		"Sec-WebSocket-Extensions: permessage-deflate",
	}
	before, there := delivered(), written()
	for range n {
		open(events, "Accept-Encoding: gzip")
		open(events + "&key=k1")
		open(socket, upgrade...)
		open(socket+"&key=k1", upgrade...)
	}
	await := func(records int) {
		in.t.Helper()
		// Two kinds read all records, two read half of them.
		want := before + n*(2*records+2*(records/2))
		for deadline := time.Now().Add(time.Minute); delivered() < want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				in.t.Fatalf("%s: %d of %d records were delivered", stream, delivered()-before, want-before)
			}
		}
	}
	await(there)
	write() // while all clients are live
	await(written())
	return func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
		readers.Wait()
	}
}

// liveHeap returns the memory that is in use after garbage collection. Pooled memory
// is released by the second collection.
func liveHeap() int {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
