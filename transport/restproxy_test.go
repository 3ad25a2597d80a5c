package transport_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/transport"
)

const proxyPath = "/kafka/v3/clusters/c1/topics/"

// TestProxyVersion3: a record has a delivery report, and so has each of several.
func TestProxyVersion3(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"open"}, stream: func(s *hub.Stream) {
		if s.Name == "orders" {
			s.Producer = producer{}
		}
	}})
	tok := token(t, "u42", "live", time.Hour)
	status, head, body := in.do(http.MethodPost, proxyPath+"open/records", "", `{"key":{"type":"STRING","data":"k"},"value":{"type":"JSON","data":{"n":1}},"headers":[{"name":"h","value":"aGk="}]}`,
		"Content-Type", "application/json")
	var report struct {
		ErrorCode   int    `json:"error_code"`
		ClusterID   string `json:"cluster_id"`
		TopicName   string `json:"topic_name"`
		PartitionID int    `json:"partition_id"`
		Offset      int    `json:"offset"`
		Timestamp   time.Time
		Key, Value  struct {
			Type string
			Size int
		}
	}
	if err := json.Unmarshal([]byte(body), &report); err != nil || status != http.StatusOK || head.Get("Content-Type") != "application/json" || report.ErrorCode != 200 ||
		report.ClusterID != "c1" || report.TopicName != "open" || report.Offset != 0 || report.Key.Type != "STRING" || report.Value.Size != 7 {
		t.Errorf("got %d %s %v", status, body, err)
	}
	r := in.page("open", "from=earliest", "").Records[0]
	if r.str("key") != "k" || fmt.Sprint(r["data"]) != "map[n:1]" || fmt.Sprint(r["headers"]) != "[[h hi]]" {
		t.Errorf("got %v", r)
	}
	// Several in one body, some of which are no records or are not stored.
	post := func(body string) (all []string) {
		t.Helper()
		_, _, answer := in.do(http.MethodPost, proxyPath+"orders/records", tok, body, "Content-Type", "application/json")
		for d := json.NewDecoder(strings.NewReader(answer)); ; {
			var m map[string]any
			if err := d.Decode(&m); err != nil {
				return all
			}
			all = append(all, strings.TrimSpace(fmt.Sprint(m["error_code"], " ", m["code"])))
		}
	}
	record := func(value string) string { return `{"value":{"type":"STRING","data":"` + value + `"}}` }
	got := strings.Join(post(record("a")+" "+record("unavailable")+record("unknown")+"\n"+record("rejected")+`{"partition_id":1}`+record("}{\\\"")+`{"value"`), ", ")
	if want := "200 <nil>, 50003 publish_unavailable, 50002 publish_unknown, 422 invalid, 400 bad_request, 200 <nil>, 400 bad_request"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestProxyVersion3InChunks: in a chunked body records are answered while it is sent.
func TestProxyVersion3InChunks(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"open"}, limits: func(l *transport.Limits) { l.MessageBytes = 1000 }})
	live := token(t, "u42", "live", time.Hour)
	next := func(s *lineStream) string {
		t.Helper()
		line, err := s.answers.ReadBytes('\n')
		if err != nil {
			return "end"
		}
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		return fmt.Sprint(m["error_code"], " ", m["offset"])
	}
	s := in.lines(proxyPath+"open/records", live, "Content-Type", "application/json")
	for n, c := range []struct{ text, want string }{
		{`{"value":{"type":"JSON","data":1}}`, "200 0"},
		{"\n" + `{"value":{"type":"JSON","data":"}{"}}` + "\n", "200 1"},
		{`{"value":{"type":"AVRO","data":1}}`, "400 <nil>"},
		{` {"value":{"type":"STRING","data":"\\\""}}`, "200 2"},
	} {
		s.send(c.text)
		if got := next(s); got != c.want {
			t.Fatalf("%d: got %s, want %s", n, got, c.want)
		}
	}
	s.send(`{"value":{"type":"JSON"`)
	s.send(`,"data":4}}{"value":{"type":"JSON","data":5}}`)
	if got := next(s) + ", " + next(s); got != "200 3, 200 4" {
		t.Errorf("got %s", got)
	}
	_ = s.body.Close()
	if got := next(s); got != "end" {
		t.Errorf("got %s", got)
	}
	for text, want := range map[string]string{
		`"text {\"value\":{\"type\":\"JSON\",\"data\":1}}`: "400 <nil>", `[{"value":null}]`: "400 <nil>", `{"value":`: "400 <nil>",
		`{"value":{"type":"STRING","data":"` + strings.Repeat("a", 1000) + `"}}`: "413 <nil>",
	} {
		s := in.lines(proxyPath+"open/records", live, "Content-Type", "application/json")
		s.send(text)
		_ = s.body.Close()
		if got := next(s) + ", " + next(s); got != want+", end" {
			t.Errorf("%.40s: got %s", text, got)
		}
	}
	if n := len(in.page("open", "from=earliest", live).Records); n != 5 {
		t.Errorf("%d records are stored", n)
	}
}

// TestProxyVersion2: records are answered with their offsets.
func TestProxyVersion2(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"open"}, stream: func(s *hub.Stream) {
		if s.Name == "orders" {
			s.Producer = producer{}
		}
	}})
	tok := token(t, "u42", "live", time.Hour)
	status, head, body := in.do(http.MethodPost, "/topics/open", "", `{"records":[{"key":"k","value":{"n":1}},{"key":"k","value":null}]}`,
		"Content-Type", "application/vnd.kafka.json.v2+json", "Accept", "application/vnd.kafka.v2+json")
	if want := `{"offsets":[{"partition":0,"offset":0,"error_code":null,"error":null},{"partition":0,"offset":1,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`; status != http.StatusOK ||
		body != want || head.Get("Content-Type") != "application/vnd.kafka.v2+json" {
		t.Errorf("got %d %s", status, body)
	}
	status, _, body = in.do(http.MethodPost, "/topics/open", "", encoded(t, "gzip", `{"records":[{"value":"aGk="}]}`),
		"Content-Type", "application/vnd.kafka.binary.v2+json", "Content-Encoding", "gzip")
	if status != http.StatusOK {
		t.Errorf("got %d %s", status, body)
	}
	records := in.page("open", "from=earliest", "").Records
	if len(records) != 3 || records[0].str("key") != `"k"` || records[1]["tombstone"] != true || records[2].str("data") != "hi" {
		t.Errorf("got %v", records)
	}
	_, _, body = in.do(http.MethodPost, "/topics/orders", tok, `{"records":[{"value":"a"},{"value":"unavailable"},{"value":"too_large"}]}`, "Content-Type", "application/vnd.kafka.json.v2+json")
	var answer struct {
		Offsets []struct {
			Offset    *int `json:"offset"`
			ErrorCode *int `json:"error_code"`
		} `json:"offsets"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Offsets) != 3 || *answer.Offsets[0].Offset != 0 ||
		*answer.Offsets[1].ErrorCode != 50003 || *answer.Offsets[2].ErrorCode != 50002 {
		t.Errorf("got %s %v", body, err)
	}
}

// TestProxyFaults: what is refused as a whole has the error of a REST proxy and its status.
func TestProxyFaults(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.MessageBytes, l.BatchRecords = 300, 2 }})
	live := token(t, "u42", "live", time.Hour)
	const v2, v3 = `{"records":[{"value":1}]}`, `{"value":{"type":"JSON","data":1}}`
	for name, c := range map[string]struct {
		topic, token, v2, v3, header string
		status, number               int
	}{
		"unknown":         {"nope", live, v2, v3, "", 404, 40403},
		"hidden":          {"hidden", live, v2, v3, "", 404, 40403},
		"another's topic": {"..%2forders", live, v2, v3, "", 404, 40403},
		"no right":        {"public.news", live, v2, v3, "", 403, 40301},
		"no token":        {"orders", "x", v2, v3, "", 401, 40101},
		"expired":         {"orders", expiredToken(t, "u42", "live"), v2, v3, "", 401, 40101},
		"other type":      {"orders", live, v2, v3, "Content-Type: application/vnd.kafka.avro.v2+json", 415, 415},
		"other coding":    {"orders", live, v2, v3, "Content-Encoding: br", 415, 415},
		"no records":      {"orders", live, `{"records":[]}`, ` `, "", 422, 422},
		"malformed":       {"orders", live, `{`, `[`, "", 0, 400},
		"too large":       {"orders", live, strings.Repeat(" ", 301), strings.Repeat(" ", 301), "", 413, 413},
		"too many":        {"orders", live, `{"records":[{},{},{}]}`, `{}{}{}`, "", 413, 413},
		"a parameter":     {"orders?key=a", live, v2, v3, "", 400, 400},
		"a message id":    {"orders", live, v2, v3, "Idempotency-Key: a", 400, 400},
	} {
		for version, path := range map[string]string{"v2": "/topics/" + c.topic, "v3": proxyPath + strings.Replace(c.topic+"/records", "?key=a/records", "/records?key=a", 1)} {
			body, kind := c.v2, "application/vnd.kafka.json.v2+json"
			if version == "v3" {
				body, kind = c.v3, "application/json"
			}
			header := []string{"Content-Type", kind}
			if field, value, ok := strings.Cut(c.header, ": "); ok {
				header = append(header, field, value)
			}
			status, head, answer := in.do(http.MethodPost, path, c.token, body, header...)
			var m map[string]any
			if err := json.Unmarshal([]byte(answer), &m); err != nil || m["message"] == "" || strings.Contains(head.Get("Content-Type"), "problem") {
				t.Errorf("%s, %s: got %d %s", name, version, status, answer)
			}
			number := c.number
			if number == 40403 && version == "v2" {
				number = 40401
			}
			if c.status != 0 && status != c.status || m["error_code"] != float64(number) {
				t.Errorf("%s, %s: got %d %s", name, version, status, answer)
			}
			if status == http.StatusUnauthorized && head.Get("WWW-Authenticate") == "" {
				t.Errorf("%s, %s: there is no challenge", name, version)
			}
		}
	}
	if n := len(in.page("orders", "from=earliest", live).Records); n != 0 {
		t.Errorf("%d records are stored", n)
	}
}

// TestProxyNamesAStream: a topic in a path is a stream that the client may publish to, by
// the stream's name or its topic's, and what it may not see is like what does not exist.
func TestProxyNamesAStream(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"a", "b", "c"}, stream: func(s *hub.Stream) {
		switch s.Name {
		case "a":
			s.Topic = "orders.internal"
		case "b":
			s.Topic = "c" // which is also the name of a stream
		case "hidden":
			s.Topic = "secret"
		}
	}, config: func(c *transport.Config) {
		if err := c.Auth.SetGrants([]auth.Grant{
			{When: map[string]string{"scope": "live"}, Publish: []string{"a", "b", "orders"}, Subscribe: []string{"c"}},
		}); err != nil {
			panic(err)
		}
	}})
	live := token(t, "u42", "live", time.Hour)
	for _, topic := range []string{"orders.internal", "c"} {
		in.topics.Create(topic, 1)
	}
	answers := make(map[string]string)
	for _, topic := range []string{"a", "orders.internal", "orders", "c", "hidden", "secret", "nope", "public.news"} {
		status, _, body := in.do(http.MethodPost, "/topics/"+topic, live, `{"records":[{"value":1}]}`, "Content-Type", "application/vnd.kafka.json.v2+json")
		answers[topic] = fmt.Sprint(status)
		if status != http.StatusOK {
			answers[topic] += " " + body
		}
	}
	for topic, want := range map[string]string{"a": "200", "orders.internal": "200", "orders": "200", "c": "200"} {
		if answers[topic] != want {
			t.Errorf("%s: got %s", topic, answers[topic])
		}
	}
	for _, topic := range []string{"hidden", "secret", "public.news"} {
		if !strings.HasPrefix(answers[topic], "404 ") || answers[topic] != answers["nope"] {
			t.Errorf("%s: got %s, and of a topic that does not exist %s", topic, answers[topic], answers["nope"])
		}
	}
}
