package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// countedSource takes a second for each read, and counts concurrent reads.
type countedSource struct {
	*hubtest.Topics
	mu            sync.Mutex
	reading, most int
}

func (s *countedSource) Read(ctx context.Context, topic record.Topic, from []record.PartitionOffset, most int, each func(*upstream.Fetched)) error {
	s.mu.Lock()
	s.reading++
	s.most = max(s.most, s.reading)
	s.mu.Unlock()
	time.Sleep(time.Second)
	s.mu.Lock()
	s.reading--
	s.mu.Unlock()
	return s.Topics.Read(ctx, topic, from, most, each)
}

// TestSearchesTakeTurns: searches for the newest records of a rare key read from
// Kafka within the bounds of replays; others wait, and one principal does not block
// another.
func TestSearchesTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &countedSource{Topics: hubtest.New()}
		source.Create("orders.v1", 1)
		for n := range 100 {
			source.Append("orders.v1", record.Record{Key: []byte("often"), Value: fmt.Append(nil, n), Timestamp: int64(n)})
		}
		h, err := hub.New(hub.Config{
			Streams: []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: source, LogBytes: 64 << 10}},
			Shards:  1, Wake: func(int, *hub.Feed) {}, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
			Limits: hub.Limits{StartTimeout: time.Minute, ReplaysPerPrincipal: 2, ReplaysPerInstance: 3},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running, all sync.WaitGroup
		running.Go(func() { _ = h.Run(ctx) })
		defer running.Wait()
		defer cancel()
		ask := func(ctx context.Context, principal string) error {
			s, _, err := h.Subscribe(ctx, hub.Request{
				Stream: "orders", Keys: []string{"rare"}, Start: hub.Start{Kind: hub.StartLast, Last: 10}, Replay: -1,
				Principal: principal, Owner: make(bell, 1),
			})
			if err == nil {
				s.Close()
			}
			return err
		}
		for range 10 {
			all.Go(func() {
				if err := ask(ctx, "many"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		impatient, giveUp := context.WithTimeout(ctx, 10*time.Millisecond)
		defer giveUp()
		if err := ask(impatient, "many"); !errors.Is(err, upstream.ErrSourceUnavailable) {
			t.Errorf("one that no longer waits got %v, want %v", err, upstream.ErrSourceUnavailable)
		}
		begun := time.Now()
		if err := ask(ctx, "one"); err != nil {
			t.Error(err)
		}
		one := time.Since(begun)
		all.Wait()
		if many := time.Since(begun); one > many/3 {
			t.Errorf("another principal waited for %v of %v", one, many)
		}
		if source.most != 3 {
			t.Errorf("%d reads were under way at once, want 3", source.most)
		}
	})
}

// TestSearchesWithinTheBudget: reads in search of the newest records count against
// the budget of late subscriptions.
func TestSearchesWithinTheBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		value := fmt.Appendf(nil, `"%01000d"`, 0)
		const records = 1000 // about a MB of events
		for n := range records {
			topics.Append("orders.v1", record.Record{Key: []byte("often"), Value: value, Timestamp: int64(n)})
		}
		h, err := hub.New(hub.Config{
			Streams: []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: topics, LogBytes: 64 << 10}},
			Shards:  1, Wake: func(int, *hub.Feed) {}, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
			Limits: hub.Limits{StartTimeout: time.Minute, LateBytesPerSecond: 100 << 10},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = h.Run(ctx) })
		defer running.Wait()
		defer cancel()
		begun := time.Now()
		s, _, err := h.Subscribe(ctx, hub.Request{
			Stream: "orders", Keys: []string{"rare"}, Start: hub.Start{Kind: hub.StartLast, Last: 10}, Replay: -1, Owner: make(bell, 1),
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if took := time.Since(begun); took < 5*time.Second {
			t.Errorf("it took %v, less than the budget allows", took)
		}
	})
}

// failingSource fails to read a topic.
type failingSource struct {
	*hubtest.Topics
	fails string
}

func (s *failingSource) Read(ctx context.Context, topic record.Topic, from []record.PartitionOffset, most int, each func(*upstream.Fetched)) error {
	if topic.Name == s.fails {
		return upstream.ErrSourceUnavailable
	}
	return s.Topics.Read(ctx, topic, from, most, each)
}

// TestSearchesThatFailLeaveTheirTurns: a search whose reads from Kafka fail keeps no other one
// from its turn while it waits to try again.
func TestSearchesThatFailLeaveTheirTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &failingSource{Topics: hubtest.New(), fails: "lost.v1"}
		for _, topic := range []string{"lost.v1", "orders.v1"} {
			source.Create(topic, 1)
			for n := range 10 {
				source.Append(topic, record.Record{Key: []byte("k"), Value: fmt.Append(nil, n), Timestamp: int64(n)})
			}
		}
		h, err := hub.New(hub.Config{
			Streams: []hub.Stream{
				{Name: "lost", Topic: "lost.v1", Source: source, LogBytes: 64 << 10},
				{Name: "orders", Topic: "orders.v1", Source: source, LogBytes: 64 << 10},
			},
			Shards: 1, Wake: func(int, *hub.Feed) {}, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
			Limits: hub.Limits{StartTimeout: time.Minute, ReplaysPerPrincipal: 1, ReplaysPerInstance: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = h.Run(ctx) })
		defer running.Wait()
		defer cancel()
		ask := func(stream string) error {
			s, _, err := h.Subscribe(ctx, hub.Request{
				Stream: stream, Start: hub.Start{Kind: hub.StartLast, Last: 5}, Replay: -1, Principal: "p", Owner: make(bell, 1),
			})
			if err == nil {
				s.Close()
			}
			return err
		}
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if err := ask("lost"); !errors.Is(err, upstream.ErrSourceUnavailable) {
					t.Errorf("a search that fails got %v", err)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		if err := ask("orders"); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("another search took %v", took)
		}
		all.Wait()
		if n := h.Searching(); n != 0 {
			t.Errorf("%d searches hold a turn in the end", n)
		}
	})
}
