package ingest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/schema"
	"sluice/hub/upstream"
)

const readingSchema = `{"type": "object", "required": ["temp_c"], "properties": {"temp_c": {"type": "number", "maximum": 150}}}`

func conforms(t *testing.T, turns int) ingest.Conforms {
	t.Helper()
	compiled, err := schema.Compile([]byte(readingSchema))
	if err != nil {
		t.Fatal(err)
	}
	return ingest.Conforms{Schema: compiled, Limits: schema.Limits{Steps: 10_000, Violations: 3}, Turns: ingest.NewTurns(turns)}
}

// TestWhatWasCheckedIsStored: the bytes that match the schema are those that reach the
// store, and what does not match does not.
func TestWhatWasCheckedIsStored(t *testing.T) {
	t.Parallel()
	store := &memoryStore{}
	p := ingest.New(store, nil, []ingest.Step{conforms(t, 1)})
	messages := []ingest.Message{
		{Value: []byte(`{ "temp_c":21.50, "b":9007199254740993}`), JSON: true},
		{Value: []byte(`{"temp_c":999}`), JSON: true},
		{Value: nil},
		{Value: []byte(`{"temp_c":1}`)}, // nothing has found it to be JSON
		{Value: []byte(`{"temp_c":"\ud800"}`), JSON: true},
	}
	done := make(chan []ingest.Verdict, 1)
	p.Publish(t.Context(), "orders", ingest.Publisher{Principal: "user:a"}, messages, func(v []ingest.Verdict) { done <- v })
	got := <-done
	if want := []string{`{ "temp_c":21.50, "b":9007199254740993}`, ""}; len(store.values) != 2 || store.values[0] != want[0] || store.values[1] != want[1] {
		t.Errorf("stored %q", store.values)
	}
	for i, want := range map[int]string{1: "/temp_c must be at most 150 maximum", 3: " the values of the stream have a schema, and this value is not JSON rule", 4: "/temp_c has half of a character half_character"} {
		invalid, ok := errors.AsType[*ingest.InvalidError](got[i].Err)
		if !ok || !errors.Is(got[i].Err, ingest.ErrInvalid) {
			t.Errorf("record %d: %v", i, got[i].Err)
			continue
		}
		v := invalid.Violations[0]
		if said := v.Pointer + " " + strings.Split(v.Message, " (")[0] + " " + invalid.Reason(); said != want {
			t.Errorf("record %d: %s", i, said)
		}
	}
	if got[0].Err != nil || got[2].Err != nil {
		t.Errorf("got %+v", got)
	}
}

// heldSchema checks values one by one, as it is told to.
type heldSchema struct{ entered, leave chan struct{} }

func (h heldSchema) Validate([]byte, schema.Limits) schema.Result {
	h.entered <- struct{}{}
	<-h.leave
	return schema.Result{}
}

// TestRecordsOfARequestShareTheSteps: however many records a request has, they take no more
// than one may.
func TestRecordsOfARequestShareTheSteps(t *testing.T) {
	t.Parallel()
	step := conforms(t, 1)
	value := []byte(`{"temp_c": 1}`)
	step.Limits.Steps = 3 * step.Schema.Validate(value, step.Limits).Steps
	p := ingest.New(&memoryStore{}, nil, []ingest.Step{step})
	for range 2 { // each request has its own
		messages := make([]ingest.Message, 5)
		for i := range messages {
			messages[i] = ingest.Message{Value: value, JSON: true}
		}
		done := make(chan []ingest.Verdict, 1)
		p.Publish(t.Context(), "orders", ingest.Publisher{}, messages, func(v []ingest.Verdict) { done <- v })
		for i, v := range <-done {
			invalid, refused := errors.AsType[*ingest.InvalidError](v.Err)
			if refused != (i >= 3) || refused && invalid.Reason() != "too_costly" {
				t.Errorf("record %d: %v", i, v.Err)
			}
		}
	}
}

// TestChecksTakeTurns: no more values are checked at a time than there are turns, and one
// that gets none while its publish lives is not stored, and can be sent again.
func TestChecksTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		held := heldSchema{make(chan struct{}, 9), make(chan struct{})}
		turns := ingest.NewTurns(2)
		p := ingest.New(&memoryStore{}, nil, []ingest.Step{ingest.Conforms{Schema: held, Turns: turns}})
		done := make(chan ingest.Verdict, 4)
		for range 4 {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				p.Publish(ctx, "orders", ingest.Publisher{}, []ingest.Message{{Value: []byte("1"), JSON: true}}, func(v []ingest.Verdict) { done <- v[0] })
			}()
		}
		synctest.Wait()
		if len(held.entered) != 2 {
			t.Errorf("%d values are checked at once", len(held.entered))
		}
		for range 2 {
			if v := <-done; !errors.Is(v.Err, upstream.ErrPublishUnavailable) {
				t.Errorf("got %v", v.Err)
			}
		}
		close(held.leave)
		for range 2 {
			if v := <-done; v.Err != nil {
				t.Errorf("got %v", v.Err)
			}
		}
		synctest.Wait()
		if n := turns.Held(); n != 0 {
			t.Errorf("%d turns are not given back", n)
		}
	})
}

// TestInvalidBySchemaIsADeadLetter: with all its violations, and the name of the schema.
func TestInvalidBySchemaIsADeadLetter(t *testing.T) {
	t.Parallel()
	store := &apartStore{}
	p := ingest.New(store, nil, nil)
	p.SetStreams(map[string]ingest.Stream{"s": {
		Steps:       []ingest.Step{conforms(t, 1)},
		DeadLetters: &ingest.DeadLetters{Stream: "dead", Topic: "topic", Schema: "reading.schema.json", Now: time.Now},
	}})
	done := make(chan []ingest.Verdict, 1)
	p.Publish(t.Context(), "s", ingest.Publisher{Principal: "user:a"}, []ingest.Message{{Value: []byte(`{"temp_c":"x"}`), JSON: true}}, func(v []ingest.Verdict) { done <- v })
	if _, ok := errors.AsType[*ingest.DeadLetteredError]((<-done)[0].Err); !ok || len(store.stored["dead"]) != 1 || len(store.stored["s"]) != 0 {
		t.Fatalf("stored %v", store.stored)
	}
	letter := store.stored["dead"][0]
	headers := map[string]string{}
	for _, h := range letter.Headers {
		headers[string(h.Name)] = string(h.Value)
	}
	if headers["sluice-schema"] != "reading.schema.json" || headers["sluice-violations"] != `[{"pointer":"/temp_c","message":"must be a number"}]` ||
		headers["__connect.errors.exception.message"] != "/temp_c must be a number" || string(letter.Value) != `{"temp_c":"x"}` {
		t.Errorf("got %s, %q", letter.Value, headers)
	}
}
