package transport_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/hub/redact"
	"sluice/transport"
)

// answering starts a server on which a record of the stream asks that is published is
// answered in the stream answers, with the same correlation, unless its data is "silent".
func answering(t *testing.T, o options) *instance {
	t.Helper()
	o.open = append(o.open, "asks", "answers")
	set := o.config
	o.config = func(c *transport.Config) {
		c.CorrelationHeader = "correlation-id"
		if set != nil {
			set(c)
		}
	}
	in := start(t, o)
	asks := in.reads("/v1/streams/asks/events", "")
	asks.until("sluice.caught_up")
	var answers sync.WaitGroup
	answers.Go(func() {
		for {
			e, ok := asks.next()
			if !ok {
				return
			}
			ask := gjson.Parse(e.data)
			if e.name != "" || ask.Get("data").Str == "silent" {
				continue
			}
			in.topics.Append("answers", record.Record{
				Value: fmt.Appendf(nil, `{"to":%s}`, ask.Get("data").Raw), Timestamp: 1,
				Headers: []record.Header{{Name: []byte("correlation-id"), Value: []byte(correlationOf(ask))}},
			})
		}
	})
	t.Cleanup(func() {
		_ = in.stop()
		answers.Wait()
	})
	return in
}

// correlationOf returns the value of the only header of an event.
func correlationOf(event gjson.Result) string {
	if headers := event.Get("headers").Array(); len(headers) == 1 && headers[0].Get("0").Str == "correlation-id" {
		return headers[0].Get("1").Str
	}
	return ""
}

const asksPath = "/v1/streams/asks/records?reply=answers"

// TestReplies: each of many requests at once gets its own reply, over HTTP and over one
// WebSocket.
func TestReplies(t *testing.T) {
	t.Parallel()
	const requests = 50
	in := answering(t, options{limits: func(l *transport.Limits) { l.RepliesPerSession, l.SessionsPerPrincipal = requests, 0 }})
	var all sync.WaitGroup
	for n := range requests {
		all.Go(func() {
			status, _, body := in.do(http.MethodPost, asksPath, "", fmt.Sprintf(`{"data":%d}`, n), "Content-Type", "application/json")
			m := gjson.Parse(body)
			if status != http.StatusOK || m.Get("reply.data.to").Int() != int64(n) || m.Get("reply.stream").Str != "answers" || !m.Get("offset").Exists() {
				t.Errorf("request %d: %d %s", n, status, body)
			}
		})
	}
	s := in.dial("", "")
	for n := range requests {
		s.send(`{"type":"publish","id":"%d","stream":"asks","reply":"answers","data":%d}`, n, n)
	}
	for range requests {
		m, err := json.Marshal(s.until("published"))
		if err != nil {
			t.Fatal(err)
		}
		if got := gjson.ParseBytes(m); got.Get("id").Str != got.Get("reply.data.to").Raw {
			t.Errorf("got %s", m)
		}
	}
	all.Wait()
}

// TestNoReply: a record whose reply does not come in time is stored, and the answer says
// where the reply will be found.
func TestNoReply(t *testing.T) {
	t.Parallel()
	in := answering(t, options{})
	status, _, body := in.do(http.MethodPost, asksPath+"&wait=50ms", "", `{"data":"silent"}`, "Content-Type", "application/json")
	m := gjson.Parse(body)
	at := m.Get("reply_at")
	if status != http.StatusAccepted || m.Get("reply").Raw != "null" || m.Get("offset").Int() != 0 || at.Get("stream").Str != "answers" {
		t.Fatalf("got %d %s", status, body)
	}
	in.topics.Append("answers", record.Record{Value: []byte(`"other"`), Timestamp: 1})
	in.topics.Append("answers", record.Record{
		Value: []byte(`"late"`), Timestamp: 1,
		Headers: []record.Header{{Name: []byte(at.Get("header").Str), Value: []byte(at.Get("value").Str)}},
	})
	_, _, page := in.do(http.MethodGet, fmt.Sprintf("/v1/streams/answers/records?from=%s&header.%s=%s&wait=5s",
		at.Get("cursor").Str, at.Get("header").Str, at.Get("value").Str), "", "")
	if got := gjson.Get(page, "records.#.data").Raw; got != `["late"]` {
		t.Errorf("the reply that came late: %s", page)
	}
	s := in.dial("", "")
	s.send(`{"type":"publish","id":"1","stream":"asks","reply":"answers","wait":"50ms","data":"silent"}`)
	if m := s.until("published"); m["reply"] != nil || m["reply_at"] == nil || m["offset"] != 1.0 {
		t.Errorf("over a WebSocket: %v", m)
	}
}

// TestRepliesOfOthers: a reply that the principal has no right to is none.
func TestRepliesOfOthers(t *testing.T) {
	t.Parallel()
	in := answering(t, options{config: func(c *transport.Config) {
		c.Rights = rowRights(func(p *auth.Principal, stream string) (filter.Filter, error) {
			if stream != "answers" {
				return filter.Filter{}, nil
			}
			return filter.In(filter.Data("to"), filter.String(p.ID())), nil
		})
	}})
	tok := token(t, "u", "live", time.Hour)
	for to, want := range map[string]int{"u": http.StatusOK, "v": http.StatusAccepted} {
		status, _, body := in.do(http.MethodPost, asksPath+"&wait=200ms", tok, fmt.Sprintf(`{"data":%q}`, to), "Content-Type", "application/json")
		if status != want || (gjson.Get(body, "reply").Raw != "null") != (want == http.StatusOK) {
			t.Errorf("a reply for %s: %d %s", to, status, body)
		}
	}
}

// redactedAnswers are rights to all records of the stream answers without a field and
// without the header by which replies are found.
type redactedAnswers struct {
	rowRights
	redaction *redact.Redaction
}

func (r redactedAnswers) Rows(p *auth.Principal, stream string, resume time.Duration) (hub.Rows, error) {
	rows, err := r.rowRights.Rows(p, stream, resume)
	if stream == "answers" {
		rows.Redaction = r.redaction
	}
	return rows, err
}

// TestRepliesAreRedacted: a reply lacks what its principal may not see, and is none if that
// is the header by which it would be found.
func TestRepliesAreRedacted(t *testing.T) {
	t.Parallel()
	all := rowRights(func(*auth.Principal, string) (filter.Filter, error) { return filter.Filter{}, nil })
	for hidden, want := range map[string]int{"/to/secret": http.StatusOK, "headers.correlation-id": http.StatusAccepted} {
		redaction, err := redact.New([]string{hidden}, nil)
		if err != nil {
			t.Fatal(err)
		}
		in := answering(t, options{config: func(c *transport.Config) { c.Rights = redactedAnswers{all, redaction} }})
		status, _, body := in.do(http.MethodPost, asksPath+"&wait=200ms", token(t, "u", "live", time.Hour), `{"data":{"n":1,"secret":"hidden"}}`, "Content-Type", "application/json")
		if status != want || strings.Contains(body, "hidden") || want == http.StatusOK && gjson.Get(body, "reply.data.to.n").Int() != 1 {
			t.Errorf("without %s: %d %s", hidden, status, body)
		}
	}
}

// TestRepliesRefused: requests that cannot be answered with a reply are refused before
// anything is stored.
func TestRepliesRefused(t *testing.T) {
	t.Parallel()
	in := answering(t, options{limits: func(l *transport.Limits) { l.RepliesPerSession = 1 }})
	for query, test := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"reply=made.up":               {`{"data":1}`, http.StatusNotFound, "unknown_stream"},
		"reply=hidden":                {`{"data":1}`, http.StatusNotFound, "unknown_stream"},
		"reply=orders":                {`{"data":1}`, http.StatusNotFound, "unknown_stream"},
		"reply=asks":                  {`{"data":1}`, http.StatusBadRequest, "bad_request"},
		"reply=":                      {`{"data":1}`, http.StatusBadRequest, "bad_request"},
		"reply=a*":                    {`{"data":1}`, http.StatusBadRequest, "bad_request"},
		"reply=answers&reply=answers": {`{"data":1}`, http.StatusBadRequest, "bad_request"},
		"wait=1s":                     {`{"data":1}`, http.StatusBadRequest, "bad_request"},
		"reply=answers&wait=1h":       {`{"data":1}`, http.StatusBadRequest, "bad_request"},
		"reply=answers&wait=soon":     {`{"data":1}`, http.StatusBadRequest, "bad_request"},
		"reply=answers":               {`{"records":[{"data":1}]}`, http.StatusBadRequest, "bad_request"},
		"reply=answers&wait=5s":       {`{"data":1,"headers":[["Correlation-ID","x"]]}`, http.StatusUnprocessableEntity, "invalid"},
	} {
		status, head, body := in.do(http.MethodPost, "/v1/streams/asks/records?"+query, "", test.body, "Content-Type", "application/json")
		in.problem(t, status, head, body, test.status, test.code)
	}
	s := in.dial("", token(t, "u", "live", time.Hour))
	for id, fields := range map[string]string{
		"a": `"reply":"made.up","data":1`, "b": `"reply":7,"data":1`, "c": `"reply":"answers","wait":5,"data":1`,
		"d": `"reply":"answers","records":[{"data":1}]`, "e": `"wait":"5s","data":1`,
	} {
		s.send(`{"type":"publish","id":"%s","stream":"asks",%s}`, id, fields)
		code := "bad_request"
		if id == "a" {
			code = "unknown_stream"
		}
		s.fails(id, code)
	}
	if page := in.page("asks", "from=earliest", ""); len(page.offsets()) > 0 {
		t.Errorf("refused records are stored: %v", page)
	}
	s.send(`{"type":"publish","id":"1","stream":"asks","reply":"answers","wait":"30s","data":"silent"}`)
	s.send(`{"type":"publish","id":"2","stream":"asks","reply":"answers","data":1}`)
	if m := s.fails("2", "rate_limited"); m["retryable"] != true {
		t.Errorf("more replies than a session may wait for: %v", m)
	}
}

// TestRepliesEnd: a wait for a reply ends with its credential and its session, and does
// not delay the end of the server. The leak check of the package finds what is left.
func TestRepliesEnd(t *testing.T) {
	t.Parallel()
	in := answering(t, options{limits: func(l *transport.Limits) { l.RepliesPerSession = 8 }})
	began := time.Now()
	status, _, body := in.do(http.MethodPost, asksPath+"&wait=30s", token(t, "u", "live", 2*time.Second), `{"data":"silent"}`, "Content-Type", "application/json")
	if status != http.StatusAccepted || !strings.Contains(body, `"offset":0`) {
		t.Errorf("the end of the token: %d %s", status, body)
	}
	gone := in.dial("", "")
	gone.send(`{"type":"publish","id":"1","stream":"asks","reply":"answers","wait":"30s","data":"silent"}`)
	in.eventually("the record is stored", func() bool { return len(in.page("asks", "from=earliest", "").offsets()) == 2 })
	if n := in.metric("sluice_replies_waiting"); n != 1 {
		t.Errorf("the metric of replies that are waited for is %v", n)
	}
	_ = gone.CloseNow()
	in.eventually("nobody waits", func() bool { return in.metric("sluice_replies_waiting") == 0 })
	waits := in.dial("", "")
	waits.send(`{"type":"publish","id":"1","stream":"asks","reply":"answers","wait":"30s","data":"silent"}`)
	in.eventually("the record is stored", func() bool { return len(in.page("asks", "from=earliest", "").offsets()) == 3 })
	if err := in.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 25*time.Second {
		t.Errorf("it took %s", took)
	}
}
