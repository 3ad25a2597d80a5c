package transport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/transport"
)

// reads opens an event stream that must be answered 200.
func (in *instance) reads(path, token string, header ...string) *stream {
	in.t.Helper()
	s := in.events(path, token, header...)
	if s.res.StatusCode != http.StatusOK {
		in.t.Fatalf("%s: status %d", path, s.res.StatusCode)
	}
	// An event that never comes must fail the test, not hang it.
	tooLong := time.AfterFunc(patience, s.cancel)
	in.t.Cleanup(func() { tooLong.Stop() })
	return s
}

// expiredToken returns a token that expired a minute ago.
func expiredToken(t testing.TB, subject, scope string) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "test", "aud": "sluice", "sub": subject, "scope": scope, "exp": time.Now().Add(-time.Minute).Unix(),
	}).SignedString([]byte(secret.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// offsets reads n records and returns their offsets, by stream and partition.
func (s *stream) offsets(n int) map[string][]int64 {
	s.t.Helper()
	got := make(map[string][]int64)
	for n > 0 {
		e, ok := s.next()
		if !ok {
			s.t.Fatalf("the stream ended %d records early", n)
		}
		if e.name != "" {
			continue
		}
		m := e.json(s.t)
		place := fmt.Sprintf("%s/%v", m["stream"], m["partition"])
		got[place] = append(got[place], int64(m["offset"].(float64)))
		n--
	}
	return got
}

// untilID reads up to the next event with an id, and returns the id.
func (s *stream) untilID() string {
	s.t.Helper()
	for {
		e, ok := s.next()
		if !ok {
			s.t.Fatal("the stream ended before an id")
		}
		if e.id != "" {
			return e.id
		}
	}
}

func equal(a, b []int64) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// upTo returns from, …, to-1.
func upTo(from, to int64) (all []int64) {
	for ; from < to; from++ {
		all = append(all, from)
	}
	return all
}

func TestEventsBeginWithReady(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	for _, path := range []string{"/v1/streams/orders/events", "/v1/events?stream=orders"} {
		s := in.reads(path, token(t, "u42", "live", time.Hour))
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no",
			"Content-Encoding": "", "Content-Length": "", "Transfer-Encoding": "",
		} {
			if got := s.res.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		ready, _ := s.next()
		m := ready.json(t)
		if retry, err := strconv.Atoi(ready.retry); err != nil || retry < 1000 || retry > 10_000 {
			t.Errorf("%s: retry is %q", path, ready.retry)
		}
		if ready.name != "sluice.ready" || m.str("type") != "ready" || !strings.HasPrefix(m.str("session"), "s_") ||
			fmt.Sprint(m["streams"]) != "[orders]" || m.str("cursor") == "" || ready.id != m.str("cursor") {
			t.Errorf("%s: got %+v", path, ready)
		}
		// A session begins at the tip, so it has caught up at once.
		if e, _ := s.next(); e.name != "sluice.caught_up" || e.id == "" {
			t.Errorf("%s: got %+v", path, e)
		}
		s.cancel()
	}
}

func TestEventsResume(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 10)
	in.publish("orders", 1, 0, 10)
	s := in.reads("/v1/streams/orders/events?from=earliest", tok)
	s.offsets(20)
	id := s.lastID
	if s.until("sluice.caught_up"); s.lastID != "" {
		id = s.lastID
	}
	s.cancel()
	in.publish("orders", 0, 10, 15)
	other := in.reads("/v1/streams/orders/events?from=latest", tok)
	tip := other.untilID()
	other.cancel()

	tests := map[string]struct {
		query  string
		header string
		want   []int64
	}{
		"header":               {"", id, upTo(10, 15)},
		"parameter":            {"?last_event_id=" + id, "", upTo(10, 15)},
		"header wins":          {"?last_event_id=" + tip, id, upTo(10, 15)},
		"it wins over from":    {"?from=latest", id, upTo(10, 15)},
		"from":                 {"?from=" + id, "", upTo(10, 15)},
		"seen":                 {"", id + "~0:13", upTo(13, 15)},
		"seen, of two":         {"?from=" + id + "~0:13,1:10", "", upTo(13, 15)},
		"seen before":          {"", id + "~0:3", upTo(10, 15)},
		"seen, one too many":   {"", id + "~0:14,77:3", upTo(14, 15)},
		"seen, in a parameter": {"?last_event_id=" + id + "~0:12", "", upTo(12, 15)},
	}
	for name, tt := range tests {
		header := []string{"Last-Event-ID", tt.header}
		if tt.header == "" {
			header = nil
		}
		s := in.reads("/v1/streams/orders/events"+tt.query, tok, header...)
		if got := s.offsets(len(tt.want)); !equal(got["orders/0"], tt.want) || len(got) != 1 {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
		if e, _ := s.next(); e.name != "sluice.caught_up" {
			t.Errorf("%s: then %+v", name, e)
		}
		s.cancel()
	}
}

func TestEventsOfSeveralStreams(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 5)
	in.publish("public.news", 1, 0, 7)
	const path = "/v1/events?stream=orders&stream=public.news&from=earliest"
	s := in.reads(path, tok)
	ready, _ := s.next()
	if fmt.Sprint(ready.json(t)["streams"]) != "[orders public.news]" {
		t.Errorf("got %+v", ready)
	}
	got, caught := make(map[string][]int64), 0
	for caught < 2 || len(got["orders/0"])+len(got["public.news/1"]) < 12 {
		e, ok := s.next()
		if !ok {
			t.Fatalf("the stream ended after %v and %d caught_up", got, caught)
		}
		m := e.json(t)
		switch e.name {
		case "":
			place := fmt.Sprintf("%s/%v", m["stream"], m["partition"])
			got[place] = append(got[place], int64(m["offset"].(float64)))
		case "sluice.caught_up":
			caught++
			if m["id"] != nil || m.str("cursor") == "" {
				t.Errorf("got %+v", e)
			}
		}
	}
	if !equal(got["orders/0"], upTo(0, 5)) || !equal(got["public.news/1"], upTo(0, 7)) {
		t.Errorf("got %v", got)
	}
	id := s.lastID
	s.cancel()
	in.publish("orders", 1, 0, 2)
	in.publish("public.news", 0, 0, 3)
	again := in.reads(path, tok, "Last-Event-ID", id)
	if got := again.offsets(5); !equal(got["orders/1"], upTo(0, 2)) || !equal(got["public.news/0"], upTo(0, 3)) || len(got) != 2 {
		t.Errorf("after a resume: %v", got)
	}
	again.cancel()
	seen := in.reads(path, tok, "Last-Event-ID", id+"~orders/1:1,public.news/0:3")
	if got := seen.offsets(1); !equal(got["orders/1"], upTo(1, 2)) || len(got) != 1 {
		t.Errorf("after a resume with what was seen: %v", got)
	}
	seen.cancel()
	// One stream of a cursor of two, and a stream that a cursor does not hold.
	one := in.reads("/v1/streams/orders/events", tok, "Last-Event-ID", id)
	if got := one.offsets(2); !equal(got["orders/1"], upTo(0, 2)) {
		t.Errorf("one of two: %v", got)
	}
	ofOne := one.untilID()
	one.cancel()
	more := in.reads(path, tok, "Last-Event-ID", ofOne)
	if got := more.offsets(10); !equal(got["public.news/1"], upTo(0, 7)) || len(got["orders/0"]) > 0 {
		t.Errorf("a stream that the cursor does not hold: %v", got)
	}
}

func TestEventsByKey(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.KeepAlive = 150 * time.Millisecond }})
	tok := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 9) // keys k0, k1, k2 in turn
	s := in.reads("/v1/streams/orders/events?from=earliest&key=k1", tok)
	if got := s.offsets(3); !equal(got["orders/0"], []int64{1, 4, 7}) {
		t.Errorf("got %v", got)
	}
	two := in.reads("/v1/streams/orders/events?from=earliest&key=k1&key=k2", tok)
	if got := two.offsets(6); !equal(got["orders/0"], []int64{1, 2, 4, 5, 7, 8}) {
		t.Errorf("two keys: %v", got)
	}
	last := in.reads("/v1/streams/orders/events?from=last:2&key=k0", tok)
	if got := last.offsets(2); !equal(got["orders/0"], []int64{3, 6}) {
		t.Errorf("the last two of a key: %v", got)
	}
	// Records that the filter excludes move its position all the same.
	s.until("sluice.caught_up")
	s.until("sluice.cursor")
	in.topics.Append("orders", record.Record{Partition: 0, Key: []byte("k0"), Value: []byte("1")})
	for before := s.lastID; s.lastID == before; { // which ends with the stream if the position does not move
		s.until("sluice.cursor")
	}
	s.cancel()
	again := in.reads("/v1/streams/orders/events?key=k0", tok, "Last-Event-ID", s.lastID)
	if e := func() sse { _, _ = again.next(); e, _ := again.next(); return e }(); e.name != "sluice.caught_up" {
		t.Errorf("got %+v", e)
	}
}

func TestEventsFrom(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	now := time.Now()
	for n, age := range []time.Duration{3 * time.Hour, 2 * time.Hour, time.Hour, time.Minute} {
		in.topics.Append("orders", record.Record{Value: hubtest.Value(0, n), Timestamp: now.Add(-age).UnixMilli()})
	}
	in.reads("/v1/streams/orders/events", tok).until("sluice.caught_up")
	tests := map[string][]int64{
		"":                              nil,
		"from=latest":                   nil,
		"from=earliest":                 upTo(0, 4),
		"from=last:1":                   upTo(3, 4),
		"from=last:3":                   upTo(1, 4),
		"from=last:100000":              upTo(0, 4),
		"from=-90m":                     upTo(2, 4),
		"from=-1d":                      upTo(0, 4),
		"from=-1s":                      nil,
		"from=2099-01-01T00:00:00Z":     nil,
		"from=1970-01-01T00:00:00.001Z": upTo(0, 4),
		"from=" + url.QueryEscape(now.Add(-150*time.Minute).Format(time.RFC3339)): upTo(1, 4),
	}
	for query, want := range tests {
		s := in.reads("/v1/streams/orders/events?"+query, tok)
		if got := s.offsets(len(want)); !equal(got["orders/0"], want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
		if len(want) == 0 {
			_, _ = s.next() // ready
		}
		if e, _ := s.next(); e.name != "sluice.caught_up" {
			t.Errorf("%s: then %+v", query, e)
		}
		s.cancel()
	}
	// A client without a replay grant can go back only as far as the resume window.
	in.topics.Append("public.news", record.Record{Value: []byte("1"), Timestamp: now.Add(-time.Hour).UnixMilli()})
	in.topics.Append("public.news", record.Record{Value: []byte("2"), Timestamp: now.Add(-time.Minute).UnixMilli()})
	s := in.reads("/v1/streams/public.news/events?from=earliest", "")
	if gap := s.until("sluice.gap").json(t); gap.str("reason") != "policy" || gap["to"] != 1.0 {
		t.Errorf("got %v", gap)
	}
	if got := s.offsets(1); !equal(got["public.news/0"], upTo(1, 2)) {
		t.Errorf("got %v", got)
	}
}

func TestEventsKeepAlive(t *testing.T) {
	t.Parallel()
	for name, config := range eitherWay {
		t.Run(name, func(t *testing.T) { t.Parallel(); testEventsKeepAlive(t, config) })
	}
}

func testEventsKeepAlive(t *testing.T, config func(*transport.Config)) {
	t.Helper()
	in := start(t, options{config: config, limits: func(l *transport.Limits) { l.KeepAlive = 200 * time.Millisecond }})
	begun := time.Now()
	s := in.reads("/v1/streams/public.news/events", "")
	s.until("sluice.caught_up")
	for range 2 {
		e, _ := s.next()
		if e.name != "sluice.cursor" || e.id == "" || e.json(t).str("cursor") != e.id {
			t.Fatalf("got %+v", e)
		}
	}
	if took := time.Since(begun); took < 300*time.Millisecond {
		t.Errorf("two keepalives, and what came before, took only %v", took)
	}
	// The client's own value takes precedence.
	slow := in.reads("/v1/streams/public.news/events?heartbeat=10s", "")
	slow.until("sluice.caught_up")
	quiet := make(chan struct{})
	go func() { defer close(quiet); _, _ = slow.next() }()
	select {
	case <-quiet:
		t.Error("a stream with heartbeat=10s was not quiet")
	case <-time.After(500 * time.Millisecond):
	}
	slow.cancel()
	<-quiet
}

func TestEventsGaps(t *testing.T) {
	t.Parallel()
	for name, config := range eitherWay {
		t.Run(name, func(t *testing.T) { t.Parallel(); testEventsGaps(t, config) })
	}
}

func testEventsGaps(t *testing.T, config func(*transport.Config)) {
	t.Helper()
	in := start(t, options{config: config, stream: func(s *hub.Stream) { s.Backfill = 0 }})
	tok := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 10)
	s := in.reads("/v1/streams/orders/events?from=last:10", tok)
	s.offsets(3)
	s.cancel()
	early := in.reads("/v1/streams/orders/events?from=earliest", tok)
	ready, _ := early.next()
	early.cancel()
	// While the stream is being read its log keeps the records, and they would be
	// delivered.
	in.sampleBecomes(`sluice_sessions{protocol="sse"}`, 0)
	in.topics.Expire("orders", 0, 6)

	s = in.reads("/v1/streams/orders/events", tok, "Last-Event-ID", ready.id)
	gap := s.until("sluice.gap")
	if m := gap.json(t); m.str("type") != "gap" || m.str("stream") != "orders" || m["partition"] != 0.0 || m["from"] != 0.0 ||
		m["to"] != 6.0 || m.str("reason") != "retention" {
		t.Errorf("got %+v", gap)
	}
	if got := s.offsets(4); !equal(got["orders/0"], upTo(6, 10)) {
		t.Errorf("behind the gap: %v", got)
	}
	s.cancel()

	s = in.reads("/v1/streams/orders/events?on_gap=fail", tok, "Last-Event-ID", ready.id)
	s.closesWith("retention", "resync", true)

	// The topic is recreated: a running stream continues at its start.
	running := in.reads("/v1/streams/orders/events", tok)
	running.until("sluice.caught_up")
	failing := in.reads("/v1/streams/orders/events?on_gap=fail", tok)
	failing.until("sluice.caught_up")
	in.topics.Create("orders", 2)
	in.publish("orders", 0, 0, 2)
	if m := running.until("sluice.gap").json(t); m.str("reason") != "log_changed" || m["to"] != 0.0 {
		t.Errorf("got %v", m)
	}
	if got := running.offsets(2); !equal(got["orders/0"], upTo(0, 2)) {
		t.Errorf("in the new topic: %v", got)
	}
	failing.closesWith("log_changed", "resync", true)
}

// closesWith reads up to the close, which must be the last event.
func (s *stream) closesWith(code, action string, ends bool) message {
	s.t.Helper()
	e := s.until("sluice.close")
	m := e.json(s.t)
	if m.str("type") != "closing" || m.str("code") != code || m.str("action") != action {
		s.t.Errorf("closed with %+v, want %s %s", e, code, action)
	}
	if (e.id == "end") != ends {
		s.t.Errorf("%s: the id is %q", code, e.id)
	}
	if retry, err := strconv.Atoi(e.retry); !ends && (err != nil || retry < 1 || m["retry_after_ms"] != float64(retry)) {
		s.t.Errorf("%s: retry is %q beside %v", code, e.retry, m)
	}
	if e.name == "error" {
		s.t.Error("an event is named error")
	}
	s.forgets = e.forgets
	if more, ok := s.next(); ok {
		s.t.Errorf("%s: behind the close came %+v", code, more)
	}
	return m
}

func TestEventsFaults(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.CursorBytes = 200; l.SubscriptionsPerSession = 1 }})
	live := token(t, "u42", "live", time.Hour)
	id := in.reads("/v1/streams/orders/events", live)
	ready, _ := id.next()
	id.cancel()
	flipped := ready.id[:len(ready.id)-2] + map[bool]string{true: "B", false: "A"}[ready.id[len(ready.id)-2] == 'A'] + ready.id[len(ready.id)-1:]
	expired := expiredToken(t, "u42", "live")
	tests := map[string]struct {
		path   string
		token  string
		status int
		code   string
		action string
	}{
		"no such stream":       {"/v1/streams/nope/events?", live, 404, "unknown_stream", "stop"},
		"hidden stream":        {"/v1/streams/hidden/events?", live, 404, "unknown_stream", "stop"},
		"one of two unknown":   {"/v1/events?stream=orders&stream=nope", live, 404, "unknown_stream", "stop"},
		"no right to read":     {"/v1/streams/orders/events?", token(t, "w", "write", time.Hour), 403, "forbidden", "stop"},
		"no credential":        {"/v1/streams/orders/events?", "", 404, "unknown_stream", "stop"},
		"bad token":            {"/v1/streams/orders/events?", "x.y.z", 401, "unauthenticated", "stop"},
		"expired token":        {"/v1/streams/orders/events?", expired, 401, "token_expired", "reauthenticate"},
		"unknown parameter":    {"/v1/streams/orders/events?foo=1", live, 400, "bad_request", "stop"},
		"filter":               {"/v1/streams/orders/events?filter=true", live, 400, "bad_request", "stop"},
		"key_prefix":           {"/v1/streams/orders/events?key_prefix=", live, 400, "bad_request", "stop"},
		"header filter":        {"/v1/streams/orders/events?header.=b", live, 400, "bad_request", "stop"},
		"no stream":            {"/v1/events?from=latest", live, 400, "bad_request", "stop"},
		"a stream twice":       {"/v1/events?stream=orders&stream=orders", live, 400, "bad_request", "stop"},
		"bad from":             {"/v1/streams/orders/events?from=yesterday", live, 400, "bad_request", "stop"},
		"damaged cursor":       {"/v1/streams/orders/events?from=" + flipped, live, 400, "bad_cursor", "resync"},
		"shortened cursor":     {"/v1/streams/orders/events?from=" + ready.id[:len(ready.id)-3], live, 400, "bad_cursor", "resync"},
		"cursor of another":    {"/v1/streams/public.news/events?from=" + ready.id, live, 400, "bad_cursor", "resync"},
		"cursor and nonsense":  {"/v1/streams/orders/events?from=" + ready.id + "~a:b", live, 400, "bad_cursor", "resync"},
		"long cursor":          {"/v1/streams/orders/events?from=v1." + strings.Repeat("A", 400), live, 400, "cursor_too_large", "resync"},
		"name of an anonymous": {"/v1/streams/public.news/events?cursor_name=a", "", 403, "forbidden", "stop"},
		"nothing stored":       {"/v1/streams/orders/events?cursor_name=none", live, 410, "cursor_lost", "resync"},
		"ticket":               {"/v1/streams/orders/events?ticket=abc", "", 400, "bad_request", "stop"},
		"access token":         {"/v1/streams/orders/events?access_token=abc", "", 400, "bad_request", "stop"},
		"two credentials":      {"/v1/streams/orders/events?access_token=abc", live, 400, "bad_request", "stop"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			status, head, body := in.do(http.MethodGet, tt.path, tt.token, "")
			in.problem(t, status, head, body, tt.status, tt.code)
			for _, how := range []string{"errors", "header", "parameter"} {
				path, header := tt.path, []string(nil)
				switch how {
				case "errors":
					path += "&errors=stream"
				case "header":
					header = []string{"Last-Event-ID", ready.id}
					if strings.Contains(path, "from=") || strings.Contains(path, "cursor_name=none") {
						continue // Last-Event-ID takes precedence over it
					}
				case "parameter":
					path += "&last_event_id=" + ready.id
					if strings.Contains(path, "from=") || strings.Contains(path, "cursor_name=none") {
						continue
					}
				}
				s := in.reads(path, tt.token, header...)
				if got := s.res.Header.Get("Content-Type"); got != "text/event-stream" {
					t.Errorf("%s: content type %q", how, got)
				}
				s.t = t
				s.closesWith(tt.code, tt.action, tt.action == "stop" || tt.action == "resync")
			}
		})
	}
	status, head, body := in.do(http.MethodGet, "/v1/events?stream=orders&stream=public.news", live, "")
	in.problem(t, status, head, body, http.StatusBadRequest, "subscription_limit")
	// A bad Last-Event-ID itself is reported in the stream.
	for _, bad := range []string{"7", flipped, "v1.", "v2.abc", ready.id + "~1", "\xff", strings.Repeat("v1.A", 200)} {
		s := in.reads("/v1/streams/orders/events", live, "Last-Event-ID", bad)
		s.lastID = bad
		s.closesWith("bad_cursor", "resync", false)
		if !s.forgets || s.lastID != "" {
			t.Errorf("%q: an EventSource keeps the id %q", bad, s.lastID)
		}
	}
	// Where the URL is at fault too, an EventSource that comes back without its id is
	// stopped.
	both := "/v1/streams/orders/events?errors=stream&from=" + flipped
	in.reads(both, live, "Last-Event-ID", flipped).closesWith("bad_cursor", "resync", false)
	in.reads(both, live).closesWith("bad_cursor", "resync", true)
	in.reads("/v1/streams/orders/events?last_event_id="+flipped, live).closesWith("bad_cursor", "resync", true)
}

// problem checks a problem body (RFC 9457).
func (in *instance) problem(t *testing.T, status int, head http.Header, body string, wantStatus int, wantCode string) message {
	t.Helper()
	var m message
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Errorf("%d %q: %v", status, body, err)
		return nil
	}
	if status != wantStatus || m.str("code") != wantCode || m["status"] != float64(wantStatus) {
		t.Errorf("got %d %s, want %d %s", status, body, wantStatus, wantCode)
	}
	if got := head.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%s: content type %q", wantCode, got)
	}
	if got := head.Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s: cache control %q", wantCode, got)
	}
	if wantStatus == http.StatusUnauthorized && head.Get("WWW-Authenticate") == "" {
		t.Errorf("%s: no WWW-Authenticate", wantCode)
	}
	if (wantStatus == http.StatusServiceUnavailable || wantStatus == http.StatusTooManyRequests) && head.Get("Retry-After") == "" {
		t.Errorf("%s: no Retry-After", wantCode)
	}
	return m
}

func TestEventsEnd(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	for _, path := range []string{"/v1/streams/orders/events", "/v1/events", "/v1/streams/nope/events?foo=1"} {
		if status, _, body := in.do(http.MethodGet, path, "", "", "Last-Event-ID", "end"); status != http.StatusNoContent || body != "" {
			t.Errorf("%s: got %d %q", path, status, body)
		}
	}
	if status, _, _ := in.do(http.MethodGet, "/v1/events?stream=orders&last_event_id=end", "", ""); status != http.StatusNoContent {
		t.Errorf("as a parameter: got %d", status)
	}
}

func TestEventsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	inBubble(t, options{}, testEventsEndWithTheirToken)
}

func testEventsEndWithTheirToken(t *testing.T, in *instance) {
	// The times in a token are whole seconds.
	s := in.reads("/v1/streams/orders/events", token(t, "u42", "live", 2*time.Second))
	if m := s.until("sluice.token_expiring").json(t); m["expires_in_ms"].(float64) > 400 {
		t.Errorf("got %v", m)
	}
	in.publish("orders", 0, 0, 1)
	s.offsets(1)
	m := s.closesWith("token_expired", "reauthenticate", false)
	if m.str("cursor") == "" || m.str("cursor") != s.lastID {
		t.Errorf("got %v, last id %q", m, s.lastID)
	}
	in.publish("orders", 0, 1, 3)
	again := in.reads("/v1/streams/orders/events", token(t, "u42", "live", time.Hour), "Last-Event-ID", s.lastID)
	if got := again.offsets(2); !equal(got["orders/0"], upTo(1, 3)) {
		t.Errorf("got %v", got)
	}
}

func TestEventsDrain(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, testEventsDrain)
}

func testEventsDrain(t *testing.T, overTLS bool) {
	in := start(t, options{tls: overTLS, config: func(c *transport.Config) { c.DrainSpread = 300 * time.Millisecond }})
	tok := token(t, "u42", "live", time.Hour)
	s := in.reads("/v1/streams/orders/events", tok)
	s.until("sluice.caught_up")
	lines := in.reads("/v1/streams/orders/events", tok, "Accept", "application/x-ndjson")
	ended := make(chan error, 1)
	go func() { ended <- in.stop() }()
	if m := s.closesWith("draining", "resume", false); m.str("cursor") != s.lastID || s.lastID == "" {
		t.Errorf("got %v", m)
	}
	rest := new(bytes.Buffer)
	_, _ = rest.ReadFrom(lines.lines)
	if !strings.Contains(rest.String(), `"type":"closing","code":"draining"`) {
		t.Errorf("lines end with %q", rest)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestEventsSuperseded(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 2)
	const path = "/v1/streams/orders/events?cursor_name=web-7&from=earliest"
	first := in.reads(path, tok)
	first.offsets(2)
	if status, _, _ := in.do(http.MethodHead, path, tok, ""); status != http.StatusOK {
		t.Errorf("HEAD: %d", status)
	}
	other := in.reads(path, token(t, "u43", "live", time.Hour))
	other.offsets(2)
	second := in.reads(path, tok)
	second.offsets(2)
	first.closesWith("superseded", "stop", true)
	in.publish("orders", 0, 2, 3)
	second.offsets(1)
	other.offsets(1)
	if status, _, body := in.do(http.MethodPut, "/v1/cursors/orders/web-7", tok, fmt.Sprintf(`{"cursor":%q}`, second.lastID)); status != 200 {
		t.Errorf("ack: %d %s", status, body)
	}
	second.cancel()
	in.publish("orders", 0, 3, 4)
	third := in.reads(path, tok)
	if got := third.offsets(1); !equal(got["orders/0"], upTo(3, 4)) {
		t.Errorf("from the named cursor: %v", got)
	}
	reset := in.reads(path+"&reset=true", tok)
	if got := reset.offsets(4); !equal(got["orders/0"], upTo(0, 4)) {
		t.Errorf("with reset: %v", got)
	}
	tip := in.reads("/v1/streams/orders/events?cursor_name=fresh&reset=1", tok)
	_, _ = tip.next()
	if e, _ := tip.next(); e.name != "sluice.caught_up" {
		t.Errorf("with reset and no from: %+v", e)
	}
}

func TestEventsAsLines(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.KeepAlive = 200 * time.Millisecond }})
	tok := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 3)
	s := in.reads("/v1/streams/orders/events?from=earliest", tok, "Accept", "application/x-ndjson")
	if got := s.res.Header.Get("Content-Type"); got != "application/x-ndjson" {
		t.Errorf("content type %q", got)
	}
	line := func() message {
		t.Helper()
		b, err := s.lines.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		var m message
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		return m
	}
	until := func(kind string) message {
		t.Helper()
		for {
			if m := line(); m.str("type") == kind {
				return m
			}
		}
	}
	if m := line(); m.str("type") != "ready" || m.str("cursor") == "" {
		t.Fatalf("got %v", m)
	}
	for n := range 3 {
		if m := until("event"); m["offset"] != float64(n) {
			t.Errorf("event %d: %v", n, m)
		}
	}
	// Both a busy and a quiet stream send their positions.
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 3; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				in.publish("orders", 1, n, n+1)
			}
		}
	}()
	until("cursor")
	busy := until("cursor")
	close(stop)
	<-stopped
	if busy.str("cursor") == "" || busy["feed"] != nil {
		t.Errorf("got %v", busy)
	}
	until("cursor")
	until("cursor")

	// A fault is sent as a line.
	refused := in.reads("/v1/streams/nope/events?errors=stream", tok, "Accept", "application/x-ndjson")
	b, _ := refused.lines.ReadString('\n')
	if !strings.Contains(b, `"type":"closing","code":"unknown_stream","message":"the stream does not exist","action":"stop"`) {
		t.Errorf("got %q", b)
	}
}

func TestEventsStatus(t *testing.T) {
	t.Parallel()
	for name, config := range eitherWay {
		t.Run(name, func(t *testing.T) { t.Parallel(); testEventsStatus(t, config) })
	}
}

func testEventsStatus(t *testing.T, config func(*transport.Config)) {
	t.Helper()
	in := start(t, options{config: func(c *transport.Config) {
		c.RequestTimeout = 500 * time.Millisecond
		if config != nil {
			config(c)
		}
	}})
	tok := token(t, "u42", "live", time.Hour)
	s := in.reads("/v1/streams/orders/events", tok)
	s.until("sluice.caught_up")
	in.topics.Away(true)
	if m := s.until("sluice.status").json(t); m.str("stream") != "orders" || m["live"] != false || m["since"] == nil {
		t.Errorf("got %v", m)
	}
	// A stream opened now is sent that status; one that needs Kafka to begin is
	// refused.
	late := in.reads("/v1/streams/orders/events", tok)
	if m := late.until("sluice.status").json(t); m["live"] != false {
		t.Errorf("got %v", m)
	}
	status, head, body := in.do(http.MethodGet, "/v1/streams/public.news/events", "", "")
	in.problem(t, status, head, body, http.StatusServiceUnavailable, "overloaded")
	in.reads("/v1/streams/public.news/events?errors=stream", "").closesWith("overloaded", "resume", false)
	in.topics.Away(false)
	for _, s := range []*stream{s, late} {
		if m := s.until("sluice.status").json(t); m["live"] != true {
			t.Errorf("got %v", m)
		}
	}
	in.publish("orders", 0, 0, 1)
	s.offsets(1)
}

// TestEventsHostileBytes: nothing in a record can create a field of its own.
func TestEventsHostileBytes(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	hostile := []string{
		"a\rb", "a\nb", "a\r\n\r\nb", "a\x00b", "a\u2028b\u2029c", "\ufeffdata", "id: x", "\nid: evil\n\n", "\r\rid:evil\r\r",
		"data: x\n\nevent: error\ndata: y\n\n", ":comment", "retry: 1", "", "\u0085", "{\"a\":\r\n1}", "[1,\n2]", "\"a\"", "\xff\xfe",
	}
	for _, text := range hostile {
		in.topics.Append("orders", record.Record{
			Key: []byte(text), Value: []byte(text), Timestamp: 1,
			Headers: []record.Header{{Name: []byte("h" + text), Value: []byte(text)}},
		})
	}
	s := in.reads("/v1/streams/orders/events?from=earliest", tok)
	if e, _ := s.next(); e.name != "sluice.ready" {
		t.Fatalf("got %+v", e)
	}
	for n, text := range hostile {
		e, ok := s.next()
		if !ok || e.name != "" || strings.ContainsAny(e.data, "\r\n\x00") || (e.id != "" && !strings.HasPrefix(e.id, "v1.")) {
			t.Fatalf("%q: got %+v", text, e)
		}
		m := e.json(t)
		if m["offset"] != float64(n) {
			t.Errorf("%q: got %v", text, m)
		}
		if text != "\xff\xfe" && m.str("key") != text {
			t.Errorf("%q: the key is %q", text, m.str("key"))
		}
	}
}

// TestEventsOfRefusedStreamsDoNotCount: a stream that is refused no longer counts
// against the limits.
func TestEventsOfRefusedStreamsDoNotCount(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.SessionsPerPrincipal, l.SessionsPerAddress = 2, 3 }})
	tok := token(t, "u42", "live", time.Hour)
	for range 5 {
		for _, path := range []string{
			"/v1/streams/nope/events", "/v1/streams/orders/events?from=x", "/v1/events?stream=orders&stream=hidden",
			"/v1/streams/orders/events?cursor_name=none",
		} {
			if status, _, body := in.do(http.MethodGet, path, tok, ""); status == http.StatusTooManyRequests {
				t.Fatalf("%s: %s", path, body)
			}
		}
		if status, _, _ := in.do(http.MethodHead, "/v1/streams/orders/events", tok, ""); status != http.StatusOK {
			t.Fatalf("HEAD: %d", status)
		}
	}
	a, b := in.reads("/v1/streams/orders/events", tok), in.reads("/v1/streams/orders/events", tok)
	status, head, body := in.do(http.MethodGet, "/v1/streams/orders/events", tok, "")
	in.problem(t, status, head, body, http.StatusTooManyRequests, "too_many_sessions")
	in.reads("/v1/streams/orders/events?errors=stream", tok).closesWith("too_many_sessions", "resume", false)
	// The address has one session left.
	in.reads("/v1/streams/orders/events", token(t, "u43", "live", time.Hour))
	status, head, body = in.do(http.MethodGet, "/v1/streams/orders/events", token(t, "u44", "live", time.Hour), "")
	in.problem(t, status, head, body, http.StatusTooManyRequests, "too_many_sessions")
	a.cancel()
	b.cancel()
	in.eventually("both are gone", func() bool {
		s := in.events("/v1/streams/orders/events", tok)
		return s.res.StatusCode == http.StatusOK
	})
}

// eventually waits for a condition to hold.
func (in *instance) eventually(what string, holds func() bool) {
	in.t.Helper()
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	in.t.Errorf("it never came about that %s", what)
}

// TestEventsOpenedAmidRecords: records that arrive while streams are being opened
// are delivered without a gap.
func TestEventsOpenedAmidRecords(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			in.publish("orders", int32(n%2), n, n+1)
			time.Sleep(50 * time.Microsecond)
		}
	}()
	for n := range 60 {
		s := in.reads("/v1/streams/orders/events?from=last:5", tok)
		if e, _ := s.next(); e.name != "sluice.ready" {
			t.Fatalf("stream %d begins with %+v", n, e)
		}
		last := map[any]float64{}
		for range 5 {
			e, _ := s.next()
			if e.name != "" {
				continue
			}
			m := e.json(t)
			if was, ok := last[m["partition"]]; ok && m["offset"] != was+1 {
				t.Fatalf("after %v: %v", was, m)
			}
			last[m["partition"]] = m["offset"].(float64)
		}
		s.cancel()
		in.do(http.MethodHead, "/v1/streams/orders/events", tok, "")
	}
	cancel()
	<-done
}
