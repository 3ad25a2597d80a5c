package transport_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"sluice/transport"
)

// TestOperatorsDoNotWaitForEachOther: an operator who does not read the answer keeps no other
// from asking.
func TestOperatorsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	inBubble(t, options{}, func(t *testing.T, in *instance) {
		t.Helper()
		const sessions = 40 // whose description is longer than what is buffered
		for n := range sessions {
			in.dial("?stream=orders", token(t, fmt.Sprint("u", n), "live", time.Hour)).until("caught_up")
		}
		conn, err := in.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		conn.(*nearEnd).fill(1)
		op := operatorToken(t)
		if _, err := fmt.Fprintf(conn, "GET /v1/admin/sessions HTTP/1.1\r\nHost: sluice\r\nAuthorization: Bearer %s\r\n\r\n", op); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		asked := time.Now()
		if all, _, _ := in.sessions(op, ""); len(all) != sessions {
			t.Errorf("got %d sessions", len(all))
		}
		if took := time.Since(asked); took > time.Second {
			t.Errorf("the answer took %v", took)
		}
	})
}

// TestDrainAgain: clients that are told to come back within a time do so over all of it,
// however often they are told.
func TestDrainAgain(t *testing.T) {
	t.Parallel()
	const spread = time.Hour
	inBubble(t, options{config: func(c *transport.Config) { c.DrainSpread = spread }}, func(t *testing.T, in *instance) {
		t.Helper()
		for n := range 40 {
			in.events("/v1/streams/orders/events", token(t, fmt.Sprint("u", n), "live", 24*time.Hour))
		}
		op := token(t, "op", "operate", 24*time.Hour)
		for range 20 {
			in.do(http.MethodPost, "/v1/admin/drain", op, "")
		}
		time.Sleep(spread / 4)
		_, left, _ := in.sessions(op, "")
		if left < 20 {
			t.Errorf("after a quarter of the time %d of 40 are left", left)
		}
		time.Sleep(spread)
		if _, left, _ := in.sessions(op, ""); left > 0 {
			t.Errorf("after the time %d are left", left)
		}
	})
}

// TestDrainLeavesTime: a client that does not read has as long as drain/timeout says, and others
// that come meanwhile stay.
func TestDrainLeavesTime(t *testing.T) {
	t.Parallel()
	const waits = time.Hour
	inBubble(t, options{
		config: func(c *transport.Config) { c.DrainTimeout = waits },
		limits: func(l *transport.Limits) { l.WriteProgress = never },
	}, func(t *testing.T, in *instance) {
		t.Helper()
		op := token(t, "op", "operate", 24*time.Hour)
		stuck := in.raw(t, "?stream=orders", token(t, "u", "live", 24*time.Hour))
		stuck.until("caught_up")
		stuck.Conn.(*nearEnd).fill(1)
		in.publish("orders", 0, 0, 100)
		synctest.Wait()
		in.do(http.MethodPost, "/v1/admin/drain", op, "")
		in.events("/v1/streams/orders/events", token(t, "v", "live", 24*time.Hour))
		for _, step := range []struct {
			after time.Duration
			left  int
		}{{waits - time.Minute, 2}, {2 * time.Minute, 1}} {
			time.Sleep(step.after)
			if _, left, _ := in.sessions(op, ""); left != step.left {
				t.Errorf("%v later %d sessions are left, want %d", step.after, left, step.left)
			}
		}
	})
}
