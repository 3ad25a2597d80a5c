package transport_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/hub/record"
	"sluice/transport"
)

// TestTooManyCursors: a new name is refused in every way in which it can be made, and the
// names there are work on.
func TestTooManyCursors(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	in.store.names = 1
	in.publish("orders", 0, 0, 4)
	tok := token(t, "u42", "live", time.Hour)
	cursor := in.page("orders", "from=earliest&limit=1", tok).Cursor
	put := func(name string) (int, http.Header, string) {
		return in.do(http.MethodPut, "/v1/cursors/orders/"+name, tok, fmt.Sprintf(`{"cursor":%q}`, cursor))
	}
	if status, _, body := put("a"); status != http.StatusOK {
		t.Fatalf("the first name: %d %s", status, body)
	}
	refused := func(status int, head http.Header, body string) {
		t.Helper()
		m := in.problem(t, status, head, body, http.StatusForbidden, "cursor_limit")
		if m["retryable"] != false || m.str("action") != "stop" {
			t.Errorf("%s", body)
		}
	}
	refused(put("b"))
	refused(in.do(http.MethodGet, "/v1/streams/orders/events?from=earliest&cursor_name=b", tok, ""))
	refused(in.do(http.MethodGet, "/v1/events?stream=ord*&from=earliest&cursor_name=b", tok, ""))
	s := in.dial("", tok)
	for id, stream := range map[string]string{"1": "orders", "2": "ord*"} {
		s.send(`{"type":"subscribe","id":%q,"stream":%q,"from":"earliest","cursor_name":"b"}`, id, stream)
		if m := s.fails(id, "cursor_limit"); m["retryable"] != false || m.str("action") != "stop" {
			t.Errorf("%s: %v", stream, m)
		}
	}
	s.send(`{"type":"subscribe","id":"3","stream":"orders","cursor_name":"a"}`)
	s.until("subscribed")
	if status, _, body := put("a"); status != http.StatusOK {
		t.Errorf("the first name, again: %d %s", status, body)
	}
}

func TestCursors(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 4)
	early := in.page("orders", "from=earliest&limit=1", tok).Cursor
	late := in.page("orders", "from=earliest&limit=3", tok).Cursor
	const path = "/v1/cursors/orders/web-7"
	put := func(path, cursor string) {
		t.Helper()
		status, head, body := in.do(http.MethodPut, path, tok, fmt.Sprintf(`{"cursor":%q}`, cursor))
		// The answer is what is stored now.
		_, _, stored := in.do(http.MethodGet, "/v1/cursors/orders/web-7", tok, "")
		if status != http.StatusOK || body != stored || head.Get("Content-Type") != "application/json" {
			t.Errorf("PUT: got %d %s, stored is %s", status, body, stored)
		}
	}
	from := func() []int64 { return in.page("orders", "cursor_name=web-7", tok).offsets() }
	put(path, late)
	status, _, body := in.do(http.MethodGet, path, tok, "")
	if status != http.StatusOK || !strings.HasPrefix(body, `{"cursor":"v1.`) {
		t.Errorf("GET: got %d %s", status, body)
	}
	if got := from(); !equal(got, upTo(3, 4)) {
		t.Errorf("got %v", got)
	}
	put(path, early) // an ack never goes back
	if got := from(); !equal(got, upTo(3, 4)) {
		t.Errorf("after an earlier ack: %v", got)
	}
	put(path+"?reset=true", early)
	if got := from(); !equal(got, upTo(1, 4)) {
		t.Errorf("after a reset: %v", got)
	}
	put(path, early+"~0:2")
	if got := from(); !equal(got, upTo(2, 4)) {
		t.Errorf("after an ack with what was seen: %v", got)
	}
	// The cursor is the principal's own.
	status, head, body := in.do(http.MethodGet, path, token(t, "u43", "live", time.Hour), "")
	in.problem(t, status, head, body, http.StatusGone, "cursor_lost")
	for range 2 {
		if status, _, body := in.do(http.MethodDelete, path, tok, ""); status != http.StatusNoContent || body != "" {
			t.Errorf("DELETE: got %d %s", status, body)
		}
	}
	status, head, body = in.do(http.MethodGet, path, tok, "")
	in.problem(t, status, head, body, http.StatusGone, "cursor_lost")
}

func TestCursorsFaults(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.CursorBytes, l.MessageBytes = 200, 1000 }})
	live := token(t, "u42", "live", time.Hour)
	good := fmt.Sprintf(`{"cursor":%q}`, in.page("orders", "", live).Cursor)
	news := fmt.Sprintf(`{"cursor":%q}`, in.page("public.news", "", live).Cursor)
	const path = "/v1/cursors/orders/a"
	tests := map[string]struct {
		method, path, token, body string
		status                    int
		code                      string
	}{
		"anonymous":         {"GET", "/v1/cursors/public.news/a", "", "", 403, "forbidden"},
		"anonymous puts":    {"PUT", "/v1/cursors/public.news/a", "", news, 403, "forbidden"},
		"anonymous deletes": {"DELETE", "/v1/cursors/public.news/a", "", "", 403, "forbidden"},
		"bad token":         {"GET", path, "x", "", 401, "unauthenticated"},
		"expired":           {"PUT", path, expiredToken(t, "u42", "live"), good, 401, "token_expired"},
		"no such stream":    {"GET", "/v1/cursors/nope/a", live, "", 404, "unknown_stream"},
		"hidden":            {"PUT", "/v1/cursors/hidden/a", live, good, 404, "unknown_stream"},
		"no right to read":  {"GET", path, token(t, "w", "write", time.Hour), "", 403, "forbidden"},
		"bad name":          {"GET", "/v1/cursors/orders/a%2Fb", live, "", 400, "bad_request"},
		"a name of spaces":  {"GET", "/v1/cursors/orders/%20", live, "", 400, "bad_request"},
		"CRLF in the name":  {"GET", "/v1/cursors/orders/a%0d%0ab", live, "", 400, "bad_request"},
		"long name":         {"GET", "/v1/cursors/orders/" + strings.Repeat("a", 129), live, "", 400, "bad_request"},
		"nothing stored":    {"GET", path, live, "", 410, "cursor_lost"},
		"unknown parameter": {"GET", path + "?foo=1", live, "", 400, "bad_request"},
		"reset of a GET":    {"GET", path + "?reset=true", live, "", 400, "bad_request"},
		"reset in words":    {"PUT", path + "?reset=yes", live, good, 400, "bad_request"},
		"empty body":        {"PUT", path, live, "", 400, "bad_request"},
		"no JSON":           {"PUT", path, live, "v1.x", 400, "bad_request"},
		"no cursor":         {"PUT", path, live, "{}", 400, "bad_request"},
		"unknown field":     {"PUT", path, live, `{"cursor":"v1.AAAA","foo":1}`, 400, "bad_request"},
		"field twice":       {"PUT", path, live, `{"cursor":"v1.AAAA","cursor":"v1.AAAA"}`, 400, "bad_request"},
		"a number":          {"PUT", path, live, `{"cursor":1}`, 400, "bad_request"},
		"damaged cursor":    {"PUT", path, live, `{"cursor":"v1.AAAA"}`, 400, "bad_cursor"},
		"ahead of the log":  {"PUT", path, live, strings.Replace(good, `"}`, `~0:1"}`, 1), 400, "bad_cursor"},
		"no such partition": {"PUT", path, live, strings.Replace(good, `"}`, `~9:0,9:1"}`, 1), 400, "bad_cursor"},
		"cursor of another": {"PUT", path, live, news, 400, "bad_cursor"},
		"cursor too large":  {"PUT", path, live, `{"cursor":"v1.` + strings.Repeat("A", 300) + `"}`, 400, "cursor_too_large"},
		"body too large":    {"PUT", path, live, `{"cursor":"v1.` + strings.Repeat("A", 1000) + `"}`, 413, "too_large"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			status, head, body := in.do(tt.method, tt.path, tt.token, tt.body)
			in.problem(t, status, head, body, tt.status, tt.code)
		})
	}
	in.store.setAway(true)
	for method, body := range map[string]string{"GET": "", "PUT": good} {
		status, head, body := in.do(method, path, live, body)
		in.problem(t, status, head, body, http.StatusServiceUnavailable, "overloaded")
	}
	status, head, body := in.do(http.MethodGet, "/v1/streams/orders/events?cursor_name=a", live, "")
	in.problem(t, status, head, body, http.StatusServiceUnavailable, "overloaded")
	// Streams without named cursors still work.
	in.reads("/v1/streams/orders/events", live).until("sluice.caught_up")
}

func TestCursorsNotConfigured(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) { c.Committer = nil }})
	live := token(t, "u42", "live", time.Hour)
	for method, path := range map[string]string{
		"GET": "/v1/cursors/orders/a", "PUT": "/v1/cursors/orders/a", "DELETE": "/v1/cursors/orders/a", "HEAD": "/v1/cursors/orders/a",
	} {
		if status, _, _ := in.do(method, path, live, "{}"); status != http.StatusBadRequest {
			t.Errorf("%s: got %d", method, status)
		}
	}
	status, head, body := in.do(http.MethodGet, "/v1/streams/orders/events?cursor_name=a", live, "")
	in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
}

// TestCursorIsMovedBehindALaterEpoch: a PUT moves a cursor to a higher offset, also where
// the stored one has a later epoch, as that of an ack may: unless the log was truncated
// in between, and Kafka no longer has what the client had read.
func TestCursorIsMovedBehindALaterEpoch(t *testing.T) {
	t.Parallel()
	for name, truncated := range map[string]bool{"an election": false, "a truncation": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := start(t, options{})
			tok := token(t, "u42", "live", time.Hour)
			for p := range int32(2) {
				in.publish("orders", p, 0, 8)
			}
			page := in.page("orders", "from=earliest&limit=1000", tok)
			was, err := record.ParseCursor(page.Cursor)
			if err != nil {
				t.Fatal(err)
			}
			for p := range int32(2) {
				if truncated {
					in.topics.Truncate("orders", p, 4)
				} else {
					in.topics.Elect("orders", p)
				}
				in.publish("orders", p, 8, 20)
			}
			// One partition has a later epoch at a lower offset, as if a PUT had come before.
			later := record.Cursor{At: was.At, Streams: []record.StreamPosition{{Stream: "orders", Position: was.Streams[0].Position.Clone()}}}
			epoch := was.Streams[0].Position.Offsets[1].Epoch
			later.Streams[0].Position.Set(record.PartitionOffset{Partition: 1, Offset: 4, Epoch: epoch + 1})
			later.Streams[0].Position.Set(record.PartitionOffset{Partition: 0, Offset: 2, Epoch: epoch})
			put := func(cursor string) record.Position {
				t.Helper()
				status, _, body := in.do(http.MethodPut, "/v1/cursors/orders/web-7", tok, fmt.Sprintf(`{"cursor":%q}`, cursor))
				var answer struct{ Cursor string }
				if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
					t.Fatalf("PUT: %d %s", status, body)
				}
				stored, err := record.ParseCursor(answer.Cursor)
				if err != nil {
					t.Fatal(err)
				}
				at, _ := stored.Position("orders")
				return at
			}
			put(later.String())
			want := record.PartitionOffset{Partition: 1, Offset: 8, Epoch: epoch + 1}
			if truncated {
				want.Offset = 4
			}
			for what := range 2 {
				if got, _ := put(page.Cursor).Find(1); got != want {
					t.Errorf("PUT %d: stored is %v, want %v", what, got, want)
				}
			}
			if at := put(page.Cursor); at.Offset(0, 0) != 8 {
				t.Errorf("of the other partition, %d is stored", at.Offset(0, 0))
			}
		})
	}
}
