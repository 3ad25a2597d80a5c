package client_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/transport/client"
)

// tallied is a listener that counts its connections.
type tallied struct {
	net.Listener
	open atomic.Int64
}

type countedConn struct {
	net.Conn
	once sync.Once
	in   *tallied
}

func (c *tallied) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	return &countedConn{Conn: conn, in: c}, nil
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.in.open.Add(-1) })
	return c.Conn.Close()
}

// TestNothingStaysOfSubscriptions: thousands are opened, and left at any moment in any way, while others
// ack, pause and publish. Nothing of them stays: no goroutine (TestMain), no connection.
func TestNothingStaysOfSubscriptions(t *testing.T) {
	t.Parallel()
	s := newServer(t, 2, 3)
	s.expires = 3_600_000
	s.end = cutAtRandom(30)
	handler := http.NewServeMux()
	handler.Handle("/base/v1/ws", s)
	handler.HandleFunc("/base/v1/streams/s/records", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"partition":0,"offset":1}`))
	})
	h := httptest.NewUnstartedServer(handler)
	listener := &tallied{Listener: h.Listener}
	h.Listener = listener
	h.Start()
	defer h.Close()
	transport := &http.Transport{}
	c, err := client.New(client.Config{
		URL: h.URL + "/base", MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond, HTTPClient: &http.Client{Transport: transport},
		Token: func(ctx context.Context) (string, error) { return "t", ctx.Err() },
	})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 100 {
				leave(t, c)
			}
		})
	}
	all.Wait()
	transport.CloseIdleConnections()
	for ends := time.Now().Add(10 * time.Second); listener.open.Load() > 0; runtime.Gosched() {
		if time.Now().After(ends) {
			t.Fatalf("%d connections are left", listener.open.Load())
		}
	}
}

// leave opens a subscription, and leaves it in some way.
func leave(t *testing.T, c *client.Client) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sub := c.NewSubscription(client.Request{Stream: "s", From: client.Earliest, CursorName: "n"})
	var others sync.WaitGroup
	defer others.Wait()
	others.Go(func() {
		time.Sleep(rand.N(3 * time.Millisecond))
		switch rand.IntN(4) {
		case 0:
			cancel()
		case 1:
			_ = sub.Ack(ctx)
			_ = sub.Pause(ctx)
			_ = sub.Resume(ctx)
			cancel()
		case 2:
			_, err := c.Publish(ctx, "s", client.Message{Data: []byte(`1`)})
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			cancel()
		default:
			time.AfterFunc(20*time.Millisecond, cancel)
		}
	})
	most := rand.IntN(8)
	for _, err := range sub.Events(ctx) {
		if most--; most < 0 || err != nil {
			break
		}
	}
	_ = sub.Cursor()
	if err := sub.Ack(ctx); !errors.Is(err, client.ErrDisconnected) {
		t.Errorf("ack after the loop: %v", err)
	}
}

// TestAcksOfNothingAreNotSent: before the server has answered there is no position.
func TestAcksOfNothingAreNotSent(t *testing.T) {
	t.Parallel()
	s := newServer(t, 1, 1)
	var sub *client.Subscription
	s.intercept = func(*websocket.Conn, int, map[string]any) bool {
		for range 10 {
			if err := sub.Ack(t.Context()); !errors.Is(err, client.ErrDisconnected) {
				t.Errorf("ack: %v", err)
			}
			time.Sleep(time.Millisecond) // the client may not know yet that it is connected
		}
		return false
	}
	sub = dial(t, s, nil).NewSubscription(client.Request{Stream: "s", From: client.Earliest, CursorName: "n"})
	for event, err := range sub.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := event.(client.Record); ok {
			if err := sub.Ack(t.Context()); err != nil {
				t.Error(err)
			}
			break
		}
	}
}
