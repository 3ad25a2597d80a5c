package client_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"sluice/auth"
	"sluice/cmd/sluice/app"
	"sluice/cmd/sluice/config"
	"sluice/cmd/sluice/embedded"
)

// world is a server on an embedded Kafka, behind a wire that can be cut.
type world struct {
	t       *testing.T
	kafka   *embedded.Embedded
	file    string
	address atomic.Value // of the server
	stop    func()

	wire *wire
}

const secret = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"

// newWorld starts a server for pages of an origin, with the streams orders and readings, which
// everybody may read, and private, which needs a token.
func newWorld(t *testing.T, origin string) *world {
	t.Helper()
	servers, err := embedded.Start(embedded.Config{PartitionBytes: 16 << 20, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	createTopics(t, servers.Brokers[0])
	w := &world{t: t, kafka: servers}
	w.wire = newWire(t, func() string {
		address, _ := w.address.Load().(string)
		return address
	})
	dir := t.TempDir()
	w.file = filepath.Join(dir, "sluice.yaml")
	write(t, dir, "test.key", secret)
	write(t, dir, "sluice.yaml", fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
origins: [%q]
kafka: {brokers: [%q]}
redis: {url: "redis://%s/0"}
auth:
  issuers: [{issuer: test, audience: sluice, algorithms: [HS256], secret_file: test.key}]
grants:
  - {anonymous: true, subscribe: [orders, readings], publish: [orders, readings], replay: 24h}
  - {when: {scope: live}, subscribe: [orders, private], publish: [private], replay: 24h}
streams:
  orders: {topic: orders, content: json, partitions: 3}
  private: {topic: private, content: json, partitions: 1}
  readings: {topic: readings, content: json, partitions: 3, ingest: {message_ids: {required: true}}}
drain: {timeout: 2s, spread: 500ms}
`, origin, servers.Brokers[0], servers.RedisAddr))
	w.serve()
	t.Cleanup(func() { w.stop() })
	return w
}

// createTopics makes the topics of the streams. The server would, too, but on a busy machine not before
// clients are told that there are none.
func createTopics(t *testing.T, broker string) {
	t.Helper()
	var request kafka.CreateTopicsRequest
	for topic, partitions := range map[string]int{"orders": 3, "private": 1, "readings": 3} {
		request.Topics = append(request.Topics, kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1})
	}
	answer, err := (&kafka.Client{Addr: kafka.TCP(broker), Timeout: time.Minute}).CreateTopics(t.Context(), &request)
	if err != nil {
		t.Fatal(err)
	}
	for topic, err := range answer.Errors {
		if err != nil {
			t.Fatalf("make %s: %v", topic, err)
		}
	}
}

// serve starts the server. Pages of this machine may use it.
func (w *world) serve() {
	w.t.Helper()
	c, err := config.Load(config.Options{File: w.file, Environ: []string{}})
	if err != nil {
		w.t.Fatal(err)
	}
	listening := make(chan net.Addr, 1)
	a, err := app.New(c, app.Options{Listening: func(at net.Addr) { listening <- at }})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	select {
	case at := <-listening:
		w.address.Store(at.String())
	case err := <-ended:
		w.t.Fatal(err)
	}
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
}

// restart drains the server, and starts another one.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.serve()
}

// token returns a token that is valid for so long.
func (w *world) token(valid time.Duration) string {
	token, err := auth.Mint(auth.NewSecret(secret), auth.TokenClaims{
		Issuer: "test", Audience: "sluice", Subject: "u42", ValidFor: valid, More: map[string]any{"scope": "live"},
	})
	if err != nil {
		w.t.Error(err)
	}
	return token
}

// produce writes records with rising numbers, until the function that it returns is
// called, which returns how many there are.
func (w *world) produce(topic string, every time.Duration) (stop func() int64) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	writer := &kafka.Writer{
		Addr: kafka.TCP(w.kafka.Brokers[0]), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond, Balancer: &kafka.RoundRobin{},
		ReadTimeout: time.Minute, WriteTimeout: time.Minute, // a batch that is tried again after a timeout may be there twice
	}
	var n int64
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := writer.WriteMessages(context.Background(), kafka.Message{Key: fmt.Appendf(nil, "k%d", n%7), Value: fmt.Appendf(nil, `{"n":%d}`, n)}); err == nil {
				n++
			}
			select {
			case <-ctx.Done():
			case <-time.After(every):
			}
		}
	}()
	return func() int64 {
		cancel()
		<-done
		_ = writer.Close()
		return n
	}
}

// wire is a TCP proxy before the server. It also serves what the pages of the tests load,
// so that these are of the server's origin.
type wire struct {
	net.Listener
	target func() string

	mu     sync.Mutex
	conns  map[net.Conn]bool // whether it has become a WebSocket
	down   bool
	opened int // WebSockets in all
	most   int // of them at once
}

func newWire(t *testing.T, target func() string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l, target: target, conns: map[net.Conn]bool{}}
	go w.accept()
	t.Cleanup(func() {
		_ = l.Close()
		w.cut()
	})
	return w
}

func (w *wire) accept() {
	for {
		conn, err := w.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		down := w.down
		if !down {
			w.conns[conn] = false
		}
		w.mu.Unlock()
		if down {
			_ = conn.Close()
			continue
		}
		go w.carry(conn)
	}
}

func (w *wire) carry(conn net.Conn) {
	defer func() {
		w.mu.Lock()
		delete(w.conns, conn)
		w.mu.Unlock()
		_ = conn.Close()
	}()
	other, err := net.Dial("tcp", w.target())
	if err != nil {
		return
	}
	defer func() { _ = other.Close() }()
	go func() {
		_, _ = io.Copy(other, io.TeeReader(conn, seer(func(b []byte) {
			if strings.HasPrefix(string(b), "GET /v1/ws") {
				w.socket(conn)
			}
		})))
		_ = other.Close()
	}()
	_, _ = io.Copy(conn, other)
}

// seer is shown what is written.
type seer func([]byte)

func (s seer) Write(b []byte) (int, error) {
	s(b)
	return len(b), nil
}

func (w *wire) socket(conn net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[conn] = true
	w.opened++
	now := 0
	for _, is := range w.conns {
		if is {
			now++
		}
	}
	w.most = max(w.most, now)
}

// cut ends all connections.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for conn := range w.conns {
		_ = conn.Close()
	}
}

// set takes the wire down, or brings it up.
func (w *wire) set(down bool) {
	w.mu.Lock()
	w.down = down
	w.mu.Unlock()
	if down {
		w.cut()
	}
}

// tokens serves a token for each request, and counts them.
func (w *world) tokens(valid time.Duration) (url string, asked *atomic.Int64) {
	asked = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		rw.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = io.WriteString(rw, w.token(valid))
	}))
	w.t.Cleanup(server.Close)
	return server.URL, asked
}
