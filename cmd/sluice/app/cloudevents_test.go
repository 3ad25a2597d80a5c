package app

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	sdk "github.com/cloudevents/sdk-go/v2"
	sdkhttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/segmentio/kafka-go"
)

const eventStreams = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
drain: {timeout: 1s, spread: 0s}
auth: {issuers: [{issuer: test, audience: sluice, algorithms: [HS256], secret_file: %q}]}
grants:
  - {anonymous: true, publish: ["*"]}
streams:
  binary: {topic: binary, partitions: 1, content: json}
  whole: {topic: whole, partitions: 1, content: json, cloudevents: structured}
  strict: {topic: strict, partitions: 1, ingest: {headers: {allow: [content-type]}}}
`

// TestCloudEventsInKafka: events are stored by the Kafka protocol binding, in the content
// mode of their stream, and a reload changes the mode.
func TestCloudEventsInKafka(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(strings.Repeat("s", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	a := run(t, load(t, eventStreams, servers.Brokers[0], path), Options{})
	send := func(stream string) error {
		e := sdk.NewEvent()
		e.SetID("1")
		e.SetSource("/s")
		e.SetType("t")
		e.SetTime(time.Unix(0, 0).UTC())
		e.SetExtension("partitionkey", "k")
		_ = e.SetData(sdk.ApplicationJSON, map[string]int{"n": 1})
		client, err := sdk.NewClientHTTP(sdkhttp.WithTarget("http://" + a.address + "/v1/streams/" + stream + "/records"))
		if err != nil {
			t.Fatal(err)
		}
		if result := client.Send(t.Context(), e); !sdk.IsACK(result) {
			return result
		}
		return nil
	}
	stored := func(topic string, at int64) string {
		t.Helper()
		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: servers.Brokers, Topic: topic, MaxWait: 100 * time.Millisecond})
		defer func() { _ = reader.Close() }()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		if err := reader.SetOffset(at); err != nil {
			t.Fatal(err)
		}
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, h := range m.Headers {
			texts = append(texts, h.Key+"="+string(h.Value))
		}
		texts = append(texts, string(m.Key), string(m.Value))
		return strings.Join(texts, " ")
	}
	const (
		binary = `ce_specversion=1.0 ce_id=1 ce_partitionkey=k ce_source=/s ce_time=1970-01-01T00:00:00Z ce_type=t content-type=application/json k {"n":1}`
		whole  = `content-type=application/cloudevents+json k {"specversion":"1.0","id":"1","partitionkey":"k","source":"/s","time":"1970-01-01T00:00:00Z","type":"t","datacontenttype":"application/json","data":{"n":1}}`
	)
	for stream, want := range map[string]string{"binary": binary, "whole": whole} {
		if err := send(stream); err != nil {
			t.Fatalf("%s: %v", stream, err)
		}
		if got := stored(stream, 0); got != want {
			t.Errorf("%s: got %s, want %s", stream, got, want)
		}
	}
	if err := send("strict"); err == nil || !strings.Contains(err.Error(), "422") {
		t.Errorf("headers that the stream does not allow: %v", err)
	}
	swapped := strings.Replace(eventStreams, ", cloudevents: structured", "", 1)
	if _, err := a.Reload(load(t, swapped, servers.Brokers[0], path)); err != nil {
		t.Fatal(err)
	}
	if err := send("whole"); err != nil {
		t.Fatal(err)
	}
	if got := stored("whole", 1); got != binary {
		t.Errorf("after the reload: got %s", got)
	}
}

// TestCloudEventsAreStoredOnce: the source and the id of an event are its message id, over
// HTTP in every content mode alike.
func TestCloudEventsAreStoredOnce(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(strings.Repeat("s", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	a := run(t, load(t, eventStreams+"redis: {url: \"redis://"+miniredis.RunT(t).Addr()+"\"}\n", servers.Brokers[0], path), Options{})
	url := "http://" + a.address + "/v1/streams/binary/records"
	for _, send := range []struct {
		kind, body string
		status     int
		want       string
	}{
		{"application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":1}}`, 200, `"offset":0`},
		{"application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":1}}`, 200, `"offset":0,`},
		{"application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":1}}`, 200, `"duplicate":true`},
		{"application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":2}}`, 409, `"idempotency_conflict"`},
		{"application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"/other","type":"t","data":{"n":2}}`, 200, `"offset":1`},
		{"application/cloudevents-batch+json", `[{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":1}},{"specversion":"1.0","id":"2","source":"/s","type":"t","data":{"n":3}}]`, 200, `"offset":0,"duplicate":true},{"partition":0,"offset":2}`},
	} {
		response, err := http.Post(url, send.kind, strings.NewReader(send.body))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != send.status || !strings.Contains(string(body), send.want) {
			t.Errorf("%s: %d %s, %v", send.body, response.StatusCode, body, err)
		}
	}
}
