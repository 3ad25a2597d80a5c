package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
)

const deviceProto = `syntax = "proto3";
package com.example;
import "google/protobuf/timestamp.proto";
message Device {
  enum Kind { UNKNOWN = 0; SENSOR = 1; }
  message Reading { double value = 1; repeated sint32 raw = 2; }
  string name = 1;
  int64 count = 2;
  Kind kind = 3;
  bytes mac = 4;
  map<string, Reading> readings = 5;
  oneof owner { string person = 6; uint32 team = 7; }
  google.protobuf.Timestamp seen = 8;
  optional bool ok = 9;
  Device part_of = 10;
}
`

// serialized answers what a schema registry answers to format=serialized, which Confluent's
// client for Python asks for and the fake does not know: the descriptor of a file in base64.
func serialized(t *testing.T, fake http.Handler) http.Handler {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"device.proto": deviceProto}),
	})}
	files, err := compiler.Compile(t.Context(), "device.proto")
	if err != nil {
		t.Fatal(err)
	}
	descriptor, err := proto.Marshal(protodesc.ToFileDescriptorProto(files[0]))
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("format") != "serialized" {
			fake.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		fake.ServeHTTP(answer, r)
		var schema map[string]any
		if err := json.Unmarshal(answer.Body.Bytes(), &schema); err == nil && schema["schema"] != nil {
			schema["schema"] = base64.StdEncoding.EncodeToString(descriptor)
		}
		w.WriteHeader(answer.Code)
		_ = json.NewEncoder(w).Encode(schema)
	})
}

// TestProtobufOfPython: what the serializer of Confluent's client for Python writes in Protobuf
// is shown as JSON, and what clients publish as JSON is read by its deserializer.
func TestProtobufOfPython(t *testing.T) {
	t.Parallel()
	python := pythonProgram(t, "registry.py")
	fake := srfake.NewRegistry()
	registry := httptest.NewServer(serialized(t, fake.Handler()))
	defer registry.Close()
	fake.SeedSchema("python-protobuf-value", 1, 51, sr.Schema{Schema: deviceProto, Type: sr.TypeProtobuf})
	topic(t, "python-protobuf", 1)
	i := sluice(t, setup{more: "  devices: {topic: python-protobuf, content: protobuf, schema: {registry: main}}\nregistries: {main: {urls: [\"" + registry.URL + "\"]}}\n"})
	ctx := within(t, time.Minute)
	broker := servers(t).Brokers[0].Addr
	values := []string{
		`{"name":"Ünïcödé 👩‍🚀","count":"9223372036854775807","kind":"SENSOR","mac":"AP/+","readings":{"a":{"value":-1.5,"raw":[-1,0,1]}},"person":"ann","seen":"2026-11-29T12:00:00.123Z","ok":false,"part_of":{"name":"b"}}`,
		`{"team":7,"readings":{"nan":{"value":"NaN"}}}`,
		`{}`,
	}
	python.run(ctx, t, strings.Join(values, "\n"), "produce", broker, registry.URL, "protobuf", "python-protobuf")
	for n, data := range shownData(ctx, t, i, "devices", len(values)) {
		if want := strings.Replace(values[n], "part_of", "partOf", 1); !sameJSON(t, data, want) {
			t.Errorf("shown is %s, want %s", data, want)
		}
		if status, answer := post(ctx, t, i, "devices", token(t, "writer", "writer"), `{"data":`+data+`}`); status != http.StatusOK {
			t.Errorf("%s: %d %s", data, status, answer)
		}
		if status, answer := post(ctx, t, i, "devices", token(t, "writer", "writer"), `{"data":`+values[n]+`}`); status != http.StatusOK {
			t.Errorf("%s: %d %s", values[n], status, answer)
		}
	}
	lines := strings.Split(strings.TrimSpace(python.run(ctx, t, "", "consume", broker, registry.URL, "protobuf", "python-protobuf", "9")), "\n")
	for n, line := range lines {
		want := n
		if n >= len(values) {
			want = (n - len(values)) / 2
		}
		if len(lines) != 9 || !sameJSON(t, line, values[want]) {
			t.Errorf("it reads %s, want %s", line, values[want])
		}
	}
}
