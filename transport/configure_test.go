package transport_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

// TestAChangedStreamIsComeBackTo: when a stream gets another definition its
// subscriptions end, with a code that makes clients come back, and their cursors go
// on.
func TestAChangedStreamIsComeBackTo(t *testing.T) {
	t.Parallel()
	var h *hub.Hub
	in := start(t, options{config: func(c *transport.Config) { h = c.Hub }})
	tok := token(t, "u42", "live", time.Hour)
	s := in.dial("?stream=orders&from=earliest", tok)
	s.until("caught_up")
	stream := in.reads("/v1/streams/orders/events", tok)
	stream.until("sluice.caught_up")
	other := in.dial("?stream=public.news", tok)
	other.until("caught_up")
	in.publish("orders", 0, 0, 2)
	s.until("event")
	s.until("event")

	if err := h.SetStreams([]hub.Stream{
		{Name: "public.news", Topic: "public.news", Source: in.topics, Producer: in.topics, LogBytes: 1 << 20, RecordBytes: 1 << 20, Backfill: time.Hour},
		{Name: "orders", Topic: "orders", Source: in.topics, LogBytes: 2 << 20},
	}); err != nil {
		t.Fatal(err)
	}
	m := s.until("unsubscribed")
	cursor, err := record.ParseCursor(m.str("cursor"))
	at, _ := cursor.Position("orders")
	if m.str("reason") != "stream_changed" || m["retryable"] != true || err != nil || at.Offset(0, 0) != 2 {
		t.Errorf("got %v, at %d", m, at.Offset(0, 0))
	}
	stream.closesWith("stream_changed", "resume", false)

	in.publish("orders", 0, 2, 3)
	s.send(`{"type":"subscribe","id":"b","stream":"orders","from":%q}`, m.str("cursor"))
	if m := s.until("event"); m["offset"] != 2.0 {
		t.Errorf("after coming back: got %v", m)
	}
	s.send(`{"type":"subscribe","id":"c","stream":"hidden"}`)
	if m := s.until("error"); m.str("code") != "unknown_stream" {
		t.Errorf("a stream that was removed: got %v", m)
	}
	in.publish("public.news", 0, 0, 1)
	other.until("event")
}

// TestLimitsAreReplaced: limits that are replaced hold from then on, for sessions that
// are open as for new ones, and wrong ones replace none.
func TestLimitsAreReplaced(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	s := in.dial("?stream=orders", tok)
	s.until("caught_up")
	if err := in.server.SetLimits(transport.Limits{SubscriptionsPerSession: 1}); err == nil {
		t.Error("limits without durations were taken")
	}
	s.send(`{"type":"subscribe","id":"a","stream":"orders","key":["k1"]}`)
	s.until("subscribed")

	limits := testLimits()
	limits.SubscriptionsPerSession, limits.SessionsPerPrincipal, limits.RecordBytes, limits.CursorBytes, limits.MessageBytes = 2, 1, 100, 64, 500
	if err := in.server.SetLimits(limits); err != nil {
		t.Fatal(err)
	}
	refused := func(code, request string) {
		t.Helper()
		s.send(`%s`, request)
		if m := s.until("error"); m.str("code") != code {
			t.Errorf("got %v, want %s", m, code)
		}
	}
	refused("subscription_limit", `{"type":"subscribe","id":"b","stream":"orders","key":["k2"]}`)
	refused("cursor_too_large", `{"type":"subscribe","id":"b","stream":"orders","from":"v1.`+strings.Repeat("x", 65)+`"}`)
	status, head, body := in.do(http.MethodGet, "/v1/streams/orders/events", tok, "")
	in.problem(t, status, head, body, http.StatusTooManyRequests, "too_many_sessions")
	status, head, body = in.do(http.MethodPost, publishPath, tok, `{"data":"`+strings.Repeat("x", 600)+`"}`, "Content-Type", "application/json")
	in.problem(t, status, head, body, http.StatusRequestEntityTooLarge, "too_large")

	if err := in.server.SetLimits(testLimits()); err != nil {
		t.Fatal(err)
	}
	s.send(`{"type":"subscribe","id":"b","stream":"orders","key":["k2"]}`)
	s.until("subscribed")
}
