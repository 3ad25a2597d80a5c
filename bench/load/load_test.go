package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestMain also runs the child processes, which are started from the test binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "role=") {
		if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestMeasuresAServer(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			const topic = "ticks"
			kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topic))
			if err != nil {
				t.Fatal(err)
			}
			defer kafka.Close()
			fans := newFans(t, kafka.ListenAddrs(), topic)
			server := httptest.NewServer(fans)
			defer server.Close()
			defer fans.close()

			var out bytes.Buffer
			err = run(t.Context(), []string{
				"-url", server.URL, "-kind", kind, "-clients-per-process", "12", "-stream", topic, "-topic", topic, "-connections", "20",
				"-rate", "200", "-warm-up", "200ms", "-measure", "500ms", "-settle", "0s", "-pid", fmt.Sprint(os.Getpid()), "-json",
				"-brokers", strings.Join(kafka.ListenAddrs(), ","),
			}, nil, &out, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			var rep report
			if err := json.Unmarshal(out.Bytes(), &rep); err != nil {
				t.Fatal(err)
			}
			got := rep.Results[0]
			if got.Open != 20 || got.Produced != 100 || got.NotStored != 0 || got.Deliveries != 20*100 || got.Missing != 0 || got.Duplicated != 0 {
				t.Errorf("got %d open, %d produced (%d not stored), %d delivered, %d missing, %d repeated: %v",
					got.Open, got.Produced, got.NotStored, got.Deliveries, got.Missing, got.Duplicated, got.Faults)
			}
			if got.Latency.Count != got.Deliveries || got.Floor.Count != got.Produced {
				t.Errorf("latencies of %d deliveries, %d in the floor", got.Latency.Count, got.Floor.Count)
			}
			if got.Latency.P50 <= 0 || got.ServerRSS <= 0 {
				t.Errorf("p50 %v ms, resident %d", got.Latency.P50, got.ServerRSS)
			}
		})
	}
}

// fans is a small server of the protocol: it sends each record to every client.
type fans struct {
	client *kgo.Client
	mu     sync.Mutex
	sends  map[int]chan []byte
	next   int
	done   chan struct{}
}

func newFans(t *testing.T, brokers []string, topic string) *fans {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	if err != nil {
		t.Fatal(err)
	}
	f := &fans{client: client, sends: map[int]chan []byte{}, done: make(chan struct{})}
	go f.run(t.Context())
	return f
}

func (f *fans) run(ctx context.Context) {
	defer close(f.done)
	for {
		fetches := f.client.PollFetches(ctx)
		if fetches.IsClientClosed() || ctx.Err() != nil {
			return
		}
		fetches.EachRecord(func(r *kgo.Record) {
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, send := range f.sends {
				send <- fmt.Appendf(nil, `{"type":"event","stream":"s","partition":%d,"offset":%d,"data":%s}`, r.Partition, r.Offset, r.Value)
			}
		})
	}
}

func (f *fans) close() {
	f.client.Close()
	<-f.done
}

func (f *fans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	write := func(b []byte) error {
		_, err := fmt.Fprintf(w, "data: %s\n\n", b)
		w.(http.Flusher).Flush()
		return err
	}
	ctx := r.Context()
	if r.URL.Path == "/v1/ws" {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		if _, _, err := c.Read(ctx); err != nil {
			return
		}
		ctx = c.CloseRead(ctx)
		write = func(b []byte) error { return c.Write(ctx, websocket.MessageText, b) }
	}
	send := make(chan []byte, 1000)
	f.mu.Lock()
	id := f.next
	f.next++
	f.sends[id] = send
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.sends, id)
		f.mu.Unlock()
	}()
	if r.URL.Path == "/v1/ws" {
		_ = write([]byte(`{"type":"subscribed","id":"0"}`))
	} else {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "retry: 1\nevent: sluice.ready\nid: x\ndata: {\"type\":\"ready\"}\n\n")
		w.(http.Flusher).Flush()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-send:
			if write(b) != nil {
				return
			}
		}
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-kind", "mqtt"},
		{"no-such-scenario"},
		{"-pid", "x"},
		{"-clients-per-process", "0"},
		{"-dialect", "mqtt"},
		{"-url", "http://127.0.0.1:1", "-rate", "5"},
		{"-url", "https://127.0.0.1:1", "-rate", "0"},
	} {
		if err := run(t.Context(), args, nil, io.Discard, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
