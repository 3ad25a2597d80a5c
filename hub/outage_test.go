package hub_test

import (
	"context"
	"errors"
	"fmt"
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

// otherStream adds a stream of another cluster, with as many records as lateTopic has.
func otherStream(each int) (*hubtest.Topics, func(*hub.Config)) {
	other := hubtest.New()
	other.Create("payments.v1", 1)
	for n := range each {
		r := numbered(0, n)
		r.Value = fmt.Appendf(nil, `"%0250d"`, n)
		other.Append("payments.v1", r)
	}
	return other, func(c *hub.Config) {
		c.Streams = append(c.Streams, hub.Stream{
			Name: "payments", Topic: "payments.v1", Source: other, LogBytes: 32 << 10, RecordBytes: 1 << 20,
		})
	}
}

// TestAnOutageHoldsNoTurns: subscriptions that wait for a cluster that is unavailable leave the
// turns to those that read another one, and go on when it is back.
func TestAnOutageHoldsNoTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other, add := otherStream(3_000)
		topics, h := lateTopic(t, 1, 3_000, func(c *hub.Config) {
			c.ReplaysPerInstance = 1 // all that wait for the same records have one turn
			add(c)
		})
		var waiting []*reader
		for i := range 5 {
			r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}, Principal: fmt.Sprint("away", i)})
			defer r.Close()
			waiting = append(waiting, r)
		}
		topics.Away(true)
		for _, r := range waiting {
			r.Collect(1, func(bool, []byte) {})
		}
		time.Sleep(time.Second)
		r := subscribe(t, h, hub.Request{Stream: "payments", Start: hub.Start{Kind: hub.StartEarliest}, Principal: "present"})
		defer r.Close()
		began := time.Now()
		if got := r.collect(t, 3_000); len(got) != 3_000 || time.Since(began) > 30*time.Second {
			t.Errorf("got %d records of the cluster that is available, after %v", len(got), time.Since(began))
		}
		if n := other.Reads(); n == 0 {
			t.Error("the records were in memory")
		}
		topics.Away(false)
		for i, r := range waiting {
			if r.collectAll(t, 3_000); len(r.seen) != 3_000 {
				t.Errorf("reader %d got %d records after the outage", i, len(r.seen))
			}
		}
		if n := h.Late().Waiting; n != 0 {
			t.Errorf("%d wait for ever", n)
		}
	})
}

// silentSource is a cluster that does not answer about offsets while it is silent.
type silentSource struct {
	*hubtest.Topics
	silent atomic.Bool
	ends   bool // nor about the ends of topics
}

// Offsets implements upstream.Source.
func (s *silentSource) Offsets(ctx context.Context, asked record.Topic, at upstream.OffsetSpec) ([]record.PartitionOffset, error) {
	if _, ofTime := at.Time(); (ofTime || s.ends) && s.silent.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Topics.Offsets(ctx, asked, at)
}

// TestASilentClusterIsWaitedForOnce: those that ask how far back a span reaches wait for their own
// time, and not for those before them.
func TestASilentClusterIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const wait = 5 * time.Second
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		fill(topics, 1, 100)
		source := &silentSource{Topics: topics}
		h := startHubWith(t, topics, func(s *hub.Stream) { s.Source, s.Backfill = source, 0 }, func(c *hub.Config) {
			c.StartTimeout = wait
		})
		live := subscribe(t, h, hub.Request{})
		defer live.Close()
		source.silent.Store(true)
		ended := make(chan time.Duration)
		const clients = 4
		began := time.Now()
		for range clients {
			go func() {
				s, _, err := h.Subscribe(t.Context(), hub.Request{
					Stream: "orders", Owner: make(bell, 1), Start: hub.Start{Kind: hub.StartEarliest}, Replay: time.Hour,
				})
				if err == nil {
					s.Close()
				} else if !errors.Is(err, upstream.ErrSourceUnavailable) {
					t.Error(err)
				}
				ended <- time.Since(began)
			}()
		}
		for range clients {
			if took := <-ended; took > wait+time.Second {
				t.Errorf("a client waited for %v, want %v at most", took, wait)
			}
		}
	})
}

// TestASilentClusterHoldsNoSearches: those that search a cluster that does not answer leave their
// turns to those that search another one.
func TestASilentClusterHoldsNoSearches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const wait = 5 * time.Second
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		fill(topics, 1, 100)
		source := &silentSource{Topics: topics, ends: true}
		_, add := otherStream(100)
		h := startHubWith(t, topics, func(s *hub.Stream) { s.Source, s.Backfill = source, 0 }, func(c *hub.Config) {
			c.StartTimeout, c.ReplaysPerInstance = wait, 2
			add(c)
		})
		live := subscribe(t, h, hub.Request{})
		defer live.Close()
		source.silent.Store(true)
		var all sync.WaitGroup
		for n := range 3 {
			all.Go(func() {
				_, _, err := h.Subscribe(t.Context(), hub.Request{
					Stream: "orders", Owner: make(bell, 1), Principal: fmt.Sprint(n), Start: hub.Start{Kind: hub.StartLast, Last: 3}, Replay: -1,
				})
				if !errors.Is(err, upstream.ErrSourceUnavailable) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		r := subscribe(t, h, hub.Request{Stream: "payments", Start: hub.Start{Kind: hub.StartLast, Last: 3}})
		defer r.Close()
		if got := r.collect(t, 3); len(got) != 3 || time.Since(began) > time.Second {
			t.Errorf("got %d records of the cluster that answers, after %v", len(got), time.Since(began))
		}
		all.Wait()
	})
}

// frozenSource is a cluster whose reads take long, and fail, while it is frozen.
type frozenSource struct {
	*hubtest.Topics
	frozen atomic.Bool
}

// Read implements upstream.Source.
func (s *frozenSource) Read(ctx context.Context, topic record.Topic, from []record.PartitionOffset, most int, visit func(*upstream.Fetched)) error {
	if !s.frozen.Load() {
		return s.Topics.Read(ctx, topic, from, most, visit)
	}
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
	}
	return upstream.ErrSourceUnavailable
}

// TestReadsThatAreTriedAgainHaveHalfOfTheTurns: whoever reads another cluster meanwhile does not wait
// for each of them.
func TestReadsThatAreTriedAgainHaveHalfOfTheTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const frozen = 12
		source := &frozenSource{Topics: hubtest.New()}
		_, add := otherStream(20_000)
		h := startHubWith(t, source.Topics, func(s *hub.Stream) { s.Source, s.Backfill = source, 0 }, func(c *hub.Config) {
			c.ReplaysPerInstance = 2
			add(c)
			c.Streams = c.Streams[1:]
			for n := range frozen {
				topic := fmt.Sprint("frozen", n)
				source.Create(topic, 1)
				source.Append(topic, numbered(0, 1))
				c.Streams = append(c.Streams, hub.Stream{Name: topic, Topic: topic, Source: source, LogBytes: 32 << 10})
			}
		})
		var waiting []*reader
		for n := range frozen {
			r := subscribe(t, h, hub.Request{Stream: fmt.Sprint("frozen", n), Start: hub.Start{Kind: hub.StartEarliest}, Principal: fmt.Sprint(n)})
			defer r.Close()
			waiting = append(waiting, r)
		}
		source.frozen.Store(true)
		for _, r := range waiting {
			r.Collect(1, func(bool, []byte) {})
		}
		time.Sleep(5 * time.Second * frozen) // all have been tried
		r := subscribe(t, h, hub.Request{Stream: "payments", Start: hub.Start{Kind: hub.StartEarliest}, Principal: "present"})
		defer r.Close()
		began := time.Now()
		if got := r.collect(t, 15_000); len(got) != 15_000 || time.Since(began) > 10*time.Second {
			t.Errorf("got %d records of the cluster that answers, after %v", len(got), time.Since(began))
		}
		source.frozen.Store(false)
		for n, r := range waiting {
			if got := r.collect(t, 1); len(got) != 1 {
				t.Errorf("reader %d got nothing after that", n)
			}
		}
	})
}
