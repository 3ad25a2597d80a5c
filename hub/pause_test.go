package hub_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// pausedTopic returns a live subscription that was paused while so many records arrived
// that the log no longer reaches back to its position.
func pausedTopic(t *testing.T, policy hub.SlowPolicy, req hub.Request) (*hubtest.Topics, *hub.Hub, *reader) {
	t.Helper()
	topics := hubtest.New()
	topics.Create("orders.v1", 2)
	h := startHubWith(t, topics, func(s *hub.Stream) { s.Backfill, s.LogBytes, s.Slow = 0, 64<<10, policy }, nil)
	r := subscribe(t, h, req)
	t.Cleanup(r.Close)
	add(topics, 0, 10)
	for len(r.seen) < 10 {
		r.collect(t, 10)
	}
	r.Pause()
	add(topics, 10, slowRecords)
	awaitTip(t, h, slowRecords)
	return topics, h, r
}

// nothing fails if a paused subscription delivers anything.
func (r *reader) nothing(t *testing.T) {
	t.Helper()
	if more := r.Collect(10, func(_ bool, body []byte) { t.Errorf("paused, it got %s", body) }); more {
		t.Error("paused, it has more")
	}
}

// TestPausedOneMissesNothing: whatever the log has given up, it is read from Kafka, also
// where a slow subscription would be cut off.
func TestPausedOneMissesNothing(t *testing.T) {
	t.Parallel()
	for _, policy := range []hub.SlowPolicy{hub.SlowCatchUp, hub.SlowDisconnect} {
		_, h, r := pausedTopic(t, policy, hub.Request{})
		at := r.Cursor()
		r.nothing(t)
		r.Pause()
		if !r.Paused() || r.CaughtUp() || r.AtTip() || r.Ended() != "" {
			t.Errorf("%s: paused %v, ended %q", policy, r.Paused(), r.Ended())
		}
		if c, err := record.ParseCursor(at); err != nil {
			t.Error(err)
		} else if p, _ := c.Position("orders"); p.Offset(0, 0) != 5 || p.Offset(1, 0) != 5 {
			t.Errorf("%s: it is at %+v", policy, p)
		}
		r.Resume(nil)
		r.Resume(nil)
		r.collectAll(t, slowRecords)
		next := map[int32]int64{0: 5, 1: 5}
		for i, e := range r.seen[10:] {
			if e.Offset != next[e.Partition] {
				t.Fatalf("%s: event %d is %+v, want what follows %v", policy, i, e, next)
			}
			next[e.Partition]++
		}
		if info, _ := h.Stream("", "orders"); info.Slow != 0 || len(r.seen) != slowRecords {
			t.Errorf("%s: got %d events, and %d were slow", policy, len(r.seen), info.Slow)
		}
	}
}

func TestPausedOneSkips(t *testing.T) {
	t.Parallel()
	topics, _, r := pausedTopic(t, hub.SlowSkip, hub.Request{})
	r.Resume(nil)
	for i, e := range r.collect(t, 2) {
		if e.Type != "gap" || e.Reason != "policy" || e.Partition != int32(i) || e.From != 5 || e.To != slowRecords/2 {
			t.Errorf("gap %d is %+v", i, e)
		}
	}
	add(topics, slowRecords, slowRecords+2)
	if got := r.collect(t, 2); len(got) != 2 || got[0].Offset != slowRecords/2 || got[1].Offset != slowRecords/2 {
		t.Errorf("after the gaps: %+v", got)
	}
}

// TestPausedWhereTheLogReachesBack: no policy applies, and no gap is reported.
func TestPausedWhereTheLogReachesBack(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 2)
	h := startHubWith(t, topics, func(s *hub.Stream) { s.Slow = hub.SlowSkip }, nil)
	r := subscribe(t, h, hub.Request{})
	defer r.Close()
	for n := 0; n < 60; n += 20 {
		r.Pause()
		add(topics, n, n+20)
		awaitTip(t, h, int64(n+20))
		r.nothing(t)
		r.Resume(nil)
		r.collect(t, 20)
	}
	next := make(map[int32]int64)
	for i, e := range r.seen {
		if e.Type != "event" || e.Offset != next[e.Partition] {
			t.Fatalf("event %d is %+v, want what follows %v", i, e, next)
		}
		next[e.Partition]++
	}
}

// TestPausedIsWokenByNothing: new records do not wake the owner, and the feed is not
// given matches, until there is another subscription.
func TestPausedIsWokenByNothing(t *testing.T) {
	t.Parallel()
	for name, req := range map[string]hub.Request{
		"all":    {},
		"keys":   {Keys: []string{"k1"}},
		"filter": {Filter: filter.In(filter.Header("a"), filter.String("b"))},
	} {
		topics := hubtest.New()
		topics.Create("orders.v1", 2)
		h := startHubWith(t, topics, nil, nil)
		r := subscribe(t, h, req)
		feed := r.Feed()
		r.Pause()
		for len(r.bell) > 0 {
			<-r.bell
		}
		add(topics, 0, 200)
		awaitTip(t, h, 200)
		select {
		case <-r.bell:
			t.Errorf("%s: new records have woken it", name)
		default:
		}
		if !r.Feed().Is(feed) || r.Feed().Name() != feed.Name() {
			t.Errorf("%s: its feed is %s, not %s", name, r.Feed().Name(), feed.Name())
		}
		other := subscribe(t, h, req)
		if !other.Feed().Is(feed) {
			t.Errorf("%s: an equal subscription has another feed", name)
		}
		other.Close()
		r.Resume(nil)
		if !r.Feed().Is(feed) {
			t.Errorf("%s: resumed, it has another feed", name)
		}
		if name == "keys" {
			r.collect(t, 10)
		}
		r.Close()
	}
}

// TestPausedWithinABound: a pause is no way around how far back may be read.
func TestPausedWithinABound(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 2)
	h := startHubWith(t, topics, nil, nil)
	r := subscribe(t, h, hub.Request{})
	defer r.Close()
	r.Pause()
	now := time.Now()
	for n, ago := range []time.Duration{time.Hour, 50 * time.Minute, time.Second} {
		topics.Append("orders.v1", record.Record{Key: []byte("k"), Value: []byte("1"), Timestamp: now.Add(-ago).UnixMilli()})
		awaitTip(t, h, int64(n+1))
	}
	bound, err := h.Bound(t.Context(), "", "orders", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	before := r.Cursor()
	r.Resume(&bound)
	if at, err := record.ParseCursor(r.Cursor()); err != nil {
		t.Error(err)
	} else if p, _ := at.Position("orders"); p.Offset(0, 0) != 0 {
		t.Errorf("its cursor %s leads before the gap is delivered, not %s", r.Cursor(), before)
	}
	got := r.collect(t, 2)
	if len(got) != 2 || got[0].Type != "gap" || got[0].Reason != "policy" || got[0].From != 0 || got[0].To != 2 || got[1].Offset != 2 {
		t.Errorf("got %+v", got)
	}
}

// TestPausedWhileConflating: what a conflation has found is given up, and nothing is
// reported twice.
func TestPausedWhileConflating(t *testing.T) {
	t.Parallel()
	for _, steps := range []int{0, 1, 3, 20} {
		_, _, r := slowTopic(t, hub.SlowConflate, hub.Request{}, nil)
		defer r.Close()
		next := map[int32]int64{0: 5, 1: 5}
		var fault error
		deliver := func(n int) {
			more := r.Collect(n, func(_ bool, body []byte) {
				e := seenEvent{}
				if err := json.Unmarshal(body, &e); err != nil {
					t.Fatal(err)
				}
				from, to := e.Offset, e.Offset+1
				if e.Type == "gap" {
					from, to = e.From, e.To
				}
				if from != next[e.Partition] && fault == nil {
					fault = fmt.Errorf("got %s, want what follows %v", body, next)
				}
				next[e.Partition] = to
			})
			if fault != nil {
				t.Fatalf("after %d steps: %v", steps, fault)
			}
			if !more && (next[0] < slowRecords/2 || next[1] < slowRecords/2) {
				<-r.bell
			}
		}
		for range steps {
			deliver(1)
		}
		r.Pause()
		r.nothing(t)
		r.Resume(nil)
		for next[0] < slowRecords/2 || next[1] < slowRecords/2 {
			deliver(3)
		}
	}
}

// TestPausedEnds: a paused subscription hears that its stream has another definition.
func TestPausedEnds(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 2)
	h := startHubWith(t, topics, nil, nil)
	r := subscribe(t, h, hub.Request{})
	defer r.Close()
	r.Pause()
	for len(r.bell) > 0 {
		<-r.bell
	}
	if err := h.SetStreams(nil); err != nil {
		t.Fatal(err)
	}
	<-r.bell
	r.nothing(t)
	if r.Ended() != hub.StreamChanged {
		t.Errorf("ended %q", r.Ended())
	}
	r.Resume(nil)
	r.nothing(t)
}
