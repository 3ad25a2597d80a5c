package transport_test

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestNameTakenTwiceAtOnce: of two subscriptions that take one name at the same
// time, the one with the lower fence ends, also if it is superseded before it is in
// its session, and over each kind of connection.
func TestNameTakenTwiceAtOnce(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	key := token(t, "u", "live", time.Hour)
	in.publish("orders", 0, 0, 3)
	held, later := make(chan struct{}), make(chan struct{})
	var takes atomic.Int32
	in.store.taken = func() {
		if takes.Add(1) == 1 {
			close(held)
			<-later
		}
	}
	first, second := in.dial("", key), in.dial("", key)
	first.send(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n","from":"earliest"}`)
	<-held
	second.send(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n","from":"earliest"}`)
	cursor := second.until("caught_up").str("cursor")
	close(later)
	first.until("subscribed")
	if m := first.until("unsubscribed"); m.str("reason") != "superseded" || m.str("id") != "a" || m["retryable"] != false {
		t.Errorf("got %v", m)
	}
	first.send(`{"type":"ack","id":"a","cursor":"%s"}`, cursor)
	first.fails("a", "bad_request")
	second.send(`{"type":"ack","id":"a","cursor":"%s"}`, cursor)
	second.until("acked")
}

// TestAckThatMeetsSuperseded: if no message reports that a name was taken on another
// instance, the fence detects it, and each ack is answered.
func TestAckThatMeetsSuperseded(t *testing.T) {
	t.Parallel()
	inBubble(t, options{}, testAckThatMeetsSuperseded)
}

func testAckThatMeetsSuperseded(t *testing.T, in *instance) {
	in.publish("orders", 0, 0, 3)
	c := in.dial("", token(t, "u", "live", time.Hour))
	c.send(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n","from":"earliest"}`)
	cursor := c.until("caught_up").str("cursor")
	in.store.takeElsewhere()
	const acks = 5
	for range acks {
		c.send(`{"type":"ack","id":"a","cursor":"%s"}`, cursor)
	}
	c.send(`{"type":"ping","id":"last"}`)
	answers, ended := 0, 0
	for answers < acks || ended == 0 {
		switch m := c.next(); m.str("type") {
		case "error":
			if code := m.str("code"); m.str("id") != "a" || code != "superseded" && (code != "bad_request" || ended == 0) {
				t.Fatalf("got %v", m)
			}
			answers++
		case "unsubscribed":
			if m.str("reason") != "superseded" {
				t.Fatalf("got %v", m)
			}
			ended++
		case "acked":
			t.Fatalf("got %v", m)
		}
	}
	if ended != 1 {
		t.Errorf("%d times unsubscribed", ended)
	}
	c.quiet("error", 50*time.Millisecond)
}

// TestAckOfAnEarlierSubscription: an ack that is refused because its subscription has
// ended, and another one of the session has its id and its name by now, does not end that
// one in the eyes of the client.
func TestAckOfAnEarlierSubscription(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{"orders", "ord*"} {
		t.Run(stream, func(t *testing.T) {
			t.Parallel()
			inBubble(t, options{}, func(t *testing.T, in *instance) {
				in.publish("orders", 0, 0, 3)
				c := in.dial("", token(t, "u", "live", time.Hour))
				subscribe := `{"type":"subscribe","id":"a","stream":"` + stream + `","cursor_name":"n","from":"earliest"}`
				c.send("%s", subscribe)
				cursor := c.until("caught_up").str("cursor")
				// Several acks and a new subscription, before the acks are written.
				c.send(`{"type":"ack","id":"a","cursor":"%s"}`, cursor)
				c.send(`{"type":"unsubscribe","id":"a"}`)
				c.send("%s", subscribe)
				c.until("caught_up")
				time.Sleep(time.Second) // the acks have been written
				c.send(`{"type":"ack","id":"a","cursor":"%s"}`, cursor)
				for {
					switch m := c.next(); m.str("type") {
					case "acked":
						return
					case "error":
						t.Fatalf("got %v", m)
					}
				}
			})
		})
	}
}
