package transport_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/ingest"
	"sluice/hub/upstream"
	"sluice/transport"
)

// losesAnswers has an instance whose stream open takes message ids and loses the answers to
// what is stored.
func losesAnswers(t *testing.T) *instance {
	t.Helper()
	return start(t, options{open: []string{"open"}, stream: func(s *hub.Stream) {
		if s.Name == "open" {
			s.Producer = losing{}
		}
	}, config: func(c *transport.Config) {
		pipeline := ingest.New(c.Hub, nil, nil)
		pipeline.SetStreams(map[string]ingest.Stream{"open": {Once: messageIDs(t, c.Hub)}})
		c.Ingest = pipeline
	}})
}

// losing is a Kafka of which no answer arrives.
type losing struct{}

func (losing) Produce(_ context.Context, _ string, messages []upstream.Message, done func([]upstream.Stored)) {
	results := make([]upstream.Stored, len(messages))
	for i := range results {
		results[i] = ingest.Rejected(upstream.ErrPublishUnknown)
	}
	go done(results)
}

// TestUnknownIsRetryableWithAMessageID: whatever the form of a publish, a record that may be
// stored is to be sent again if it has a message id, and when; without one it is not.
func TestUnknownIsRetryableWithAMessageID(t *testing.T) {
	t.Parallel()
	const path = "/v1/streams/open/records"
	const event = `"specversion":"1.0","source":"/s","type":"t","id":`
	in := losesAnswers(t)
	tok := token(t, "u42", "live", time.Hour)
	for name, c := range map[string]struct {
		path, body string
		header     []string
		status     int
		want       string // for each record, whether it is to be sent again
	}{
		"a record":            {path, `{"data":1,"message_id":"a"}`, nil, 504, "again"},
		"without an id":       {path, `{"data":1}`, nil, 504, "not"},
		"a header":            {path, `{"data":1}`, []string{"Idempotency-Key", `"b"`}, 504, "again"},
		"bytes":               {path + "?key=k", `any`, []string{"Content-Type", "text/plain", "Idempotency-Key", "c"}, 504, "again"},
		"bytes without an id": {path, `any`, []string{"Content-Type", "text/plain"}, 504, "not"},
		"a batch":             {path, `{"records":[{"data":1,"message_id":"d"},{"data":2},{"data":3,"message_id":"e"}]}`, nil, 207, "again not again"},
		"lines":               {path, `{"data":1,"message_id":"f"}` + "\n", []string{"Content-Type", "application/x-ndjson"}, 200, "again again"},
		"lines without ids":   {path, `{"data":1}` + "\n", []string{"Content-Type", "application/x-ndjson"}, 200, "not not"},
		"a CloudEvent":        {path, `{` + event + `"g"}`, []string{"Content-Type", "application/cloudevents+json"}, 504, "again"},
		"a binary CloudEvent": {path, `1`, []string{"Ce-Specversion", "1.0", "Ce-Id", "h", "Ce-Source", "/s", "Ce-Type", "t"}, 504, "again"},
		"CloudEvents":         {path, `[{` + event + `"i"},{` + event + `"j"}]`, []string{"Content-Type", "application/cloudevents-batch+json"}, 207, "again again"},
		"a REST proxy":        {proxyPath + "open/records", `{"value":{"type":"JSON","data":1}}`, nil, 200, "50002"},
	} {
		header := c.header
		if len(header) == 0 || header[0] != "Content-Type" && header[0] != "Ce-Specversion" {
			header = append([]string{"Content-Type", "application/json"}, header...)
		}
		status, head, body := in.do(http.MethodPost, c.path, tok, c.body, header...)
		if got := adviceOf(t, body); status != c.status || got != c.want {
			t.Errorf("%s: got %d, %s: %s", name, status, got, body)
		}
		if status == http.StatusGatewayTimeout && (c.want == "again") != (head.Get("Retry-After") == "1") {
			t.Errorf("%s: Retry-After is %q", name, head.Get("Retry-After"))
		}
	}

	s := in.dial("", tok)
	s.next()
	for text, want := range map[string]string{
		`"message_id":"k","data":1`: "again",
		`"data":1`:                  "not",
		`"records":[{"data":1,"message_id":"l"},{"data":2}]`: "again not",
	} {
		s.send(`{"type":"publish","id":"1","stream":"open",%s}`, text)
		answer, _ := json.Marshal(s.next())
		if got := adviceOf(t, string(answer)); got != want {
			t.Errorf("%s: got %s: %s", text, got, answer)
		}
	}
}

// adviceOf returns for each answer in a body whether the record is to be sent again.
func adviceOf(t *testing.T, body string) string {
	t.Helper()
	type advice struct {
		Code      string `json:"code"`
		Retryable bool   `json:"retryable"`
		Action    string `json:"action"`
		After     int    `json:"retry_after_ms"`
		Number    int    `json:"error_code"`
	}
	var all []string
	add := func(a advice) {
		switch {
		case a.Number != 0:
			all = append(all, strconv.Itoa(a.Number))
		case a.Code != "publish_unknown":
			all = append(all, a.Code)
		case a.Retryable && a.Action == "resume" && a.After == 1000:
			all = append(all, "again")
		case !a.Retryable && a.Action == "" && a.After == 0:
			all = append(all, "not")
		default:
			all = append(all, "neither")
		}
	}
	for d := json.NewDecoder(strings.NewReader(body)); d.More(); {
		var m struct {
			advice
			Results []advice `json:"results"`
		}
		if err := d.Decode(&m); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if m.Results == nil {
			add(m.advice)
		}
		for _, one := range m.Results {
			add(one)
		}
	}
	return strings.Join(all, " ")
}
