package hub_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// TestReplayBoundTellsWhatIsMissingAndWhy: records that Kafka no longer keeps are
// not reported as withheld by the grant, and neither are offsets without a record.
func TestReplayBoundTellsWhatIsMissingAndWhy(t *testing.T) {
	t.Parallel()
	const span = 30*time.Minute + 30*time.Second
	tests := map[string]struct {
		skip, old, young int // offsets without a record, records before the span, and in it
		expire           int64
		from             hub.Start
		want             []string
	}{
		"kept and young":           {young: 5, want: nil},
		"old":                      {old: 10, young: 5, want: []string{"policy 0-10"}},
		"expired":                  {old: 10, young: 5, expire: 12, from: cursorAt(3), want: []string{"retention 3-12"}},
		"both":                     {old: 10, young: 5, expire: 6, from: cursorAt(3), want: []string{"retention 3-6", "policy 6-10"}},
		"a hole":                   {skip: 10, young: 5, want: nil},
		"a hole, then old records": {skip: 10, old: 5, young: 5, want: []string{"policy 10-15"}},
		"in a hole":                {skip: 10, young: 5, from: cursorAt(4), want: nil},
		"all expired":              {old: 10, expire: 10, from: cursorAt(4), want: []string{"retention 4-10"}},
		"nothing young":            {old: 10, from: cursorAt(4), want: []string{"policy 4-10"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topics := hubtest.New()
			topics.Create("orders.v1", 1)
			topics.Skip("orders.v1", 0, test.skip)
			for n := range test.old + test.young {
				r := numbered(0, n)
				if n < test.old {
					r.Timestamp -= time.Hour.Milliseconds()
				}
				topics.Append("orders.v1", r)
			}
			if test.expire > 0 {
				topics.Expire("orders.v1", 0, test.expire)
			}
			h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
			start := test.from
			if start.Kind == "" {
				start.Kind = hub.StartEarliest
			} else {
				topic, err := topics.Topic(t.Context(), "orders.v1")
				if err != nil {
					t.Fatal(err)
				}
				start.Position.Topic = topic.ID
			}
			left := subscribe(t, h, hub.Request{Start: start, Replay: span})
			if len(test.want) > 0 {
				// A client that leaves before the gap is reported gets it when it
				// returns.
				start = hub.Start{Kind: hub.StartCursor, Position: left.Position()}
			}
			left.Close()
			r := subscribe(t, h, hub.Request{Start: start, Replay: span})
			defer r.Close()
			topics.Append("orders.v1", numbered(0, 99))
			kept := test.young - int(max(0, test.expire-int64(test.old)))
			var gaps []string
			records := 0
			for _, e := range r.collect(t, len(test.want)+kept+1) {
				if e.Type == "gap" {
					gaps = append(gaps, fmt.Sprintf("%s %d-%d", e.Reason, e.From, e.To))
				} else {
					records++
				}
			}
			if !slices.Equal(gaps, test.want) || records != kept+1 {
				t.Errorf("got the gaps %v and %d records, want %v and %d", gaps, records, test.want, kept+1)
			}
		})
	}
}

// cursorAt returns a start at an offset of partition 0.
func cursorAt(offset int64) hub.Start {
	return hub.Start{Kind: hub.StartCursor, Position: record.Position{Offsets: []record.PartitionOffset{{Partition: 0, Epoch: -1, Offset: offset}}}}
}

// TestNarrowTellsWhateverTheStart: what a running subscription may no longer read is
// reported, also if the subscription began with the newest records, where fewer
// records than asked for are no gap as long as nothing has been delivered.
func TestNarrowTellsWhateverTheStart(t *testing.T) {
	t.Parallel()
	const old, young = 40, 5
	for name, start := range map[string]hub.Start{
		"earliest": {Kind: hub.StartEarliest},
		"last":     {Kind: hub.StartLast, Last: old + young},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topics := hubtest.New()
			topics.Create("orders.v1", 1)
			for n := range old + young {
				r := numbered(0, n)
				if n < old {
					r.Timestamp -= time.Hour.Milliseconds()
				}
				topics.Append("orders.v1", r)
			}
			h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
			r := subscribe(t, h, hub.Request{Start: start})
			defer r.Close()
			r.collect(t, 10)
			at := r.Position().Offset(0, -1)
			bound, err := h.Bound(t.Context(), "", "orders", 30*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			r.Narrow(bound)
			rest := r.collect(t, 1+young)
			if gap := rest[0]; gap.Type != "gap" || gap.Reason != "policy" || gap.From != at || gap.To != old {
				t.Errorf("behind %d comes %+v, want a gap of policy up to %d", at, gap, old)
			}
			for i, e := range rest[1:] {
				if e.Offset != int64(old+i) {
					t.Errorf("got %+v, want offset %d", e, old+i)
				}
			}
		})
	}
}

// TestHorizonsAreForgotten: however many spans tokens name, few of them are remembered for longer
// than they are of use.
func TestHorizonsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		h := startHub(t, topics, nil)
		subscribe(t, h, hub.Request{})
		for n := range 1000 {
			if _, err := h.Bound(t.Context(), "", "orders", time.Hour+time.Duration(n)*time.Second); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := h.Horizons("orders"); n > 100 {
			t.Errorf("%d are remembered", n)
		}
	})
}

// slowSource takes a second to tell offsets, and counts those who ask at the same time.
type slowSource struct {
	*hubtest.Topics
	asking, most atomic.Int32
}

func (s *slowSource) Offsets(ctx context.Context, topic record.Topic, at upstream.OffsetSpec) ([]record.PartitionOffset, error) {
	s.most.Store(max(s.most.Load(), s.asking.Add(1)))
	defer s.asking.Add(-1)
	time.Sleep(time.Second)
	return s.Topics.Offsets(ctx, topic, at)
}

// TestManyThatBeginAskKafkaInTurns: clients cannot make the server open as many connections to a
// broker as subscriptions begin at once.
func TestManyThatBeginAskKafkaInTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		source := &slowSource{Topics: topics}
		h := startHub(t, topics, func(s *hub.Stream) { s.Source = source })
		var all sync.WaitGroup
		for range 500 {
			all.Go(func() {
				request := hub.Request{Stream: "orders", Owner: make(bell, 1), Replay: -1, Start: hub.Start{Kind: hub.StartEarliest}}
				s, _, err := h.Subscribe(t.Context(), request)
				if err != nil {
					t.Error(err)
					return
				}
				s.Close()
			})
		}
		all.Wait()
		if n := source.most.Load(); n > 100 {
			t.Errorf("%d ask at once", n)
		}
	})
}

// deafSource does not answer about some topics.
type deafSource struct {
	slowSource
	deaf atomic.Bool
}

func (s *deafSource) Offsets(ctx context.Context, topic record.Topic, at upstream.OffsetSpec) ([]record.PartitionOffset, error) {
	if topic.Name == "orders.v1" || !s.deaf.Load() {
		return s.Topics.Offsets(ctx, topic, at)
	}
	s.most.Store(max(s.most.Load(), s.asking.Add(1)))
	defer s.asking.Add(-1)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestManyStreamsAskKafkaInTurns: clients cannot make the server open as many connections to a
// broker as they begin subscriptions in all streams, nor do questions that are not answered keep
// those about another stream waiting.
func TestManyStreamsAskKafkaInTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		source := &deafSource{slowSource: slowSource{Topics: topics}}
		streams := []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: source, LogBytes: 64 << 10, Linger: time.Hour}}
		for n := range 12 {
			topics.Create(fmt.Sprint("t", n), 1)
			streams = append(streams, hub.Stream{Name: fmt.Sprint("s", n), Topic: fmt.Sprint("t", n), Source: source, LogBytes: 64 << 10, Linger: time.Hour})
		}
		h := startHub(t, topics, nil)
		if err := h.SetStreams(streams); err != nil {
			t.Fatal(err)
		}
		begin := func(stream string, start hub.StartKind) error {
			s, _, err := h.Subscribe(t.Context(), hub.Request{Stream: stream, Owner: make(bell, 1), Replay: -1, Start: hub.Start{Kind: start}})
			if err == nil {
				s.Close()
			}
			return err
		}
		for _, s := range streams {
			if err := begin(s.Name, hub.StartLatest); err != nil {
				t.Fatal(err)
			}
		}
		source.deaf.Store(true)
		var all sync.WaitGroup
		for n := range 12 * 100 {
			all.Go(func() {
				if begin(fmt.Sprint("s", n%12), hub.StartEarliest) == nil {
					t.Error("it was answered")
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		if err := begin("orders", hub.StartEarliest); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("a stream that Kafka answers about took %v", took)
		}
		all.Wait()
		if n := source.most.Load(); n > 256 {
			t.Errorf("%d ask at once", n)
		}
	})
}

// TestATenantLeavesQuestionsToOthers: a tenant that has as many questions as it may have, which
// Kafka does not answer, keeps no other tenant from asking about a stream that both have.
func TestATenantLeavesQuestionsToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		source := &deafSource{slowSource: slowSource{Topics: topics}}
		streams := []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: source, LogBytes: 64 << 10, Linger: time.Hour}}
		const deaf = 6
		for n := range deaf {
			topics.Create(fmt.Sprint("t", n), 1)
			streams = append(streams, hub.Stream{Name: fmt.Sprint("s", n), Topic: fmt.Sprint("t", n), Source: source, LogBytes: 64 << 10, Linger: time.Hour})
		}
		h := startHub(t, topics, nil)
		if err := h.SetStreams(streams); err != nil {
			t.Fatal(err)
		}
		begin := func(tenant, stream string, start hub.StartKind) error {
			s, _, err := h.Subscribe(t.Context(), hub.Request{Tenant: tenant, Stream: stream, Owner: make(bell, 1), Replay: -1, Start: hub.Start{Kind: start}})
			if err == nil {
				s.Close()
			}
			return err
		}
		for _, s := range streams {
			if err := begin("greedy", s.Name, hub.StartLatest); err != nil {
				t.Fatal(err)
			}
		}
		source.deaf.Store(true)
		var all sync.WaitGroup
		ask := func(stream string) {
			for range 100 {
				all.Go(func() { _ = begin("greedy", stream, hub.StartEarliest) })
			}
			synctest.Wait()
		}
		for n := range deaf {
			ask(fmt.Sprint("s", n))
		}
		ask("orders")
		began := time.Now()
		if err := begin("modest", "orders", hub.StartEarliest); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the other tenant waited for %v", took)
		}
		all.Wait()
	})
}

// TestASharedAnswerHasATurnOfItsOwn: how far back a span reaches, which all clients are told, does
// not wait for what else the tenant waits for that has asked first.
func TestASharedAnswerHasATurnOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		fill(topics, 1, 100)
		source := &slowSource{Topics: topics}
		h := startHub(t, topics, func(s *hub.Stream) { s.Source = source })
		defer subscribe(t, h, hub.Request{}).Close()
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				s, _, err := h.Subscribe(t.Context(), hub.Request{Tenant: "greedy", Stream: "orders", Owner: make(bell, 1), Replay: -1, Start: hub.Start{Kind: hub.StartEarliest}})
				if err == nil {
					s.Close()
				}
			})
		}
		synctest.Wait()
		bound := func(tenant string) {
			if _, err := h.Bound(t.Context(), tenant, "orders", time.Hour); err != nil {
				t.Error(err)
			}
		}
		all.Go(func() { bound("greedy") })
		synctest.Wait()
		began := time.Now()
		bound("modest")
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the other tenant waited for %v", took)
		}
		all.Wait()
	})
}
