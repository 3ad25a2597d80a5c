package transport_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"sluice/transport/client"
)

// TestTheClientPauses: a pause of the Go client can precede its loop, lasts across
// reconnects, and loses nothing.
func TestTheClientPauses(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"market.a"}})
	var conn net.Conn // the last one; used in the goroutine of the loop, as it dials
	c, err := client.New(client.Config{
		URL: in.url, MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond,
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (_ net.Conn, err error) {
			conn, err = new(net.Dialer).DialContext(ctx, network, address)
			return conn, err
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	sub := c.NewSubscription(client.Request{Stream: "market.a"})
	if err := sub.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	next, paused, resumed, lost := int64(0), 0, 0, 0
	for event, err := range sub.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		switch e := event.(type) {
		case client.Paused:
			switch paused++; paused {
			case 1:
				_ = conn.Close()
			case 2:
				in.publish("market.a", 0, 0, 3)
				if err := sub.Resume(t.Context()); err != nil {
					t.Fatal(err)
				}
			case 3:
				in.publish("market.a", 0, 3, 5)
				if err := sub.Resume(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		case client.Resumed:
			resumed++
		case client.Disconnected:
			lost++
		case client.Gap:
			t.Fatalf("got %+v", e)
		case client.Record:
			if e.Offset != next {
				t.Fatalf("got offset %d, want %d", e.Offset, next)
			}
			if next++; next == 3 {
				if err := sub.Pause(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if next > 3 && resumed != 2 {
				t.Errorf("got offset %d after %d resumes", e.Offset, resumed)
			}
		}
		if next == 5 {
			break
		}
	}
	if paused != 3 || lost != 1 {
		t.Errorf("paused %d times, lost %d connections", paused, lost)
	}
}
