package transport

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// TestLiveSessionsGoFirst: however many sessions have to catch up, a live session
// waits for at most a few of them.
func TestLiveSessionsGoFirst(t *testing.T) {
	t.Parallel()
	const catchingUp = 20 * behindShare
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := newWorker(0)
	var order []string
	enqueue := func(name string, behind bool, then func()) {
		s := &session{worker: w, inbox: []command{func(s *session, _ *scratch) {
			order = append(order, name)
			then()
			s.closed = true
		}}}
		s.behind.Store(behind)
		s.state.Store(queued)
		w.enqueue(s)
	}
	for range catchingUp {
		enqueue("behind", true, func() {
			switch len(order) {
			case 100:
				enqueue("live amid them", false, func() {})
			case catchingUp + 2:
				cancel()
			}
		})
	}
	enqueue("live at first", false, func() {})
	w.run(ctx)
	if len(order) != catchingUp+2 || order[0] != "live at first" {
		t.Fatalf("%d had their turn, %q as the first", len(order), order[0])
	}
	if at := slices.Index(order, "live amid them"); at < 100 || at > 100+behindShare {
		t.Errorf("one that is live had its turn as number %d, and came as number 100", at)
	}
}

// sleeper is an owner that has nothing to do.
type sleeper struct{}

func (sleeper) Pump() {}

// TestWorkersHoldNothing: a worker keeps no reference to anything it has processed.
func TestWorkersHoldNothing(t *testing.T) {
	t.Parallel()
	w := newWorker(0)
	topics := hubtest.New()
	topics.Create("orders", 1)
	h, err := hub.New(hub.Config{
		Streams: []hub.Stream{{Name: "orders", Topic: "orders", Source: topics, LogBytes: 1 << 20}},
		Shards:  1, Wake: func(_ int, f *hub.Feed) { w.wakeFeed(f) }, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Limits: hub.Limits{StartTimeout: time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	defer running.Wait()
	defer cancel()
	subscribe := func(keys ...string) {
		s, _, err := h.Subscribe(ctx, hub.Request{
			Stream: "orders", Keys: keys, Start: hub.Start{Kind: hub.StartLatest}, Replay: -1, Owner: sleeper{},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
	}
	// One pass delivers two feeds, the second one to fewer subscriptions.
	subscribe("k")
	for range 10 {
		subscribe()
	}
	topics.Append("orders", record.Record{Key: []byte("k")})
	woken := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.feeds)
	}
	for woken() < 2 {
		time.Sleep(time.Millisecond)
	}
	worked := make(chan struct{})
	working, stop := context.WithCancel(ctx)
	go func() { defer close(worked); w.run(working) }()
	ran := make(chan struct{})
	s := &session{worker: w, inbox: []command{func(s *session, sc *scratch) {
		sc.given.sub = &subscription{}
		sc.batch.Bufs = append(sc.batch.Bufs, []byte("x"))
		sc.first[0] = sc.batch.Bufs[0]
		s.closed = true
		close(ran)
	}}}
	s.state.Store(queued)
	w.enqueue(s)
	<-ran
	for owed := true; owed; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		owed = len(w.owed) > 0
		w.mu.Unlock()
	}
	stop()
	<-worked
	if len(w.lanes.all) != 0 || w.lanes.waiting != 0 || len(w.lanes.idle) != 1 {
		t.Fatalf("lanes are left: %+v", w.lanes)
	}
	for _, at := range w.lanes.idle {
		for _, o := range at.owners[:cap(at.owners)] {
			if o != nil {
				t.Fatal("an owner is held")
			}
		}
		if (at.of != hub.Lane{}) {
			t.Fatal("the name of a lane is held")
		}
	}
	for _, held := range [][]*session{w.live.came[:cap(w.live.came)], w.live.line[:cap(w.live.line)], w.behind.came[:cap(w.behind.came)], w.behind.line[:cap(w.behind.line)]} {
		for _, s := range held {
			if s != nil {
				t.Fatal("a session is held")
			}
		}
	}
	for _, held := range [][]*hub.Feed{w.feeds[:cap(w.feeds)], w.lanes.done[:cap(w.lanes.done)], w.lanes.idle[0].feeds[:cap(w.lanes.idle[0].feeds)]} {
		for _, f := range held {
			if f != nil {
				t.Fatal("a feed is held")
			}
		}
	}
	bufs := w.scratch.batch.Bufs
	if w.scratch.given.sub != nil || w.scratch.first[0] != nil || len(bufs) > 0 || bufs[:1][0] != nil {
		t.Error("what the last step has delivered is held")
	}
}

// TestNoSessionIsForgotten: a session that is enqueued while others are still waiting has
// its turn without another wake-up, and so does one that has to catch up.
func TestNoSessionIsForgotten(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		behind bool
		share  int
	}{"live": {false, laneShare}, "behind": {true, behindShare}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorker(0)
			served := 0
			enqueue := func(then func()) {
				s := &session{worker: w, inbox: []command{func(s *session, _ *scratch) {
					served++
					then()
					s.closed = true
				}}}
				s.behind.Store(c.behind)
				s.state.Store(queued)
				w.enqueue(s)
			}
			nothing := func() {}
			enqueue(func() { enqueue(nothing) }) // in the first round
			for range c.share {
				enqueue(nothing) // the last of them is left for the second round
			}
			for len(w.wake) > 0 {
				<-w.wake
				if w.round() {
					w.ring()
				}
			}
			if served != c.share+2 {
				t.Errorf("%d sessions of %d had their turn", served, c.share+2)
			}
		})
	}
}
