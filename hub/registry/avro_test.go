package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"sluice/hub/ingest"
	"sluice/hub/registry"
	"sluice/hub/schema"
	"sluice/hub/upstream"
)

// publish passes values through a step, and returns what is stored of them, what later steps
// see, and why the others are not.
func publish(t *testing.T, step ingest.Step, values ...string) (stored, seen [][]byte, faults []error) {
	t.Helper()
	to, then := &memory{}, &sees{}
	messages := make([]ingest.Message, len(values))
	for i, value := range values {
		if value != "" {
			messages[i] = ingest.Message{Value: []byte(value), JSON: true}
		}
	}
	ingest.New(to, []ingest.Step{step}, []ingest.Step{then}).Publish(t.Context(), "a", ingest.Publisher{}, messages, func(all []ingest.Verdict) {
		for _, v := range all {
			faults = append(faults, v.Err)
		}
	})
	return to.values, then.values, faults
}

func conforms(s *registry.Subject) registry.Conforms {
	return registry.Conforms{Subject: s, Framed: true, Limits: schema.Limits{Steps: 1000, Violations: 3}, Turns: ingest.NewTurns(1)}
}

// TestAvroIsStored: values are stored in Avro after the id of the schema, with the types of
// others, which are shown with it; later steps see the JSON. What is stored is shown as what
// was published.
func TestAvroIsStored(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.SeedSchema("user", 1, 4, sr.Schema{Schema: `{"type":"record","name":"User","namespace":"x","fields":[{"name":"n","type":"int"}]}`})
	order := `{"type":"record","name":"Order","namespace":"x","fields":[{"name":"by","type":"User"},{"name":"note","type":["null","string"],"default":null}]}`
	f.SeedSchema("order", 1, 5, sr.Schema{Schema: order, References: []sr.SchemaReference{{Name: "x.User", Subject: "user", Version: 1}}})
	f.SeedSchema("int", 1, 6, sr.Schema{Schema: `"int"`})
	f.SeedSchema("json", 1, 7, jsonSchema(first))
	r := open(t, f.Handler(), nil)
	orders, ints := r.Subject("order", 0, registry.Avro), r.Subject("int", 0, registry.AnyKind)
	_ = r.Start(t.Context())
	if err := r.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored, seen, faults := publish(t, conforms(orders), `{"by":{"n":7}}`, `{"by":{"n":"7"},"a":1}`, "", `{"by":{"n":7},"note":"hi"}`)
	if len(stored) != 3 || string(stored[0]) != "\x00\x00\x00\x00\x05\x0e\x00" || stored[1] != nil || string(stored[2]) != "\x00\x00\x00\x00\x05\x0e\x02\x04hi" {
		t.Errorf("stored %q, %v", stored, faults)
	}
	if len(seen) != 3 || string(seen[0]) != `{"by":{"n":7}}` {
		t.Errorf("later steps see %q", seen)
	}
	invalid, ok := errors.AsType[*ingest.InvalidError](faults[1])
	if !ok || len(invalid.Violations) != 2 || invalid.Violations[0].Pointer != "/by/n" || invalid.Reason() != "type" || invalid.Violations[1].Pointer != "/a" {
		t.Errorf("got %v, %+v", faults[1], invalid)
	}
	if stored, _, _ := publish(t, conforms(ints), `7`); len(stored) != 1 || string(stored[0]) != "\x00\x00\x00\x00\x06\x0e" {
		t.Errorf("stored %q", stored)
	}
	shown, err := orders.Definition()
	if err != nil {
		t.Fatal(err)
	}
	if text := string(shown.Text()); !strings.Contains(text, `"name":"User"`) || !strings.Contains(text, `"default":null`) || shown.MediaType() != "application/vnd.apache.avro+json" {
		t.Errorf("shown is %s, %s", text, shown.MediaType())
	}
	if shown, err := ints.Definition(); err != nil || string(shown.Text()) != `"int"` || len(shown.Tag()) != 32 {
		t.Errorf("shown is %s, %v", shown.Text(), err)
	}
}

// TestKinds: a schema of another kind than the stream has does not come into force, and one of
// any kind encodes as its kind does.
func TestKinds(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.SeedSchema("avro", 1, 6, sr.Schema{Schema: `{"type":"record","name":"R","fields":[{"name":"t","type":"int"}]}`})
	f.SeedSchema("json", 1, 7, jsonSchema(first))
	f.SeedSchema("defaults", 1, 8, sr.Schema{Schema: `{"type":"record","name":"R","fields":[{"name":"t","type":"int","default":"x"}]}`})
	for _, c := range []struct {
		subject      string
		kind         registry.Kind
		stored, want string
	}{
		{"avro", registry.AnyKind, "\x00\x00\x00\x00\x06\x02", ""},
		{"avro", registry.Avro, "\x00\x00\x00\x00\x06\x02", ""},
		{"avro", registry.JSONSchema, "", "version 1 cannot be used: it is not a JSON Schema"},
		{"json", registry.AnyKind, "\x00\x00\x00\x00\x07" + `{"t":1}`, ""},
		{"json", registry.JSONSchema, "\x00\x00\x00\x00\x07" + `{"t":1}`, ""},
		{"json", registry.Avro, "", "version 1 cannot be used: it is not a schema of Avro"},
		{"defaults", registry.Avro, "", "version 1 cannot be used: it is not a schema of Avro"},
	} {
		r := open(t, f.Handler(), nil)
		s := r.Subject(c.subject, 0, c.kind)
		_ = r.Start(t.Context())
		stored, _, faults := publish(t, conforms(s), `{"t":1}`)
		err := r.Check(t.Context())
		if c.want != "" {
			if len(stored) > 0 || !errors.Is(faults[0], upstream.ErrPublishUnavailable) || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s as %s: stored %q, %v, %v", c.subject, c.kind, stored, faults, err)
			}
			continue
		}
		if len(stored) != 1 || string(stored[0]) != c.stored || err != nil {
			t.Errorf("%s as %s: stored %q, %v, %v", c.subject, c.kind, stored, faults, err)
		}
	}
}

// TestReadOnly: nothing is stored in a stream without a subject.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	if stored, _, faults := publish(t, registry.ReadOnly{}, `{"t":1}`, ""); len(stored) > 0 || !errors.Is(faults[0], ingest.ErrSchemaUnavailable) || !errors.Is(faults[1], ingest.ErrSchemaUnavailable) {
		t.Errorf("stored %q, %v", stored, faults)
	}
}
