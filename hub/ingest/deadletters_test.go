package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// apartStore keeps the messages of each stream. What one of the streams fails with is the
// result of all its messages; a refused stream refuses the call.
type apartStore struct {
	fails   map[string]error
	refuses map[string]error
	// slow delays the results of a stream.
	slow string

	mu     sync.Mutex
	stored map[string][]upstream.Message
}

func (s *apartStore) Publish(_ context.Context, tenant, stream string, messages []upstream.Message, done func([]upstream.Stored)) error {
	if err := s.refuses[stream]; err != nil {
		return err
	}
	if stream = tenant + stream; s.stored == nil {
		s.stored = map[string][]upstream.Message{}
	}
	results := make([]upstream.Stored, len(messages))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range messages {
		if err := s.fails[stream]; err != nil {
			results[i] = ingest.Rejected(err)
			continue
		}
		results[i] = upstream.Stored{Partition: 1, Offset: int64(len(s.stored[stream]))}
		s.stored[stream] = append(s.stored[stream], m)
	}
	go func() {
		if stream == s.slow {
			time.Sleep(5 * time.Millisecond)
		}
		done(results)
	}()
	return nil
}

// judge is a step that changes all records, and refuses those whose value names a reason.
type judge struct{ settled *[]string }

var errQuota = errors.New("a quota")

func (judge) Check(_ context.Context, b *ingest.Batch) {
	for i := range b.Len() {
		m := b.Message(i)
		switch value := string(m.Value); {
		case value == "invalid":
			b.Settle(i, ingest.Rejected(&ingest.InvalidError{Violations: []ingest.Violation{{Pointer: "/a", Message: "is \"odd\""}, {Message: "and more"}}}))
		case value == "plain":
			b.Settle(i, ingest.Rejected(fmt.Errorf("rule 7: %w", ingest.ErrInvalid)))
		case value == "quota":
			b.Settle(i, ingest.Rejected(errQuota))
		case value == "forbidden":
			b.Settle(i, ingest.Rejected(ingest.ErrNotAllowed))
		case strings.HasPrefix(value, "long"):
			many := slices.Repeat([]ingest.Violation{{Pointer: "/" + value, Message: strings.Repeat("ü", 1000)}}, 100)
			b.Settle(i, ingest.Rejected(&ingest.InvalidError{Violations: many}))
		}
		m.Key = append([]byte("new "), m.Key...)
		m.Headers = append(slices.Clone(m.Headers), record.Header{Name: []byte("added")})
		m.Value = append([]byte("new "), m.Value...)
	}
}

func (j judge) Settled(b *ingest.Batch) {
	for i := range b.Len() {
		*j.settled = append(*j.settled, outcome(b.Verdict(i).Err))
	}
}

func outcome(err error) string {
	var kept *ingest.DeadLetteredError
	switch {
	case err == nil:
		return "stored"
	case errors.As(err, &kept):
		if errors.Is(err, ingest.ErrInvalid) || !errors.Is(kept.Cause, ingest.ErrInvalid) {
			return "dead of " + kept.Cause.Error()
		}
		return "dead"
	case errors.Is(err, ingest.ErrInvalid):
		return "invalid"
	case errors.Is(err, upstream.ErrPublishUnknown):
		return "unknown"
	case errors.Is(err, upstream.ErrPublishUnavailable):
		return "unavailable"
	case errors.Is(err, upstream.ErrPublishOverloaded):
		return "overloaded"
	}
	return err.Error()
}

// TestDeadLetters: a record that is invalid is either a dead letter, as it came, or is said
// not to be; nothing is in both places, and no other refusal is a dead letter.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	sent := []string{"a", "invalid", "quota", "b", "plain", "forbidden"}
	tests := map[string]struct {
		values        []string
		store         *apartStore
		want          string
		stored, apart string
	}{
		"a batch":          {sent, &apartStore{}, "stored dead a quota stored dead " + ingest.ErrNotAllowed.Error(), "new a,new b", "invalid,plain"},
		"slow dead letter": {sent, &apartStore{slow: "dead"}, "stored dead a quota stored dead " + ingest.ErrNotAllowed.Error(), "new a,new b", "invalid,plain"},
		"slow record":      {sent, &apartStore{slow: "s"}, "stored dead a quota stored dead " + ingest.ErrNotAllowed.Error(), "new a,new b", "invalid,plain"},
		"only invalid":     {[]string{"invalid"}, &apartStore{}, "dead", "", "invalid"},
		"none invalid":     {[]string{"a", "quota"}, &apartStore{}, "stored a quota", "new a", ""},
		"away":             {[]string{"a", "invalid"}, &apartStore{fails: map[string]error{"dead": upstream.ErrPublishUnavailable}}, "stored unavailable", "new a", ""},
		"unknown":          {[]string{"a", "invalid"}, &apartStore{fails: map[string]error{"dead": upstream.ErrPublishUnknown}}, "stored unknown", "new a", ""},
		"overloaded":       {[]string{"a", "invalid"}, &apartStore{fails: map[string]error{"dead": upstream.ErrPublishOverloaded}}, "stored overloaded", "new a", ""},
		"too large":        {[]string{"a", "invalid"}, &apartStore{fails: map[string]error{"dead": upstream.ErrRecordTooLarge}}, "stored invalid", "new a", ""},
		"rejected":         {[]string{"a", "invalid"}, &apartStore{fails: map[string]error{"dead": upstream.ErrPublishRejected}}, "stored invalid", "new a", ""},
		"no topic":         {[]string{"a", "invalid"}, &apartStore{fails: map[string]error{"dead": upstream.ErrUnknownTopic}}, "stored unavailable", "new a", ""},
		"no stream":        {[]string{"a", "invalid"}, &apartStore{refuses: map[string]error{"dead": errors.New("unknown stream")}}, "stored unavailable", "new a", ""},
		"the other fails":  {[]string{"a", "invalid"}, &apartStore{fails: map[string]error{"s": upstream.ErrPublishUnknown}}, "unknown dead", "", "invalid"},
		"the other is not": {[]string{"a", "invalid"}, &apartStore{refuses: map[string]error{"s": upstream.ErrPublishOverloaded}}, "overloaded dead", "", "invalid"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := tt.store
			var settled []string
			p := ingest.New(store, nil, nil)
			p.SetStreams(map[string]ingest.Stream{"s": {
				Steps: []ingest.Step{judge{&settled}}, DeadLetters: &ingest.DeadLetters{Stream: "dead", Topic: "t", Now: time.Now},
			}})
			messages := make([]ingest.Message, len(tt.values))
			for i, v := range tt.values {
				messages[i] = ingest.Message{Key: []byte(v), Value: []byte(v)}
			}
			done := make(chan []ingest.Verdict, 2)
			p.Publish(t.Context(), "s", ingest.Publisher{}, messages, func(v []ingest.Verdict) { done <- v })
			var got []string
			for _, v := range <-done {
				got = append(got, outcome(v.Err))
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %s, want %s", s, tt.want)
			}
			if !slices.Equal(settled, got) {
				t.Errorf("steps heard %v", settled)
			}
			values := func(stream string) string {
				var all []string
				for _, m := range store.stored[stream] {
					all = append(all, string(m.Value))
				}
				return strings.Join(all, ",")
			}
			if got := values("s"); got != tt.stored {
				t.Errorf("the stream has %s, want %s", got, tt.stored)
			}
			if got := values("dead"); got != tt.apart {
				t.Errorf("the dead letters are %s, want %s", got, tt.apart)
			}
			select {
			case v := <-done:
				t.Errorf("answered twice: %v", v)
			default:
			}
		})
	}
}

// TestDeadLetterHeaders: a dead letter is what came from the client, and says what it is,
// whatever the client sends.
func TestDeadLetterHeaders(t *testing.T) {
	t.Parallel()
	store := &apartStore{}
	p := ingest.New(store, nil, nil)
	var settled []string
	clock := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.FixedZone("", -3600)) }
	p.SetStreams(map[string]ingest.Stream{"s": {
		Steps: []ingest.Step{judge{&settled}}, DeadLetters: &ingest.DeadLetters{Stream: "dead", Topic: "topic.v1", Schema: "main/s-value", Now: clock},
	}})
	send := func(m ingest.Message) upstream.Message {
		t.Helper()
		done := make(chan []ingest.Verdict, 1)
		p.Publish(t.Context(), "s", ingest.Publisher{Principal: "user:a", Tenant: "acme-", Subject: "a"}, []ingest.Message{m}, func(v []ingest.Verdict) { done <- v })
		<-done
		all := store.stored["acme-dead"]
		return all[len(all)-1]
	}
	got := send(ingest.Message{Key: nil, Value: []byte("invalid"), Headers: []record.Header{
		{Name: []byte("trace"), Value: []byte("1")},
		{Name: []byte("__connect.errors.topic"), Value: []byte("forged")},
		{Name: []byte("__Connect.Errors.other"), Value: []byte("forged")},
		{Name: []byte("none")},
	}})
	var lines []string
	for _, h := range got.Headers {
		lines = append(lines, fmt.Sprintf("%s=%s", h.Name, h.Value))
	}
	want := []string{
		"trace=1", "none=", "__connect.errors.topic=topic.v1", `__connect.errors.exception.message=/a is "odd"`,
		"sluice-stream=s", "sluice-principal=user:a", "sluice-received-at=2026-01-02T04:04:05.006Z", "sluice-schema=main/s-value",
		`sluice-violations=[{"pointer":"/a","message":"is \"odd\""},{"pointer":"","message":"and more"}]`,
	}
	if got.Key != nil || string(got.Value) != "invalid" || !slices.Equal(lines, want) {
		t.Errorf("got %q %q\n%s\nwant\n%s", got.Key, got.Value, strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	// What a rule says is bounded, and stays JSON.
	got = send(ingest.Message{Key: []byte{}, Value: []byte("long" + strings.Repeat("ü", 5000))})
	size := 0
	for _, h := range got.Headers {
		size += len(h.Value)
		if string(h.Name) == "sluice-violations" {
			var all []struct{ Pointer, Message string }
			if err := json.Unmarshal(h.Value, &all); err != nil || len(all) != 20 || len(all[0].Message) > 500 {
				t.Errorf("%d violations, %v", len(all), err)
			}
		}
	}
	if size > 64<<10 || got.Key == nil {
		t.Errorf("the headers have %d bytes, the key is %v", size, got.Key)
	}
}
