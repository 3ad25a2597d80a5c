package registry_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"sluice/hub"
	"sluice/hub/ingest"
	"sluice/hub/record"
	"sluice/hub/registry"
	"sluice/hub/upstream"
)

const orderProto = `syntax = "proto3"; package x; import "a/user.proto";
message Order { User by = 1; int64 n = 2; message Line { string sku = 1; } }
message Note { string text = 1; }`

func seedProtobuf(f *fake) {
	f.SeedSchema("user", 1, 4, sr.Schema{Schema: `syntax = "proto3"; package x; message User { string name = 1; }`, Type: sr.TypeProtobuf})
	f.SeedSchema("order", 1, 5, sr.Schema{Schema: orderProto, Type: sr.TypeProtobuf, References: []sr.SchemaReference{{Name: "a/user.proto", Subject: "user", Version: 1}}})
	f.SeedSchema("broken", 1, 6, sr.Schema{Schema: `syntax = "proto3"; import "secret.proto"; message A {}`, Type: sr.TypeProtobuf})
	f.SeedSchema("avro", 1, 7, sr.Schema{Schema: `"int"`})
}

// TestProtobufIsStored: values are stored in Protobuf after the id of the schema and the indexes
// of their message; later steps see the JSON. What is stored is shown as what was published.
func TestProtobufIsStored(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	seedProtobuf(f)
	r := open(t, f.Handler(), func(c *registry.Config) { c.Wait = time.Minute })
	orders, lines := r.Subject("order", 0, registry.Protobuf), r.SubjectOf("order", 0, registry.AnyKind, "x.Order.Line")
	if r.SubjectOf("order", 0, registry.Protobuf, "") != orders || r.SubjectOf("order", 0, registry.Protobuf, "x.Note") == orders {
		t.Error("another subject for the same, or the same for another message")
	}
	run(t, r)
	if err := r.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored, seen, faults := publish(t, conforms(orders), `{"by":{"name":"Ann"},"n":9007199254740993}`, `{"by":{"name":7},"a":1}`, "", `{}`)
	if len(stored) != 3 || string(stored[0]) != "\x00\x00\x00\x00\x05\x00\x0a\x05\x0a\x03Ann\x10\x81\x80\x80\x80\x80\x80\x80\x10" || stored[1] != nil || string(stored[2]) != "\x00\x00\x00\x00\x05\x00" {
		t.Errorf("stored %q, %v", stored, faults)
	}
	if len(seen) != 3 || string(seen[0]) != `{"by":{"name":"Ann"},"n":9007199254740993}` {
		t.Errorf("later steps see %q", seen)
	}
	invalid, ok := errors.AsType[*ingest.InvalidError](faults[1])
	if !ok || len(invalid.Violations) != 2 || invalid.Violations[0].Pointer != "/by/name" || invalid.Reason() != "type" || invalid.Violations[1].Pointer != "/a" {
		t.Errorf("got %v, %+v", faults[1], invalid)
	}
	if stored, _, _ := publish(t, conforms(lines), `{"sku":"a"}`); len(stored) != 1 || string(stored[0]) != "\x00\x00\x00\x00\x05\x04\x00\x00\x0a\x01a" {
		t.Errorf("stored %q", stored)
	}
	shown, err := orders.Definition()
	if err != nil {
		t.Fatal(err)
	}
	if text := string(shown.Text()); !strings.HasPrefix(text, orderProto) || !strings.Contains(text, "a/user.proto") || !strings.Contains(text, "message User") || shown.MediaType() != "text/x-protobuf" || len(shown.Tag()) != 32 {
		t.Errorf("shown is %s, %s", text, shown.MediaType())
	}

	from := &reads{batches: make(chan []*upstream.Fetched, 1)}
	from.batches <- fetched(5, 6, 7)
	_ = r.Source(from).Read(t.Context(), record.Topic{}, nil, 0, func(*upstream.Fetched) {})
	for value, want := range map[string]string{
		string(stored[0]):                        `{"by":{"name":"Ann"},"n":"9007199254740993"}`,
		"\x00\x00\x00\x00\x05\x02\x02\x0a\x02hi": `{"text":"hi"}`,
		"\x00\x00\x00\x00\x05\x02\x04\x0a\x02hi": "",
		"\x00\x00\x00\x00\x05\x00\x0a\x7f":       "",
		"\x00\x00\x00\x00\x05":                   "",
		"\x00\x00\x00\x00\x06\x00":               "",
		"\x00\x00\x00\x00\x07\x02":               "",
	} {
		got, _, err := r.Decoding(registry.Protobuf, 100).Decode(nil, []byte(value))
		if string(got) != want || (err == nil) != (want != "") || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%x is shown as %s, %v", value, got, err)
		}
	}
	if _, _, err := r.Decoding(registry.Protobuf, 10).Decode(nil, stored[0]); !errors.Is(err, hub.ErrDecodedTooLarge) {
		t.Errorf("got %v", err)
	}
	if got, _, err := r.Decoding(registry.AnyKind, 100).Decode(nil, stored[0]); err != nil || !strings.Contains(string(got), "Ann") {
		t.Errorf("shown is %s, %v", got, err)
	}
}

// TestProtobufOfNoUse: schemas and messages that do not come into force.
func TestProtobufOfNoUse(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	seedProtobuf(f)
	for _, c := range []struct {
		subject, record string
		kind            registry.Kind
		want            string
	}{
		{"broken", "", registry.Protobuf, "it is not a schema of Protobuf, or imports files"},
		{"order", "x.User", registry.Protobuf, `its file has no message "x.User"`},
		{"order", "", registry.Avro, "it is not a schema of Avro"},
		{"avro", "", registry.Protobuf, "it is not a schema of Protobuf"},
	} {
		r := open(t, f.Handler(), func(c *registry.Config) { c.Timeout = time.Second })
		r.SubjectOf(c.subject, 0, c.kind, c.record)
		_ = r.Start(t.Context())
		if err := r.Check(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", c.subject, err)
		}
	}
}
