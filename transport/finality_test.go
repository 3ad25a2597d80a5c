package transport_test

import (
	"net/http"
	"testing"
	"time"

	"sluice/transport"
)

// TestWhatNeverFitsIsNotRepeated: a client is told to come back only if there can be room
// for its request later. An event stream has nothing that could make room, and an
// EventSource would repeat its request for ever.
func TestWhatNeverFitsIsNotRepeated(t *testing.T) {
	t.Parallel()
	const news = `{"type":"subscribe","id":"n","stream":"public.news","key":["k"]}`
	for name, c := range map[string]struct {
		limits func(*transport.Limits)
		held   string // what the session of the WebSocket has before
		ws     string
		final  bool // over the WebSocket
		sse    string
	}{
		"subscriptions": {
			func(l *transport.Limits) { l.SubscriptionsPerSession = 1 }, news,
			`{"type":"subscribe","id":"a","stream":"orders"}`, false, "/v1/events?stream=orders&stream=public.news",
		},
		"streams of a pattern": {
			func(l *transport.Limits) { l.SubscriptionsPerSession = 1 }, "",
			`{"type":"subscribe","id":"a","stream":"*"}`, true, "/v1/events?stream=*",
		},
		"a pattern beside others": {
			func(l *transport.Limits) { l.SubscriptionsPerSession = 2 }, news,
			`{"type":"subscribe","id":"a","stream":"*"}`, false, "",
		},
		"streams_per_pattern": {
			func(l *transport.Limits) { l.StreamsPerPattern = 1 }, "",
			`{"type":"subscribe","id":"a","stream":"*"}`, true, "/v1/events?stream=*",
		},
		"keys": {
			func(l *transport.Limits) { l.KeysPerSession = 2 }, "",
			`{"type":"subscribe","id":"a","stream":"orders","key":["a","b","c"]}`, true, "/v1/streams/orders/events?key=a&key=b&key=c",
		},
		"keys beside others": {
			func(l *transport.Limits) { l.KeysPerSession = 2 }, news,
			`{"type":"subscribe","id":"a","stream":"orders","key":["a","b"]}`, false, "/v1/events?stream=orders&stream=public.news&key=a&key=b",
		},
		"keys of a pattern": {
			func(l *transport.Limits) { l.KeysPerSession = 3 }, "",
			`{"type":"subscribe","id":"a","stream":"*","key":["a","b"]}`, true, "/v1/events?stream=*&key=a&key=b",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, options{limits: c.limits}, func(t *testing.T, in *instance) {
				tok := token(t, "u", "live", time.Hour)
				s := in.dial("", tok)
				if c.held != "" {
					s.send("%s", c.held)
					s.until("subscribed")
				}
				s.send("%s", c.ws)
				action := map[bool]string{false: "resume", true: "stop"}[c.final]
				if m := s.fails("a", "subscription_limit"); m["retryable"] == c.final || m.str("action") != action || (m["retry_after_ms"] == nil) != c.final {
					t.Errorf("over a WebSocket: got %v", m)
				}
				if c.sse == "" {
					return
				}
				status, _, body := in.do(http.MethodGet, c.sse, tok, "")
				if m := problemIn(t, body); status != http.StatusBadRequest || m["retryable"] != false || m.str("action") != "stop" || m["retry_after_ms"] != nil {
					t.Errorf("as an event stream: got %s", body)
				}
				in.reads(c.sse+"&errors=stream", tok).closesWith("subscription_limit", "stop", true)
			})
		})
	}
}
