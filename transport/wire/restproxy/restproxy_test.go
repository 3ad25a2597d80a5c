package restproxy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/hub/hubtest/bounds"
	"sluice/hub/ingest"
	"sluice/hub/upstream"
	"sluice/transport/wire"
	"sluice/transport/wire/restproxy"
)

var limits = wire.Limits{MessageBytes: 64 << 10, Depth: 8, Keys: 40, Records: 3}

func text(b []byte) string {
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%q", b)
}

func show(m ingest.Message) string {
	s := fmt.Sprintf("%s=%s json=%v", text(m.Key), text(m.Value), m.JSON)
	for _, h := range m.Headers {
		s += fmt.Sprintf(" %s:%s", h.Name, text(h.Value))
	}
	if m.Timestamp != 0 {
		s += fmt.Sprintf(" at %d", m.Timestamp)
	}
	return s
}

func TestParse3(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{}`: `null=null json=false|`,
		`{"value":{"type":"JSON","data":{"n": 1.0}}}`:                                                                                  `null="{\"n\": 1.0}" json=true|,"value":{"type":"JSON","size":10}`,
		`{"key":{"type":"JSON","data":{"b": 1,"a":[ 2 ]}},"value":null}`:                                                               `"{\"b\":1,\"a\":[2]}"=null json=false|,"key":{"type":"JSON","size":15}`,
		`{"key":{"type":"STRING","data":"k\n"},"value":{"type":"STRING","data":""}}`:                                                   `"k\n"="" json=false|,"key":{"type":"STRING","size":2},"value":{"type":"STRING","size":0}`,
		`{"key":{"type":"BINARY","data":"aGk="},"value":{"type":"BINARY","data":""}}`:                                                  `"hi"="" json=false|,"key":{"type":"BINARY","size":2},"value":{"type":"BINARY","size":0}`,
		`{"value":{"type":"JSON","data":null}}`:                                                                                        `null=null json=false|,"value":{"type":"JSON","size":0}`,
		`{"value":{"type":"STRING"}}`:                                                                                                  `null=null json=false|,"value":{"type":"STRING","size":0}`,
		`{"partition_id":null,"original_size":5,"headers":null,"timestamp":null,"key":null}`:                                           `null=null json=false|`,
		`{"headers":[{"name":"a","value":"aGk="},{"name":"a","value":null},{"name":"b"}],"timestamp":"2026-11-29T12:00:00.123+01:00"}`: `null=null json=false a:"hi" a:null b:null at 1795950000123|`,
	} {
		m, sizes, _, fault := restproxy.Parse3([]byte(" "+body+"\n"), limits)
		if got := show(m) + "|" + sizes; fault != nil || got != want {
			t.Errorf("%s: got %s, want %s (%v)", body, got, want, fault)
		}
	}
	for body, says := range map[string]string{
		``: "", `[]`: "object", `{`: "", "\xff": "UTF-8", `{"a":1}`: "unknown field", `{"value":1}`: "/value must be an object",
		`{"partition_id":0}`: "partition_id cannot be chosen", `{"value":{"data":1}}`: "type must be", `{"key":{"type":"AVRO","data":1}}`: "keys have no schema",
		`{"value":{"type":"AVRO","subject":"s","data":1}}`: "cannot be chosen", `{"value":{"type":"JSON","schema_id":1,"data":1}}`: "no effect", `{"value":{"schema_id":0,"data":1}}`: "positive", `{"value":{"schema_version":1,"data":1}}`: "cannot be chosen",
		`{"value":{"type":"json","data":1}}`: "type must be", `{"value":{"type":"JSON","data":1,"x":1}}`: "unknown field", `{"key":{"type":"STRING","data":1}}`: "string",
		`{"value":{"type":"BINARY","data":"a"}}`: "base64", `{"value":{"type":"BINARY","data":"aGk"}}`: "base64", `{"value":{"type":"BINARY","data":"aG\nk="}}`: "",
		`{"value":{"type":"STRING","data":"\ud800"}}`: "surrogate", `{"headers":{}}`: "array", `{"headers":[1]}`: "object", `{"headers":[{"value":""}]}`: "name is required",
		`{"headers":[{"name":"sluice-x"}]}`: "reserved", `{"headers":[{"name":"a","x":1}]}`: "unknown field", `{"timestamp":"now"}`: "RFC 3339", `{"timestamp":5}`: "string",
		`{"timestamp":"1969-01-01T00:00:00Z"}`: "1970", `{"value":{"type":"JSON","data":1},"value":null}`: "duplicate",
		`{"value":{"type":"JSON","data":[[[[[[[1]]]]]]]}}`: "json_depth",
	} {
		_, _, _, fault := restproxy.Parse3([]byte(body), limits)
		if fault == nil || !strings.Contains(fault.Message, strings.TrimPrefix(says, "/")) {
			t.Errorf("%s: %v, want %q in it", body, fault, says)
		}
	}
}

func TestParse2(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		isJSON     bool
		body, want string
	}{
		{true, `{"records":[{"value":{"n": 1}},{"key":"k","value":null},{"key":{"a": 1}}]}`, `null="{\"n\": 1}" json=true; "\"k\""=null json=false; "{\"a\":1}"=null json=false`},
		{false, `{"records":[{"key":"aGk=","value":""},{"value":null}],"key_schema":null}`, `"hi"="" json=false; null=null json=false`},
		{true, `{"records":[{"value":1,"partition":0}]}`, "cannot be chosen"},
		{false, `{"records":[{"value":1}]}`, "/records/0/value must be a string"},
		{true, `{"records":[]}`, "is empty"},
		{true, `{}`, "must be an array"},
		{true, `{"records":{}}`, "must be an array"},
		{true, `{"records":[1]}`, "must be an object"},
		{true, `{"records":[{"headers":[]}]}`, "unknown field"},
		{true, `{"records":[{}],"x":1}`, "unknown field"},
		{true, `{"records":[{}],"value_schema":"{}"}`, "content type"},
		{true, `{"records":[{}],"key_schema_id":1}`, "keys have no schema"},
		{true, `{"records":[{},{},{},{}]}`, "batch_records"},
		{true, `[]`, "object"},
		{true, ``, ""},
	} {
		all, fault := restproxy.Parse2([]byte(c.body), c.isJSON, limits)
		var shown []string
		for _, m := range all {
			shown = append(shown, show(m))
		}
		got := strings.Join(shown, "; ")
		if fault != nil {
			got = "/" + fault.Message
		}
		if fault == nil && got != c.want || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
	for kind, want := range map[string]int{
		"application/vnd.kafka.json.v2+json": 0, "application/vnd.kafka.binary.v2+json; charset=utf-8": 0, "application/vnd.kafka.v2+json": 0, "application/json": 0,
		"application/vnd.kafka.avro.v2+json": 415, "application/vnd.kafka.jsonschema.v2+json": 415, "application/vnd.kafka.protobuf.v2+json": 415, "": 415, "text/plain": 415,
	} {
		isJSON, fault := restproxy.Embedded(kind)
		if (fault != nil) != (want != 0) || fault != nil && (fault.Status() != want || restproxy.Number2(fault) != want) || isJSON != strings.Contains(kind, ".json.") {
			t.Errorf("%s: %v %v", kind, isJSON, fault)
		}
	}
}

// TestNumbers: every code has the number by which a REST proxy says it: those of kafka-rest's
// Errors and KafkaExceptionMapper, which say the status in their first digits, and else the
// status.
func TestNumbers(t *testing.T) {
	t.Parallel()
	numbers := map[wire.Code]struct{ v2, v3, record int }{
		wire.Unauthenticated:    {40101, 40101, 50002},
		wire.TokenExpired:       {40101, 40101, 50002},
		wire.Revoked:            {40101, 40101, 50002},
		wire.Forbidden:          {40301, 40301, 40301},
		wire.UnknownStream:      {40401, 40403, 50002},
		wire.TopicMissing:       {40401, 40403, 50002},
		wire.Invalid:            {422, 422, 50002},
		wire.PublishUnknown:     {50002, 50002, 50002},
		wire.PublishUnavailable: {50003, 50003, 50003},
		wire.Overloaded:         {50003, 50003, 50003},
		wire.Draining:           {50003, 50003, 50003},
		wire.Internal:           {500, 500, 50003},
		wire.BadRequest:         {400, 400, 50002},
		wire.TooLarge:           {413, 413, 50002},
		wire.RecordTooLarge:     {413, 413, 50002},
		wire.RateLimited:        {429, 429, 50003},
	}
	for code := range wire.Codes() {
		fault := wire.Errorf(code, "why \"so\"")
		want, ok := numbers[code]
		if !ok { // no client of a REST proxy is told it
			want.v2, want.v3, want.record = fault.Status(), fault.Status(), 50002
			if fault.Retryable() {
				want.record = 50003
			}
		}
		got := want
		got.v2, got.v3 = restproxy.Number2(fault), restproxy.Number3(fault)
		for _, c := range []struct {
			body []byte
			want int
		}{{restproxy.AppendFault2(nil, fault), want.v2}, {restproxy.AppendFault3(nil, fault), want.v3}} {
			var body map[string]any
			if err := json.Unmarshal(c.body, &body); err != nil || body["error_code"] != float64(c.want) || body["message"] != `why "so"` || body["code"] != string(code) {
				t.Errorf("%s: got %v %v", code, body, err)
			}
		}
		var answer struct {
			Offsets []struct {
				ErrorCode int `json:"error_code"`
			} `json:"offsets"`
		}
		offsets := restproxy.AppendOffsets(nil, []upstream.Stored{{Err: fault}}, func(error) *wire.Error { return fault })
		if err := json.Unmarshal(offsets, &answer); err != nil || len(answer.Offsets) != 1 {
			t.Fatalf("%s: %v", offsets, err)
		}
		if got.record = answer.Offsets[0].ErrorCode; got != want {
			t.Errorf("%s has the numbers %v, want %v", code, got, want)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC).UnixMilli()
	report := string(restproxy.AppendReport(nil, "c\"1", "t", `,"value":{"type":"JSON","size":1}`, upstream.Stored{Partition: 1, Offset: 5, Timestamp: at}))
	if want := `{"error_code":200,"cluster_id":"c\"1","topic_name":"t","partition_id":1,"offset":5,"timestamp":"2026-11-29T12:00:00.000Z","value":{"type":"JSON","size":1}}`; report != want {
		t.Errorf("got %s, want %s", report, want)
	}
	passes, stays := errors.New("passes"), errors.New("stays")
	got := string(restproxy.AppendOffsets(nil, []upstream.Stored{{Partition: 1, Offset: 5}, {Err: passes}, {Err: stays}}, func(err error) *wire.Error {
		if errors.Is(err, passes) {
			return wire.Errorf(wire.PublishUnavailable, "later")
		}
		return wire.Errorf(wire.Invalid, "never")
	}))
	if want := `{"offsets":[{"partition":1,"offset":5,"error_code":null,"error":null},{"partition":null,"offset":null,"error_code":50003,"error":"later","code":"publish_unavailable"},` +
		`{"partition":null,"offset":null,"error_code":50002,"error":"never","code":"invalid"}],"key_schema_id":null,"value_schema_id":null}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// costs are what records may cost.
var costs = bounds.Limits{Bytes: 2 << 20, PerByte: 100, Time: 10 * time.Second}

// owned fails the test if what is stored, or answered, is not of the request.
func owned(t *testing.T, body []byte, fault *wire.Error, all ...ingest.Message) {
	t.Helper()
	if fault != nil {
		answer := restproxy.AppendFault3(nil, fault)
		if bounds.Own(t, answer, body); !json.Valid(answer) || len(answer) > 20_000 {
			t.Errorf("answered with %s", answer)
		}
		return
	}
	for _, m := range all {
		bounds.Own(t, m.Key, body)
		bounds.Own(t, m.Value, body)
		for _, h := range m.Headers {
			bounds.Own(t, h.Name, body)
			bounds.Own(t, h.Value, body)
		}
	}
}

// FuzzParse3: what is taken is JSON and is stored as such, at a bounded cost.
func FuzzParse3(f *testing.F) {
	f.Add([]byte(`{"key":{"type":"JSON","data":{"b": 1}},"value":{"type":"BINARY","data":"aGk="},"headers":[{"name":"a","value":"aGk="}],"timestamp":"2026-11-29T12:00:00Z"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var m ingest.Message
		var sizes string
		var fault *wire.Error
		costs.Check(t, len(body), func() { m, sizes, _, fault = restproxy.Parse3(body, limits) })
		owned(t, body, fault, m)
		if fault != nil {
			return
		}
		if !json.Valid([]byte(`{"a":1`+sizes+`}`)) || m.JSON && !json.Valid(m.Value) || !json.Valid(body) {
			t.Errorf("%s: got %s %s", body, show(m), sizes)
		}
	})
}

// FuzzParse2: the same for several records.
func FuzzParse2(f *testing.F) {
	f.Add(true, []byte(`{"records":[{"key":"k","value":{"n": 1}}]}`))
	f.Add(false, []byte(`{"records":[{"key":"aGk=","value":null,"partition":null}]}`))
	f.Fuzz(func(t *testing.T, isJSON bool, body []byte) {
		var all []ingest.Message
		var fault *wire.Error
		costs.Check(t, len(body), func() { all, fault = restproxy.Parse2(body, isJSON, limits) })
		owned(t, body, fault, all...)
		if fault != nil {
			return
		}
		if len(all) == 0 || len(all) > limits.Records || !json.Valid(body) {
			t.Errorf("%s: %d records", body, len(all))
		}
		for _, m := range all {
			if m.JSON && !json.Valid(m.Value) || m.JSON && !isJSON {
				t.Errorf("%s: got %s", body, show(m))
			}
		}
	})
}
