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

const protobufStreams = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%[1]q]}
drain: {timeout: 1s, spread: 0s}
grants:
  - {anonymous: true, subscribe: ["*"], publish: [readings, alarms, auto, kept], publish_filter: "!has(data.n) || data.n != 13", replay: unlimited}
registries: {main: {urls: [%[2]q]}}
streams:
  readings: {topic: readings, partitions: 1, content: protobuf, schema: {registry: main}, ingest: {key: /id}}
  alarms: {topic: readings, partitions: 1, content: protobuf, schema: {registry: main, record: iot.Alarm}}
  raw: {topic: readings, partitions: 1, content: bytes}
  auto: {topic: auto, partitions: 1, content: auto, schema: {registry: main, subject: readings-value, record: iot.Alarm}}
  raw-auto: {topic: auto, partitions: 1, content: bytes}
  kept: {topic: kept, partitions: 1, content: protobuf, schema: {registry: main, strategy: topic_record, record: iot.Alarm}, ingest: {on_invalid: dead_letter, dead_letter: rejected}}
  rejected: {topic: rejected, partitions: 1}
`

const readingProto = `syntax = "proto3"; package iot;
message Reading { string id = 1; int32 n = 2; repeated double temps = 3; }
message Alarm { string text = 1; }`

// TestProtobufIsPublished: JSON is stored in Protobuf after the id of its schema and the indexes
// of the message that the stream names, through each door; everything that looks at published
// values sees the JSON. Streams of one topic with several messages show all of them.
func TestProtobufIsPublished(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	fake := srfake.New(srfake.WithGlobalCompat(sr.CompatNone))
	defer fake.Close()
	fake.SeedSchema("readings-value", 1, 0x10, sr.Schema{Schema: readingProto, Type: sr.TypeProtobuf})
	fake.SeedSchema("kept-iot.Alarm", 1, 0x11, sr.Schema{Schema: readingProto, Type: sr.TypeProtobuf})
	r := &ruled{t: t, startedApp: run(t, load(t, protobufStreams, servers.Brokers[0], fake.URL()), Options{})}
	records := func(stream string) []map[string]any {
		t.Helper()
		var page struct{ Records []map[string]any }
		if err := json.Unmarshal([]byte(r.body("/v1/streams/"+stream+"/records?from=earliest")), &page); err != nil {
			t.Fatal(err)
		}
		return page.Records
	}
	stored := func(stream string) string {
		t.Helper()
		var list []string
		for _, one := range records(stream) {
			text, _ := one["data"].(string)
			value, err := base64.StdEncoding.DecodeString(text)
			if err != nil || one["encoding"] != "base64" {
				t.Errorf("%s: stored is %v", stream, one)
			}
			list = append(list, string(value))
		}
		return fmt.Sprintf("%q", list)
	}
	// What is stored is on a page soon after.
	soon := func(want string, get func() string) {
		t.Helper()
		got := get()
		for end := time.Now().Add(time.Minute); got != want && time.Now().Before(end); got = get() {
			time.Sleep(10 * time.Millisecond)
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
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
	post("readings", "application/json", `{"data":{"n":2,"id":"a"}}`, 200)
	post("readings", "application/octet-stream", `{"id":"b","temps":[1]}`, 200)
	if answer := r.send("readings", "", `"data":{"id":"c"}`); answer["type"] != "published" {
		t.Errorf("over a WebSocket: %v", answer)
	}
	post("alarms", "application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"/s","type":"alarm","data":{"text":"d"}}`, 200)
	post("readings", "application/json", `{"data":{"id":"e","n":13}}`, 403)
	answer := post("readings", "application/json", `{"data":{"id":"f","n":2147483648,"text":1,"id ":0,"temps":["x"]}}`, 422)
	if text := fmt.Sprint(answer["errors"]); !strings.Contains(text, "pointer:/n]") || !strings.Contains(text, "pointer:/text]") || !strings.Contains(text, "pointer:/id ]") || !strings.Contains(text, "pointer:/temps/0]") {
		t.Errorf("the errors are %s", text)
	}
	post("readings", "application/json", `{"data":{"id":"f","id":"g"}}`, 400)
	want := fmt.Sprintf("%q", []string{head + "\x00\x10\x02\x0a\x01a", head + "\x00\x0a\x01b\x1a\x08\x00\x00\x00\x00\x00\x00\xf0?", head + "\x00\x0a\x01c", head + "\x02\x02\x0a\x01d"})
	soon(want, func() string { return stored("raw") })
	for _, stream := range []string{"readings", "alarms"} {
		soon("amap[id:a n:2] bmap[id:b temps:[1]] cmap[id:c] <nil> map[text:d]", func() string {
			var shown []string
			for _, one := range records(stream) {
				shown = append(shown, fmt.Sprint(one["key"], one["data"]))
			}
			return strings.Join(shown, " ")
		})
	}
	post("auto", "application/json", `{"data":{"text":"a"}}`, 200)
	soon(fmt.Sprintf("%q", []string{head + "\x02\x02\x0a\x01a"}), func() string { return stored("raw-auto") })
	for path, c := range map[string]struct{ contentType, body, want string }{
		"/topics/auto": {"application/vnd.kafka.protobuf.v2+json", `{"value_schema_id":16,"records":[{"value":{"text":"v2"}}]}`, `"offset":1`},
		"/kafka/v3/clusters/any/topics/auto/records":     {"application/json", `{"value":{"type":"PROTOBUF","data":{"texts":"v3"}}}`, "/texts"},
		"/kafka/v3/clusters/any/topics/readings/records": {"application/json", `{"value":{"type":"AVRO","data":{"id":"v3"}}}`, "no schema of the type AVRO"},
	} {
		res, err := http.Post("http://"+r.address+path, c.contentType, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if !strings.Contains(string(text), c.want) {
			t.Errorf("%s: got %d %s, want %s", path, res.StatusCode, text, c.want)
		}
	}
	if answer := post("kept", "application/json", `{"data":{"text": 1}}`, 202); answer["code"] != "dead_lettered" {
		t.Errorf("got %v", answer)
	}
	soon("1", func() string { return fmt.Sprint(len(records("rejected"))) })
	if letters := r.body("/v1/streams/rejected/records?from=earliest"); !strings.Contains(letters, `["sluice-schema","main/kept-iot.Alarm"]`) || !strings.Contains(letters, `"data":{"text": 1}`) || !strings.Contains(letters, "must be a string") {
		t.Errorf("the dead letters are %s", letters)
	}
	if got := r.body("/v1/streams/readings/schema"); got != readingProto {
		t.Errorf("the schema is %s", got)
	}
	if got := r.body("/v1/streams"); strings.Count(got, `"schema":"text/x-protobuf"`) != 4 || strings.Count(got, `"content":"json"`) != 4 {
		t.Errorf("the streams are %s", got)
	}
}
