package transport

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// pumped is an owner that notes that it was pumped.
type pumped func()

func (p pumped) Pump() { p() }

// TestLanesHaveTurnsAlike: however many subscribers a stream has, and however many
// streams a tenant, another stream or tenant waits for a share of theirs; and a lane is
// settled when its own feeds were delivered, whatever the others have to do.
func TestLanesHaveTurnsAlike(t *testing.T) {
	t.Parallel()
	const many = 50 * laneShare
	for name, c := range map[string]struct {
		big, small hub.Request
		feeds      int // of the big lane
	}{
		"streams":            {hub.Request{Stream: "big"}, hub.Request{Stream: "small"}, 1},
		"filters":            {hub.Request{Stream: "big"}, hub.Request{Stream: "small"}, many},
		"tenants":            {hub.Request{Stream: "one", Tenant: "a"}, hub.Request{Stream: "one", Tenant: "b"}, 1},
		"streams of tenants": {hub.Request{Stream: "one", Tenant: "a"}, hub.Request{Stream: "two", Tenant: "b"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorker(0)
			topics := hubtest.New()
			for _, topic := range []string{"big", "small", "a.one", "b.one", "a.two", "b.two"} {
				topics.Create(topic, 1)
			}
			define := func(name, topic string) hub.Stream {
				return hub.Stream{Name: name, Topic: topic, Source: topics, LogBytes: 1 << 20}
			}
			h, err := hub.New(hub.Config{
				Streams: []hub.Stream{define("big", "big"), define("small", "small"), define("one", "{tenant}.one"), define("two", "{tenant}.two")},
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
			subscribe := func(req hub.Request, then func()) *hub.Subscription {
				req.Start, req.Replay, req.Owner = hub.Start{Kind: hub.StartLatest}, -1, pumped(then)
				s, _, err := h.Subscribe(ctx, req)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(s.Close)
				return s
			}
			topicOf := func(req hub.Request) string {
				if req.Tenant == "" {
					return req.Stream
				}
				return req.Tenant + "." + req.Stream
			}
			served, after := 0, -1
			var small *hub.Lane
			for i := range many {
				req := c.big
				switch {
				case c.feeds == many:
					req.Keys = []string{"k", fmt.Sprint(i)}
				case c.feeds == 2 && i%2 == 1:
					req.Stream = "two"
				}
				subscribe(req, func() {
					// The other stream has something when a part of the big one is
					// delivered.
					if served++; served != many/10 {
						return
					}
					topics.Append(topicOf(c.small), record.Record{})
					for w.owes(c.small) == nil {
						time.Sleep(time.Millisecond)
					}
					small = w.owes(c.small)
				})
			}
			subscribe(c.small, func() { after = served })
			for _, stream := range []string{"", "two"}[:min(c.feeds, 2)] {
				req := c.big
				if stream != "" && c.feeds == 2 {
					req.Stream = stream
				}
				topics.Append(topicOf(req), record.Record{Key: []byte("k")})
			}
			for w.waiting() < c.feeds {
				time.Sleep(time.Millisecond)
			}
			for settled := false; w.round(); {
				if small != nil && !settled && after >= 0 {
					settled = true
					w.settle(small) // does not wait for the big one
					if w.lanes.waiting == 0 {
						t.Error("the big lane was delivered before the small one")
					}
				}
			}
			if served != many || after < many/10 || after > many/10+2*laneShare {
				t.Errorf("the small lane had its turn after %d of %d, want soon after %d", after, served, many/10)
			}
		})
	}
}

// owes returns the lane of a stream if one of its feeds was woken.
func (w *worker) owes(req hub.Request) *hub.Lane {
	w.mu.Lock()
	defer w.mu.Unlock()
	for lane := range w.owed {
		if lane.Tenant == req.Tenant && lane.Stream == req.Stream {
			return lane
		}
	}
	return nil
}

// waiting returns how many feeds were woken.
func (w *worker) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.feeds)
}

// TestBehindSessionsTakeLittleTime: sessions that have to catch up are served for no
// longer than a time before the live ones have their turn, at least one of them.
func TestBehindSessionsTakeLittleTime(t *testing.T) {
	t.Parallel()
	var q waitingSessions
	for range 10 {
		q.came = append(q.came, &session{})
	}
	q.take()
	served := 0
	step := func(*session) {
		served++
		for began := monotimeNow(); monotimeNow().Sub(began) < 2*time.Millisecond; {
			continue
		}
	}
	q.serve(8, time.Millisecond, step)
	if served != 1 {
		t.Errorf("%d sessions were served that each take longer than the time, want 1", served)
	}
	q.serve(8, time.Hour, step)
	if served != 9 || q.empty() {
		t.Errorf("%d sessions were served, want 9 of 10", served)
	}
	q.serve(8, 0, step)
	if served != 10 || !q.empty() {
		t.Errorf("%d sessions were served, want 10", served)
	}
}
