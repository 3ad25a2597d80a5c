package transport_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/hub"
	"sluice/hub/upstream"
	"sluice/transport"
)

// TestPublishesInFlight: a session with as many publishes in flight as it may have is not
// read until one of them is answered. It is not taken for a client that does not answer
// pings meanwhile, and ends when its connection does.
func TestPublishesInFlight(t *testing.T) {
	t.Parallel()
	held := &heldProducer{}
	inBubble(t, options{
		limits: func(l *transport.Limits) {
			l.PublishesPerSession, l.PingEvery, l.PongWithin = 4, 20*time.Millisecond, 20*time.Millisecond
		},
		stream: func(s *hub.Stream) { held.Producer, s.Producer = s.Producer, held },
	}, func(t *testing.T, in *instance) { testPublishesInFlight(t, in, held) })
}

func testPublishesInFlight(t *testing.T, in *instance, held *heldProducer) {
	c := in.dial("", token(t, "u", "live", time.Hour))
	var sending sync.WaitGroup
	sending.Go(func() { // which waits, as the session is not read
		for n := range 10 {
			c.send(`{"type":"publish","id":"p%d","stream":"orders","key":"k","data":%d}`, n, n)
		}
		c.send(`{"type":"ping","id":"last"}`)
	})
	for held.count() < 4 {
		time.Sleep(time.Millisecond)
	}
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		if n := held.count(); n > 4 {
			t.Fatalf("%d publishes are in flight", n)
		}
		time.Sleep(time.Millisecond)
	}
	over := make(chan struct{})
	var releasing sync.WaitGroup
	releasing.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond):
				held.release()
			}
		}
	})
	pongs := 0
	for range 11 {
		switch m := c.answer(); m.str("type") {
		case "pong":
			pongs++
		case "published":
			if m.str("id") != fmt.Sprintf("p%v", m["offset"]) {
				t.Errorf("got %v", m)
			}
		default:
			t.Fatalf("got %v", m)
		}
	}
	close(over)
	releasing.Wait()
	sending.Wait()
	if pongs != 1 {
		t.Errorf("got %d pongs", pongs)
	}
	sending.Go(func() {
		for n := range 10 {
			message := fmt.Appendf(nil, `{"type":"publish","id":"q%d","stream":"orders","key":"k","data":%d}`, n, n)
			if c.Write(t.Context(), websocket.MessageText, message) != nil {
				return // it is closed meanwhile
			}
		}
	})
	for held.count() < 4 {
		time.Sleep(time.Millisecond)
	}
	_ = c.CloseNow()
	sending.Wait()
	for end := time.Now().Add(patience); len(in.server.SessionsOf("user:test:u")) > 0; {
		if time.Now().After(end) {
			t.Fatal("the session does not end with its connection")
		}
		held.release()
		time.Sleep(time.Millisecond)
	}
}

// answer returns the next message that is not about the session itself.
func (s *socket) answer() message {
	s.t.Helper()
	for {
		switch m := s.next(); m.str("type") {
		case "ping", "welcome":
		default:
			return m
		}
	}
}

// slowAnswers is a producer that answers late, and refuses every so many messages.
type slowAnswers struct {
	upstream.Producer
	after  time.Duration
	refuse int

	mu sync.Mutex
	n  int
}

func (p *slowAnswers) Produce(ctx context.Context, topic string, messages []upstream.Message, done func([]upstream.Stored)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n++; p.refuse > 0 && p.n%p.refuse == 0 {
		go done([]upstream.Stored{{Partition: -1, Offset: -1, Err: upstream.ErrPublishOverloaded}})
		return
	}
	p.Producer.Produce(ctx, topic, messages, func(results []upstream.Stored) {
		time.AfterFunc(p.after, func() { done(results) })
	})
}

const pipelined = 5000

// TestPipelinedPublishesKeepTheirOrder: a client that pipelines as many publishes of a key
// as it likes has them stored in their order, and none is refused, however few may be in
// flight.
func TestPipelinedPublishesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	in := start(t, options{
		limits: func(l *transport.Limits) { l.PublishesPerSession = 8 },
		stream: func(s *hub.Stream) { s.Producer = &slowAnswers{Producer: s.Producer, after: 50 * time.Microsecond} },
	})
	c := in.dial("", token(t, "u", "live", time.Hour))
	sent := make(chan error, 1)
	go func() {
		for n := range pipelined {
			message := fmt.Appendf(nil, `{"type":"publish","id":"%d","stream":"orders","key":"k","data":%d}`, n, n)
			if err := c.Write(t.Context(), websocket.MessageText, message); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	begun := time.Now()
	offsets := map[string]float64{}
	for range pipelined {
		m := c.answer()
		offset, stored := m["offset"].(float64)
		if !stored {
			t.Fatalf("after %d answers got %v", len(offsets), m)
		}
		offsets[m.str("id")] = offset
	}
	t.Logf("%d publishes in %v", pipelined, time.Since(begun))
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	for n := range pipelined {
		if got := offsets[fmt.Sprint(n)]; got != float64(n) {
			t.Fatalf("publish %d is at offset %v", n, got)
		}
	}
}

// TestRefusedPublishesKeepTheirOrder: a client that has one publish of a key in flight, and
// sends one that was refused again before the next, has them stored in their order. The
// hint when to send it is as short as publishes take.
func TestRefusedPublishesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	in := start(t, options{
		stream: func(s *hub.Stream) {
			s.Producer = &slowAnswers{Producer: s.Producer, refuse: 50}
		},
	})
	c := in.dial("", token(t, "u", "live", time.Hour))
	refused := 0
	for n := 0; n < pipelined; {
		c.send(`{"type":"publish","id":"%d","stream":"orders","key":"k","data":%d}`, n, n)
		m := c.answer()
		if m.str("type") == "published" {
			if m["offset"] != float64(n) {
				t.Fatalf("publish %d: %v", n, m)
			}
			n++
			continue
		}
		refused++
		wait, hinted := m["retry_after_ms"].(float64)
		if m.str("code") != "rate_limited" || m["retryable"] != true || !hinted || wait < 1 || wait > 500 {
			t.Fatalf("publish %d: %v", n, m)
		}
		time.Sleep(time.Duration(wait) * time.Millisecond)
	}
	if refused < pipelined/50 {
		t.Errorf("only %d were refused", refused)
	}
}
