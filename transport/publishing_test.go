package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/upstream"
	"sluice/transport"
)

// producer answers each message with the result that its value names.
type producer struct{}

var outcomes = map[string]error{
	"unavailable": upstream.ErrPublishUnavailable,
	"unknown":     upstream.ErrPublishUnknown,
	"overloaded":  upstream.ErrPublishOverloaded,
	"late":        &upstream.LateError{RetryAfter: time.Second},
	"too_large":   upstream.ErrRecordTooLarge,
	"rejected":    upstream.ErrPublishRejected,
	"odd":         errors.New("the broker at 10.1.2.3 said: secret-detail"),
}

func (producer) Produce(ctx context.Context, _ string, messages []upstream.Message, done func([]upstream.Stored)) {
	go func() {
		results := make([]upstream.Stored, len(messages))
		for i, m := range messages {
			kind := strings.Trim(string(m.Value), `"`)
			if kind == "slow" {
				<-ctx.Done()
				results[i].Err = upstream.ErrPublishUnknown
				continue
			}
			results[i] = upstream.Stored{Partition: 1, Offset: int64(i), Timestamp: 7, Err: outcomes[kind]}
		}
		done(results)
	}()
}

const publishPath = "/v1/streams/orders/records"

func TestPublishing(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	s := in.reads("/v1/streams/orders/events", tok)
	s.until("sluice.caught_up")
	record := func() string {
		t.Helper()
		for {
			e, ok := s.next()
			if !ok {
				t.Fatal("the stream ended")
			}
			if e.name == "" {
				m := e.json(t)
				delete(m, "type")
				delete(m, "stream")
				delete(m, "ts")
				delete(m, "partition")
				delete(m, "offset")
				b, err := json.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
		}
	}
	tests := []struct{ contentType, query, body, answer, record string }{
		{"application/json", "", `{"key":"a","data":{"n":1}}`, `{"partition":0,"offset":0,"ts":1}`, `{"data":{"n":1},"key":"a"}`},
		{"application/json; charset=UTF-8", "", ` {"data":null} `, `{"partition":0,"offset":1,"ts":1}`, `{"data":null,"key":null}`},
		{
			"application/json", "", `{"key":"a","tombstone":true,"headers":[["h","1"],["h",null]]}`, `{"partition":0,"offset":2,"ts":1}`,
			`{"data":null,"headers":[["h","1"],["h",null]],"key":"a","tombstone":true}`,
		},
		{
			"application/json", "", `{"data":"aGk=","encoding":"base64"}`, `{"partition":0,"offset":3,"ts":1}`,
			`{"data":"hi","encoding":"text","key":null}`,
		},
		{
			"text/plain", "?key=k%0d%0a1&header.a=1&header.b=2&header.a=3", "plain \x00 text", `{"partition":0,"offset":4,"ts":1}`,
			`{"data":"plain \u0000 text","encoding":"text","headers":[["a","1"],["b","2"],["a","3"]],"key":"k\r\n1"}`,
		},
		{"application/octet-stream", "", "\xff\xfe", `{"partition":0,"offset":5,"ts":1}`, `{"data":"//4=","encoding":"base64","key":null}`},
		{"", "", "", `{"partition":0,"offset":6,"ts":1}`, `{"data":"","encoding":"text","key":null}`},
		{"text/plain", "?key=", "1", `{"partition":0,"offset":7,"ts":1}`, `{"data":1,"key":""}`},
	}
	for _, tt := range tests {
		status, head, body := in.do(http.MethodPost, publishPath+tt.query, tok, tt.body, "Content-Type", tt.contentType)
		if status != http.StatusOK || body != tt.answer+"\n" || head.Get("Content-Type") != "application/json" {
			t.Errorf("%q: got %d %s, want %s", tt.body, status, body, tt.answer)
			continue
		}
		if got := record(); got != tt.record {
			t.Errorf("%q: the record is %s, want %s", tt.body, got, tt.record)
		}
	}
	// The numbers of a record are stored as published.
	in.do(http.MethodPost, publishPath, tok, `{"data":[9007199254740993,1e400,-0,1.10]}`, "Content-Type", "application/json")
	for {
		e, _ := s.next()
		if e.name == "" {
			if !strings.Contains(e.data, `"data":[9007199254740993,1e400,-0,1.10]`) {
				t.Errorf("got %s", e.data)
			}
			break
		}
	}
	status, _, body := in.do(http.MethodPost, publishPath, token(t, "w", "write", time.Hour),
		`{"records":[{"data":1},{"key":"b","data":2}]}`, "Content-Type", "application/json")
	if status != http.StatusOK || body != `{"failed":0,"results":[{"partition":0,"offset":9},{"partition":0,"offset":10}]}`+"\n" {
		t.Errorf("a batch: got %d %s", status, body)
	}
}

func TestPublishingOutcomes(t *testing.T) {
	t.Parallel()
	in := start(t, options{
		stream: func(s *hub.Stream) { s.Producer = producer{} },
		limits: func(l *transport.Limits) { l.PublishTimeout = 300 * time.Millisecond },
	})
	tok := token(t, "u42", "live", time.Hour)
	tests := map[string]struct {
		status    int
		code      string
		retryable bool
	}{
		"unavailable": {503, "publish_unavailable", true},
		"unknown":     {504, "publish_unknown", false},
		"overloaded":  {429, "rate_limited", true},
		"late":        {503, "overloaded", true},
		"too_large":   {413, "record_too_large", false},
		"rejected":    {422, "invalid", false},
		"odd":         {500, "internal", true},
		"slow":        {504, "publish_unknown", false},
	}
	for value, tt := range tests {
		t.Run(value, func(t *testing.T) {
			status, head, body := in.do(http.MethodPost, publishPath, tok, `{"data":"`+value+`"}`, "Content-Type", "application/json")
			m := in.problem(t, status, head, body, tt.status, tt.code)
			if m["retryable"] != tt.retryable || strings.Contains(body, "secret-detail") || (m["action"] == nil) != (tt.status == 504) {
				t.Errorf("got %s", body)
			}
			status, _, body = in.do(http.MethodPost, publishPath, tok,
				`{"records":[{"data":"fine"},{"data":"`+value+`"}]}`, "Content-Type", "application/json")
			var batch struct {
				Failed  int       `json:"failed"`
				Results []message `json:"results"`
			}
			if err := json.Unmarshal([]byte(body), &batch); err != nil || status != http.StatusMultiStatus || batch.Failed != 1 ||
				len(batch.Results) != 2 || batch.Results[0]["offset"] != 0.0 || batch.Results[1].str("code") != tt.code ||
				batch.Results[1]["retryable"] != tt.retryable || strings.Contains(body, "secret-detail") {
				t.Errorf("a batch: got %d %s, %v", status, body, err)
			}
		})
	}
	for result, want := range map[string]float64{
		"stored": 8, "overloaded": 2, "publish_unavailable": 2, "publish_unknown": 4, "rate_limited": 2, "record_too_large": 2, "invalid": 2, "internal": 2,
	} {
		if got := in.metric(`sluice_publishes_total{result="` + result + `"}`); got != want {
			t.Errorf("%s is counted %v times, want %v", result, got, want)
		}
	}
	for reason, want := range map[string]float64{
		"publish_unavailable": 2, "publish_unknown": 4, "publish_memory": 2, "late": 2, "record_too_large": 2, "invalid": 2, "internal": 2,
	} {
		if got := in.metric(`sluice_publish_refusals_total{reason="` + reason + `"}`); got != want {
			t.Errorf("%v are refused for %s, want %v", got, reason, want)
		}
	}
}

func TestPublishingFaults(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.MessageBytes, l.JSONDepth, l.JSONKeys = 300, 5, 10 }})
	live := token(t, "u42", "live", time.Hour)
	deep := strings.Repeat("[", 6) + strings.Repeat("]", 6)
	var keys []string
	for n := range 12 {
		keys = append(keys, fmt.Sprintf(`"k%d":1`, n))
	}
	many := "{" + strings.Join(keys, ",") + "}"
	tests := map[string]struct {
		path, token, body, header string
		status                    int
		code, says                string
	}{
		"no such stream":     {"/v1/streams/nope/records", live, `{"data":1}`, "", 404, "unknown_stream", ""},
		"hidden stream":      {"/v1/streams/hidden/records", live, `{"data":1}`, "", 404, "unknown_stream", ""},
		"no right":           {"/v1/streams/public.news/records", live, `{"data":1}`, "", 403, "forbidden", "publish"},
		"anonymous":          {"/v1/streams/public.news/records", "", `{"data":1}`, "", 403, "forbidden", ""},
		"bad token":          {publishPath, "x", `{"data":1}`, "", 401, "unauthenticated", ""},
		"expired":            {publishPath, expiredToken(t, "u42", "live"), `{"data":1}`, "", 401, "token_expired", ""},
		"one byte over":      {publishPath, live, `{"data":"` + strings.Repeat("a", 290) + `"}`, "", 413, "too_large", "300"},
		"raw, one byte over": {publishPath, live, strings.Repeat("a", 301), "Content-Type: text/plain", 413, "too_large", "300"},
		"no JSON":            {publishPath, live, `{"data":`, "", 400, "bad_request", ""},
		"empty":              {publishPath, live, ``, "", 400, "bad_request", ""},
		"an array":           {publishPath, live, `[1]`, "", 400, "bad_request", "object"},
		"no data":            {publishPath, live, `{"key":"a"}`, "", 400, "bad_request", "data"},
		"unknown field":      {publishPath, live, `{"data":1,"foo":2}`, "", 400, "bad_request", "foo"},
		"in capitals":        {publishPath, live, `{"Data":1}`, "", 400, "bad_request", "lower case"},
		"field twice":        {publishPath, live, `{"data":1,"data":2}`, "", 400, "bad_request", ""},
		"stream in the body": {publishPath, live, `{"data":1,"stream":"hidden"}`, "", 400, "bad_request", "stream"},
		"both":               {publishPath, live, `{"data":1,"records":[]}`, "", 400, "bad_request", ""},
		"no records":         {publishPath, live, `{"records":[]}`, "", 400, "bad_request", ""},
		"tombstone and data": {publishPath, live, `{"data":1,"tombstone":true}`, "", 400, "bad_request", ""},
		"bad base64":         {publishPath, live, `{"data":"a","encoding":"base64"}`, "", 400, "bad_request", "base64"},
		"too deep":           {publishPath, live, `{"data":` + deep + `}`, "", 400, "bad_request", ""},
		"too many keys":      {publishPath, live, `{"data":` + many + `}`, "", 400, "bad_request", ""},
		"lone surrogate":     {publishPath, live, `{"key":"\ud800","data":1}`, "", 400, "bad_request", ""},
		"not UTF-8":          {publishPath, live, "{\"data\":\"\xff\"}", "", 400, "bad_request", ""},
		"reserved header":    {publishPath, live, `{"data":1,"headers":[["Sluice-Id","x"]]}`, "", 400, "reserved_header", ""},
		"reserved, raw":      {publishPath + "?header.sluice-id=x", live, "x", "Content-Type: text/plain", 400, "reserved_header", ""},
		"bad escape":         {publishPath + "?key=%zz", live, "x", "Content-Type: text/plain", 400, "bad_request", ""},
		"key twice":          {publishPath + "?key=a&key=b", live, "x", "Content-Type: text/plain", 400, "bad_request", ""},
		"key beside JSON":    {publishPath + "?key=a", live, `{"data":1}`, "", 400, "bad_request", "key"},
		"unknown parameter":  {publishPath + "?foo=a", live, `{"data":1}`, "", 400, "bad_request", "foo"},
		"other charset":      {publishPath, live, `{"data":1}`, "Content-Type: application/json; charset=latin1", 400, "bad_request", "UTF-8"},
		"bad content type":   {publishPath, live, `{"data":1}`, "Content-Type: a b;;", 400, "bad_request", "content type"},
		"message id":         {publishPath, live, `{"data":1,"message_id":"a"}`, "", 400, "bad_request", "message_id"},
		"idempotency key":    {publishPath, live, `{"data":1}`, "Idempotency-Key: a", 400, "bad_request", "Idempotency-Key"},
		"CloudEvents":        {publishPath, live, `{}`, "Content-Type: application/cloudevents+json", 400, "bad_request", "CloudEvent"},
		"CloudEvents batch":  {publishPath, live, `[{}]`, "Content-Type: application/cloudevents-batch+json", 400, "bad_request", "CloudEvent"},
		"CloudEvents binary": {publishPath, live, `{"data":1}`, "ce-id: 7", 400, "bad_request", "CloudEvent"},
		"gzip":               {publishPath, live, "\x1f\x8b", "Content-Encoding: gzip", 400, "bad_request", "gzip"},
		"other coding":       {publishPath, live, "\x1f\x8b", "Content-Encoding: br", 415, "bad_request", "gzip, zstd"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			header := []string{"Content-Type", "application/json"}
			if field, value, ok := strings.Cut(tt.header, ": "); ok {
				header = append(header, field, value)
			}
			status, head, body := in.do(http.MethodPost, tt.path, tt.token, tt.body, header...)
			m := in.problem(t, status, head, body, tt.status, tt.code)
			if !strings.Contains(m.str("detail"), tt.says) {
				t.Errorf("it says %q, want %q in it", m.str("detail"), tt.says)
			}
		})
	}
	if p := in.page("orders", "from=earliest", live); len(p.Records) != 0 {
		t.Errorf("what was refused is stored: %v", p.Records)
	}
}

// sends sends bytes and returns the answer to them.
func (in *instance) sends(request string, then func(net.Conn)) (status int, body string) {
	in.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(in.url, "http://"))
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	begun := time.Now()
	_ = c.SetDeadline(begun.Add(patience))
	if _, err := io.WriteString(c, request); err != nil {
		in.t.Fatal(err)
	}
	if then != nil {
		go then(c)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		in.t.Fatalf("%.60q: no answer after %v: %v", request, time.Since(begun), err)
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

// TestBodies: bodies of the wrong length, slow bodies and bodies that never arrive
// are answered without waiting for their ends, whether or not a handler reads them.
func TestBodies(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.MessageAssembly, l.MessageBytes = 400*time.Millisecond, 64<<10 }})
	live := token(t, "u42", "live", time.Hour)
	head := func(method, path, token, rest string) string {
		return method + " " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n" + rest + "\r\n"
	}
	drip := func(c net.Conn) {
		for range 100 {
			if _, err := io.WriteString(c, "1\r\n \r\n"); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	flood := func(c net.Conn) {
		chunk := fmt.Sprintf("%x\r\n%s\r\n", 10_000, strings.Repeat(" ", 10_000))
		for range 100 {
			if _, err := io.WriteString(c, chunk); err != nil {
				return
			}
		}
	}
	const chunked = "Transfer-Encoding: chunked\r\n"
	tests := map[string]struct {
		request string
		then    func(net.Conn)
		status  int
		code    string
	}{
		"a declared length of 2^62":   {head("POST", publishPath, live, "Content-Length: 4611686018427387904\r\n"), nil, 413, "too_large"},
		"one byte over, never sent":   {head("POST", publishPath, live, "Content-Length: 65537\r\n"), nil, 413, "too_large"},
		"too much in chunks":          {head("POST", publishPath, live, chunked), flood, 413, "too_large"},
		"never sent":                  {head("POST", publishPath, live, "Content-Length: 10\r\n"), nil, 400, "bad_request"},
		"dripping":                    {head("POST", publishPath, live, chunked), drip, 400, "bad_request"},
		"never sent, and refused":     {head("POST", publishPath, "x", "Content-Length: 10\r\n"), nil, 401, "unauthenticated"},
		"dripping, and refused":       {head("POST", "/v1/streams/nope/records", live, chunked), drip, 404, "unknown_stream"},
		"never sent, of an ack":       {head("PUT", "/v1/cursors/orders/a", live, "Content-Length: 10\r\n"), nil, 400, "bad_request"},
		"never sent, where none goes": {head("GET", "/v1/streams/nope", live, "Content-Length: 10\r\n"), nil, 404, "unknown_stream"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := in.sends(tt.request, tt.then)
			var m message
			if err := json.Unmarshal([]byte(body), &m); err != nil || status != tt.status || m.str("code") != tt.code {
				t.Errorf("got %d %s %v", status, body, err)
			}
		})
	}
	// A connection whose body came in time stays open: the deadlines of bodies that
	// began after its own have passed.
	c, err := net.Dial("tcp", strings.TrimPrefix(in.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	answers := bufio.NewReader(c)
	for n := range 3 {
		if n > 0 {
			in.sends(tests["never sent"].request, nil)
		}
		_, _ = io.WriteString(c, head("POST", publishPath, live, "Content-Length: 1\r\n")+"1")
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("request %d: %v", n, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("request %d: %d", n, res.StatusCode)
		}
	}
}

// TestPublishingDrain: publishes in flight when the instance drains are answered.
func TestPublishingDrain(t *testing.T) {
	t.Parallel()
	held := &heldProducer{Producer: producer{}}
	in := start(t, options{stream: func(s *hub.Stream) { s.Producer = held }})
	tok := token(t, "u42", "live", time.Hour)
	answered := make(chan int, 1)
	go func() {
		status, _, _ := in.do(http.MethodPost, publishPath, tok, "unknown", "Content-Type", "text/plain")
		answered <- status
	}()
	in.eventually("one is in flight", held.any)
	stopped := make(chan error, 1)
	go func() { stopped <- in.stop() }()
	in.eventually("it says that it goes", func() bool { status, _ := in.operator("/readyz"); return status == http.StatusServiceUnavailable })
	status, head, body := in.do(http.MethodPost, publishPath, tok, "fine", "Content-Type", "text/plain")
	in.problem(t, status, head, body, http.StatusServiceUnavailable, "draining")
	held.release()
	if status := <-answered; status != http.StatusGatewayTimeout {
		t.Errorf("got %d", status)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestIdempotencyKeyThatIsEmpty: a client whose variable is not set is told so, instead of
// losing what the id is for.
func TestIdempotencyKeyThatIsEmpty(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	for _, key := range []string{"", " ", "\t"} {
		status, head, body := in.do(http.MethodPost, publishPath, token(t, "u42", "live", time.Hour), `{"data":1}`,
			"Content-Type", "application/json", "Idempotency-Key", key)
		in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
	}
}
