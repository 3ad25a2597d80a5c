package app

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const schemaStreams = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
drain: {timeout: 1s, spread: 0s}
limits: {schema_violations: 2}
grants: [{anonymous: true, subscribe: ["*"], publish: [readings, kept], replay: unlimited}]
streams:
  readings: {topic: readings, partitions: 1, content: json, schema: {json: %[2]q}, ingest: {max: {value_bytes: 200B}}}
  kept: {topic: kept, partitions: 1, content: json, schema: {json: %[2]q}, ingest: {on_invalid: dead_letter, dead_letter: rejected}}
  rejected: {topic: rejected, partitions: 1}
`

// TestSchemasAreReloaded: a schema is in force as soon as it was reloaded, for publishes and
// for those who ask for it; one that cannot be compiled changes nothing.
func TestSchemasAreReloaded(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	file := filepath.Join(t.TempDir(), "reading.schema.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const first, second = `{"properties": {"t": {"maximum": 10}, "u": {"type": "string"}}}`, `{"properties": {"t": {"maximum": 20}}}`
	write(first)
	r := &ruled{t: t, startedApp: run(t, load(t, schemaStreams, servers.Brokers[0], file), Options{})}
	check := func(text string, ten, fifteen, thirty int) {
		t.Helper()
		for value, want := range map[int]int{10: ten, 15: fifteen, 30: thirty} {
			if status, answer := r.post("readings", "", "application/json", "", fmt.Sprintf(`{"data":{"t":%d}}`, value)); status != want {
				t.Errorf("%d: got %d %v, want %d", value, status, answer, want)
			}
		}
		res, err := http.Get("http://" + r.address + "/v1/streams/readings/schema")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if got, _ := io.ReadAll(res.Body); string(got) != text {
			t.Errorf("the schema is %s", got)
		}
	}
	check(first, 200, 422, 422)
	status, answer := r.post("readings", "", "text/plain", "", `{"t":11,"u":1,"v":1}`)
	if status != http.StatusUnprocessableEntity || len(answer["errors"].([]any)) != 2 {
		t.Errorf("a body of another type: %d %v", status, answer)
	}
	if status, answer := r.post("readings", "", "application/json", "", `{"key":"a","tombstone":true}`); status != http.StatusOK {
		t.Errorf("a tombstone: %d %v", status, answer)
	}
	if answer := r.send("readings", "", `"data":{"u":1}`); answer["code"] != "invalid" {
		t.Errorf("over a WebSocket: %v", answer)
	}
	if status, answer := r.post("kept", "", "application/json", "", `{"data":{"t":11}}`); status != http.StatusAccepted || answer["code"] != "dead_lettered" {
		t.Errorf("got %d %v", status, answer)
	}
	if letters := r.body("/v1/streams/rejected/records?from=earliest"); !strings.Contains(letters, `["sluice-schema","reading.schema.json"]`) ||
		!strings.Contains(letters, `[{\"pointer\":\"/t\",\"message\":\"must be at most 10\"}]`) {
		t.Errorf("the dead letters are %s", letters)
	}

	write(second)
	if _, err := r.Reload(load(t, schemaStreams, servers.Brokers[0], file)); err != nil {
		t.Fatal(err)
	}
	check(second, 200, 200, 422)

	broken := load(t, schemaStreams, servers.Brokers[0], file)
	broken.Streams["readings"].Schema.Text = []byte(`{"pattern": "("}`)
	if _, err := r.Reload(broken); err == nil || !strings.Contains(err.Error(), "streams/readings/schema: /pattern") {
		t.Errorf("got %v", err)
	}
	check(second, 200, 200, 422)
}

// body gets a path without a credential.
func (r *ruled) body(path string) string {
	r.t.Helper()
	res, err := http.Get("http://" + r.address + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}
