package transport_test

import (
	"context"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/upstream"
	"sluice/transport"
	"sluice/transport/wire"
)

// panicking is a producer that panics.
type panicking struct{}

func (panicking) Produce(context.Context, string, []upstream.Message, func([]upstream.Stored)) {
	panic("a fault of ours")
}

func TestPanicCostsOneSession(t *testing.T) {
	t.Parallel()
	in := start(t, options{
		stream: func(s *hub.Stream) { s.Producer = panicking{} },
		config: func(c *transport.Config) { c.DrainTimeout = 100 * time.Millisecond },
	})
	other := in.dial("?stream=orders", token(t, "other", "live", time.Hour))
	other.until("caught_up")
	c := in.dial("", token(t, "u1", "live", time.Hour))
	c.send(`{"type":"publish","id":"p","stream":"orders","data":1}`)
	last, code := c.closed()
	if code != 1011 || last.str("code") != string(wire.Internal) {
		t.Errorf("closed with %d after %v", code, last)
	}
	if status, _, body := in.do("POST", "/v1/streams/orders/records", token(t, "u2", "live", time.Hour), `{"data":1}`,
		"Content-Type", "application/json"); status != 500 {
		t.Errorf("answered %d: %s", status, body)
	}
	if n := in.sample(`sluice_faults_total{code="internal"}`); n != 2 {
		t.Errorf("%v faults were counted, want one for each panic", n)
	}
	in.publish("orders", 0, 0, 1)
	other.until("event")
}
