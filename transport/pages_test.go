package transport_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/record"
	"sluice/transport"
)

// pageBody is a page as a client sees it.
type pageBody struct {
	Records  []message `json:"records"`
	Gaps     []message `json:"gaps"`
	Cursor   string    `json:"cursor"`
	CaughtUp bool      `json:"caught_up"`
}

func (p pageBody) offsets() (all []int64) {
	for _, m := range p.Records {
		all = append(all, int64(m["offset"].(float64)))
	}
	return all
}

// page reads one page, which must be answered 200.
func (in *instance) page(stream, query, token string) pageBody {
	in.t.Helper()
	status, head, body := in.do(http.MethodGet, "/v1/streams/"+stream+"/records?"+query, token, "")
	if status != http.StatusOK || head.Get("Content-Type") != "application/json" || head.Get("Cache-Control") != "no-store" {
		in.t.Fatalf("%s: got %d %s", query, status, body)
	}
	var p pageBody
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		in.t.Fatalf("%s: %v", body, err)
	}
	if p.Records == nil || p.Gaps == nil || p.Cursor == "" {
		in.t.Errorf("%s: got %s", query, body)
	}
	return p
}

func TestPages(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 250)
	p := in.page("orders", "", tok)
	if !equal(p.offsets(), upTo(150, 250)) || !p.CaughtUp || p.Records[0].str("type") != "event" {
		t.Errorf("by default: %v %v", p.offsets(), p.CaughtUp)
	}
	var all []int64
	query, pages := "from=earliest&limit=60", 0
	for ; pages < 10; pages++ {
		p = in.page("orders", query, tok)
		all = append(all, p.offsets()...)
		if len(p.Records) > 60 {
			t.Errorf("%d records", len(p.Records))
		}
		query = "limit=60&from=" + p.Cursor
		if p.CaughtUp {
			break
		}
	}
	if !equal(all, upTo(0, 250)) || pages > 5 {
		t.Errorf("%d pages: %v", pages, all)
	}
	// An empty page moves the cursor over records that the filter excludes.
	in.topics.Append("orders", record.Record{Key: []byte("other")})
	moved := in.page("orders", "key=none&from="+p.Cursor, tok)
	if len(moved.Records) != 0 || !moved.CaughtUp || moved.Cursor == p.Cursor {
		t.Errorf("got %+v", moved)
	}
	if p := in.page("orders", "from="+moved.Cursor, tok); len(p.Records) != 0 || !p.CaughtUp {
		t.Errorf("got %+v", p)
	}
	if p := in.page("orders", "from="+p.Cursor, tok); len(p.Records) != 1 || p.Records[0]["tombstone"] != true {
		t.Errorf("got %+v", p)
	}
	if p := in.page("orders", "from=last:3&key=k1", tok); !equal(p.offsets(), []int64{241, 244, 247}) {
		t.Errorf("the last of a key: %v", p.offsets())
	}
	if p := in.page("orders", "from=latest", tok); len(p.Records) != 0 || !p.CaughtUp {
		t.Errorf("from the tip: %v", p)
	}
	if status, _, body := in.do(http.MethodHead, "/v1/streams/orders/records", tok, ""); status != http.StatusOK || body != "" {
		t.Errorf("HEAD: %d %q", status, body)
	}
}

func TestPagesWait(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	tip := in.page("orders", "from=latest", tok)
	begun := time.Now()
	if p := in.page("orders", "wait=300ms&from="+tip.Cursor, tok); len(p.Records) != 0 || !p.CaughtUp {
		t.Errorf("got %+v", p)
	}
	if took := time.Since(begun); took < 250*time.Millisecond {
		t.Errorf("a page that waits 300 ms took %v", took)
	}
	sent := make(chan time.Time, 1)
	time.AfterFunc(150*time.Millisecond, func() { sent <- time.Now(); in.publish("orders", 1, 0, 3) })
	p := in.page("orders", "wait=30s&from="+tip.Cursor, tok)
	if took := time.Since(<-sent); took > 15*time.Second {
		t.Errorf("a page that waits 30 s took %v to wake", took)
	}
	if len(p.Records) == 0 || p.Records[0]["offset"] != 0.0 {
		t.Errorf("got %+v", p)
	}
	// A record that the filter excludes does not end the wait.
	time.AfterFunc(50*time.Millisecond, func() { in.publish("orders", 0, 0, 1) })
	begun = time.Now()
	if p := in.page("orders", "wait=300ms&key=none&from=latest", tok); len(p.Records) != 0 || time.Since(begun) < 250*time.Millisecond {
		t.Errorf("after %v: %+v", time.Since(begun), p)
	}
	// A page that waits when the instance drains is answered.
	answered := make(chan pageBody, 1)
	go func() { answered <- in.page("orders", "wait=30s&from=latest", tok) }()
	in.eventually("it waits", func() bool { return in.metric(`sluice_stream_subscribers{stream="orders"}`) == 1 })
	begun = time.Now()
	if err := in.stop(); err != nil {
		t.Error(err)
	}
	if p := <-answered; p.Cursor == "" || time.Since(begun) > 15*time.Second {
		t.Errorf("after %v: %+v", time.Since(begun), p)
	}
}

func TestPagesGaps(t *testing.T) {
	t.Parallel()
	in := start(t, options{stream: func(s *hub.Stream) { s.Backfill = 0 }})
	tok := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 10)
	first := in.page("orders", "from=earliest&limit=2", tok)
	in.topics.Expire("orders", 0, 6)
	p := in.page("orders", "from="+first.Cursor, tok)
	if len(p.Gaps) != 1 || p.Gaps[0].str("reason") != "retention" || p.Gaps[0]["from"] != 2.0 || p.Gaps[0]["to"] != 6.0 ||
		p.Gaps[0].str("stream") != "orders" || !equal(p.offsets(), upTo(6, 10)) {
		t.Errorf("got %+v", p)
	}
	status, head, body := in.do(http.MethodGet, "/v1/streams/orders/records?on_gap=fail&from="+first.Cursor, tok, "")
	in.problem(t, status, head, body, http.StatusGone, "retention")
	// The records before the gap are returned.
	in.topics.Append("orders", record.Record{Value: []byte("\xff"), Timestamp: 1})
	in.topics.Append("orders", record.Record{Value: []byte(strings.Repeat("1", 2<<20)), Timestamp: 1})
	p = in.page("orders", "on_gap=fail&from="+p.Cursor, tok)
	if len(p.Records) != 1 || p.CaughtUp {
		t.Errorf("before a gap: %+v", p)
	}
	status, head, body = in.do(http.MethodGet, "/v1/streams/orders/records?on_gap=fail&from="+p.Cursor, tok, "")
	in.problem(t, status, head, body, http.StatusGone, "retention")
	if p = in.page("orders", "from="+p.Cursor, tok); len(p.Gaps) != 1 || p.Gaps[0].str("reason") != "too_large" {
		t.Errorf("got %+v", p)
	}
	// A cursor beyond the end of the log.
	status, head, body = in.do(http.MethodGet, "/v1/streams/orders/records?on_gap=fail&from="+p.Cursor+"~0:1000", tok, "")
	in.problem(t, status, head, body, http.StatusGone, "truncated")
	s := in.reads("/v1/streams/orders/events?on_gap=fail", tok, "Last-Event-ID", p.Cursor+"~0:1000")
	if m := s.closesWith("truncated", "resync", true); m["cursor"] != nil {
		t.Errorf("a void cursor is handed out: %v", m)
	}
	in.topics.Create("orders", 2)
	in.publish("orders", 0, 0, 1)
	status, head, body = in.do(http.MethodGet, "/v1/streams/orders/records?on_gap=fail&from="+p.Cursor, tok, "")
	if status == http.StatusOK { // the stream has not noticed yet
		in.eventually("the topic has changed", func() bool {
			status, head, body = in.do(http.MethodGet, "/v1/streams/orders/records?on_gap=fail&from="+p.Cursor, tok, "")
			return status != http.StatusOK
		})
	}
	in.problem(t, status, head, body, http.StatusGone, "log_changed")
}

func TestPagesFaults(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.CursorBytes = 200 }})
	live := token(t, "u42", "live", time.Hour)
	good := in.page("orders", "", live).Cursor
	tests := map[string]struct {
		path, token string
		status      int
		code        string
	}{
		"no such stream":     {"/v1/streams/nope/records", live, 404, "unknown_stream"},
		"hidden":             {"/v1/streams/hidden/records", live, 404, "unknown_stream"},
		"no right":           {"/v1/streams/orders/records", token(t, "w", "write", time.Hour), 403, "forbidden"},
		"bad token":          {"/v1/streams/orders/records", "x", 401, "unauthenticated"},
		"expired":            {"/v1/streams/orders/records", expiredToken(t, "u42", "live"), 401, "token_expired"},
		"limit of 0":         {"/v1/streams/orders/records?limit=0", live, 400, "bad_request"},
		"limit of 1001":      {"/v1/streams/orders/records?limit=1001", live, 400, "bad_request"},
		"wait too long":      {"/v1/streams/orders/records?wait=31s", live, 400, "bad_request"},
		"wait below zero":    {"/v1/streams/orders/records?wait=-1s", live, 400, "bad_request"},
		"unknown parameter":  {"/v1/streams/orders/records?errors=stream", live, 400, "bad_request"},
		"filter":             {"/v1/streams/orders/records?filter=true", live, 400, "bad_request"},
		"bad cursor":         {"/v1/streams/orders/records?from=v1.AAAA", live, 400, "bad_cursor"},
		"cursor of another":  {"/v1/streams/public.news/records?from=" + good, live, 400, "bad_cursor"},
		"long cursor":        {"/v1/streams/orders/records?from=v1." + strings.Repeat("A", 300), live, 400, "cursor_too_large"},
		"nothing stored":     {"/v1/streams/orders/records?cursor_name=none", live, 410, "cursor_lost"},
		"anonymous and name": {"/v1/streams/public.news/records?cursor_name=a", "", 403, "forbidden"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			status, head, body := in.do(http.MethodGet, tt.path, tt.token, "")
			in.problem(t, status, head, body, tt.status, tt.code)
		})
	}
	in.topics.Away(true)
	status, head, body := in.do(http.MethodGet, "/v1/streams/public.news/records", "", "")
	in.problem(t, status, head, body, http.StatusServiceUnavailable, "overloaded")
}

func TestPagesByName(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	in.publish("orders", 0, 0, 4)
	p := in.page("orders", "from=earliest&limit=2&cursor_name=job", tok)
	if !equal(p.offsets(), upTo(0, 2)) {
		t.Errorf("nothing stored, with from: %v", p.offsets())
	}
	if status, _, body := in.do(http.MethodPut, "/v1/cursors/orders/job", tok, fmt.Sprintf(`{"cursor":%q}`, p.Cursor)); status != http.StatusOK {
		t.Fatalf("ack: %d %s", status, body)
	}
	// A page only reads the cursor: it does not take the name and moves nothing.
	s := in.reads("/v1/streams/orders/events?cursor_name=job", tok)
	for range 2 {
		if p := in.page("orders", "cursor_name=job&from=earliest", tok); !equal(p.offsets(), upTo(2, 4)) {
			t.Errorf("from the named cursor: %v", p.offsets())
		}
	}
	if got := s.offsets(2); !equal(got["orders/0"], upTo(2, 4)) {
		t.Errorf("got %v", got)
	}
	if p := in.page("orders", "cursor_name=job&reset=true&from=earliest", tok); len(p.Records) != 4 {
		t.Errorf("with reset: %v", p.offsets())
	}
}

// TestPagesTakeTurns: handlers look through records in turns, so that they leave processors
// to sessions, and one that waits for its turn ends when its turn has come.
func TestPagesTakeTurns(t *testing.T) {
	t.Parallel()
	inBubble(t, options{}, func(t *testing.T, in *instance) {
		in.publish("orders", 0, 0, 3)
		tok := token(t, "u42", "live", time.Hour)
		release := in.server.TakeAllTurns()
		pages := make(chan pageBody, 1)
		go func() { pages <- in.page("orders", "from=earliest&limit=3", tok) }()
		synctest.Wait()
		if len(pages) > 0 {
			t.Error("there is a page without a turn")
		}
		s := in.reads("/v1/streams/orders/events?from=earliest", tok)
		s.until("sluice.caught_up") // sessions need no turn
		s.cancel()
		release()
		if p := <-pages; len(p.Records) != 3 {
			t.Errorf("%d records", len(p.Records))
		}
	})
}
