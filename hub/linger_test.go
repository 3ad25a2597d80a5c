package hub_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// runHub runs a hub with one stream, in a synctest bubble, until the test ends.
func runHub(t *testing.T, topics *hubtest.Topics, replays int, linger time.Duration) *hub.Hub {
	t.Helper()
	h, err := hub.New(hub.Config{
		Streams: []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: topics, LogBytes: 32 << 10, Linger: linger}},
		Shards:  2, Wake: pumpOwners,
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Limits: hub.Limits{ReplaysPerInstance: replays, StartTimeout: 20 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return h
}

// TestLingerCountsFromTheLast: a stream is read for the whole linger time after the
// last subscriber, whichever subscribers came and went before.
func TestLingerCountsFromTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		h := runHub(t, topics, 0, 10*time.Second)
		reads := func(want bool) {
			t.Helper()
			if info, _ := h.Stream("", "orders"); info.Reading != want {
				t.Errorf("reading is %v, want %v", info.Reading, want)
			}
		}
		subscribe(t, h, hub.Request{}).Close()
		time.Sleep(9 * time.Second)
		subscribe(t, h, hub.Request{}).Close()
		time.Sleep(9 * time.Second)
		reads(true)
		time.Sleep(2 * time.Second)
		reads(false)
		subscribe(t, h, hub.Request{}).Close()
		reads(true)
	})
}

// TestStuckReplayGivesItsTurn: a subscription that reads from Kafka and takes
// nothing does not block others, and continues when it takes again.
func TestStuckReplayGivesItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		fill(topics, 1, 10_000)
		h := runHub(t, topics, 1, 0)
		stuck := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
		defer stuck.Close()
		stuck.collect(t, 1)
		synctest.Wait()
		other := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
		defer other.Close()
		other.collect(t, 1) // it takes its place among the waiting subscriptions
		time.Sleep(6 * time.Second)
		for _, r := range []*reader{other, stuck} {
			for len(r.seen) < 9000 {
				if got := r.collect(t, 9000-len(r.seen)); len(got) == 0 {
					t.Fatalf("it got no more than %d events", len(r.seen))
				}
			}
			check(t, r.seen, map[int32]int64{})
		}
	})
}

// TestLastWithinTheBoundOfTheSearch: when the search for the newest records reaches
// its bound, only windows that were searched completely count, not the older part of
// a window.
func TestLastWithinTheBoundOfTheSearch(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	const size, tip = 1 << 10, 600
	value := append(append([]byte{'"'}, bytes.Repeat([]byte("x"), size)...), '"')
	records := make([]record.Record, tip)
	for n := range records {
		records[n] = record.Record{Key: []byte("often"), Value: value, Timestamp: int64(n)}
		if n == tip-300 || n == tip-200 || n == tip-5 {
			records[n].Key = []byte("rare")
		}
	}
	topics.AppendBatch("orders.v1", records)
	h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
	h.BoundSearch(512 << 10) // reached in the second window
	r := &reader{bell: make(bell, 1)}
	var begun hub.Begun
	var err error
	r.Subscription, begun, err = h.Subscribe(t.Context(), hub.Request{
		Stream: "orders", Keys: []string{"rare"}, Start: hub.Start{Kind: hub.StartLast, Last: 2}, Replay: -1, Owner: r.bell,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := r.collect(t, 1); len(got) != 1 || got[0].Offset != tip-5 || !begun.Short {
		t.Errorf("got %+v, short %v, want offset %d and short", got, begun.Short, tip-5)
	}
}
