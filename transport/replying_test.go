package transport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/ingest"
	"sluice/hub/record"
	"sluice/hub/redact"
	"sluice/hub/upstream"
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
				Value: fmt.Appendf(nil, `{"to":%s}`, ask.Get("data").Raw), Timestamp: time.Now().UnixMilli(),
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

// correlationOf returns the value of the first header of an event, which has no other one except
// for the mark of a message id.
func correlationOf(event gjson.Result) string {
	headers := event.Get("headers").Array()
	if len(headers) == 2 && headers[1].Get("0").Str == ingest.HeaderMessageID {
		headers = headers[:1]
	}
	if len(headers) == 1 && headers[0].Get("0").Str == "correlation-id" {
		return headers[0].Get("1").Str
	}
	return ""
}

const asksPath = "/v1/streams/asks/records?reply=answers"

// waitUntil is how long a test waits for a reply that comes, and for one that does not.
var waitUntil = map[int]string{http.StatusOK: "&wait=30s", http.StatusAccepted: "&wait=200ms"}

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
		status, _, body := in.do(http.MethodPost, asksPath+waitUntil[want], tok, fmt.Sprintf(`{"data":%q}`, to), "Content-Type", "application/json")
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
		status, _, body := in.do(http.MethodPost, asksPath+waitUntil[want], token(t, "u", "live", time.Hour), `{"data":{"n":1,"secret":"hidden"}}`, "Content-Type", "application/json")
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

// withIDs has the records of the stream asks take message ids.
func withIDs(t *testing.T, producer func(upstream.Producer) upstream.Producer) options {
	return options{stream: func(s *hub.Stream) {
		if s.Name == "asks" && producer != nil {
			s.Producer = producer(s.Producer)
		}
	}, config: func(c *transport.Config) {
		pipeline := ingest.New(c.Hub, nil, []ingest.Step{ingest.Correlated{Header: c.CorrelationHeader}})
		pipeline.SetStreams(map[string]ingest.Stream{"asks": {Once: messageIDs(t, c.Hub)}})
		c.Ingest = pipeline
	}}
}

// TestARepeatedRequestHasTheReplyOfTheFirst: a request with a message id is stored once, and
// however often it is sent, over HTTP or WebSocket, the reply is that to the record that is stored,
// whether it came before or comes later.
func TestARepeatedRequestHasTheReplyOfTheFirst(t *testing.T) {
	t.Parallel()
	in := answering(t, withIDs(t, nil))
	post := func(query, body string) (int, gjson.Result) {
		t.Helper()
		status, _, answer := in.do(http.MethodPost, asksPath+query, "", body, "Content-Type", "application/json")
		return status, gjson.Parse(answer)
	}
	status, first := post("", `{"data":1,"message_id":"a"}`)
	if status != http.StatusOK || first.Get("reply.data.to").Int() != 1 || first.Get("duplicate").Exists() {
		t.Fatalf("got %d %s", status, first)
	}
	post("", `{"data":2,"message_id":"b"}`) // whose reply is after it
	same := func(how string, got gjson.Result) {
		t.Helper()
		if got.Get("reply").Raw != first.Get("reply").Raw || got.Get("offset").Int() != 0 || !got.Get("duplicate").Bool() {
			t.Errorf("%s: got %s, want %s", how, got, first)
		}
	}
	// What became of it is written after the answer.
	for range 3 {
		_, again := post("", `{"data":1,"message_id":"a"}`)
		same("over HTTP", again)
	}
	s := in.dial("", "")
	s.send(`{"type":"publish","id":"1","stream":"asks","reply":"answers","data":1,"message_id":"a"}`)
	text, _ := json.Marshal(s.until("published"))
	var spelt any // as json.Marshal spells it
	_ = json.Unmarshal([]byte(first.Get("reply").Raw), &spelt)
	want, _ := json.Marshal(spelt)
	if got := gjson.ParseBytes(text); got.Get("reply").Raw != string(want) || !got.Get("duplicate").Bool() || got.Get("id").Str != "1" {
		t.Errorf("over a WebSocket: %s", text)
	}

	// Without a reply it is another record, and so is one whose reply nobody expected.
	if status, _, body := in.do(http.MethodPost, "/v1/streams/asks/records", "", `{"data":1,"message_id":"a"}`, "Content-Type", "application/json"); status != http.StatusConflict {
		t.Errorf("without a reply: %d %s", status, body)
	}

	// The reply comes later.
	status, silent := post("&wait=20ms", `{"data":"silent","message_id":"c"}`)
	if status != http.StatusAccepted || silent.Get("reply").Raw != "null" {
		t.Fatalf("got %d %s", status, silent)
	}
	_, again := post("&wait=20ms", `{"data":"silent","message_id":"c"}`)
	if again.Get("reply_at.value").Str != silent.Get("reply_at.value").Str || !again.Get("duplicate").Bool() || again.Get("reply").Raw != "null" {
		t.Errorf("got %s, want %s", again, silent)
	}
	in.topics.Append("answers", record.Record{
		Value: []byte(`"late"`), Timestamp: time.Now().UnixMilli(),
		Headers: []record.Header{{Name: []byte("correlation-id"), Value: []byte(silent.Get("reply_at.value").Str)}},
	})
	if status, late := post("", `{"data":"silent","message_id":"c"}`); status != http.StatusOK || late.Get("reply.data").Str != "late" {
		t.Errorf("the reply that came later: %d %s", status, late)
	}
	if n := len(in.page("asks", "from=earliest", "").Records); n != 3 {
		t.Errorf("%d requests are stored, want 3", n)
	}
}

// TestAnUnknownRequestHasItsReply: the answer of Kafka was lost, and the request that is sent again
// finds the record in the log, and its reply.
func TestAnUnknownRequestHasItsReply(t *testing.T) {
	t.Parallel()
	kafka := &deaf{}
	in := answering(t, withIDs(t, func(p upstream.Producer) upstream.Producer { kafka.Producer = p; return kafka }))
	kafka.lose.Store(true)
	post := func() (int, gjson.Result) {
		status, _, answer := in.do(http.MethodPost, asksPath, "", `{"data":7,"message_id":"a"}`, "Content-Type", "application/json")
		return status, gjson.Parse(answer)
	}
	if status, got := post(); status != http.StatusGatewayTimeout || !got.Get("retryable").Bool() {
		t.Fatalf("got %d %s", status, got)
	}
	kafka.lose.Store(false)
	for range 2 {
		if status, got := post(); status != http.StatusOK || got.Get("reply.data.to").Int() != 7 || !got.Get("duplicate").Bool() {
			t.Errorf("got %d %s", status, got)
		}
	}
}

// deaf is a Kafka that stores records, and whose answers can be lost.
type deaf struct {
	upstream.Producer
	lose atomic.Bool
}

func (d *deaf) Produce(ctx context.Context, topic string, messages []upstream.Message, done func([]upstream.Stored)) {
	for i := range messages {
		messages[i].Timestamp = time.Now().UnixMilli() // as a producer does
	}
	d.Producer.Produce(ctx, topic, messages, func(results []upstream.Stored) {
		for i := range results {
			if d.lose.Load() {
				results[i] = ingest.Rejected(upstream.ErrPublishUnknown)
			}
		}
		done(results)
	})
}
