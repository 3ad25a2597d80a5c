package transport_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/filter/expr"
	"sluice/hub/record"
	"sluice/transport"
)

// configured starts a server with streams that everybody may read, beside the usual
// ones, and returns a function that puts others into force.
func configured(t *testing.T, o options, names ...string) (in *instance, force func(names ...string)) {
	t.Helper()
	var h *hub.Hub
	o.open, o.later = names, []string{"market.*", "later.*", "m.*"}
	config := o.config
	o.config = func(c *transport.Config) {
		h = c.Hub
		if config != nil {
			config(c)
		}
	}
	in = start(t, o)
	return in, func(names ...string) {
		t.Helper()
		if err := h.SetStreams(in.streams(names...)); err != nil {
			t.Fatal(err)
		}
	}
}

// streams returns the streams public.news, orders, hidden and others, as start defines
// them. A name with a mark (a!) is a stream with another definition.
func (in *instance) streams(names ...string) (streams []hub.Stream) {
	for _, name := range append([]string{"public.news", "orders", "hidden"}, names...) {
		name, other := strings.CutSuffix(name, "!")
		s := hub.Stream{Name: name, Topic: name, Source: in.topics, Producer: in.topics, LogBytes: 1 << 20, RecordBytes: 1 << 20, Backfill: time.Hour}
		if other {
			s.LogBytes *= 2
		}
		streams = append(streams, s)
	}
	return streams
}

func texts(v any) string { return strings.Trim(fmt.Sprint(v), "[]") }

// TestAPatternIsWhatThePrincipalMayRead: a pattern is the streams that match and that
// the principal may read, in every interface, and what it may not read makes no
// difference to it.
func TestAPatternIsWhatThePrincipalMayRead(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"public.a", "market.a", "market.b"}, limits: func(l *transport.Limits) { l.SessionsPerPrincipal = 0 }})
	live, writer := token(t, "u42", "live", time.Hour), token(t, "w", "write", time.Hour)
	for _, test := range []struct{ token, pattern, want string }{
		{live, "*", "market.a market.b orders public.a public.news"},
		{"", "*", "market.a market.b public.a public.news"},
		{writer, "ord*", ""}, // which it may only write
		{"", "ord*", ""},
		{live, "market.*", "market.a market.b"},
		{live, "*.a", "market.a public.a"},
		{live, "m*t.*", "market.a market.b"},
		{live, "**", "market.a market.b orders public.a public.news"},
		{live, "hid*", ""},
		{live, "there.is.none*", ""},
	} {
		s := in.dial("", test.token)
		s.send(`{"type":"subscribe","id":"a","stream":%q}`, test.pattern)
		m := s.until("subscribed")
		if texts(m["streams"]) != test.want || m.str("stream") != test.pattern || m.str("feed") != test.pattern || m.str("id") != "a" || m.str("start") != "latest" || m["recovered"] != false {
			t.Errorf("%s: got %v, want %s", test.pattern, m, test.want)
		}
		if m := s.next(); m.str("type") != "caught_up" && test.want == "" || m.str("type") == "caught_up" && m.str("id") != "a" {
			t.Errorf("%s: got %v", test.pattern, m)
		}
		s = in.dial("?stream="+test.pattern, test.token)
		if test.token == "" {
			s.send(`{"type":"ping"}`)
		}
		if m := s.until("subscribed"); texts(m["streams"]) != test.want || m.str("id") != "0" {
			t.Errorf("%s in the query: got %v, want %s", test.pattern, m, test.want)
		}
		e := in.reads("/v1/events?stream="+test.pattern, test.token)
		if m := e.until("sluice.ready").json(t); texts(m["streams"]) != test.want {
			t.Errorf("%s as events: got %v, want %s", test.pattern, m, test.want)
		}
		e.until("sluice.caught_up")
		lines := in.events("/v1/events?stream="+test.pattern, test.token, "Accept", "application/x-ndjson")
		var ready message
		if line, err := lines.lines.ReadBytes('\n'); err != nil || json.Unmarshal(line, &ready) != nil || texts(ready["streams"]) != test.want {
			t.Errorf("%s as lines: got %s, %v", test.pattern, line, err)
		}
	}
	// A name in a path is a name.
	for _, path := range []string{"/v1/streams/market.*/events", "/v1/streams/*/records", "/v1/streams/market.*"} {
		status, head, body := in.do(http.MethodGet, path, live, "")
		in.problem(t, status, head, body, http.StatusNotFound, "unknown_stream")
	}
	s := in.dial("", live)
	s.until("welcome")
	for _, request := range []string{
		`"stream":"a*b*c*d*e*f*g*h*i*j"`, `"stream":"a *"`, `"stream":"a\u0000*"`, `"stream":"*","from":"offset:0:1"`, `"stream":"*","cursor_name":"n"`,
		`"stream":"*` + strings.Repeat("x", 128) + `"`,
	} {
		s.send(`{"type":"subscribe","id":"a",%s}`, request)
		s.fails("a", "bad_request")
	}
	s.send(`{"type":"publish","id":"p","stream":"market.*","data":1}`)
	s.fails("p", "unknown_stream")
	status, head, body := in.do(http.MethodGet, "/v1/events?stream=*&from=offset:0:1", live, "")
	in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
}

// TestAPatternIsOneSubscription: it has one id, one cursor and one caught_up, its events
// have their own streams, and its cursor resumes all of them.
func TestAPatternIsOneSubscription(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"market.a", "market.b"}})
	for _, stream := range []string{"market.a", "market.b"} {
		in.publish(stream, 0, 0, 5)
	}
	s := in.dial("", "")
	s.send(`{"type":"subscribe","id":"m","stream":"market.*","from":"earliest"}`)
	if m := s.until("subscribed"); m.str("start") != "earliest" {
		t.Errorf("got %v", m)
	}
	got, cursor := map[string][]int64{}, ""
	for cursor == "" {
		switch m := s.next(); m.str("type") {
		case "event":
			if m["feed"] != nil {
				t.Errorf("got %v", m)
			}
			got[m.str("stream")] = append(got[m.str("stream")], int64(m["offset"].(float64)))
		case "caught_up":
			cursor = m.str("cursor")
		case "cursor":
			if m.str("feed") != "market.*" {
				t.Errorf("got %v", m)
			}
		default:
			t.Errorf("got %v", m)
		}
	}
	if !equal(got["market.a"], upTo(0, 5)) || !equal(got["market.b"], upTo(0, 5)) {
		t.Errorf("got %v", got)
	}
	in.publish("market.a", 0, 5, 6)
	s.until("event")
	for m := s.until("cursor"); ; m = s.until("cursor") {
		c, err := record.ParseCursor(m.str("cursor"))
		at, _ := c.Position("market.a")
		other, has := c.Position("market.b")
		if err != nil || m.str("feed") != "market.*" || !has || other.Offset(0, -1) != 5 {
			t.Fatalf("got %v, %v", m, c)
		}
		if at.Offset(0, -1) == 6 {
			break
		}
	}
	s.send(`{"type":"subscribe","id":"m","stream":"public.news"}`)
	s.fails("m", "bad_request")
	s.send(`{"type":"subscribe","id":"x","stream":"market.b"}`)
	if m := s.fails("x", "already_subscribed"); m.str("subscription_id") != "m" {
		t.Errorf("got %v", m)
	}
	s.send(`{"type":"unsubscribe","id":"m"}`)
	if m := s.until("unsubscribed"); m.str("id") != "m" || m.str("reason") != "requested" || m["retryable"] != true {
		t.Errorf("got %v", m)
	}
	s.send(`{"type":"unsubscribe","id":"m"}`)
	s.fails("m", "bad_request")
	in.publish("market.a", 0, 6, 7)
	s.quiet("event", 50*time.Millisecond)

	// Resumed, from the cursor and what was seen since.
	s.send(`{"type":"subscribe","id":"m","stream":"market.*","from":"%s~market.a/0:6,market.b/0:4"}`, cursor)
	if m := s.until("subscribed"); m.str("start") != "cursor" || m["recovered"] != true {
		t.Errorf("got %v", m)
	}
	if m := s.until("event"); m.str("stream") != "market.a" || m["offset"] != 6.0 {
		t.Errorf("got %v", m)
	}
	s.until("caught_up")
	e := in.reads("/v1/events?stream=market.*", "", "Last-Event-ID", cursor)
	if got := e.offsets(2); !equal(got["market.a/0"], upTo(5, 7)) || len(got) != 1 {
		t.Errorf("as events: got %v", got)
	}
}

// TestAFilteredPatternMarksItsEvents: the parameters apply to all streams, and the
// client is told which feeds belong to the subscription.
func TestAFilteredPatternMarksItsEvents(t *testing.T) {
	t.Parallel()
	in, force := configured(t, options{}, "market.a", "market.b")
	s := in.dial("", "")
	s.send(`{"type":"subscribe","id":"m","stream":"market.*","key":["k1"]}`)
	m := s.until("subscribed")
	feeds, _ := m["feeds"].(map[string]any)
	if texts(m["streams"]) != "market.a market.b" || len(feeds) != 2 {
		t.Fatalf("got %v", m)
	}
	s.send(`{"type":"subscribe","id":"all","stream":"*"}`) // overlaps, with other feeds
	if m := s.until("subscribed"); m["feeds"] != nil || texts(m["streams"]) != "market.a market.b public.news" {
		t.Errorf("got %v", m)
	}
	in.topics.Create("market.c", 1)
	force("market.a", "market.b", "market.c")
	for range 2 {
		m := s.until("streams")
		added, _ := m["feeds"].(map[string]any)
		if texts(m["added"]) != "market.c" || (m.str("id") == "m") != (added["market.c"] != nil) {
			t.Errorf("got %v", m)
		}
		for stream, feed := range added {
			feeds[stream] = feed
		}
	}
	in.publish("market.b", 0, 0, 3)
	in.publish("market.c", 0, 0, 3)
	marked := map[string]int{}
	for range 8 {
		if m := s.until("event"); m["feed"] != nil {
			if m["feed"] != feeds[m.str("stream")] || m.str("key") != "k1" {
				t.Errorf("got %v", m)
			}
			marked[m.str("stream")]++
		}
	}
	if marked["market.b"] != 1 || marked["market.c"] != 1 {
		t.Errorf("got %v", marked)
	}
}

// TestAPatternFollowsTheStreams: streams that are configured later join, those that are
// removed leave, and those with another definition go on where they were; the client is
// told before the first event.
func TestAPatternFollowsTheStreams(t *testing.T) {
	t.Parallel()
	in, force := configured(t, options{}, "market.a", "market.b")
	in.publish("market.a", 0, 0, 2)
	s := in.dial("?stream=market.*&from=earliest", "")
	s.send(`{"type":"ping"}`)
	s.until("caught_up")
	e := in.reads("/v1/events?stream=market.*&stream=public.news&from=earliest", "")
	if m := e.until("sluice.ready").json(t); texts(m["streams"]) != "public.news market.a market.b" {
		t.Errorf("got %v", m)
	}
	e.offsets(2)
	empty := in.dial("?stream=later.*", "")
	empty.send(`{"type":"ping"}`)
	empty.until("caught_up")
	told := func(added, removed string) {
		t.Helper()
		m := s.until("streams")
		if texts(m["added"]) != added || texts(m["removed"]) != removed || m.str("id") != "0" || m["feeds"] != nil || m["omitted"] != nil {
			t.Fatalf("got %v, want +%s -%s", m, added, removed)
		}
		id := e.until("sluice.streams")
		m = id.json(t)
		if texts(m["added"]) != added || texts(m["removed"]) != removed || m["id"] != nil || m.str("cursor") != id.id {
			t.Fatalf("as events: got %+v, want +%s -%s", id, added, removed)
		}
	}
	in.topics.Create("market.c", 1)
	in.topics.Create("later.x", 1)
	in.publish("market.c", 0, 0, 1) // before it is a stream: earliest
	force("market.a", "market.b", "market.c", "later.x")
	told("market.c", "")
	if m := s.until("event"); m.str("stream") != "market.c" || m["offset"] != 0.0 {
		t.Errorf("got %v", m)
	}
	if got := e.offsets(1); !equal(got["market.c/0"], upTo(0, 1)) {
		t.Errorf("as events: got %v", got)
	}
	if m := empty.until("streams"); texts(m["added"]) != "later.x" {
		t.Errorf("got %v", m)
	}
	in.publish("later.x", 0, 0, 1)
	if m := empty.until("event"); m.str("stream") != "later.x" {
		t.Errorf("got %v", m)
	}

	force("market.a", "market.c", "later.x")
	told("", "market.b")
	// What changes goes on where it was, and misses nothing meanwhile.
	force("market.a!", "market.c", "later.x")
	in.publish("market.a", 0, 2, 4)
	told("", "market.a")
	told("market.a", "")
	for _, offset := range []float64{2, 3} {
		if m := s.until("event"); m.str("stream") != "market.a" || m["offset"] != offset {
			t.Errorf("got %v, want offset %v", m, offset)
		}
	}
	if got := e.offsets(2); !equal(got["market.a/0"], upTo(2, 4)) {
		t.Errorf("as events: got %v", got)
	}
	s.send(`{"type":"unsubscribe","id":"0"}`)
	c, err := record.ParseCursor(s.until("unsubscribed").str("cursor"))
	if err != nil || len(c.Streams) != 2 {
		t.Errorf("the cursor at the end is %v, %v", c, err)
	}
	force()
	e.until("sluice.streams")
	in.publish("public.news", 0, 0, 1)
	if got := e.offsets(1); len(got["public.news/0"]) != 1 {
		t.Errorf("the other streams of the session: got %v", got)
	}
}

// TestAStreamThatIsNewToACursor: a client that resumes receives of streams that its
// cursor does not have, as they are new, what was written since.
func TestAStreamThatIsNewToACursor(t *testing.T) {
	t.Parallel()
	in, force := configured(t, options{}, "market.a")
	at := func(stream string, offset int, before time.Duration) {
		in.topics.Append(stream, record.Record{Value: fmt.Appendf(nil, `{"n":%d}`, offset), Timestamp: time.Now().Add(-before).UnixMilli()})
	}
	s := in.dial("?stream=market.*", "")
	s.send(`{"type":"ping"}`)
	cursor := s.until("caught_up").str("cursor")
	_ = s.CloseNow()
	in.topics.Create("market.b", 1)
	at("market.b", 0, time.Hour)
	at("market.b", 1, time.Minute)
	time.Sleep(2 * time.Millisecond)
	at("market.b", 2, 0)
	at("market.b", 3, 0)
	force("market.a", "market.b")
	for how, want := range map[string][]int64{
		"":               upTo(2, 4),
		"&from=latest":   upTo(2, 4),
		"&from=earliest": upTo(0, 4),
		"&from=last:1":   upTo(3, 4),
	} {
		e := in.reads("/v1/events?stream=market.*"+how, "", "Last-Event-ID", cursor)
		if got := e.offsets(len(want)); !equal(got["market.b/0"], want) {
			t.Errorf("%q: got %v, want %v", how, got, want)
		}
	}
	s = in.dial("", "")
	s.send(`{"type":"subscribe","id":"a","stream":"market.*","from":%q}`, cursor)
	if m := s.until("subscribed"); m.str("start") != "cursor" || m["recovered"] != true {
		t.Errorf("got %v", m)
	}
	if m := s.until("event"); m["offset"] != 2.0 {
		t.Errorf("got %v", m)
	}
	for _, bad := range []string{cursor[:20], "v9.AAAA"} {
		s.send(`{"type":"subscribe","id":"b","stream":"market.*","from":%q}`, bad)
		s.fails("b", "bad_cursor")
	}
}

// TestStreamsThatJoinAfterAResume: over a WebSocket too, a pattern that resumes keeps the
// start of streams that the cursor does not have, also of those that join later.
func TestStreamsThatJoinAfterAResume(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]float64{
		`"from":"earliest","last_event_id":%q`: 0,
		`"from":"latest","last_event_id":%q`:   2,
		`"last_event_id":%q`:                   2,
		`"from":%q`:                            2,
	} {
		in, force := configured(t, options{}, "market.a")
		in.publish("market.a", 0, 0, 3)
		s := in.dial("?stream=market.*&from=earliest", "")
		s.send(`{"type":"ping"}`)
		s.until("event")
		cursor := s.until("caught_up").str("cursor")
		_ = s.CloseNow()
		s = in.dial("", "")
		s.send(`{"type":"subscribe","id":"a","stream":"market.*",`+how+`}`, cursor)
		if m := s.until("subscribed"); m.str("start") != "cursor" || m["recovered"] != true {
			t.Errorf("%s: got %v", how, m)
		}
		s.until("caught_up")
		in.topics.Create("market.b", 1)
		for offset := range 2 {
			in.topics.Append("market.b", record.Record{Value: fmt.Appendf(nil, `{"n":%d}`, offset), Timestamp: time.Now().Add(-time.Hour).UnixMilli()})
		}
		time.Sleep(2 * time.Millisecond)
		force("market.a", "market.b")
		s.until("streams")
		in.publish("market.b", 0, 2, 3)
		if m := s.until("event"); m.str("stream") != "market.b" || m["offset"] != want {
			t.Errorf("%s: got %v, want offset %v", how, m, want)
		}
	}
	in, _ := configured(t, options{}, "market.a")
	s := in.dial("?stream=market.*", "")
	s.send(`{"type":"ping"}`)
	cursor := s.until("caught_up").str("cursor")
	s.send(`{"type":"subscribe","id":"b","stream":"public.news","from":"latest","last_event_id":%q}`, cursor)
	s.fails("b", "bad_cursor") // of other streams: the position is not given up silently
	for _, bad := range []string{cursor[:20], "v9.AAAA", "latest"} {
		s.send(`{"type":"subscribe","id":"c","stream":"market.*","last_event_id":%q}`, bad)
		s.fails("c", "bad_cursor")
	}
	s.send(`{"type":"subscribe","id":"d","stream":"market.*","last_event_id":""}`)
	s.fails("d", "bad_request")
}

// TestAPatternFollowsTheRights: after a renewal, streams that the new token allows join,
// and others leave, without the end of the subscription.
func TestAPatternFollowsTheRights(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"market.a"}})
	s := in.dial("", token(t, "u42", "none", time.Hour))
	s.send(`{"type":"subscribe","id":"m","stream":"*"}`)
	if m := s.until("subscribed"); texts(m["streams"]) != "market.a public.news" {
		t.Errorf("got %v", m)
	}
	s.send(`{"type":"auth","id":"1","token":%q}`, token(t, "u42", "live", time.Hour))
	s.until("authenticated")
	if m := s.until("streams"); texts(m["added"]) != "orders" || texts(m["removed"]) != "" {
		t.Errorf("got %v", m)
	}
	in.publish("orders", 0, 0, 1)
	s.until("event")
	s.send(`{"type":"auth","id":"2","token":%q}`, token(t, "u42", "none", time.Hour))
	s.until("authenticated")
	if m := s.next(); m.str("type") != "streams" && m.str("type") != "cursor" || m.str("type") == "streams" && texts(m["removed"]) != "orders" {
		t.Errorf("got %v", m)
	}
	in.publish("orders", 0, 1, 2)
	in.publish("market.a", 0, 0, 1)
	if m := s.until("event"); m.str("stream") != "market.a" {
		t.Errorf("got %v", m)
	}
	// What it may read again goes on where it was.
	s.send(`{"type":"auth","id":"3","token":%q}`, token(t, "u42", "live", time.Hour))
	s.until("streams")
	in.publish("orders", 0, 2, 3)
	for m := s.until("event"); m["offset"] != 2.0; m = s.until("event") {
		if m.str("stream") != "orders" {
			t.Errorf("got %v", m)
		}
	}
}

// TestAStreamDoesNotJoinWithRightsThatAreGone: a right that is withdrawn while a stream
// is being subscribed to gives nothing.
func TestAStreamDoesNotJoinWithRightsThatAreGone(t *testing.T) {
	t.Parallel()
	inBubble(t, options{}, func(t *testing.T, in *instance) {
		s := in.dial("", token(t, "u42", "none", time.Hour))
		s.send(`{"type":"subscribe","id":"m","stream":"*"}`)
		if m := s.until("subscribed"); texts(m["streams"]) != "public.news" {
			t.Errorf("got %v", m)
		}
		s.until("caught_up")
		in.topics.Away(true) // so that it takes a while
		s.send(`{"type":"auth","id":"1","token":%q}`, token(t, "u42", "live", time.Hour))
		s.until("authenticated")
		synctest.Wait()
		s.send(`{"type":"auth","id":"2","token":%q}`, token(t, "u42", "none", time.Hour))
		s.until("authenticated")
		in.topics.Away(false)
		time.Sleep(30 * time.Second) // also for further attempts
		in.publish("orders", 0, 0, 1)
		in.publish("public.news", 0, 0, 1)
		for m := s.next(); m.str("type") != "event"; m = s.next() {
			if m.str("type") == "streams" {
				t.Errorf("got %v", m)
			}
		}
		if s.last.str("stream") != "public.news" {
			t.Errorf("got %v", s.last)
		}
	})
}

// TestLimitsOfPatterns: each limit is told, and streams that come later are left out
// loudly, with the others going on.
func TestLimitsOfPatterns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		limits      func(*transport.Limits)
		code        string
		atOnce, fit string // patterns that are refused, and accepted
	}{
		"streams":       {func(l *transport.Limits) { l.StreamsPerPattern = 2 }, "subscription_limit", "*", "m.*"},
		"subscriptions": {func(l *transport.Limits) { l.SubscriptionsPerSession = 2 }, "subscription_limit", "*", "m.*"},
		"keys":          {func(l *transport.Limits) { l.KeysPerSession = 2 }, "subscription_limit", "*", "m.*"},
		"filters":       {func(l *transport.Limits) { l.FiltersPerSession = 2 }, "subscription_limit", "*", "m.*"},
		"cursor":        {func(l *transport.Limits) { l.CursorBytes = 110 }, "bad_request", "*", "m.*"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			language, err := expr.New(expr.Limits{Bytes: 4 << 10, Cost: 1000, Memory: 8 << 20})
			if err != nil {
				t.Fatal(err)
			}
			o := options{limits: test.limits, config: func(c *transport.Config) { c.Filters = language }}
			in, force := configured(t, o, "m.a", "m.b", "n.a")
			s := in.dial("", "")
			key, query := "", ""
			switch name {
			case "keys":
				key, query = `,"key":["k1"]`, "&key=k1"
			case "filters":
				key, query = `,"filter":"data.n >= 0"`, "&filter="+url.QueryEscape("data.n >= 0")
			}
			s.send(`{"type":"subscribe","id":"a","stream":%q%s}`, test.atOnce, key)
			s.until("error")
			if s.last.str("code") != test.code {
				t.Errorf("got %v", s.last)
			}
			s.send(`{"type":"subscribe","id":"a","stream":%q%s}`, test.fit, key)
			if m := s.until("subscribed"); texts(m["streams"]) != "m.a m.b" {
				t.Errorf("got %v", m)
			}
			path := "/v1/events?stream=" + test.atOnce + query
			status, _, body := in.do(http.MethodGet, path, "", "")
			if m := problemIn(t, body); status < 400 || m.str("code") != test.code {
				t.Errorf("as events: %d %s", status, body)
			}
			in.topics.Create("m.c", 1)
			force("m.a", "m.b", "m.c", "n.a")
			if m := s.until("streams"); texts(m["added"]) != "" || m["omitted"] != 1.0 {
				t.Errorf("got %v", m)
			}
			in.publish("m.b", 0, 1, 2)
			s.until("event")
			force("m.b", "m.c", "n.a")
			if m := s.until("streams"); texts(m["removed"]) != "m.a" {
				t.Errorf("got %v", m)
			}
			if m := s.until("streams"); texts(m["added"]) != "m.c" || m["omitted"] != nil {
				t.Errorf("got %v", m)
			}
		})
	}
	// Patterns that match nothing count too.
	in := start(t, options{limits: func(l *transport.Limits) { l.SubscriptionsPerSession = 2 }})
	s := in.dial("", "")
	for i := range 3 {
		s.send(`{"type":"subscribe","id":"%d","stream":"none%d*"}`, i, i)
	}
	s.fails("2", "subscription_limit")
	s.send(`{"type":"subscribe","id":"n","stream":"public.news"}`)
	s.fails("n", "subscription_limit")
}

// TestPatternsOverlap: a session has each feed once, whatever the order, and a feed that
// is free again joins the pattern.
func TestPatternsOverlap(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"market.a", "market.b"}})
	s := in.dial("", "")
	s.send(`{"type":"subscribe","id":"a","stream":"market.a"}`)
	s.until("subscribed")
	s.send(`{"type":"subscribe","id":"m","stream":"market.*"}`)
	if m := s.until("subscribed"); texts(m["streams"]) != "market.b" {
		t.Errorf("got %v", m)
	}
	s.send(`{"type":"subscribe","id":"b","stream":"*.b"}`)
	if m := s.until("subscribed"); texts(m["streams"]) != "" {
		t.Errorf("got %v", m)
	}
	s.send(`{"type":"unsubscribe","id":"a"}`)
	s.until("unsubscribed")
	if m := s.until("streams"); texts(m["added"]) != "market.a" || m.str("id") != "m" {
		t.Errorf("got %v", m)
	}
	s.send(`{"type":"unsubscribe","id":"m"}`)
	s.until("unsubscribed")
	if m := s.until("streams"); texts(m["added"]) != "market.b" || m.str("id") != "b" {
		t.Errorf("got %v", m)
	}
	e := in.reads("/v1/events?stream=*.b&stream=market.*&stream=market.a&from=earliest", "")
	if m := e.until("sluice.ready").json(t); texts(m["streams"]) != "market.a market.b" {
		t.Errorf("got %v", m)
	}
	in.publish("market.a", 0, 0, 2)
	in.publish("market.b", 0, 0, 2)
	if got := e.offsets(4); !equal(got["market.a/0"], upTo(0, 2)) || !equal(got["market.b/0"], upTo(0, 2)) {
		t.Errorf("got %v", got)
	}
}

// TestAPatternWithANamedCursor: the name belongs to each of the streams, an ack moves
// those that its cursor has, and the loss of one name is the loss of all.
func TestAPatternWithANamedCursor(t *testing.T) {
	t.Parallel()
	in, force := configured(t, options{}, "market.a", "market.b")
	key := token(t, "u42", "live", time.Hour)
	in.publish("market.a", 0, 0, 4)
	in.publish("market.b", 0, 0, 4)
	s := in.dial("", key)
	s.send(`{"type":"subscribe","id":"m","stream":"market.*","cursor_name":"n","from":"earliest"}`)
	begin := s.until("subscribed").str("cursor")
	s.until("caught_up")
	s.send(`{"type":"ack","id":"m","cursor":"%s~market.a/0:3,market.b/0:9"}`, begin)
	s.fails("m", "bad_cursor")
	s.send(`{"type":"ack","id":"m","cursor":"%s~market.a/0:3,market.b/0:1"}`, begin)
	m := s.until("acked")
	c, err := record.ParseCursor(m.str("cursor"))
	a, _ := c.Position("market.a")
	b, _ := c.Position("market.b")
	if err != nil || m.str("id") != "m" || a.Offset(0, -1) != 3 || b.Offset(0, -1) != 1 {
		t.Errorf("got %v, %v", m, c)
	}
	news := in.dial("?stream=public.news", key)
	s.send(`{"type":"ack","id":"m","cursor":%q}`, news.until("subscribed").str("cursor"))
	s.fails("m", "bad_cursor")

	// Another session takes the names over, and a stream that joins has no position.
	other := in.dial("", key)
	other.send(`{"type":"subscribe","id":"o","stream":"market.*","cursor_name":"n","from":"latest"}`)
	if m := other.until("subscribed"); m.str("start") != "named" || m["recovered"] != true {
		t.Errorf("got %v", m)
	}
	if m := s.until("unsubscribed"); m.str("id") != "m" || m.str("reason") != "superseded" {
		t.Errorf("got %v", m)
	}
	got := map[string][]int64{}
	for range 4 {
		m := other.until("event")
		got[m.str("stream")] = append(got[m.str("stream")], int64(m["offset"].(float64)))
	}
	if !equal(got["market.a"], upTo(3, 4)) || !equal(got["market.b"], upTo(1, 4)) {
		t.Errorf("got %v", got)
	}
	in.topics.Create("market.c", 1)
	force("market.a", "market.b", "market.c")
	other.until("streams")
	in.publish("market.c", 0, 0, 1)
	other.until("event")
	// One name is enough to lose the subscription.
	single := in.dial("", key)
	single.send(`{"type":"subscribe","id":"x","stream":"market.c","cursor_name":"n","from":"latest"}`)
	single.until("subscribed")
	if m := other.until("unsubscribed"); m.str("reason") != "superseded" || m.str("id") != "o" {
		t.Errorf("got %v", m)
	}
	e := in.reads("/v1/events?stream=market.*&cursor_name=n&from=latest", key)
	e.until("sluice.caught_up")
	in.reads("/v1/events?stream=*&cursor_name=n&from=latest", key).until("sluice.caught_up")
	e.closesWith("superseded", "stop", true)
	// A stream that is named as well takes the name once.
	both := in.reads("/v1/events?stream=market.*&stream=market.a&stream=*.b&cursor_name=n&from=latest", key)
	if m := both.until("sluice.ready").json(t); texts(m["streams"]) != "market.a market.b market.c" {
		t.Errorf("got %v", m)
	}
	in.publish("market.a", 0, 4, 5)
	for m := both.until(""); m.json(t)["offset"] != 4.0; m = both.until("") {
	}
}

// TestAPatternDoesNotWaitForAMissingTopic: a stream without a topic is left out, and
// joins when there is one.
func TestAPatternDoesNotWaitForAMissingTopic(t *testing.T) {
	t.Parallel()
	inBubble(t, options{open: []string{"market.a", "market.b"}, stream: func(s *hub.Stream) {
		if s.Name == "market.b" {
			s.Topic = "not.there"
		}
	}}, func(t *testing.T, in *instance) {
		s := in.dial("", "")
		s.send(`{"type":"subscribe","id":"m","stream":"market.*","from":"earliest"}`)
		if m := s.until("subscribed"); texts(m["streams"]) != "market.a" {
			t.Errorf("got %v", m)
		}
		s.until("caught_up")
		in.topics.Create("not.there", 1)
		in.publish("not.there", 0, 0, 1)
		if m := s.until("streams"); texts(m["added"]) != "market.b" {
			t.Errorf("got %v", m)
		}
		if m := s.until("event"); m.str("stream") != "market.b" {
			t.Errorf("got %v", m)
		}
	})
}

// TestAPatternEndsAsOne: what ends the subscription to one of its streams ends it.
func TestAPatternEndsAsOne(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"market.a", "market.b"}})
	in.publish("market.a", 0, 0, 10)
	s := in.dial("", "")
	s.send(`{"type":"subscribe","id":"m","stream":"market.*","from":"earliest","on_gap":"fail"}`)
	s.until("caught_up")
	e := in.reads("/v1/events?stream=market.*&from=earliest&on_gap=fail", "")
	e.until("sluice.caught_up")
	in.topics.Truncate("market.a", 0, 5)
	in.publish("market.a", 0, 5, 6)
	if m := s.until("unsubscribed"); m.str("id") != "m" || m.str("reason") != "truncated" {
		t.Errorf("got %v", m)
	}
	e.closesWith("truncated", "resync", true)
	s.alive()
	if err := in.stop(); err != nil {
		t.Error(err)
	}
	s = &socket{t: t, Conn: s.Conn}
	if last, code := s.closed(); code != 1012 || last.str("code") != "draining" {
		t.Errorf("got %v, %d", last, code)
	}
}

// TestTheCursorOfAPatternAtTheClose: the last message has the cursor of each pattern, of
// an empty one too.
func TestTheCursorOfAPatternAtTheClose(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"market.a", "market.b"}})
	s := in.dial("", "")
	s.send(`{"type":"subscribe","id":"m","stream":"market.*"}`)
	s.send(`{"type":"subscribe","id":"n","stream":"none.*"}`)
	s.send(`{"type":"subscribe","id":"p","stream":"public.news"}`)
	for range 3 {
		s.until("caught_up")
	}
	e := in.reads("/v1/events?stream=none.*", "")
	e.until("sluice.caught_up")
	if err := in.stop(); err != nil {
		t.Error(err)
	}
	last, _ := s.closed()
	all, _ := last["cursors"].(map[string]any)
	var got []string
	for id, text := range all {
		c, err := record.ParseCursor(text.(string))
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
		names := []string{id}
		for _, at := range c.Streams {
			names = append(names, at.Stream)
		}
		got = append(got, strings.Join(names, " "))
	}
	slices.Sort(got)
	if want := []string{"m market.a market.b", "n", "p public.news"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	m := e.closesWith("draining", "resume", false)
	if c, err := record.ParseCursor(m.str("cursor")); err != nil || len(c.Streams) != 0 {
		t.Errorf("got %v, %v", m, err)
	}
}

// TestAPatternMissesNothingInChanges: streams whose definitions change all the time
// deliver each record once, in order, in one session and over reconnects.
func TestAPatternMissesNothingInChanges(t *testing.T) {
	t.Parallel()
	const records, changes = 300, 40
	in, force := configured(t, options{}, "market.a", "market.b")
	s := in.dial("?stream=market.*&from=earliest", "")
	s.send(`{"type":"ping"}`)
	s.until("caught_up")
	e := in.reads("/v1/events?stream=market.*&from=earliest", "")
	e.untilID()
	over := make(chan struct{})
	go func() {
		defer close(over)
		for n := range records {
			in.publish([]string{"market.a", "market.b"}[n%2], 0, n/2, n/2+1)
			time.Sleep(time.Millisecond)
		}
	}()
	for n := range changes {
		force([]string{"market.a", "market.a!"}[n%2], []string{"market.b!", "market.b"}[n/2%2])
		time.Sleep(5 * time.Millisecond)
		if n%8 == 3 { // the client leaves, at any time, and comes back
			id := e.lastID
			e.cancel()
			resumed := in.reads("/v1/events?stream=market.*&from=earliest", "", "Last-Event-ID", id)
			resumed.lastID, e = id, resumed
		}
		for range 3 {
			e.next()
		}
	}
	<-over
	next := map[string]float64{}
	for n := 0; n < records; {
		if m := s.next(); m.str("type") == "event" {
			if m["offset"] != next[m.str("stream")] {
				t.Fatalf("got %v, want offset %v", m, next[m.str("stream")])
			}
			next[m.str("stream")]++
			n++
		} else if kind := m.str("type"); kind == "gap" || kind == "unsubscribed" {
			t.Fatalf("got %v", m)
		}
	}
	at, err := record.ParseCursor(e.lastID)
	if err != nil || len(at.Streams) != 2 {
		t.Fatalf("the id is %q, %v", e.lastID, err)
	}
	want := map[string]int64{}
	for _, stream := range at.Streams {
		want[stream.Stream] = stream.Position.Offset(0, 0)
	}
	e.cancel()
	e = in.reads("/v1/events?stream=market.*&from=earliest", "", "Last-Event-ID", e.lastID)
	for left := records - want["market.a"] - want["market.b"]; left > 0; left-- {
		m := e.until("").json(t)
		if stream := m.str("stream"); m["offset"] != float64(want[stream]) {
			t.Fatalf("got %v, want offset %d", m, want[stream])
		} else {
			want[stream]++
		}
	}
}
