package app

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

const avroStreams = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%[1]q]}
drain: {timeout: 1s, spread: 0s}
grants:
  - {anonymous: true, subscribe: ["*"], publish: [orders, auto-avro, auto-json, kept, later], publish_filter: "!has(data.n) || data.n != 13", replay: unlimited}
registries: {main: {urls: [%[2]q]}}
streams:
  orders: {topic: orders, partitions: 1, content: avro, schema: {registry: main}, ingest: {key: /id}}
  raw: {topic: orders, partitions: 1, content: bytes}
  auto-avro: {topic: auto, partitions: 1, content: auto, schema: {registry: main, subject: orders-value}}
  auto-json: {topic: auto, partitions: 1, content: auto, schema: {registry: main, subject: json}}
  raw-auto: {topic: auto, partitions: 1, content: bytes}
  kept: {topic: kept, partitions: 1, content: avro, schema: {registry: main, strategy: record, record: com.example.Order}, ingest: {on_invalid: dead_letter, dead_letter: rejected}}
  rejected: {topic: rejected, partitions: 1}
  later: {topic: later, partitions: 1, content: avro, schema: {registry: main}}
  readonly: {topic: readonly, partitions: 1, content: avro, schema: {registry: main}}
`

const orderSchema = `{"type":"record","name":"Order","namespace":"com.example","fields":[{"name":"id","type":"string"},{"name":"n","type":"int","default":1},{"name":"note","type":["null","string"],"default":null}]}`

// TestAvroIsPublished: JSON is stored in Avro after the id of its schema, through each door;
// everything that looks at published values sees the JSON. Dead letters keep what the client
// has sent. A subject that does not exist makes its stream unavailable for publishes, and one
// of a stream that nobody may publish to is not missed.
func TestAvroIsPublished(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	fake := srfake.New(srfake.WithGlobalCompat(sr.CompatNone))
	defer fake.Close()
	fake.SeedSchema("orders-value", 1, 0x10, sr.Schema{Schema: orderSchema})
	fake.SeedSchema("com.example.Order", 1, 0x12, sr.Schema{Schema: orderSchema})
	fake.SeedSchema("json", 1, 0x11, sr.Schema{Schema: `{"required":["n"]}`, Type: sr.TypeJSON})
	r := &ruled{t: t, startedApp: run(t, load(t, avroStreams, servers.Brokers[0], fake.URL()), Options{})}
	// records waits for n records: a page has what was read from Kafka so far.
	records := func(stream string, n int) []map[string]any {
		t.Helper()
		for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			var page struct{ Records []map[string]any }
			if err := json.Unmarshal([]byte(r.body("/v1/streams/"+stream+"/records?from=earliest")), &page); err != nil {
				t.Fatal(err)
			}
			if len(page.Records) >= n || time.Now().After(until) {
				return page.Records
			}
		}
	}
	stored := func(stream string, n int) (list []string) {
		t.Helper()
		for _, one := range records(stream, n) {
			text, _ := one["data"].(string)
			value, err := base64.StdEncoding.DecodeString(text)
			if err != nil || one["encoding"] != "base64" {
				t.Errorf("%s: stored is %v", stream, one)
			}
			list = append(list, string(value))
		}
		return list
	}
	post := func(stream, contentType, body string, want int) map[string]any {
		t.Helper()
		status, answer := r.post(stream, "", contentType, "", body)
		if status != want {
			t.Errorf("%s, %s: got %d %v, want %d", stream, body, status, answer, want)
		}
		return answer
	}
	const head = "\x00\x00\x00\x00\x10"
	post("orders", "application/json", `{"data":{"note":"hi","id":"a"}}`, 200)
	post("orders", "application/octet-stream", `{"id":"b","n":2,"note":{"string":"x"}}`, 200)
	if answer := r.send("orders", "", `"data":{"id":"c"}`); answer["type"] != "published" {
		t.Errorf("over a WebSocket: %v", answer)
	}
	post("orders", "application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"/s","type":"order","data":{"id":"d"}}`, 200)
	post("orders", "application/json", `{"data":{"id":"e","n":13}}`, 403)
	answer := post("orders", "application/json", `{"data":{"id":"f","n":2147483648,"q":1}}`, 422)
	if text := fmt.Sprint(answer["errors"]); text != "[map[message:is not in the range of int pointer:/n] map[message:is a field that the schema does not have pointer:/q]]" {
		t.Errorf("the errors are %s", text)
	}
	if got, want := fmt.Sprintf("%q", stored("raw", 4)), fmt.Sprintf("%q", []string{head + "\x02a\x02\x02\x04hi", head + "\x02b\x04\x02\x02x", head + "\x02c\x02\x00", head + "\x02d\x02\x00"}); got != want {
		t.Errorf("stored is %s, want %s", got, want)
	}
	var shown []string
	for _, one := range records("orders", 4) {
		shown = append(shown, fmt.Sprint(one["key"], one["data"]))
	}
	if got := strings.Join(shown, " "); got != "amap[id:a n:1 note:hi] bmap[id:b n:2 note:x] cmap[id:c n:1 note:<nil>] dmap[id:d n:1 note:<nil>]" {
		t.Errorf("shown is %s", got)
	}

	// The kind of the schema decides.
	post("auto-avro", "application/json", `{"data":{"id":"a"}}`, 200)
	post("auto-json", "application/json", `{"data":{"n": 1}}`, 200)
	post("auto-json", "application/json", `{"data":{}}`, 422)
	if got, want := fmt.Sprintf("%q", stored("raw-auto", 2)), fmt.Sprintf("%q", []string{head + "\x02a\x02\x00", "\x00\x00\x00\x00\x11" + `{"n": 1}`}); got != want {
		t.Errorf("stored is %s, want %s", got, want)
	}

	// Dead letters.
	if answer := post("kept", "application/json", `{"data":{"id": 1}}`, 202); answer["code"] != "dead_lettered" {
		t.Errorf("got %v", answer)
	}
	records("rejected", 1)
	if letters := r.body("/v1/streams/rejected/records?from=earliest"); !strings.Contains(letters, `["sluice-schema","main/com.example.Order"]`) || !strings.Contains(letters, `"data":{"id": 1}`) || !strings.Contains(letters, "must be a string") {
		t.Errorf("the dead letters are %s", letters)
	}

	// Producers of a REST proxy say which schema they mean, and choose none.
	// The status 0 is any that refuses.
	proxy := func(path, contentType, body string, want int, says string) {
		t.Helper()
		res, err := http.Post("http://"+r.address+path, contentType, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, _ := io.ReadAll(res.Body)
		if want > 0 && res.StatusCode != want || want == 0 && (res.StatusCode < 400 || res.StatusCode > 422) || !strings.Contains(string(text), says) {
			t.Errorf("%s, %s: got %d %s", path, body, res.StatusCode, text)
		}
	}
	const v2, v3, mediaType = "/topics/orders", "/kafka/v3/clusters/any/topics/orders/records", "application/vnd.kafka.avro.v2+json"
	quoted, err := json.Marshal(orderSchema)
	if err != nil {
		t.Fatal(err)
	}
	proxy(v2, mediaType, `{"value_schema_id":16,"records":[{"value":{"id":"v2","n":5,"note":{"string":"x"}}}]}`, 200, `"offset":4`)
	proxy(v2, mediaType, `{"value_schema":`+string(quoted)+`,"records":[{"value":{"id":"v2","n":6,"note":null}}]}`, 200, `"offset":5`)
	proxy(v2, mediaType, `{"value_schema_id":17,"records":[{"value":{"id":"v2"}}]}`, 0, "another one than that with the id 17")
	proxy(v2, "application/vnd.kafka.jsonschema.v2+json", `{"records":[{"value":{"id":"v2"}}]}`, 415, "no schema of the type JSONSCHEMA")
	proxy(v3, "application/json", `{"value":{"type":"AVRO","schema_id":16,"data":{"id":"v3"}}}`, 200, `"offset":6`)
	proxy(v3, "application/json", `{"value":{"type":"AVRO","schema_id":17,"data":{"id":"v3"}}}`, 200, "another one than that with the id 17")
	if got := stored("raw", 7); len(got) != 7 || got[4] != head+"\x04v2\x0a\x02\x02x" || got[5] != head+"\x04v2\x0c\x00" || got[6] != head+"\x04v3\x02\x00" {
		t.Errorf("stored is %q", got)
	}

	// What is not known.
	if answer := post("later", "application/json", `{"data":{"id":"a"}}`, 503); answer["code"] != "publish_unavailable" {
		t.Errorf("got %v", answer)
	}
	if got := r.body("/v1/streams/orders/schema"); got != orderSchema {
		t.Errorf("the schema is %s", got)
	}
	if got := r.body("/v1/streams/readonly/schema"); !strings.Contains(got, `"code":"no_schema"`) {
		t.Errorf("the schema is %s", got)
	}
	if got := r.body("/v1/streams"); strings.Count(got, `"schema":"application/vnd.apache.avro+json"`) != 3 || !strings.Contains(got, `"schema":"application/schema+json"`) {
		t.Errorf("the streams are %s", got)
	}
	post("readonly", "application/json", `{"data":{"id":"a"}}`, http.StatusForbidden)
	if now := r.registries.now()["main"].Stats(); now.Unknown != 1 || now.Current != 4 {
		t.Errorf("got %+v", now)
	}
	if err := r.registries.now()["main"].Check(t.Context()); err == nil || !strings.Contains(err.Error(), `"later-value"`) || strings.Contains(err.Error(), "readonly") {
		t.Errorf("got %v", err)
	}
}
