package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/auth"
	"sluice/cmd/sluice/config"
)

const ruledStreams = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
drain: {timeout: 1s, spread: 0s}
limits: {json_depth: 8, json_keys: 40}
auth: {issuers: [{issuer: test, audience: sluice, algorithms: [HS256], secret_file: %q}]}
grants:
  - {when: {role: device}, publish: [json, text, own, field, few, apart, timed], publish_filter: "!has(data.hidden)"}
  - {when: {role: device}, publish: [strict], publish_filter: "key == claims.sub && headers.by == claims.sub"}
  - {when: {role: reader}, subscribe: ["*"], replay: unlimited}
  - {anonymous: true, publish: [own]}
streams:
  json: {topic: json, partitions: 1, content: json}
  text: {topic: text, partitions: 1, content: text}
  own: {topic: own, partitions: 1, content: json, ingest: {key: "{sub}"}}
  strict: {topic: strict, partitions: 1, content: json, ingest: {key: "{sub}", headers: {set: {by: "{sub}"}}}}
  field: {topic: field, partitions: 1, content: json, ingest: {key: /device/id, kinds: [json]}}
  few:
    topic: few
    partitions: 1
    ingest:
      key: required
      max: {key_bytes: 4B, value_bytes: 20B, headers: 2, header_bytes: 20B}
      headers: {allow: [app, "trace-*"], set: {by: "{sub}@{address}", fleet: "{fleet}"}}
  apart:
    topic: apart
    partitions: 1
    content: json
    ingest: {key: "{sub}", max: {value_bytes: 40B}, on_invalid: dead_letter, dead_letter: rejected}
  rejected: {topic: rejected, partitions: 1}
  timed: {topic: timed, partitions: 1, ingest: {timestamp: {past: 1h}}}
`

// ruled is an app with ruledStreams.
type ruled struct {
	*startedApp
	t      *testing.T
	secret auth.Secret
	load   func(text string) *config.Config
}

func runRuled(t *testing.T) *ruled {
	t.Helper()
	servers := embed(t)
	secret := strings.Repeat("s", 32)
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(text string) *config.Config { return load(t, text, servers.Brokers[0], path) }
	return &ruled{run(t, with(ruledStreams), Options{}), t, auth.NewSecret(secret), with}
}

func (r *ruled) token(subject, role string) string {
	r.t.Helper()
	more := map[string]any{"role": role, "fleet": "eu"}
	if subject == "no fleet" {
		delete(more, "fleet")
	}
	text, err := auth.Mint(r.secret, auth.TokenClaims{Issuer: "test", Audience: "sluice", Subject: subject, ValidFor: time.Hour, More: more})
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// post publishes a body and returns the status and the answer.
func (r *ruled) post(stream, token, contentType, query, body string) (int, map[string]any) {
	r.t.Helper()
	request, err := http.NewRequest(http.MethodPost, "http://"+r.address+"/v1/streams/"+stream+"/records"+query, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(res.Body)
	answer := map[string]any{}
	if err := json.Unmarshal(text, &answer); err != nil {
		r.t.Fatalf("%s: %v", text, err)
	}
	return res.StatusCode, answer
}

// send publishes over a WebSocket and returns the answer.
func (r *ruled) send(stream, token, fields string) map[string]any {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	head := http.Header{}
	if token != "" {
		head.Set("Authorization", "Bearer "+token)
	}
	c, _, err := websocket.Dial(ctx, "ws://"+r.address+"/v1/ws", &websocket.DialOptions{HTTPHeader: head}) //nolint:bodyclose // the library has
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	if err := c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"publish","id":"p","stream":%q,%s}`, stream, fields)); err != nil {
		r.t.Fatal(err)
	}
	for {
		_, b, err := c.Read(ctx)
		if err != nil {
			r.t.Fatal(err)
		}
		answer := map[string]any{}
		if err := json.Unmarshal(b, &answer); err != nil {
			r.t.Fatal(err)
		}
		if answer["id"] == "p" {
			return answer
		}
	}
}

// records returns what a stream has, each as the JSON of its event.
func (r *ruled) records(stream string) (all []map[string]any) {
	r.t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+r.address+"/v1/streams/"+stream+"/records?from=earliest&limit=1000", http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+r.token("reader", "reader"))
	res, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var page struct {
		Records []map[string]any `json:"records"`
		Gaps    []any            `json:"gaps"`
	}
	if err := json.NewDecoder(res.Body).Decode(&page); err != nil || len(page.Gaps) > 0 {
		r.t.Fatalf("%v, gaps %v", err, page.Gaps)
	}
	return page.Records
}

// doors are the ways by which a record in JSON reaches the server. Each returns the code of
// the answer, "" if the record is stored, and what it says.
func (r *ruled) doors(stream, token, fields string) map[string][2]string {
	say := func(answer map[string]any) [2]string {
		code, _ := answer["code"].(string)
		text, _ := answer["message"].(string)
		if text == "" {
			text, _ = answer["detail"].(string)
		}
		if list, ok := answer["errors"].([]any); ok && len(list) > 0 {
			if first, ok := list[0].(map[string]any); ok {
				text += fmt.Sprintf(" [%v]", first["pointer"])
			}
		}
		return [2]string{code, text}
	}
	first := func(answer map[string]any) map[string]any {
		results, _ := answer["results"].([]any)
		if len(results) != 1 {
			return answer
		}
		one, _ := results[0].(map[string]any)
		return one
	}
	status, posted := r.post(stream, token, "application/json", "", "{"+fields+"}")
	if code, _ := posted["code"].(string); code == "invalid" != (status == http.StatusUnprocessableEntity) || code == "dead_lettered" != (status == http.StatusAccepted) {
		r.t.Errorf("%s %s: the status is %d", stream, fields, status)
	}
	_, batch := r.post(stream, token, "application/json", "", `{"records":[{`+fields+`}]}`)
	return map[string][2]string{
		"POST": say(posted), "POST of a batch": say(first(batch)),
		"WebSocket": say(r.send(stream, token, fields)), "WebSocket, a batch": say(first(r.send(stream, token, `"records":[{`+fields+`}]`))),
	}
}

// TestRulesOfStreams: each rule of a stream holds at every door, and says what to send.
func TestRulesOfStreams(t *testing.T) {
	t.Parallel()
	r := runRuled(t)
	device := r.token("dev-1", "device")
	const key = `"key":"k",`
	tests := []struct{ stream, token, fields, code, says string }{
		{"json", device, `"data":{"a":1}`, "", ""},
		{"json", device, key + `"tombstone":true`, "", ""},
		{"json", device, `"encoding":"base64","data":"eyJhIjoxfQ=="`, "", ""},
		{"json", device, `"encoding":"base64","data":"aGk="`, "invalid", "the values of the stream are JSON, and this value is not: send JSON in the field data without encoding"},
		{"json", device, `"encoding":"base64","data":"eyJhIjoxLCJhIjoyfQ=="`, "invalid", "the same field twice"},
		{"json", device, `"encoding":"base64","data":"W1tbW1tbW1tbMV1dXV1dXV1dXQ=="`, "invalid", "deeper than 8 (limit json_depth)"},
		{"json", device, `"encoding":"base64","data":"eyJoaWRkZW4iOjF9"`, "forbidden", ""},
		{"text", device, `"encoding":"base64","data":"aGk="`, "", ""},
		{"text", device, `"encoding":"base64","data":"/w=="`, "invalid", "not UTF-8"},
		{"own", device, `"data":1`, "", ""},
		{"own", device, `"key":"dev-1","data":1`, "", ""},
		{"own", device, `"key":"dev-2","data":1`, "invalid", "makes the key of {sub}, and the record has another key"},
		{"own", device, `"key":"dev-2","tombstone":true`, "invalid", "another key"},
		{"own", "", `"data":1`, "invalid", "the claim sub"},
		{"strict", device, `"data":1`, "", ""},
		{"strict", device, `"headers":[["by","dev-2"]],"data":1`, "invalid", `the header "by" is set by the server`},
		{"strict", device, `"headers":[["x","1"]],"data":1`, "invalid", `the header "x" is not one that clients may set`},
		{"field", device, `"data":{"device":{"id":"d7"}}`, "", ""},
		{"field", device, `"key":"d8","data":{"device":{"id":"d7"}}`, "invalid", "and the record has another key: send that one, or none [/device/id]"},
		{"field", device, `"data":{"device":{}}`, "invalid", "must be a string that is not empty, or an integer [/device/id]"},
		{"field", device, key + `"tombstone":true`, "invalid", "no tombstones"},
		{"few", device, `"data":1`, "invalid", "requires a key"},
		{"few", device, key + `"data":1`, "", ""},
		{"few", device, `"key":"12345","data":1`, "invalid", "the key has 5 bytes, and the stream allows 4"},
		{"few", device, key + `"data":"0123456789012345678"`, "invalid", "the value has 21 bytes"},
		{"few", device, key + `"headers":[["app","1"],["trace-id","2"]],"data":1`, "", ""},
		{"few", device, key + `"headers":[["app","1"],["app","1"],["app","1"]],"data":1`, "invalid", "3 headers"},
		{"few", device, key + `"headers":[["app","0123456789012345678"]],"data":1`, "invalid", "22 bytes"},
		{"few", device, key + `"headers":[["sluice-x","1"]],"data":1`, "reserved_header", ""},
		{"few", r.token("no fleet", "device"), key + `"data":1`, "invalid", `makes the header "fleet" of the claim fleet`},
		{"apart", device, `"data":1`, "", ""},
		{"apart", device, `"key":"dev-2","data":1`, "dead_lettered", "another key"},
		{"apart", device, `"data":{"hidden":1}`, "forbidden", ""},
	}
	at := time.Now().Add(-10 * time.Minute).UnixMilli()
	for _, timed := range []struct {
		stream, fields, code, says string
	}{
		{"few", fmt.Sprintf(`"key":"k","ts":%d,"data":1`, at), "invalid", "takes no timestamps from clients"},
		{"timed", fmt.Sprintf(`"ts":%d,"data":1`, at), "", ""},
		{"timed", fmt.Sprintf(`"ts":%d,"data":1`, time.Now().Add(-2*time.Hour).UnixMilli()), "invalid", "in the past"},
		{"timed", fmt.Sprintf(`"ts":%d,"data":1`, time.Now().Add(time.Hour).UnixMilli()), "invalid", "in the future"},
	} {
		tests = append(tests, struct{ stream, token, fields, code, says string }{timed.stream, device, timed.fields, timed.code, timed.says})
	}
	stored := map[string]int{}
	for _, tt := range tests {
		for door, got := range r.doors(tt.stream, tt.token, tt.fields) {
			if got[0] != tt.code || !strings.Contains(got[1], tt.says) {
				t.Errorf("%s, %s over %s: got %s, %q; want %s, %q", tt.stream, tt.fields, door, got[0], got[1], tt.code, tt.says)
			}
			switch tt.code {
			case "":
				stored[tt.stream]++
			case "dead_lettered":
				stored["rejected"]++
			}
		}
	}
	for stream, n := range stored {
		if got := len(r.records(stream)); got != n {
			t.Errorf("%s has %d records, want %d", stream, got, n)
		}
	}
	for _, e := range r.records("few") {
		headers := fmt.Sprint(e["headers"])
		if !strings.HasSuffix(headers, "[by dev-1@127.0.0.1] [fleet eu]]") {
			t.Errorf("the headers are %s", headers)
		}
	}
	for _, e := range r.records("timed") {
		if e["ts"] != float64(at) {
			t.Errorf("the timestamp is %v, want %d", e["ts"], at)
		}
	}
	for _, e := range r.records("own") {
		if e["key"] != "dev-1" {
			t.Errorf("the key is %v", e["key"])
		}
	}
	for _, e := range r.records("rejected") {
		headers := fmt.Sprint(e["headers"])
		if e["key"] != "dev-2" || e["data"] != 1.0 || !strings.Contains(headers, "[__connect.errors.topic apart]") ||
			!strings.Contains(headers, "[sluice-stream apart]") || !strings.Contains(headers, "dev-1] [sluice-received-at 20") {
			t.Errorf("got %v", e)
		}
	}
}

// TestContentOfBodies: a body of another type than JSON is held to the rules of its stream.
func TestContentOfBodies(t *testing.T) {
	t.Parallel()
	r := runRuled(t)
	device := r.token("dev-1", "device")
	for _, tt := range []struct {
		stream, contentType, query, body string
		status                           int
		says                             string
	}{
		{"json", "text/plain", "", "hello", 422, "Content-Type: application/json"},
		{"json", "", "", "", 422, "this value is not"},
		{"json", "application/octet-stream", "", "\xff", 422, "this value is not"},
		{"json", "application/vnd.api+json", "", `{"a":1}`, 200, ""},
		{"json", "application/json", "", `{"a":1}`, 400, "unknown field"},
		{"json", "application/x-www-form-urlencoded", "", `{"data":{"a":1}}`, 415, "Content-Type: application/json"},
		{"text", "application/x-www-form-urlencoded; charset=utf-8", "", `a=b`, 415, "Content-Type: application/octet-stream"},
		{"text", "text/plain", "", "grüße", 200, ""},
		{"text", "text/plain", "", "\xff", 422, "not UTF-8"},
		{"own", "text/plain", "?key=dev-2", "1", 422, "another key"},
		{"own", "text/plain", "?key=dev-1", "1", 200, ""},
		{"field", "text/plain", "", `{"device":{"id":7}}`, 200, ""},
		{"few", "text/plain", "?key=k&header.other=1", "1", 422, `the header "other"`},
		{"apart", "text/plain", "", "hello", 202, "this value is not"},
	} {
		status, answer := r.post(tt.stream, device, tt.contentType, tt.query, tt.body)
		if text := fmt.Sprint(answer); status != tt.status || !strings.Contains(text, tt.says) {
			t.Errorf("%s, %s %q: got %d %s; want %d %s", tt.stream, tt.contentType, tt.body, status, text, tt.status, tt.says)
		}
	}
	if all := r.records("field"); len(all) != 1 || all[0]["key"] != "7" {
		t.Errorf("got %v", all)
	}
	if all := r.records("rejected"); len(all) != 1 || all[0]["data"] != "hello" {
		t.Errorf("got %v", all)
	}
}

// TestRulesAreReloaded: the rules of a stream are in force as soon as a configuration is.
func TestRulesAreReloaded(t *testing.T) {
	t.Parallel()
	r := runRuled(t)
	device := r.token("dev-1", "device")
	check := func(want int) {
		t.Helper()
		if status, answer := r.post("own", device, "application/json", "", `{"key":"dev-2","data":1}`); status != want {
			t.Errorf("got %d %v, want %d", status, answer, want)
		}
	}
	check(http.StatusUnprocessableEntity)
	if _, err := r.Reload(r.load(strings.Replace(ruledStreams, `content: json, ingest: {key: "{sub}"}}`, `content: json}`, 1))); err != nil {
		t.Fatal(err)
	}
	check(http.StatusOK)
	if _, err := r.Reload(r.load(strings.Replace(ruledStreams, `own, partitions: 1, content: json, ingest: {key: "{sub}"}}`,
		`own, partitions: 1, content: json, ingest: {key: "{sub}", on_invalid: dead_letter, dead_letter: rejected}}`, 1))); err != nil {
		t.Fatal(err)
	}
	check(http.StatusAccepted)
}
