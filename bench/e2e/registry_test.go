package e2e_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"sluice/bench/stack"
)

// registryAt is a schema registry that is started and ended on one address.
type registryAt struct {
	*srfake.Registry
	addr string
	now  *http.Server
}

func (r *registryAt) start(t *testing.T) {
	t.Helper()
	socket, err := net.Listen("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: r.Handler(), ReadHeaderTimeout: time.Minute}
	r.now = server
	go func() {
		if err := server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the registry ended with %v", err)
		}
	}()
	t.Cleanup(func() { _ = server.Close() })
}

// TestRegistryRestarts: with a real Kafka, and a registry that comes and goes, what is stored
// has the id of its schema, values in Avro are shown in their order with no gap, those whose
// schema is not known when the registry is there again, and the streams that need none of it
// go on.
func TestRegistryRestarts(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	for _, name := range []string{"registry-avro", "registry-json", "registry-plain"} {
		topic(t, name, 1)
	}
	addr, err := stack.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	r := &registryAt{Registry: srfake.NewRegistry(), addr: addr}
	for id, field := range map[int]string{21: "a", 22: "b"} {
		r.SeedSchema(fmt.Sprintf("registry-avro-%d", id), 1, id, sr.Schema{Schema: `{"type":"record","name":"R","fields":[{"name":"` + field + `","type":"int"}]}`})
	}
	r.SeedSchema("registry-json-value", 1, 31, sr.Schema{Schema: `{"properties":{"n":{"maximum":10}}}`, Type: sr.TypeJSON})
	const registry = "schema: {registry: main}"
	in := newInstance(t, setup{
		streams: map[string]string{"plain": "registry-plain"},
		more: "  avro: {topic: registry-avro, content: avro, " + registry + "}\n  typed: {topic: registry-json, content: json_schema, " + registry + "}\n" +
			"registries: {main: {urls: [\"http://" + addr + "\"], wait: 1h, refresh: 1s, timeout: 1s}}\n",
	})
	kafka := kafkaClient(t)
	n := 0
	produce := func(ids ...uint32) {
		t.Helper()
		for _, id := range ids {
			value := append(binary.BigEndian.AppendUint32([]byte{0}, id), binary.AppendVarint(nil, int64(n))...)
			if err := kafka.ProduceSync(ctx, &kgo.Record{Topic: "registry-avro", Value: value}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	reader, writer := token(t, "reader", "reader"), token(t, "writer", "writer")
	shown := func(stream string) string {
		t.Helper()
		// A page of a stream that waits is not answered before the wait is over.
		within, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		text, err := get(within, "http://"+in.addr+"/v1/streams/"+stream+"/records?from=earliest&limit=1000", reader)
		if err != nil {
			return err.Error()
		}
		return text
	}
	until := func(what string, holds func() bool) {
		t.Helper()
		for !holds() {
			if ctx.Err() != nil {
				t.Fatalf("%s: the time is up; shown is %.2000s", what, shown("avro"))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	complete := func() bool {
		text := shown("avro")
		return strings.Count(text, `"type":"event"`) == n && strings.Contains(text, `"gaps":[]`)
	}
	publishes := func(stream, body string, want int) {
		t.Helper()
		if status, answer := post(ctx, t, in, stream, writer, body); status != want {
			t.Errorf("publish %s to %s: %d %s", body, stream, status, answer)
		}
	}

	// The instance starts without the registry.
	produce(21, 21, 22)
	if err := in.Start(ctx); err != nil {
		t.Fatal(err)
	}
	publishes("plain", `{"data":{"n":1}}`, http.StatusOK)
	publishes("typed", `{"data":{"n":1}}`, http.StatusServiceUnavailable)
	if text := shown("avro"); strings.Contains(text, `"type":"event"`) || strings.Contains(text, "unreadable") {
		t.Errorf("without a schema: %s", text)
	}
	until("a stream without a schema is shown", func() bool { return strings.Contains(shown("plain"), `"data":{"n":1}`) })
	r.start(t)
	until("when the registry is there", complete)
	until("the schema is in force", func() bool {
		status, _ := post(ctx, t, in, "typed", writer, `{"data":{"n":2}}`)
		return status == http.StatusOK
	})
	publishes("typed", `{"data":{"n":11}}`, http.StatusUnprocessableEntity)

	// The registry goes: what is known goes on.
	if err := r.now.Close(); err != nil {
		t.Fatal(err)
	}
	produce(21, 22, 21)
	until("while the registry is away", complete)
	publishes("typed", `{"data":{"n":3}}`, http.StatusOK)
	publishes("typed", `{"data":{"n":12}}`, http.StatusUnprocessableEntity)
	r.SeedSchema("registry-avro-23", 1, 23, sr.Schema{Schema: `"int"`})
	produce(23, 21)
	time.Sleep(2 * time.Second) // for which nothing may be given up
	r.start(t)
	until("when it is there again", complete)
	until("what is shown is the data", func() bool {
		text := shown("avro")
		return strings.Contains(text, `"data":{"a":0}`) && strings.Contains(text, `"data":{"b":2}`) && strings.Contains(text, `"data":6}`)
	})

	stored := kafkaClient(t, kgo.ConsumeTopics("registry-json"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var values []string
	for len(values) < 2 && ctx.Err() == nil {
		stored.PollFetches(ctx).EachRecord(func(one *kgo.Record) { values = append(values, string(one.Value)) })
	}
	if got, want := fmt.Sprintf("%q", values), `["\x00\x00\x00\x00\x1f{\"n\":2}" "\x00\x00\x00\x00\x1f{\"n\":3}"]`; got != want {
		t.Errorf("stored is %s", got)
	}
}

// TestAvroIsPublished: with a real Kafka, what clients publish as JSON is what a plain consumer
// with another decoder of Avro reads, by the schema of the id before it; and subscribers see
// JSON.
func TestAvroIsPublished(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	topic(t, "registry-published", 1)
	r := srfake.New()
	t.Cleanup(r.Close)
	const order = `{"type":"record","name":"Order","namespace":"com.example","fields":[{"name":"id","type":"long"},{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
	  {"name":"note","type":["null","string"],"default":null},{"name":"by","type":"com.example.User"}]}`
	const user = `{"type":"record","name":"User","namespace":"com.example","fields":[{"name":"name","type":"string"},{"name":"tags","type":{"type":"map","values":"int"},"default":{"new":1}}]}`
	r.SeedSchema("user", 1, 40, sr.Schema{Schema: user})
	r.SeedSchema("registry-published-value", 1, 41, sr.Schema{Schema: order, References: []sr.SchemaReference{{Name: "com.example.User", Subject: "user", Version: 1}}})
	in := newInstance(t, setup{
		more: "  published: {topic: registry-published, content: avro, schema: {registry: main}}\n" +
			"registries: {main: {urls: [\"" + r.URL() + "\"], refresh: 1s}}\n",
	})
	if err := in.Start(ctx); err != nil {
		t.Fatal(err)
	}
	reader, writer := token(t, "reader", "reader"), token(t, "writer", "writer")
	for _, one := range []struct {
		body string
		want int
	}{
		{`{"data":{"id":9007199254740993,"price":12.5,"by":{"name":"Ann"}}}`, http.StatusOK},
		{`{"data":{"by":{"name":"Bob","tags":{"a":1,"b":2}},"note":{"string":"é"},"price":-0.01,"id":-1}}`, http.StatusOK},
		{`{"data":{"id":1,"price":0.001,"by":{"name":"Eve"}}}`, http.StatusUnprocessableEntity},
	} {
		if status, answer := post(ctx, t, in, "published", writer, one.body); status != one.want {
			t.Errorf("publish %s: %d %s", one.body, status, answer)
		}
	}
	var cache avro.SchemaCache
	if _, err := cache.Parse(user); err != nil {
		t.Fatal(err)
	}
	schema, err := cache.Parse(order)
	if err != nil {
		t.Fatal(err)
	}
	consumer := kafkaClient(t, kgo.ConsumeTopics("registry-published"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var values []string
	for len(values) < 2 && ctx.Err() == nil {
		consumer.PollFetches(ctx).EachRecord(func(one *kgo.Record) {
			if len(one.Value) < 5 || binary.BigEndian.Uint32(one.Value[1:]) != 41 || one.Value[0] != 0 {
				t.Errorf("stored is %x", one.Value)
				return
			}
			var value any
			rest, err := schema.Decode(one.Value[5:], &value)
			if err != nil || len(rest) > 0 {
				t.Errorf("stored is %x: %v", one.Value, err)
			}
			text, err := schema.EncodeJSON(value)
			if err != nil {
				t.Error(err)
			}
			values = append(values, string(text))
		})
	}
	if len(values) != 2 || !strings.Contains(values[0], `9007199254740993`) || !strings.Contains(values[0], `{"new":1}`) || !strings.Contains(values[0], `"note":null`) || !strings.Contains(values[1], `"é"`) || !strings.Contains(values[1], "Bob") {
		t.Errorf("stored is %q", values)
	}
	page, err := get(ctx, "http://"+in.addr+"/v1/streams/published/records?from=earliest", reader)
	if err != nil || !strings.Contains(page, `"data":{"id":9007199254740993,"price":12.50,"note":null,"by":{"name":"Ann","tags":{"new":1}}}`) || !strings.Contains(page, `"data":{"id":-1,"price":-0.01,"note":"é","by":{"name":"Bob","tags":{"a":1,"b":2}}}`) || !strings.Contains(page, `"gaps":[]`) {
		t.Errorf("shown is %s, %v", page, err)
	}
}
