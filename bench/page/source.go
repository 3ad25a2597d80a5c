package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	"sluice/bench/stack"
)

//go:embed clients.js
var clientsJS []byte

// tick is how often events are sent at a rate, and burst how many are sent at once without one.
const (
	tick  = 10 * time.Millisecond
	burst = 64
)

// source sends events to clients.
type source struct {
	*httptest.Server
	files map[string][]byte
	sizes map[string]int // in gzip
	dir   string         // with the files
	next  chan struct{}  // one for each step that a client is ready for

	mu                sync.Mutex
	total, step, rate int
}

// newSource starts a source, with the page and the clients.
func newSource(ctx context.Context) (*source, error) {
	runtimes, err := stack.JavaScriptRuntimes(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare centrifuge: %w", err)
	}
	s := &source{next: make(chan struct{})}
	if s.files, s.sizes, err = clientFiles(runtimes.Modules); err != nil {
		return nil, err
	}
	s.files["clients.js"] = clientsJS
	s.files[""] = []byte("<!doctype html><title>clients</title>")
	if s.dir, err = os.MkdirTemp("", "page"); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	for name, text := range s.files {
		if name == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(s.dir, name), text, 0o600); err != nil {
			return nil, fmt.Errorf("write clients: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "package.json"), []byte(`{"type":"module"}`), 0o600); err != nil {
		return nil, fmt.Errorf("write clients: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{name}", func(w http.ResponseWriter, r *http.Request) {
		text, ok := s.files[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		kind := "text/javascript"
		if r.PathValue("name") == "" {
			kind = "text/html"
		}
		w.Header().Set("Content-Type", kind+"; charset=utf-8")
		_, _ = w.Write(text)
	})
	mux.HandleFunc("GET /next", func(http.ResponseWriter, *http.Request) { s.next <- struct{}{} })
	mux.HandleFunc("GET /v1/ws", s.sluice)
	mux.HandleFunc("GET /v1/streams/orders/events", s.events)
	mux.HandleFunc("GET /centrifuge", s.centrifuge)
	s.Server = httptest.NewServer(mux)
	return s, nil
}

// Close ends the source and its connections.
func (s *source) Close() {
	s.CloseClientConnections()
	s.Server.Close()
	_ = os.RemoveAll(s.dir)
}

// begin says what the next client is sent: so many events, at a rate, or as fast as it takes
// them, with a pause after each step.
func (s *source) begin(total, step, rate int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total, s.step, s.rate = total, step, rate
}

// feed sends events until the context ends. write sends those with the numbers from one on.
func (s *source) feed(ctx context.Context, write func(from, count int) error) {
	s.mu.Lock()
	total, step, rate := s.total, s.step, s.rate
	s.mu.Unlock()
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for n := 0; n < total; {
		count := min(burst, step-n%step, total-n)
		if rate > 0 {
			count = min(rate/int(time.Second/tick), total-n)
			select {
			case <-ticks.C:
			case <-ctx.Done():
				return
			}
		}
		if write(n, count) != nil {
			return
		}
		n += count
		if n%step == 0 && n < total {
			select {
			case <-s.next:
			case <-ctx.Done():
				return
			}
		}
	}
	<-ctx.Done()
}

// appendEvent appends an event of about 250 bytes.
func appendEvent(b []byte, n int) []byte {
	return fmt.Appendf(b, `{"type":"event","stream":"orders","partition":%d,"offset":%d,"ts":1795245600123,"key":"eu-%d",`+
		`"data":{"n":%d,"symbol":"ACME","price":%d.25,"size":100,"venue":"XETR","note":"a reading of the kind that pages show in a table, or a chart"}}`,
		n%3, n/3, n%997, n, n%500)
}
