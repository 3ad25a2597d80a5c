package app

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"sluice/auth"
	"sluice/cmd/sluice/config"
)

const onceStreams = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
redis: {url: "redis://%s"}
drain: {timeout: 1s, spread: 0s}
auth: {issuers: [{issuer: test, audience: sluice, algorithms: [HS256], secret_file: %q}]}
grants:
  - {when: {role: device}, publish: ["*"], publish_filter: "!has(data.hidden)"}
  - {when: {role: reader}, subscribe: ["*"], replay: unlimited}
streams:
  once: {topic: once, partitions: 3, content: json, ingest: {headers: {allow: [a]}}}
  must: {topic: must, partitions: 1, ingest: {message_ids: {required: true}}}
  none: {topic: none, partitions: 1, ingest: {message_ids: {window: 0s}}}
  apart: {topic: apart, partitions: 1, content: json, ingest: {max: {value_bytes: 10B}, on_invalid: dead_letter, dead_letter: rejected}}
  rejected: {topic: rejected, partitions: 1}
`

// twice are two instances that share Kafka and Redis.
type twice struct {
	t      *testing.T
	a, b   *ruled
	redis  *miniredis.Miniredis
	device string
}

func runTwice(t *testing.T) *twice {
	t.Helper()
	servers, redis := embed(t), miniredis.RunT(t)
	secret := strings.Repeat("s", 32)
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(text string) *config.Config { return load(t, text, servers.Brokers[0], redis.Addr(), path) }
	start := func() *ruled {
		return &ruled{run(t, with(onceStreams), Options{}), t, auth.NewSecret(secret), with}
	}
	both := &twice{t: t, a: start(), b: start(), redis: redis}
	both.device = both.a.token("d1", "device")
	return both
}

// with publishes a body with an Idempotency-Key.
func (r *ruled) with(stream, token, key, contentType, query, body string) (int, map[string]any) {
	r.t.Helper()
	request, err := http.NewRequest(http.MethodPost, "http://"+r.address+"/v1/streams/"+stream+"/records"+query, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Idempotency-Key", key)
	request.Header.Set("Authorization", "Bearer "+token)
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

// TestMessageIDsAtEveryDoor: whichever door and instance a record comes through again, it is
// answered like the first time.
func TestMessageIDsAtEveryDoor(t *testing.T) {
	t.Parallel()
	w := runTwice(t)
	const fields = `"key":"k","headers":[["a","b"]],"data":{"n":1}`
	status, first := w.a.post("once", w.device, "application/json", "", `{"message_id":"m 1",`+fields+`}`)
	if status != 200 || first["duplicate"] != nil || first["ts"] == nil {
		t.Fatalf("%d %v", status, first)
	}
	place := func(answer map[string]any, withTime bool) string {
		text := fmt.Sprint(answer["partition"], ":", answer["offset"], " ", answer["duplicate"])
		if withTime {
			text += fmt.Sprint(" ", answer["ts"])
		}
		return text
	}
	again := fmt.Sprint(first["partition"], ":", first["offset"], " true")
	same := func(door string, answer map[string]any, withTime bool) {
		t.Helper()
		want := again
		if withTime {
			want += fmt.Sprint(" ", first["ts"])
		}
		if got := place(answer, withTime); got != want {
			t.Errorf("%s: got %s (%v), want %s", door, got, answer, want)
		}
	}
	_, answer := w.b.post("once", w.device, "application/json", "", `{"message_id":"m 1",`+fields+`}`)
	same("the other instance", answer, true)
	_, answer = w.a.with("once", w.device, `"m 1"`, "application/json", "", "{"+fields+"}")
	same("Idempotency-Key", answer, true)
	_, answer = w.b.with("once", w.device, `"m 1"`, "application/octet-stream", "?key=k&header.a=b", `{"n":1}`)
	same("a bare value", answer, true)
	same("WebSocket", w.b.send("once", w.device, `"message_id":"m 1",`+fields), true)
	_, answer = w.a.post("once", w.device, "application/json", "", `{"records":[{"data":2},{"message_id":"m 1",`+fields+`}]}`)
	results, _ := answer["results"].([]any)
	if len(results) != 2 || answer["failed"] != 0.0 {
		t.Fatalf("a batch: %v", answer)
	}
	same("a batch", results[1].(map[string]any), false)

	// Another body; and another principal.
	for name, body := range map[string]string{
		"value": `"key":"k","headers":[["a","b"]],"data":{"n":2}`, "key": `"headers":[["a","b"]],"data":{"n":1}`, "headers": `"key":"k","data":{"n":1}`,
		"invalid": `"key":"k","headers":[["x","b"]],"data":{"n":1}`, "forbidden": `"key":"k","data":{"hidden":1}`,
	} {
		if status, answer := w.b.post("once", w.device, "application/json", "", `{"message_id":"m 1",`+body+`}`); status != 409 || answer["code"] != "idempotency_conflict" {
			t.Errorf("another %s: %d %v", name, status, answer)
		}
	}
	if answer := w.a.send("once", w.device, `"message_id":"m 1","data":1`); answer["code"] != "idempotency_conflict" || answer["retryable"] != false {
		t.Errorf("another record over a WebSocket: %v", answer)
	}
	if _, answer := w.b.post("once", w.b.token("d2", "device"), "application/json", "", `{"message_id":"m 1",`+fields+`}`); answer["duplicate"] != nil || answer["offset"] == nil {
		t.Errorf("another principal: %v", answer)
	}
	w.a.stop()
	_, answer = w.b.post("once", w.device, "application/json", "", `{"message_id":"m 1",`+fields+`}`)
	same("after an instance has ended", answer, true)

	records := w.b.records("once")
	if len(records) != 3 {
		t.Fatalf("%d records are stored", len(records))
	}
	for _, r := range records {
		marked := strings.Contains(fmt.Sprint(r["headers"]), "sluice-message-id")
		if plain := fmt.Sprint(r["data"]) == "2"; marked == plain {
			t.Errorf("the headers are %v", r["headers"])
		}
		if strings.Contains(fmt.Sprint(r["headers"]), "m 1") {
			t.Errorf("readers see the id: %v", r["headers"])
		}
	}
	if got := metric(t, w.b.startedApp, "sluice_publishes_total", "duplicate"); got != 4 {
		t.Errorf("%v duplicates are counted", got)
	}
}

// metric returns the value of a counter with a label.
func metric(t *testing.T, a *startedApp, name, label string) float64 {
	t.Helper()
	families, err := a.front.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestMetricsOfMessageIDsAreDocumented(t *testing.T) {
	t.Parallel()
	w := runTwice(t)
	families, err := w.a.front.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "web", "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	there, listed := map[string]bool{}, map[string]bool{}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "sluice_message_id") {
			there[f.GetName()] = true
		}
	}
	for _, name := range regexp.MustCompile(`\bsluice_message_id\w+`).FindAllString(string(page), -1) {
		listed[name] = true
	}
	if len(there) != 4 || !maps.Equal(there, listed) {
		t.Errorf("there are %v, and listed are %v", there, listed)
	}
}

func TestStreamsDemandMessageIDs(t *testing.T) {
	t.Parallel()
	w := runTwice(t)
	for name, c := range map[string]struct {
		stream, body string
		status       int
		says         string
	}{
		"required":              {"must", `{"data":1}`, 400, "requires a message id"},
		"given":                 {"must", `{"data":1,"message_id":"m"}`, 200, ""},
		"none taken":            {"none", `{"data":1,"message_id":"m"}`, 400, "takes no message ids"},
		"none given":            {"none", `{"data":1}`, 200, ""},
		"invalid, then another": {"once", `{"headers":[["x","y"]],"data":1,"message_id":"i"}`, 422, "x"},
		"forbidden":             {"once", `{"data":{"hidden":1},"message_id":"f"}`, 403, "not allowed"},
		"a reserved header":     {"once", `{"data":1,"headers":[["sluice-message-id","x"]]}`, 400, "reserved"},
	} {
		if status, answer := w.a.post(c.stream, w.device, "application/json", "", c.body); status != c.status || !strings.Contains(fmt.Sprint(answer["detail"]), c.says) && c.says != "" {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	// What was not stored has not used its id.
	for _, id := range []string{"i", "f"} {
		if status, answer := w.b.post("once", w.device, "application/json", "", `{"data":1,"message_id":"`+id+`"}`); status != 200 || answer["duplicate"] != nil {
			t.Errorf("%s again: %d %v", id, status, answer)
		}
	}
	if status, answer := w.a.with("once", w.device, "r", "text/plain", "?reply=must", "1"); status != 403 || !strings.Contains(fmt.Sprint(answer["detail"]), "the stream of the reply") {
		t.Errorf("with a reply that the client may not read: %d %v", status, answer)
	}
	changed := w.a.load(strings.Replace(onceStreams, "headers: {allow: [a]}", "message_ids: {window: 0s}", 1))
	if restart, err := w.a.Reload(changed); err != nil || len(restart) > 0 {
		t.Fatal(restart, err)
	}
	if status, answer := w.a.post("once", w.device, "application/json", "", `{"data":1,"message_id":"i"}`); status != 400 {
		t.Errorf("after a reload: %d %v", status, answer)
	}
}

func TestDeadLettersAreAnsweredAlike(t *testing.T) {
	t.Parallel()
	w := runTwice(t)
	const body = `{"message_id":"m","data":"too long a text"}`
	status, first := w.a.post("apart", w.device, "application/json", "", body)
	if status != 202 || first["code"] != "dead_lettered" || first["duplicate"] != nil {
		t.Fatalf("%d %v", status, first)
	}
	status, second := w.b.post("apart", w.device, "application/json", "", body)
	if status != 202 || second["duplicate"] != true || second["message"] != first["message"] || fmt.Sprint(second["errors"]) != fmt.Sprint(first["errors"]) {
		t.Errorf("%d %v, first %v", status, second, first)
	}
	if _, answer := w.b.post("apart", w.device, "application/json", "", `{"records":[`+body+`]}`); !strings.Contains(fmt.Sprint(answer["results"]), "duplicate:true") {
		t.Errorf("in a batch: %v", answer)
	}
	if answer := w.a.send("apart", w.device, `"message_id":"m","data":"too long a text"`); answer["type"] != "published" || answer["duplicate"] != true || answer["code"] != "dead_lettered" {
		t.Errorf("over a WebSocket: %v", answer)
	}
	if letters := w.a.records("rejected"); len(letters) != 1 || !strings.Contains(fmt.Sprint(letters[0]["headers"]), "sluice-message-id") {
		t.Errorf("kept %v", letters)
	}
}

// TestMessageIDsWithoutRedis: nothing with an id is stored while Redis is away, and the rest
// is.
func TestMessageIDsWithoutRedis(t *testing.T) {
	t.Parallel()
	w := runTwice(t)
	w.redis.SetError("away")
	status, answer := w.a.post("once", w.device, "application/json", "", `{"records":[{"data":1,"message_id":"m"},{"data":2}]}`)
	if text := fmt.Sprint(answer["results"]); status != 207 || !strings.Contains(text, "publish_unavailable") || !strings.Contains(text, "message ids are unavailable") || !strings.Contains(text, "offset") {
		t.Errorf("%d %v", status, answer)
	}
	if status, answer := w.a.with("once", w.device, "m", "text/plain", "", "1"); status != 503 || answer["retryable"] != true {
		t.Errorf("%d %v", status, answer)
	}
	w.redis.SetError("")
	if status, answer := w.b.with("once", w.device, "m", "text/plain", "", "1"); status != 200 || answer["duplicate"] != nil {
		t.Errorf("with Redis back: %d %v", status, answer)
	}
	if records := w.b.records("once"); len(records) != 2 {
		t.Errorf("%d are stored", len(records))
	}
}
