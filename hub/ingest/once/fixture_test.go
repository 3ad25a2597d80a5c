package once_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"sluice/hub/hubtest"
	"sluice/hub/ingest"
	"sluice/hub/ingest/once"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	window  = 10 * time.Minute
	timeout = 10 * time.Second // of a publish
	lease   = 30 * time.Second
	skew    = 5 * time.Second
	wait    = 2 * time.Second
)

var errAway = errors.New("the store is away")

// kept is what the store keeps of an id.
type kept struct {
	state        once.State
	digest       string
	fence, token string
	since        time.Time
	lease        time.Time
	taken        int
	answer       string
	gone         time.Time
}

// memory is a once.Store in memory, as all instances share it.
type memory struct {
	mu  sync.Mutex
	ids map[string]*kept
}

func (s *memory) claim(c once.Claim) once.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	k := s.ids[c.Key]
	if k != nil && !now.Before(k.gone) {
		k = nil
	}
	switch {
	case k == nil:
		s.ids[c.Key] = &kept{
			state: once.Claimed, digest: c.Digest, fence: c.Fence, token: c.Token, since: c.Since,
			lease: now.Add(c.Lease), gone: now.Add(c.Lease + c.Window),
		}
		return once.Outcome{State: once.Granted, Token: c.Token, Since: c.Since}
	case k.digest != c.Digest:
		return once.Outcome{State: once.Conflict}
	case k.state == once.Settled:
		return once.Outcome{State: once.Settled, Answer: k.answer}
	case now.Before(k.lease):
		return once.Outcome{State: k.state, Token: k.token, Since: k.since, Left: k.lease.Sub(now)}
	}
	k.state, k.fence, k.lease, k.gone = once.Claimed, c.Fence, now.Add(c.Lease), now.Add(c.Lease+c.Window)
	k.taken++
	return once.Outcome{State: once.Taken, Token: k.token, Since: k.since}
}

func (s *memory) settle(one once.Settlement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.ids[one.Key]
	if one.Fate == once.Answered {
		s.ids[one.Key] = &kept{state: once.Settled, digest: one.Digest, answer: one.Answer, gone: time.Now().Add(one.Window)}
		return
	}
	if k == nil || k.state == once.Settled || k.fence != one.Fence {
		return
	}
	switch {
	case one.Fate == once.Free, one.Fate == once.Withdrawn && k.taken == 0:
		delete(s.ids, one.Key)
	case one.Fate == once.Lost:
		k.state = once.Undecided
	default:
		k.state, k.lease = once.Undecided, time.Time{}
	}
}

// Claim and Settle make the memory a once.Store that is always there.
func (s *memory) Claim(_ context.Context, claims []once.Claim) []once.Outcome {
	all := make([]once.Outcome, len(claims))
	for i, c := range claims {
		all[i] = s.claim(c)
	}
	return all
}

func (s *memory) Settle(_ context.Context, all []once.Settlement) []error {
	for _, one := range all {
		s.settle(one)
	}
	return make([]error, len(all))
}

// logs has the topic of the name of each stream.
type logs struct{ *world }

func (l logs) Locate(_, stream string) (upstream.Source, string, error) {
	return source{l.topics, l.world}, stream, nil
}

// source says what records weigh, and may have holes.
type source struct {
	*hubtest.Topics
	world *world
}

func (s source) Read(ctx context.Context, topic record.Topic, from []record.PartitionOffset, most int, visit func(*upstream.Fetched)) error {
	if s.world.stuck || s.world.stuckTopics != nil && s.world.stuckTopics(topic.Name) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.world.freed:
		}
	}
	if topic.Name == s.world.away {
		return upstream.ErrSourceUnavailable
	}
	return s.Topics.Read(ctx, topic, from, most, func(f *upstream.Fetched) {
		f.Each(func(r *record.Record) bool {
			f.Bytes += len(r.Value)
			return true
		})
		if s.world.holes {
			f.Gap = &record.Gap{Partition: f.Partition, From: f.Next.Offset - 1, To: f.Next.Offset, Reason: record.GapUnreadable}
		}
		visit(f)
	})
}

// world is what instances share.
type world struct {
	t      *testing.T
	memory *memory
	topics *hubtest.Topics
	holes  bool
	away   string        // the stream whose topic cannot be read
	stuck  bool          // reads wait for their context
	freed  chan struct{} // or until this is closed; nil for never
	// stuckTopics are those whose reads wait, in addition.
	stuckTopics func(name string) bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, memory: &memory{ids: map[string]*kept{}}, topics: hubtest.New()}
	w.topics.Create("orders", 3)
	w.topics.Create("letters", 1)
	return w
}

// produce appends messages as a Producer does, each in the partition of its first byte.
func (w *world) produce(stream string, messages []upstream.Message) []upstream.Stored {
	results := make([]upstream.Stored, len(messages))
	for i, m := range messages {
		r := record.Record{Key: m.Key, Value: m.Value, Headers: m.Headers, Timestamp: m.Timestamp}
		if r.Timestamp == 0 {
			r.Timestamp = time.Now().UnixMilli()
		}
		if stream == "orders" && len(m.Value) > 0 {
			r.Partition = int32(m.Value[len(m.Value)-1] % 3)
		}
		results[i] = upstream.Stored{Partition: r.Partition, Timestamp: r.Timestamp, Offset: w.topics.Append(stream, r)}
	}
	return results
}

// all returns the records of a stream.
func (w *world) all(stream string) (all []record.Record) {
	topic, err := w.topics.Topic(context.Background(), stream)
	if err != nil {
		w.t.Fatal(err)
	}
	for p := range topic.Partitions {
		at := record.PartitionOffset{Partition: p, Epoch: -1}
		for more := true; more; {
			before := at.Offset
			err := w.topics.Read(context.Background(), topic, []record.PartitionOffset{at}, 1<<20, func(f *upstream.Fetched) {
				f.Each(func(r *record.Record) bool {
					all = append(all, *r)
					return true
				})
				at = f.Next
			})
			if err != nil {
				w.t.Fatal(err)
			}
			more = at.Offset > before
		}
	}
	return all
}

// values returns the values of a stream's records, sorted.
func (w *world) values(stream string) (all []string) {
	for _, r := range w.all(stream) {
		all = append(all, string(r.Value))
	}
	slices.Sort(all)
	return all
}

// instance is a pipeline with a guard.
type instance struct {
	w        *world
	guard    *once.Guard
	pipeline *ingest.Pipeline
	stop     func()

	// claims and settles replace what the store does; produces what Kafka does.
	claims   func([]once.Claim) []once.Outcome
	settles  func([]once.Settlement) []error
	produces func(ctx context.Context, stream string, m []upstream.Message, done func([]upstream.Stored))
}

func (i *instance) Claim(_ context.Context, claims []once.Claim) []once.Outcome {
	if i.claims != nil {
		return i.claims(claims)
	}
	return i.w.memory.Claim(context.Background(), claims)
}

func (i *instance) Settle(_ context.Context, all []once.Settlement) []error {
	if i.settles != nil {
		return i.settles(all)
	}
	return i.w.memory.Settle(context.Background(), all)
}

func (i *instance) Publish(ctx context.Context, _, stream string, m []upstream.Message, done func([]upstream.Stored)) error {
	if i.produces != nil && len(m) > 0 {
		i.produces(ctx, stream, m, done)
		return nil
	}
	go done(i.w.produce(stream, m))
	return nil
}

// valid refuses the values that begin with "bad".
type valid struct{}

func (valid) Check(_ context.Context, b *ingest.Batch) {
	for i := range b.Len() {
		if b.Pending(i) && len(b.Message(i).Value) > 2 && string(b.Message(i).Value[:3]) == "bad" {
			b.Settle(i, ingest.Rejected(ingest.Invalid("is bad")))
		}
	}
}

func (valid) Settled(*ingest.Batch) {}

// start starts an instance in the bubble of the test.
func (w *world) start(policy once.Policy, with ...func(*instance)) *instance {
	i := &instance{w: w}
	for _, set := range with {
		set(i)
	}
	var err error
	i.guard, err = once.New(once.Config{
		Store: i, Logs: logs{w}, Wait: wait, Skew: skew, Pause: time.Second,
		LookbackTime: 5 * time.Second, LookbackBytes: 1 << 20, Lookbacks: 2, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	i.pipeline = ingest.New(i, []ingest.Step{ingest.ReservedHeaders{}}, []ingest.Step{ingest.Correlated{Header: "correlation-id"}})
	stream := ingest.Stream{Once: i.guard.Step(policy), Steps: []ingest.Step{valid{}}}
	if policy.DeadLetters != "" {
		stream.DeadLetters = &ingest.DeadLetters{Stream: policy.DeadLetters, Topic: "orders", Now: time.Now}
	}
	i.pipeline.SetStreams(map[string]ingest.Stream{"orders": stream})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = i.guard.Run(ctx) })
	i.stop = func() {
		stop()
		running.Wait()
	}
	return i
}

func plain() once.Policy { return once.Policy{Window: window, Lease: lease} }

func message(id, value string) ingest.Message { return ingest.Message{ID: id, Value: []byte(value)} }

// publish publishes as a principal, and returns the verdicts.
func (i *instance) publish(who string, messages ...ingest.Message) []ingest.Verdict {
	return i.publishAs(ingest.Publisher{Principal: who}, messages...)
}

func (i *instance) publishAs(by ingest.Publisher, messages ...ingest.Message) []ingest.Verdict {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	done := make(chan []ingest.Verdict, 1)
	i.pipeline.Publish(ctx, "orders", by, messages, func(v []ingest.Verdict) { done <- v })
	return <-done
}

// says describes a verdict.
func says(v ingest.Verdict) string {
	var letter *ingest.DeadLetteredError
	text := ""
	switch {
	case errors.As(v.Err, &letter):
		var invalid *ingest.InvalidError
		if errors.As(letter.Cause, &invalid) {
			text = "letter: " + invalid.Violations[0].Message
		}
	case errors.Is(v.Err, upstream.ErrPublishUnknown):
		text = "unsettled"
		if errors.Is(causeOf(v.Err), upstream.ErrPublishUnknown) { // it was handed to Kafka
			text = "unknown"
		}
	case errors.Is(v.Err, ingest.ErrMessageIDConflict):
		text = "conflict"
	case errors.Is(v.Err, ingest.ErrMessageIDsUnavailable):
		text = "no ids"
	case errors.Is(v.Err, upstream.ErrPublishUnavailable):
		text = "unavailable"
	case v.Err != nil:
		text = v.Err.Error()
	default:
		text = fmt.Sprintf("%d:%d", v.Partition, v.Offset)
	}
	if v.Duplicate {
		text += " again"
	}
	return text
}

// causeOf returns why a record is unsettled, which every record with an id is if it is not known
// whether it is stored. It is nil for others.
func causeOf(err error) error {
	if unsettled, ok := errors.AsType[*ingest.UnsettledError](err); ok {
		return unsettled.Cause
	}
	return nil
}

func (i *instance) want(want []string, who string, messages ...ingest.Message) {
	i.w.t.Helper()
	var got []string
	for _, v := range i.publish(who, messages...) {
		got = append(got, says(v))
	}
	if !slices.Equal(got, want) {
		i.w.t.Errorf("got %q, want %q", got, want)
	}
	synctest.Wait() // until it is settled
}

// lost is a Producer's answer that is lost, of what was or was not appended.
func (i *instance) lost(appended bool) func(context.Context, string, []upstream.Message, func([]upstream.Stored)) {
	return func(_ context.Context, stream string, m []upstream.Message, done func([]upstream.Stored)) {
		if appended {
			i.w.produce(stream, m)
		}
		go done(failed(len(m), upstream.ErrPublishUnknown))
	}
}

func failed(n int, err error) []upstream.Stored {
	results := make([]upstream.Stored, n)
	for i := range results {
		results[i] = ingest.Rejected(err)
	}
	return results
}
