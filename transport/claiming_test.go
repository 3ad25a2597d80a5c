package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/record"
	"sluice/transport"
)

// refusedName is a request to subscribe with the cursor name n, which is refused.
type refusedName struct {
	code string
	// ws is the message over a WebSocket, and sse the path of an event stream; empty if
	// this cannot happen there.
	ws, sse string
	// held is what the session of the WebSocket has before.
	held   string
	limits func(*transport.Limits)
}

// TestRefusedRequestsLeaveTheName: a subscription loses its named cursor only to one that
// begins, whatever the reason of a refusal, over every kind of connection.
func TestRefusedRequestsLeaveTheName(t *testing.T) {
	t.Parallel()
	elsewhere := record.Cursor{At: time.Now(), Streams: []record.StreamPosition{{Stream: "public.news"}}}.String()
	const (
		message = `{"type":"subscribe","id":"b","stream":"orders","cursor_name":"n"%s}`
		all     = `{"type":"subscribe","id":"b","stream":"ord*","cursor_name":"n"%s}`
		events  = "/v1/streams/orders/events?cursor_name=n"
		news    = `{"type":"subscribe","id":"c","stream":"public.news"}`
		sameID  = `{"type":"subscribe","id":"b","stream":"public.news"}`
		more    = `,"from":"earliest"`
		hidden  = `,"last_event_id":"%s"`
	)
	var (
		one  = func(l *transport.Limits) { l.SubscriptionsPerSession = 1 }
		ask  = func(more string) string { return fmt.Sprintf(message, more) }
		wide = func(more string) string { return fmt.Sprintf(all, more) }
	)
	for name, c := range map[string]refusedName{
		"damaged cursor":           {code: "bad_cursor", ws: ask(`,"from":"v1.kQEC3g"`), sse: events + "&from=v1.kQEC3g"},
		"damaged cursor, pattern":  {code: "bad_cursor", ws: wide(`,"from":"v1.kQEC3g"`), sse: "/v1/events?stream=ord*&cursor_name=n&from=v1.kQEC3g"},
		"cursor of another stream": {code: "bad_cursor", ws: ask(`,"from":"` + elsewhere + `"`), sse: events + "&from=" + elsewhere},
		"damaged last event id":    {code: "bad_cursor", ws: ask(fmt.Sprintf(hidden, "v1.kQEC3g")), sse: events + "&last_event_id=v1.kQEC3g"},
		"no start":                 {code: "cursor_lost", ws: ask(""), sse: events},
		"not a start":              {code: "bad_request", ws: ask(`,"from":"now"`), sse: events + "&from=now"},
		"no such partition":        {code: "bad_request", ws: ask(`,"from":"offset:7:1"`), sse: events + "&from=offset:7:1"},
		"offset beyond the end":    {code: "bad_request", ws: ask(`,"from":"offset:0:99"`), sse: events + "&from=offset:0:99"},
		"offsets, pattern":         {code: "bad_request", ws: wide(`,"from":"offset:0:1"`), sse: "/v1/events?stream=ord*&cursor_name=n&from=offset:0:1"},
		"not a filter":             {code: "bad_request", ws: ask(more + `,"filter":"(("`), sse: events + "&from=earliest&filter=((" /* filters are not enabled */},
		"no such stream":           {code: "unknown_stream", sse: "/v1/events?stream=orders&stream=made.up&cursor_name=n&from=earliest"},
		"hidden stream":            {code: "unknown_stream", sse: "/v1/events?stream=orders&stream=hidden&cursor_name=n&from=earliest"},
		"no topic":                 {code: "topic_missing", sse: "/v1/events?stream=orders&stream=public.lost&cursor_name=n&from=earliest"},
		"refused when asked":       {code: "forbidden", ws: ask(`,"from":"last:13"`), sse: events + "&from=last:13"},
		"no answer when asked":     {code: "overloaded", ws: ask(`,"from":"last:14"`), sse: events + "&from=last:14"},
		"no answer, pattern":       {code: "overloaded", ws: wide(`,"from":"last:14"`), sse: "/v1/events?stream=ord*&cursor_name=n&from=last:14"},
		"second subscription":      {code: "subscription_limit", ws: ask(more), held: news, limits: one, sse: "/v1/events?stream=orders&stream=public.news&cursor_name=n&from=earliest"},
		"second by pattern":        {code: "subscription_limit", ws: wide(more), held: news, limits: one, sse: "/v1/events?stream=public.news&stream=ord*&cursor_name=n&from=earliest"},
		"too many streams":         {code: "subscription_limit", ws: strings.Replace(wide(more), "ord*", "*", 1), limits: func(l *transport.Limits) { l.StreamsPerPattern = 1 }, sse: "/v1/events?stream=*&cursor_name=n&from=earliest"},
		"too many keys":            {code: "subscription_limit", ws: ask(more + `,"key":["a","b"]`), limits: func(l *transport.Limits) { l.KeysPerSession = 1 }, sse: events + "&from=earliest&key=a&key=b"},
		"same id":                  {code: "bad_request", ws: ask(more + `,"key":["a"]`), held: sameID},
		"same id, pattern":         {code: "bad_request", ws: wide(more), held: sameID},
		"same feed":                {code: "already_subscribed", ws: ask(more), held: `{"type":"subscribe","id":"a","stream":"orders"}`},
		"cursor too long":          {code: "bad_request", limits: func(l *transport.Limits) { l.CursorBytes = 20 }, sse: events + "&from=earliest"},
	} {
		o := options{open: []string{"public.lost"}, limits: c.limits, config: func(config *transport.Config) {
			config.Approve = func(_ context.Context, asked transport.Asked) error {
				switch asked.From {
				case "last:13":
					return auth.ErrForbidden
				case "last:14":
					return auth.ErrRightsUnavailable
				}
				return nil
			}
		}, stream: func(s *hub.Stream) {
			if s.Name == "public.lost" {
				s.Topic = "not.there"
			}
		}}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, o, func(t *testing.T, in *instance) {
				in.publish("orders", 0, 0, 3)
				tok := token(t, "u", "live", time.Hour)
				holder := in.dial("", tok)
				holder.send(`{"type":"subscribe","id":"holder","stream":"orders","cursor_name":"n","from":"earliest"}`)
				holder.until("caught_up")
				if c.ws != "" {
					s := in.dial("", tok)
					if c.held != "" {
						s.send("%s", c.held)
						s.until("subscribed")
					}
					s.send("%s", c.ws)
					if m := s.until("error"); m.str("code") != c.code {
						t.Errorf("over a WebSocket: got %v", m)
					}
				}
				if c.sse != "" {
					for _, accept := range []string{"text/event-stream", "application/x-ndjson"} {
						_, _, body := in.do(http.MethodGet, c.sse, tok, "", "Accept", accept)
						if !strings.Contains(body, `"code":"`+c.code+`"`) {
							t.Errorf("as %s: got %s", accept, body)
						}
					}
				}
				in.publish("orders", 0, 3, 4)
				for {
					m := holder.next()
					if m.str("type") == "unsubscribed" {
						t.Fatalf("the holder of the name got %v", m)
					}
					if m.str("type") == "event" {
						break
					}
				}
				if in.store.takes() != 1 {
					t.Errorf("the name was taken %d times", in.store.takes())
				}
			})
		})
	}
}

// TestNameThatMovesWhileItIsTaken: the last holder can ack until it has lost the name. The
// next one goes on from there.
func TestNameThatMovesWhileItIsTaken(t *testing.T) {
	t.Parallel()
	inBubble(t, options{}, func(t *testing.T, in *instance) {
		in.publish("orders", 0, 0, 9)
		tok := token(t, "u", "live", time.Hour)
		holder := in.dial("", tok)
		holder.send(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n","from":"earliest"}`)
		holder.until("subscribed")
		holder.until("event")
		var moved record.Position
		for _, from := range []string{"earliest", "earliest", "offset:0:1"} { // nothing is stored, something, and again
			holder.send(`{"type":"ping","id":"x"}`)
			in.store.mu.Lock()
			in.store.taking = func(name cursors.Key) {
				topic, err := in.topics.Topic(t.Context(), "orders")
				if err != nil {
					t.Error(err)
				}
				moved = record.Position{Topic: topic.ID, Offsets: []record.PartitionOffset{
					{Partition: 0, Offset: moved.Offset(0, 1) + 2}, {Partition: 1},
				}}
				in.store.at[name] = cursors.Commit{Key: name, Ack: cursors.Ack{Position: moved}}
			}
			in.store.mu.Unlock()
			next := in.dial("", tok)
			next.send(`{"type":"subscribe","id":"a","stream":"orders","cursor_name":"n","from":%q}`, from)
			if m := next.until("subscribed"); m.str("start") != "named" {
				t.Errorf("got %v", m)
			}
			if m := next.until("event"); m["offset"] != float64(moved.Offset(0, 0)) {
				t.Errorf("the first record is %v, and %v is stored", m, moved)
			}
		}
		holder.until("unsubscribed")
	})
}

// TestCursorsUnderANameFit: an event stream whose cursors would be too long for their way back
// with what they say of the name is refused at once, and no other one.
func TestCursorsUnderANameFit(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	in.publish("orders", 0, 0, 3)
	live := token(t, "u", "live", time.Hour)
	first := func(path string) (status int, id string) {
		s := in.events(path, live)
		defer s.cancel()
		if s.res.StatusCode != http.StatusOK {
			return s.res.StatusCode, ""
		}
		ready, _ := s.next()
		return s.res.StatusCode, ready.id
	}
	const path = "/v1/streams/orders/events?from=earliest"
	_, plain := first(path)
	_, named := first(path + "&cursor_name=n")
	if len(named) <= len(plain) {
		t.Fatalf("%s says nothing of the name", named)
	}
	for name, c := range map[string]struct{ most, plain, named int }{
		"long enough":            {len(named) + 4, http.StatusOK, http.StatusOK},
		"for one without a name": {len(plain), http.StatusOK, http.StatusBadRequest},
		"for none":               {len(plain) - 4, http.StatusBadRequest, http.StatusBadRequest},
	} {
		limits := testLimits()
		limits.CursorBytes = c.most
		if err := in.server.SetLimits(limits); err != nil {
			t.Fatal(err)
		}
		for n, want := range map[string]int{"": c.plain, "&cursor_name=n": c.named, "&cursor_name=new": c.named} {
			if status, id := first(path + n); status != want || len(id) > c.most {
				t.Errorf("%s%s: got %d and %q, want %d", name, n, status, id, want)
			}
		}
	}
}
