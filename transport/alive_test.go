package transport_test

import (
	"fmt"
	"testing"
	"time"

	"sluice/transport"
)

// TestNoPongWhateverThePing: a client that gives no sign of life is closed after a
// ping and pong_within, however short its ping interval is, and a client that
// answers stays.
func TestNoPongWhateverThePing(t *testing.T) {
	t.Parallel()
	for _, ping := range []time.Duration{time.Second, 3 * time.Second, 9 * time.Second, 10 * time.Second, 11 * time.Second, 25 * time.Second, 60 * time.Second} {
		for _, within := range []time.Duration{time.Second, 10 * time.Second, 40 * time.Second} {
			t.Run(fmt.Sprintf("%s within %s", ping, within), func(t *testing.T) {
				t.Parallel()
				inBubble(t, options{limits: func(l *transport.Limits) { l.PongWithin = within }}, func(t *testing.T, in *instance) {
					key := token(t, "u", "live", time.Hour)
					query := "?ping=" + ping.String()
					c := in.raw(t, query, key)
					begun := time.Now()
					for answered := time.Duration(0); answered < 2*within+2*ping; answered = time.Since(begun) {
						c.until("ping")
						c.put(frame(fin|pongFrame, string(c.pings[len(c.pings)-1])))
					}
					last := time.Now()
					if code := c.closesAfter("no_pong"); code != 4012 {
						t.Fatalf("closed with %d", code)
					}
					if took := time.Since(last); took > ping+within+time.Second {
						t.Errorf("closed %v after the last sign of life", took)
					}
				})
			})
		}
	}
}
