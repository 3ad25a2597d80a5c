package ingest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"sluice/hub/ingest"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// memoryStore stores values in memory, and fails for "unknown".
type memoryStore struct {
	mu     sync.Mutex
	values []string
	err    error
}

func (s *memoryStore) Publish(_ context.Context, _, _ string, messages []upstream.Message, done func([]upstream.Stored)) error {
	if s.err != nil {
		return s.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	results := make([]upstream.Stored, len(messages))
	for i, m := range messages {
		if string(m.Value) == "unknown" {
			results[i] = upstream.Stored{Err: upstream.ErrPublishUnknown}
			continue
		}
		results[i] = upstream.Stored{Partition: 3, Offset: int64(len(s.values))}
		s.values = append(s.values, string(m.Value))
	}
	go done(results)
	return nil
}

// noSwearing is a step that rejects records by a rule.
type noSwearing struct{ order *[]string }

func (noSwearing) Check(_ context.Context, b *ingest.Batch) {
	for i := range b.Len() {
		if b.Pending(i) && strings.HasPrefix(string(b.Message(i).Value), "damn") {
			b.Settle(i, ingest.Rejected(ingest.ErrInvalid))
		}
	}
}

func (s noSwearing) Settled(*ingest.Batch) { *s.order = append(*s.order, "rule") }

// once is a step that answers a value that was stored before with the first
// verdict.
type once struct {
	order *[]string
	seen  map[string]ingest.Verdict
}

func (s *once) Check(_ context.Context, b *ingest.Batch) {
	for i := range b.Len() {
		if before, ok := s.seen[string(b.Message(i).Value)]; ok && b.Pending(i) {
			b.Settle(i, before)
		}
	}
}

func (s *once) Settled(b *ingest.Batch) {
	*s.order = append(*s.order, "once")
	for i := range b.Len() {
		if b.Verdict(i).Err == nil {
			s.seen[string(b.Message(i).Value)] = b.Verdict(i)
		}
	}
}

func publish(t *testing.T, p *ingest.Pipeline, values ...string) []ingest.Verdict {
	t.Helper()
	messages := make([]ingest.Message, len(values))
	for i, value := range values {
		messages[i].Value = []byte(value)
	}
	done := make(chan []ingest.Verdict, 2)
	p.Publish(t.Context(), "orders", ingest.Publisher{Principal: "user:a"}, messages, func(v []ingest.Verdict) { done <- v })
	return <-done
}

func TestEveryRecordGetsOneVerdict(t *testing.T) {
	t.Parallel()
	store := &memoryStore{}
	var order []string
	p := ingest.New(store, []ingest.Step{noSwearing{&order}, &once{&order, map[string]ingest.Verdict{}}}, nil)
	first := publish(t, p, "a", "damn", "unknown", "b")
	if len(first) != 4 || first[0].Offset != 0 || !errors.Is(first[1].Err, ingest.ErrInvalid) ||
		!errors.Is(first[2].Err, upstream.ErrPublishUnknown) || first[3].Offset != 1 || first[3].Err != nil {
		t.Fatalf("first: %+v", first)
	}
	second := publish(t, p, "c", "b", "damn it")
	if second[0].Offset != 2 || second[1] != first[3] || !errors.Is(second[2].Err, ingest.ErrInvalid) {
		t.Errorf("second: %+v", second)
	}
	if again := publish(t, p, "a", "b"); again[0] != first[0] || again[1] != first[3] {
		t.Errorf("all from memory: %+v", again)
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(store.values, want) {
		t.Errorf("stored %q, want %q", store.values, want)
	}
	// In reverse order, once per batch.
	if want := []string{"once", "rule", "once", "rule", "once", "rule"}; !slices.Equal(order, want) {
		t.Errorf("steps heard of the verdicts in the order %q", order)
	}
	if publish(t, p, "damn"); !slices.Equal(order[6:], []string{"rule"}) {
		t.Errorf("of a batch that stopped at the rule heard %q", order[6:])
	}
}

func TestAStoreThatRefusesIsAVerdict(t *testing.T) {
	t.Parallel()
	var order []string
	p := ingest.New(&memoryStore{err: upstream.ErrPublishUnavailable}, []ingest.Step{noSwearing{&order}}, nil)
	got := publish(t, p, "a", "damn")
	if !errors.Is(got[0].Err, upstream.ErrPublishUnavailable) || !errors.Is(got[1].Err, ingest.ErrInvalid) || len(order) != 1 {
		t.Errorf("got %+v, steps heard %q", got, order)
	}
}

// settleTwice is a step that settles a record twice.
type settleTwice struct{ settled []bool }

func (s *settleTwice) Check(_ context.Context, b *ingest.Batch) {
	s.settled = append(s.settled, b.Settle(0, ingest.Rejected(ingest.ErrInvalid)), b.Settle(0, ingest.Verdict{Offset: 9}))
}
func (*settleTwice) Settled(*ingest.Batch) {}

func TestAVerdictIsFinal(t *testing.T) {
	t.Parallel()
	step := &settleTwice{}
	got := publish(t, ingest.New(&memoryStore{}, []ingest.Step{step}, nil), "a", "b")
	if !slices.Equal(step.settled, []bool{true, false}) || !errors.Is(got[0].Err, ingest.ErrInvalid) || got[1].Err != nil {
		t.Errorf("settled %v, got %+v", step.settled, got)
	}
}

func TestReservedHeaders(t *testing.T) {
	t.Parallel()
	messages := []ingest.Message{
		{Headers: []record.Header{{Name: []byte("trace")}}},
		{Headers: []record.Header{{Name: []byte("trace")}, {Name: []byte("Sluice-Principal")}}},
	}
	done := make(chan []ingest.Verdict, 1)
	ingest.New(&memoryStore{}, []ingest.Step{ingest.ReservedHeaders{}}, nil).
		Publish(t.Context(), "orders", ingest.Publisher{Principal: "user:a"}, messages, func(v []ingest.Verdict) { done <- v })
	if got := <-done; got[0].Err != nil || !errors.Is(got[1].Err, ingest.ErrReservedHeader) {
		t.Errorf("got %+v", got)
	}
}

// named is a step that notes its name.
type named struct {
	name  string
	order *[]string
}

func (n named) Check(context.Context, *ingest.Batch) { *n.order = append(*n.order, n.name) }

func (n named) Settled(*ingest.Batch) { *n.order = append(*n.order, "settled "+n.name) }

// TestStreamsHaveStepsOfTheirOwn: they run between the first and the last ones, and
// replacing them does not change what a batch on its way passes.
func TestStreamsHaveStepsOfTheirOwn(t *testing.T) {
	t.Parallel()
	var order []string
	step := func(name string) ingest.Step { return named{name, &order} }
	p := ingest.New(&memoryStore{}, []ingest.Step{step("first")}, []ingest.Step{step("last")})
	check := func(want string) {
		t.Helper()
		order = nil
		publish(t, p, "x")
		if got := strings.Join(order, ", "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	none := "first, last, settled last, settled first"
	check(none)
	p.SetStreams(map[string]ingest.Stream{"orders": {Steps: []ingest.Step{step("own")}}, "others": {Steps: []ingest.Step{step("theirs")}}})
	check("first, own, last, settled last, settled own, settled first")
	p.SetStreams(map[string]ingest.Stream{"orders": {Steps: []ingest.Step{replacing{p}, step("own")}}})
	check("first, own, last, settled last, settled own, settled first")
	check(none)
}

// replacing is a step that removes the steps of all streams.
type replacing struct{ p *ingest.Pipeline }

func (r replacing) Check(context.Context, *ingest.Batch) { r.p.SetStreams(nil) }

func (replacing) Settled(*ingest.Batch) {}
