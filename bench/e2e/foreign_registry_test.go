package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"sluice/bench/stack"
)

// newRegistry starts a schema registry, and returns its URL.
func newRegistry(t *testing.T) (r *registryAt, url string) {
	t.Helper()
	addr, err := stack.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	r = &registryAt{Registry: srfake.NewRegistry(), addr: addr}
	r.start(t)
	return r, "http://" + addr
}

// shownData returns what a subscriber is shown of a stream, in the order of its first partition.
func shownData(ctx context.Context, t *testing.T, i *instance, stream string, count int) (all []string) {
	t.Helper()
	for {
		text, err := get(ctx, "http://"+i.addr+"/v1/streams/"+stream+"/records?from=earliest&limit=100", token(t, "reader", "reader"))
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			Records []struct{ Data json.RawMessage }
			Gaps    []any
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatal(err)
		}
		if len(page.Gaps) > 0 {
			t.Fatalf("gaps: %s", text)
		}
		if len(page.Records) >= count {
			for _, r := range page.Records {
				all = append(all, string(r.Data))
			}
			return all
		}
		if !pause(ctx, 50*time.Millisecond) {
			t.Fatalf("shown is %s", text)
		}
	}
}

// sameJSON reports whether two texts are the same JSON, with numbers digit for digit.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var texts [2]string
	for i, text := range []string{a, b} {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var value any
		if err := d.Decode(&value); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		made, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(made)
	}
	return texts[0] == texts[1]
}

// TestAvroOfJavaIsShown: what a Java producer writes with Apache Avro, with all logical types,
// unions, maps, arrays and a type within itself, is shown as JSON.
func TestAvroOfJavaIsShown(t *testing.T) {
	t.Parallel()
	java := javaProgram(t, "Avro.java")
	_, registry := newRegistry(t)
	topic(t, "java-avro", 1)
	i := sluice(t, setup{more: "  readings: {topic: java-avro, content: avro, schema: {registry: main}}\nregistries: {main: {urls: [\"" + registry + "\"]}}\n"})
	ctx := within(t, time.Minute)
	java.run(ctx, t, "", "produce", servers(t).Brokers[0].Addr, "java-avro", registry, "testdata/reading.avsc")
	reading := func(n int, kind, ok, big, note, either, before string) string {
		return fmt.Sprintf(`{"device":"dev-%d","at":%d,"at_us":1795245600123456,"local":-1,"day":20777,"time_ms":86399999,"time_us":86399999999,`+
			`"price":-1234567.89,"share":0.5000,"uuid":"2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d","lasts":"\u0001\u0000\u0000\u0000\u0002\u0000\u0000\u0000\u0003\u0000\u0000\u0000",`+
			`"raw":"\u0000ÿa","mac":"\u0001\u0002\u0003þ","kind":%q,"ok":%s,"small":1.5,"big":%s,"most":9223372036854775807,"note":%s,"any":%s,`+
			`"tags":[{"name":"Ünïcödé 👩‍🚀"},{"name":"\"quoted\"\n"}],"levels":{"a":[1,2,3]},"before":%s}`,
			n, 1795245600123+n, kind, ok, big, note, either, before)
	}
	first := reading(0, "FIRST", "true", `"NaN"`, "null", "7", "null")
	want := []string{first, reading(1, "SECOND", "false", "-0.3333333333333333", `"a note"`, `"text"`, first)}
	for n, data := range shownData(ctx, t, i, "readings", 2) {
		if !sameJSON(t, data, want[n]) {
			t.Errorf("shown is\n%s\nwant\n%s", data, want[n])
		}
	}
}

// TestRegistryClientOfPython: what Confluent's client for Python serializes with its registry
// client is shown as JSON, and what is published as JSON is read by its deserializer.
func TestRegistryClientOfPython(t *testing.T) {
	t.Parallel()
	python := pythonProgram(t, "registry.py")
	r, registry := newRegistry(t)
	topic(t, "python-avro", 1)
	topic(t, "python-json", 1)
	r.SeedSchema("python-json-value", 1, 41, sr.Schema{Schema: `{"type":"object","properties":{"n":{"type":"integer","maximum":100}}}`, Type: sr.TypeJSON})
	i := sluice(t, setup{more: "  orders: {topic: python-avro, content: avro, schema: {registry: main}}\n" +
		"  typed: {topic: python-json, content: json_schema, schema: {registry: main}}\nregistries: {main: {urls: [\"" + registry + "\"], refresh: 1s}}\n"})
	ctx := within(t, time.Minute)
	broker := servers(t).Brokers[0].Addr

	python.run(ctx, t, "", "produce", broker, registry, "avro", "python-avro")
	for n, data := range shownData(ctx, t, i, "orders", 3) {
		want := fmt.Sprintf(`{"id":"00000000-0000-0000-0000-00000000000%d","total":12.50,"day":20786,"at":1795953600123,"note":%s,"lines":[{"a":1.5},{}]}`,
			n, []string{"null", `"Ünïcödé"`, "7"}[n])
		if !sameJSON(t, data, want) {
			t.Errorf("shown is %s, want %s", data, want)
		}
	}

	if status, answer := post(ctx, t, i, "typed", token(t, "writer", "writer"), `{"data":{"n":0,"note":"日本語"}}`); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	python.run(ctx, t, "", "produce", broker, registry, "json", "python-json")
	want := []string{`{"n":0,"note":"日本語"}`, `{"n":1,"note":"Ünïcödé"}`, `{"n":2}`}
	for n, data := range shownData(ctx, t, i, "typed", 3) {
		if !sameJSON(t, data, want[n]) {
			t.Errorf("shown is %s, want %s", data, want[n])
		}
	}
	lines := strings.Split(strings.TrimSpace(python.run(ctx, t, "", "consume", broker, registry, "json", "python-json", "3")), "\n")
	for n, line := range lines {
		if len(lines) != 3 || !sameJSON(t, line, want[n]) {
			t.Errorf("it reads %s, want %s", line, want[n])
		}
	}
}
