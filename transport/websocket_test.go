package transport_test

import (
	"testing"
	"time"
)

func TestWebSocketDelivers(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	in.publish("orders", 1, 0, 50)
	c := in.dial("", token(t, "u42", "live", time.Hour))
	if m := c.next(); m.str("type") != "welcome" || m.str("principal") != "u42" || m["ping_ms"] != 25000.0 {
		t.Fatalf("got %v", m)
	}
	c.send(`{"type":"subscribe","id":"a","stream":"orders","from":"earliest"}`)
	if m := c.next(); m.str("type") != "subscribed" || m.str("id") != "a" || m.str("start") != "earliest" || m.str("cursor") == "" {
		t.Fatalf("got %v", m)
	}
	for n := range 50 {
		if m := c.next(); m.str("type") != "event" || m["offset"] != float64(n) {
			t.Fatalf("event %d: %v", n, m)
		}
	}
	caught := c.until("caught_up")
	in.publish("orders", 0, 0, 1)
	c.until("event")
	c.send(`{"type":"unsubscribe","id":"a"}`)
	if m := c.until("unsubscribed"); m.str("reason") != "requested" || m.str("cursor") == caught.str("cursor") {
		t.Fatalf("got %v", m)
	}
	c.send(`{"type":"subscribe","id":"a","stream":"orders","from":"%s~1:49"}`, caught.str("cursor"))
	c.until("subscribed")
	if m := c.next(); m.str("type") != "event" || m["partition"] != 0.0 {
		t.Fatalf("got %v", m)
	}
}
