// Command plainhub is a hub as in most tutorials, for comparisons: a set of
// WebSockets, a channel of messages for each, and a goroutine that writes the
// messages of a channel one after the other. A client that does not keep up is
// closed.
//
//	plainhub -listen 127.0.0.1:8000
//
// GET /subscribe is a WebSocket, and POST /publish sends a body to all.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/coder/websocket"
)

// queue is how many messages may be queued for a subscriber: the largest value in
// tutorials.
const queue = 256

const maxMessage = 1 << 20

type hub struct {
	mu          sync.Mutex // guards subscribers
	subscribers map[*subscriber]struct{}
}

type subscriber struct {
	messages chan []byte
	tooSlow  func()
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8000", "address")
	flag.Parse()
	h := &hub{subscribers: map[*subscriber]struct{}{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /subscribe", h.subscribe)
	mux.HandleFunc("POST /publish", h.publish)
	server := &http.Server{Addr: *listen, Handler: mux}
	if err := server.ListenAndServe(); err != nil {
		fmt.Fprintln(os.Stderr, "plainhub:", err)
		os.Exit(1)
	}
}

func (h *hub) publish(w http.ResponseWriter, r *http.Request) {
	message, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	h.mu.Lock()
	for s := range h.subscribers {
		select {
		case s.messages <- message:
		default:
			go s.tooSlow()
		}
	}
	h.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

func (h *hub) subscribe(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	s := &subscriber{
		messages: make(chan []byte, queue),
		tooSlow:  func() { _ = c.Close(websocket.StatusPolicyViolation, "too slow") },
	}
	gone := c.CloseRead(context.Background())
	h.mu.Lock()
	h.subscribers[s] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.subscribers, s)
		h.mu.Unlock()
	}()
	for {
		select {
		case <-gone.Done():
			return
		case message := <-s.messages:
			// This library is fastest with a context without a deadline.
			if err := c.Write(context.Background(), websocket.MessageText, message); err != nil {
				return
			}
		}
	}
}
