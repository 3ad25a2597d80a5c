package registry_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"sluice/hub/ingest"
	"sluice/hub/registry"
	"sluice/hub/schema"
	"sluice/hub/upstream"
)

// memory keeps what is stored.
type memory struct{ values [][]byte }

func (m *memory) Publish(_ context.Context, _, _ string, messages []upstream.Message, done func([]upstream.Stored)) error {
	for _, one := range messages {
		m.values = append(m.values, one.Value)
	}
	done(make([]upstream.Stored, len(messages)))
	return nil
}

// sees is a step that comes after the encoding.
type sees struct{ values [][]byte }

func (s *sees) Check(_ context.Context, b *ingest.Batch) {
	for i := range b.Len() {
		if b.Pending(i) {
			s.values = append(s.values, b.Message(i).Value)
		}
	}
}
func (*sees) Settled(*ingest.Batch) {}

// TestStoredAfterTheID: what matches is stored after the id of the schema that it was checked
// against; later steps still see the value.
func TestStoredAfterTheID(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	r := open(t, f.Handler(), nil)
	s := r.Subject("s", 0, registry.JSONSchema)
	publish := func(framed bool, values ...string) (stored, seen [][]byte, faults []error) {
		t.Helper()
		to, then := &memory{}, &sees{}
		step := registry.Conforms{Subject: s, Framed: framed, Limits: schema.Limits{Steps: 1000, Violations: 3}, Turns: ingest.NewTurns(1)}
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
	stored, _, faults := publish(true, `{"t":1}`, "")
	if !errors.Is(faults[0], ingest.ErrSchemaUnavailable) || !errors.Is(faults[0], upstream.ErrPublishUnavailable) || faults[1] != nil || len(stored) != 1 || stored[0] != nil {
		t.Errorf("without a schema: stored %q, %v", stored, faults)
	}
	f.SeedSchema("s", 1, 0x01020304, jsonSchema(first))
	_ = r.Start(t.Context())
	stored, seen, faults := publish(true, `{"t":1}`, `{"t":11}`, "")
	if faults[0] != nil || !errors.Is(faults[1], ingest.ErrInvalid) || faults[2] != nil {
		t.Fatalf("got %v", faults)
	}
	if len(stored) != 2 || string(stored[0]) != "\x00\x01\x02\x03\x04"+`{"t":1}` || stored[1] != nil {
		t.Errorf("stored %q", stored)
	}
	if len(seen) != 2 || string(seen[0]) != `{"t":1}` {
		t.Errorf("later steps see %q", seen)
	}
	if stored, _, _ = publish(false, `{"t":2}`); len(stored) != 1 || string(stored[0]) != `{"t":2}` {
		t.Errorf("stored without an id: %q", stored)
	}
}

// FuzzUnframe: what begins with an id is the id and the rest; anything else is an error.
func FuzzUnframe(f *testing.F) {
	for _, seed := range []string{"", "\x00", "\x00\x00\x00\x00", "\x00\x00\x00\x00\x01", "\x00\xff\xff\xff\xff{}", "\x01\x00\x00\x00\x01{}", "{}{}{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		id, value, err := registry.Unframe(stored)
		if (err == nil) != (len(stored) >= 5 && stored[0] == 0) {
			t.Fatalf("%x: %v", stored, err)
		}
		if err == nil && !bytes.Equal(append(registry.AppendFrame(nil, id), value...), stored) {
			t.Fatalf("%x is %d and %x", stored, id, value)
		}
		shown, _, failed := registry.JSON{}.Decode(nil, stored)
		if (failed == nil) != (err == nil) || !bytes.Equal(shown, value) {
			t.Fatalf("%x: decoded as %x, %v", stored, shown, failed)
		}
	})
}
