package app

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"sluice/bench/stack"
)

const registryStreams = `
listen: 127.0.0.1:0
admin: {listen: %[4]q, check_every: 1s}
kafka: {brokers: [%[1]q]}
drain: {timeout: 1s, spread: 0s}
grants: [{anonymous: true, subscribe: ["*"], publish: [readings, plain, later, kept, raw-orders, orders], replay: unlimited}]
registries:
  main: {urls: [%[2]q], token_file: %[3]q, refresh: 1s, timeout: 1s}
streams:
  readings: {topic: readings, partitions: 1, content: json_schema, schema: {registry: main}}
  raw: {topic: readings, partitions: 1, content: bytes}
  plain: {topic: readings-plain, partitions: 1, content: json, schema: {registry: main, subject: readings-value, version: 1}}
  later: {topic: later, partitions: 1, content: json_schema, schema: {registry: main, strategy: topic_record, record: com.example.Later}}
  kept: {topic: kept, partitions: 1, content: json_schema, schema: {registry: main, subject: readings-value}, ingest: {on_invalid: dead_letter, dead_letter: rejected}}
  rejected: {topic: rejected, partitions: 1}
  raw-orders: {topic: orders, partitions: 1, content: bytes}
  orders: {topic: orders, partitions: 1, content: avro, schema: {registry: main}}
  any: {topic: orders, partitions: 1, content: auto, schema: {registry: main}}
`

// TestRegistry: values are checked against the schema of a registry, and stored after its id,
// which subscribers are not shown; a new version is followed. An outage leaves the schemas
// that are known in force, and one that is not known makes its stream unavailable for
// publishes, and for nothing else.
func TestRegistry(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	fake := srfake.New(srfake.WithAuth("Bearer hunter2"), srfake.WithGlobalCompat(sr.CompatNone))
	defer fake.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	admin, err := stack.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	const first, second = `{"properties": {"t": {"maximum": 10}}}`, `{"properties": {"t": {"maximum": 20}}}`
	fake.SeedSchema("readings-value", 1, 0x010203, sr.Schema{Schema: first, Type: sr.TypeJSON})
	r := &ruled{t: t, startedApp: run(t, load(t, registryStreams, servers.Brokers[0], fake.URL(), token, admin), Options{})}
	publish := func(stream string, n, want int) map[string]any {
		t.Helper()
		status, answer := r.post(stream, "", "application/json", "", fmt.Sprintf(`{"data":{"t":%d}}`, n))
		if status != want {
			t.Errorf("%s, %d: got %d %v, want %d", stream, n, status, answer, want)
		}
		return answer
	}
	eventually := func(what string, met func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !met(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not within 20 s: %s", what)
			}
		}
	}
	publish("readings", 7, 200)
	publish("readings", 11, 422)
	publish("plain", 7, 200)
	if page := r.body("/v1/streams/readings/records?from=earliest"); strings.Count(page, `"type":"event"`) != 1 || !strings.Contains(page, `"data":{"t":7}`) {
		t.Errorf("shown is %s", page)
	}
	if page := r.body("/v1/streams/raw/records?from=earliest"); !strings.Contains(page, `"data":"AAABAgN7InQiOjd9","encoding":"base64"`) {
		t.Errorf("stored is %s", page)
	}
	if page := r.body("/v1/streams/plain/records?from=earliest"); !strings.Contains(page, `"data":{"t":7}`) {
		t.Errorf("stored without an id is %s", page)
	}
	if got := r.body("/v1/streams/readings/schema"); got != first {
		t.Errorf("the schema is %s", got)
	}
	if got := r.body("/v1/streams"); strings.Count(got, `"schema":"application/schema+json"`) != 3 || strings.Contains(got, "json_schema") {
		t.Errorf("the streams are %s", got)
	}
	if answer := publish("kept", 11, 202); answer["code"] != "dead_lettered" {
		t.Errorf("got %v", answer)
	}
	if letters := r.body("/v1/streams/rejected/records?from=earliest"); !strings.Contains(letters, `["sluice-schema","main/readings-value"]`) || !strings.Contains(letters, `"data":{"t":11}`) {
		t.Errorf("the dead letters are %s", letters)
	}

	// Values in Avro.
	fake.SeedSchema("orders-value", 1, 0x10, sr.Schema{Schema: `{"type":"record","name":"Order","fields":[{"name":"n","type":"int"}]}`})
	for _, value := range []string{"\x00\x00\x00\x00\x10\x0e", "\x00\x00\x00\x00\x11\x0e", "\x00\x00\x01\x02\x03{}"} {
		if status, answer := r.post("raw-orders", "", "application/octet-stream", "", value); status != http.StatusOK {
			t.Errorf("got %d %v", status, answer)
		}
	}
	avro := r.body("/v1/streams/orders/records?from=earliest")
	if !strings.Contains(avro, `"offset":0,`) || !strings.Contains(avro, `"data":{"n":7}}`) || strings.Count(avro, `"reason":"unreadable"`) == 0 || strings.Contains(avro, `"offset":2`) {
		t.Errorf("shown is %s", avro)
	}
	if auto := r.body("/v1/streams/any/records?from=earliest"); !strings.Contains(auto, `"data":{"n":7}}`) || !strings.Contains(auto, `"data":{}}`) || strings.Contains(auto, `"offset":1,`) {
		t.Errorf("shown is %s", auto)
	}
	eventually("values are encoded in Avro", func() bool {
		status, _ := r.post("orders", "", "application/json", "", `{"data":{"n":-1}}`)
		return status == http.StatusOK
	})
	eventually("it is shown", func() bool {
		return strings.Contains(r.body("/v1/streams/orders/records?from=earliest"), `"data":{"n":-1}}`)
	})
	if got := r.body("/v1/streams/orders"); !strings.Contains(got, `"content":"json"`) || !strings.Contains(got, `"publish":true`) {
		t.Errorf("the stream is %s", got)
	}

	// What is not known.
	if answer := publish("later", 1, 503); answer["code"] != "publish_unavailable" || answer["detail"] != "the schema of the stream is not known yet; nothing is stored" {
		t.Errorf("got %v", answer)
	}
	if answer := r.send("later", "", `"data":{"t":1}`); answer["code"] != "publish_unavailable" {
		t.Errorf("over a WebSocket: %v", answer)
	}
	if page := r.body("/v1/streams/later/records?from=earliest"); !strings.Contains(page, `"records":[]`) {
		t.Errorf("reading: %s", page)
	}
	if got := r.body("/v1/streams/later/schema"); !strings.Contains(got, `"code":"overloaded"`) {
		t.Errorf("the schema is %s", got)
	}
	get := func(path string) string {
		t.Helper()
		res, err := http.Get("http://" + admin + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, _ := io.ReadAll(res.Body)
		return fmt.Sprintf("%d %s", res.StatusCode, text)
	}
	eventually("readiness tells of it", func() bool {
		ready := get("/readyz")
		return strings.HasPrefix(ready, "200") && strings.Contains(ready, "com.example.Later")
	})
	metrics := get("/metrics")
	for _, line := range []string{`sluice_registry_subjects{registry="main",state="unknown"} 1`, `sluice_registry_subjects{registry="main",state="current"} 3`, `sluice_registry_schemas{registry="main",state="known"} 2`, `sluice_registry_requests_total{outcome="missing",registry="main"}`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no %s", line)
		}
	}
	if strings.Contains(metrics, "hunter2") {
		t.Error("the token is in the metrics")
	}

	// A new version, and an outage.
	fake.SeedSchema("readings-value", 2, 0x010204, sr.Schema{Schema: second, Type: sr.TypeJSON})
	eventually("the new version is in force", func() bool { return r.body("/v1/streams/readings/schema") == second })
	fake.Close()
	publish("readings", 11, 200)
	publish("plain", 11, 422)
	time.Sleep(2 * time.Second) // two times what is the time to refresh
	publish("readings", 12, 200)
	publish("readings", 21, 422)
	eventually("what was published is stored after the id of the new version", func() bool {
		return strings.Contains(r.body("/v1/streams/raw/records?from=earliest"), `"data":"AAABAgR7InQiOjEyfQ=="`)
	})
}
