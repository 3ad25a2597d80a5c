package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/bench/load/scenario"
)

func TestBareIsMeasuredAndLosesNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			topics := []string{"ticks-0", "ticks-1"}
			kafka := bareKafka(t, topics...)
			s := scenario.Scenario{
				Name: "few", Title: "few", Streams: 2, Partitions: 2, Keys: 12, RecordBytes: 200, Rate: 200,
				Clients: []scenario.Group{{Kind: kind, Count: 20}},
				WarmUp:  200 * time.Millisecond, Measure: 500 * time.Millisecond,
			}
			var got result
			// On a busy machine the window can be over before a record is written.
			for tries := 0; got.Produced == 0 && tries < 5; tries++ {
				var err error
				got, err = options{perProcess: 12, subprotocol: "sluice.v1.json"}.measureBare(t.Context(), kafka.ListenAddrs(), topics, s)
				if err != nil {
					t.Fatal(err)
				}
			}
			// Ten clients read one of the two streams, and ten the other.
			if got.Open != 20 || got.Produced == 0 || got.Deliveries != 10*got.Produced || got.Missing != 0 || got.Duplicated != 0 || got.Foreign != 0 {
				t.Errorf("got %d open, %d produced, %d delivered, %d missing, %d repeated, %d foreign: %v",
					got.Open, got.Produced, got.Deliveries, got.Missing, got.Duplicated, got.Foreign, got.Faults)
			}
			if got.Server != titleBare || got.Latency.Count != got.Deliveries {
				t.Errorf("%q has latencies of %d deliveries", got.Server, got.Latency.Count)
			}
		})
	}
}

func TestBareHasSluicesBytes(t *testing.T) {
	t.Parallel()
	const topic = "ticks"
	kafka := bareKafka(t, topic)
	_, address := startBare(t, kafka, topic)
	socket := dialBare(t, address, scenario.WebSocket, topic)
	events := dialBare(t, address, scenario.SSE, topic)
	const at = 1795245600123
	produceBare(t, kafka, kgo.NoCompression(),
		kgo.Record{Topic: topic, Partition: 1, Key: []byte("k1"), Value: []byte(`{"n":1}`), Timestamp: time.UnixMilli(at)},
		kgo.Record{Topic: topic, Partition: 1, Key: []byte("k2"), Value: bytes.Repeat([]byte("7"), 300), Timestamp: time.UnixMilli(at + 5)})
	first := fmt.Sprintf(`{"type":"event","stream":"ticks","partition":1,"offset":0,"ts":%d,"key":"k1","data":{"n":1}}`, at)
	second := fmt.Sprintf(`{"type":"event","stream":"ticks","partition":1,"offset":1,"ts":%d,"key":"k2","data":%s}`, at+5, strings.Repeat("7", 300))
	want := string([]byte{0x81, byte(len(first))}) + first + string([]byte{0x81, 126, byte(len(second) >> 8), byte(len(second))}) + second
	if got := read(t, socket, len(want)); got != want {
		t.Errorf("a WebSocket got %q, want %q", got, want)
	}
	want = "data: " + first + "\n\ndata: " + second + "\n\n"
	if got := read(t, events, len(want)); got != want {
		t.Errorf("an event stream got %q, want %q", got, want)
	}
}

// A full socket must block the loop, which then continues where it was.
func TestBareWaitsForASocketThatIsFull(t *testing.T) {
	t.Parallel()
	const topic, records, size = "ticks", 128, 100_000
	kafka := bareKafka(t, topic)
	b, address := startBare(t, kafka, topic)
	slow := dialBare(t, address, scenario.SSE, topic)
	value := bytes.Repeat([]byte("7"), size)
	var all []kgo.Record
	for range records {
		all = append(all, kgo.Record{Topic: topic, Value: value, Key: []byte("k")})
	}
	// More than the kernel buffers for a socket by default (tcp_wmem, tcp_rmem).
	produceBare(t, kafka, kgo.NoCompression(), all...)
	for i := range records {
		line, err := slow.ReadString('\n')
		if want := fmt.Sprintf(`data: {"type":"event","stream":"ticks","partition":0,"offset":%d,`, i); err != nil || !strings.HasPrefix(line, want) || len(line) < size {
			t.Fatalf("record %d: %d bytes that begin with %.90q, %v", i, len(line), line, err)
		}
		if line, err := slow.ReadString('\n'); line != "\n" || err != nil {
			t.Fatalf("behind record %d: %q, %v", i, line, err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault != nil {
		t.Error(b.fault)
	}
}

func TestBareSaysWhatItCannotRead(t *testing.T) {
	t.Parallel()
	const topic = "ticks"
	kafka := bareKafka(t, topic)
	b, address := startBare(t, kafka, topic)
	dialBare(t, address, scenario.WebSocket, topic)
	produceBare(t, kafka, kgo.GzipCompression(), kgo.Record{Topic: topic, Key: []byte("k"), Value: bytes.Repeat([]byte("7"), 1000)})
	b.loops.Wait()
	if !errors.Is(b.fault, errBatch) {
		t.Errorf("got %v", b.fault)
	}
}

func TestBareRefusesWhatItDoesNotDo(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"a path":       "GET /v1/cursors HTTP/1.1\r\nHost: x\r\n\r\n",
		"a filter":     "GET /v1/streams/x/events?key=k HTTP/1.1\r\nHost: x\r\n\r\n",
		"no upgrade":   "GET /v1/ws HTTP/1.1\r\nHost: x\r\n\r\n",
		"not HTTP":     "x\r\n\r\n",
		"a key":        upgrade + string(appendFrame(nil, opText, []byte(`{"type":"subscribe","id":"0","stream":"x","key":["k"]}`))),
		"a ping":       upgrade + string(appendFrame(nil, opPing, nil)),
		"other frames": upgrade + string([]byte{0x81, 0x05}),
	} {
		here, there := net.Pipe()
		go func() {
			_, _ = io.WriteString(there, request)
			_ = there.Close()
		}()
		go func() { _, _ = io.Copy(io.Discard, there) }()
		if kind, stream, err := bareHandshake(here); err == nil {
			t.Errorf("%s: %s of %q", name, kind, stream)
		}
		_ = here.Close()
	}
}

const upgrade = "GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func bareKafka(t *testing.T, topics ...string) *kfake.Cluster {
	t.Helper()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	return kafka
}

// startBare runs the peer bare in this process.
func startBare(t *testing.T, kafka *kfake.Cluster, topic string) (b *bare, address string) {
	t.Helper()
	b = newBare()
	ctx, cancel := context.WithCancel(t.Context())
	address, err := b.open(ctx, bareJob{Brokers: kafka.ListenAddrs(), Topics: []string{topic}})
	t.Cleanup(func() {
		cancel()
		b.close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, address
}

// dialBare subscribes and reads the answer.
func dialBare(t *testing.T, address, kind, topic string) *bufio.Reader {
	t.Helper()
	conn, err := net.Dial("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	to := target{Address: address, Dialect: dialectSluice, Streams: []string{topic}}
	w := wish{kind: kind, key: -1}
	if _, err := conn.Write(to.request(w)); err != nil {
		t.Fatal(err)
	}
	answer := "event: sluice.ready\ndata: {\"type\":\"ready\"}\n\n"
	if kind == scenario.WebSocket {
		messages, err := to.first(w)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(appendFrame(nil, opText, []byte(messages[0]))); err != nil {
			t.Fatal(err)
		}
		answer = "\x81\x1e{\"type\":\"subscribed\",\"id\":\"0\"}"
	}
	r := bufio.NewReader(conn)
	for line := ""; line != "\r\n"; {
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, r, len(answer)); got != answer {
		t.Fatalf("answered %q, want %q", got, answer)
	}
	return r
}

func read(t *testing.T, r io.Reader, n int) string {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(b)
}

// produceBare writes records as one batch per partition.
func produceBare(t *testing.T, kafka *kfake.Cluster, codec kgo.CompressionCodec, records ...kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codec))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var all []*kgo.Record
	for i := range records {
		all = append(all, &records[i])
	}
	if err := client.ProduceSync(t.Context(), all...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}
