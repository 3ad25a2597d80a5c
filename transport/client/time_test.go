package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"sluice/transport/client"
)

// pipes is a network of net.Pipe connections, which work with the clock of
// synctest.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// dialPipes returns a client of a server in a bubble; the server ends with the
// test.
func dialPipes(t *testing.T, handler http.Handler, token func(context.Context) (string, error)) *client.Client {
	t.Helper()
	p := newPipes()
	var handlers sync.WaitGroup
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		handler.ServeHTTP(w, r)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(p) }()
	transport := &http.Transport{DialContext: p.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		handlers.Wait()
	})
	c, err := client.New(client.Config{URL: "http://server/base", Token: token, HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTokensAreRenewedBeforeTheyEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		number := 0
		token := func(context.Context) (string, error) {
			if number++; number == 2 {
				return "", errors.New("out of reach")
			}
			return fmt.Sprint("t", number), nil
		}
		s := newServer(t, 1, 1)
		s.expires = (10 * time.Minute).Milliseconds()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		c := dialPipes(t, pinging{s}, token)
		for event, err := range c.Subscribe(ctx, client.Request{Stream: "s", From: client.Earliest}) {
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			if lost, ok := event.(client.Disconnected); ok {
				t.Errorf("connection lost: %v", lost.Err)
			}
		}
		// At once, after nine minutes and, as that failed, five seconds later,
		// and nine minutes after that.
		s.mu.Lock()
		defer s.mu.Unlock()
		if got := fmt.Sprint(s.tokens); got != "[Bearer t1 t3 t4]" {
			t.Errorf("tokens %s", got)
		}
	})
}

// pinging makes a server send something every second, so that it does not count
// as gone.
type pinging struct{ *server }

func (p pinging) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	var writer sync.WaitGroup
	defer writer.Wait()
	defer cancel()
	writer.Go(func() {
		for ctx.Err() == nil {
			p.write()
			time.Sleep(time.Second)
		}
	})
	p.server.ServeHTTP(w, r)
}

func TestAServerThatSaysNothingIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, 1, 1)
		began := time.Now()
		for event, err := range dialPipes(t, s, nil).Subscribe(t.Context(), client.Request{Stream: "s", From: client.Earliest}) {
			if err != nil {
				t.Fatal(err)
			}
			if _, lost := event.(client.Disconnected); lost {
				break
			}
		}
		// Two pings of a second, and ten seconds more; and one second to hang up.
		if took := time.Since(began); took < 12*time.Second || took > 14*time.Second {
			t.Errorf("left after %v", took)
		}
	})
}

func TestADrainingServerIsLeftWhenItSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, 1, 5)
		s.end = func(c *websocket.Conn, sent int) bool {
			if sent == 3 && s.attempts == 1 {
				say(c, `{"type":"drain","reconnect_ms":4000}`)
			}
			return false
		}
		began := time.Now()
		got := collector{t: t}
		var lost time.Duration
		for event, err := range dialPipes(t, s, nil).Subscribe(t.Context(), client.Request{Stream: "s", From: client.Earliest}) {
			if err != nil {
				t.Fatal(err)
			}
			switch event := event.(type) {
			case client.Record:
				got.take(event)
			case client.Disconnected:
				lost = time.Since(began)
				if event.Retry != 0 {
					t.Errorf("waits %v more", event.Retry)
				}
				s.write()
			}
			if got.n == 6 {
				break
			}
		}
		if lost != 4*time.Second {
			t.Errorf("left after %v", lost)
		}
	})
}
