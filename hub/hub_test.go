package hub_test

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if seed := flag.Lookup("rapid.seed"); seed.Value.String() == seed.DefValue {
		// Use the same cases each time; -rapid.seed and -rapid.checks select others.
		_ = flag.Set(seed.Name, "7")
	}
	goleak.VerifyTestMain(m)
}

// pumpOwners acts as a worker: it pumps the owners of a feed that has something new.
func pumpOwners(shard int, f *hub.Feed) {
	go func() {
		for _, o := range f.Take(shard, nil) {
			o.Pump()
		}
	}()
}

type bell chan struct{}

func (b bell) Pump() {
	select {
	case b <- struct{}{}:
	default:
	}
}

func startHub(t *testing.T, topics *hubtest.Topics, change func(*hub.Stream)) *hub.Hub {
	t.Helper()
	return startHubWith(t, topics, change, nil)
}

func startHubWith(t *testing.T, topics *hubtest.Topics, change func(*hub.Stream), changeHub func(*hub.Config)) *hub.Hub {
	t.Helper()
	return startHubThat(t, topics, change, changeHub, func(*hub.Hub) {})
}

func startHubThat(t *testing.T, topics *hubtest.Topics, change func(*hub.Stream), changeHub func(*hub.Config), is func(*hub.Hub)) *hub.Hub {
	t.Helper()
	stream := hub.Stream{
		Name: "orders", Topic: "orders.v1", Source: topics, Producer: topics,
		LogBytes: 64 << 10, Backfill: time.Hour, RecordBytes: 1 << 20,
	}
	if change != nil {
		change(&stream)
	}
	config := hub.Config{
		Streams: []hub.Stream{stream}, Shards: 2, Wake: pumpOwners, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Limits: hub.Limits{StartTimeout: time.Minute},
	}
	if changeHub != nil {
		changeHub(&config)
	}
	h, err := hub.New(config)
	if err != nil {
		t.Fatal(err)
	}
	h.WatchSteps(func(fault string) { t.Error(fault) })
	is(h)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	<-h.Started()
	return h
}

type seenEvent struct {
	Type      string
	Partition int32
	Offset    int64
	From, To  int64
	Reason    string
	Key       *string
}

// reader is one client with a subscription.
type reader struct {
	*hub.Subscription
	bell bell
	seen []seenEvent
}

func subscribe(t *testing.T, h *hub.Hub, req hub.Request) *reader {
	t.Helper()
	r := &reader{bell: make(bell, 1)}
	req.Stream, req.Owner, req.Shard = cmp.Or(req.Stream, "orders"), r.bell, rand.IntN(2)
	if req.Start.Kind == "" {
		req.Start.Kind = hub.StartLatest
	}
	if req.Replay == 0 {
		req.Replay = -1
	}
	var err error
	if r.Subscription, _, err = h.Subscribe(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	return r
}

// collect takes n more events, or as many as arrive in a while.
func (r *reader) collect(t *testing.T, n int) []seenEvent {
	t.Helper()
	var got []seenEvent
	deadline := time.After(time.Minute)
	for len(got) < n {
		more := r.Collect(1+rand.IntN(n-len(got)), func(_ bool, body []byte) {
			var e seenEvent
			if err := json.Unmarshal(body, &e); err != nil {
				t.Errorf("%s: %v", body, err)
			}
			got = append(got, e)
		})
		if more || len(got) >= n {
			continue
		}
		if r.Ended() != "" {
			break
		}
		select {
		case <-r.bell:
		case <-deadline:
			r.seen = append(r.seen, got...)
			return got
		}
	}
	r.seen = append(r.seen, got...)
	return got
}

func numbered(partition int32, n int) record.Record {
	return record.Record{
		Partition: partition, Key: fmt.Appendf(nil, "k%d", n%7), Value: hubtest.Value(partition, n),
		Timestamp: time.Now().UnixMilli(),
	}
}

func fill(topics *hubtest.Topics, partitions, each int) {
	for n := range each {
		for p := range partitions {
			if n%10 == 9 {
				topics.Skip("orders.v1", int32(p), 1)
				continue
			}
			topics.Append("orders.v1", numbered(int32(p), n))
		}
	}
}

// check verifies the order and completeness of what a client has seen: offsets rise
// within a partition, and no visible one is missing after the first.
func check(t *testing.T, seen []seenEvent, from map[int32]int64) {
	t.Helper()
	next := from
	for _, e := range seen {
		if e.Type == "gap" {
			next[e.Partition] = e.To
			continue
		}
		want := next[e.Partition]
		if want%10 == 9 {
			want++
		}
		if e.Offset != want {
			t.Fatalf("partition %d: got offset %d, want %d", e.Partition, e.Offset, want)
		}
		next[e.Partition] = e.Offset + 1
	}
}

func TestLiveRecordsArriveInOrder(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 3)
	h := startHub(t, topics, nil)
	r := subscribe(t, h, hub.Request{})
	defer r.Close()
	fill(topics, 3, 100)
	if got := r.collect(t, 270); len(got) != 270 {
		t.Fatalf("got %d events, want 270", len(got))
	}
	check(t, r.seen, map[int32]int64{})
}

func TestEarliestReadsWhatPrecedesTheLog(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 3)
	fill(topics, 3, 2000) // far more than the log holds
	h := startHub(t, topics, nil)
	r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
	defer r.Close()
	fill(topics, 3, 100)
	if got := r.collect(t, 5670); len(got) != 5670 {
		t.Fatalf("got %d events, want 5670", len(got))
	}
	check(t, r.seen, map[int32]int64{})
	if r.CaughtUp() != true || r.CaughtUp() {
		t.Error("it has caught up, and says so once")
	}
}

// TestNoSilentGap: a client that is disconnected at random and resumes by cursor,
// also at another hub whose log merges the partitions differently, gets everything
// exactly once.
func TestNoSilentGap(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 5)
	fill(topics, 5, 100)
	hubs := []*hub.Hub{startHub(t, topics, nil), startHub(t, topics, func(s *hub.Stream) { s.LogBytes = 32 << 10; s.Backfill = 0 })}
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := 100; n < 1000; n += 10 {
			for i := range 10 {
				for p := range 5 {
					if (n+i)%10 == 9 {
						topics.Skip("orders.v1", int32(p), 1)
					} else {
						topics.Append("orders.v1", numbered(int32(p), n+i))
					}
				}
			}
			time.Sleep(time.Millisecond)
		}
	})
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			start := hub.Start{Kind: hub.StartEarliest}
			var seen []seenEvent
			for round := 0; len(seen) < 4500 && round < 200; round++ {
				r := subscribe(t, hubs[rand.IntN(2)], hub.Request{Start: start})
				seen = append(seen, r.collect(t, min(1+rand.IntN(400), 4500-len(seen)))...)
				c, err := record.ParseCursor(r.Cursor())
				if err != nil {
					t.Error(err)
				}
				r.Close()
				at, _ := c.Position("orders")
				start = hub.Start{Kind: hub.StartCursor, Position: at, At: c.At}
			}
			check(t, seen, map[int32]int64{})
			if len(seen) != 4500 {
				t.Errorf("got %d events, want 4500", len(seen))
			}
		})
	}
	writing.Wait()
	clients.Wait()
}

func TestKeyFilter(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 2)
	fill(topics, 2, 700)
	h := startHub(t, topics, nil)
	past := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}, Keys: []string{"k3"}})
	defer past.Close()
	live := subscribe(t, h, hub.Request{Keys: []string{"k3", "k5"}})
	defer live.Close()
	fill(topics, 2, 70)
	for _, c := range []struct {
		r    *reader
		want int
		keys string
	}{{past, 180 + 18, "k3"}, {live, 36, "k3k5"}} {
		got := c.r.collect(t, c.want)
		if len(got) != c.want {
			t.Errorf("%s: got %d events, want %d", c.keys, len(got), c.want)
		}
		last := map[int32]int64{}
		for _, e := range got {
			if e.Key == nil || (*e.Key != "k3" && *e.Key != c.keys[len(c.keys)-2:]) || e.Offset < last[e.Partition] {
				t.Fatalf("unexpected event %+v", e)
			}
			last[e.Partition] = e.Offset + 1
		}
	}
	if past.Feed().Name() == live.Feed().Name() || !past.Feed().Filtered() {
		t.Error("feeds of other filters have other names")
	}
}

func TestLastN(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 3)
	base := time.Now().Add(-time.Hour).UnixMilli()
	for n := range 3000 {
		r := numbered(int32(n%3), n)
		r.Timestamp = base + int64(n)
		topics.Append("orders.v1", r)
	}
	h := startHub(t, topics, nil)
	r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartLast, Last: 10}})
	defer r.Close()
	got := r.collect(t, 10)
	for i, e := range got {
		if n := 2990 + i; e.Partition != int32(n%3) || e.Offset != int64(n/3) {
			t.Errorf("event %d is %+v", i, e)
		}
	}
	if more := r.Collect(1, func(bool, []byte) { t.Error("there are only ten") }); more {
		t.Error("there is nothing more")
	}
	keyed := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartLast, Last: 500}, Keys: []string{"k1"}})
	defer keyed.Close()
	if got := keyed.collect(t, 429); len(got) != 429 {
		t.Errorf("got %d events of the key, want all 429", len(got))
	}
}

func TestRetentionIsTold(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	fill(topics, 1, 100)
	h := startHub(t, topics, nil)
	topics.Expire("orders.v1", 0, 50)
	topic, _ := topics.Topic(t.Context(), "orders.v1")
	at := record.Position{Topic: topic.ID, Offsets: []record.PartitionOffset{{Offset: 10}}}
	r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: at}})
	defer r.Close()
	got := r.collect(t, 46)
	if len(got) != 46 || got[0].Type != "gap" || got[0].From != 10 || got[0].To != 50 || got[0].Reason != "retention" {
		t.Fatalf("got %d events, first %+v", len(got), got[0])
	}
	check(t, got, map[int32]int64{0: 10})

	strict := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: at}, FailOnGap: true})
	defer strict.Close()
	if got := strict.collect(t, 1); len(got) != 0 || strict.Ended() != record.GapRetention {
		t.Errorf("got %v, ended %q", got, strict.Ended())
	}
}

func TestLogChangedIsTold(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 2)
	fill(topics, 2, 20)
	h := startHub(t, topics, nil)
	live := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
	defer live.Close()
	live.collect(t, 36)
	old, err := record.ParseCursor(live.Cursor())
	if err != nil {
		t.Fatal(err)
	}
	topics.Create("orders.v1", 2)
	fill(topics, 2, 40)
	at, _ := old.Position("orders")
	resumed := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: at}})
	defer resumed.Close()
	for name, r := range map[string]*reader{"live": live, "resumed": resumed} {
		got := r.collect(t, 2+72)
		if len(got) != 74 {
			t.Fatalf("%s: got %d events, want 74", name, len(got))
		}
		gaps := 0
		for _, e := range got {
			if e.Type == "gap" && e.Reason == "log_changed" {
				gaps++
			}
		}
		if gaps != 2 {
			t.Errorf("%s: %d gaps, want one a partition", name, gaps)
		}
		check(t, got, map[int32]int64{0: 20, 1: 20})
	}
}

func TestReplayBound(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	for n := range 60 {
		r := numbered(0, n)
		r.Timestamp = time.Now().Add(time.Duration(n-60) * time.Minute).UnixMilli()
		topics.Append("orders.v1", r)
	}
	h := startHub(t, topics, nil)
	r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}, Replay: 10*time.Minute + 30*time.Second})
	defer r.Close()
	got := r.collect(t, 11)
	if got[0].Type != "gap" || got[0].Reason != "policy" || got[0].To != 50 || got[1].Offset != 50 {
		t.Fatalf("got %+v", got[:2])
	}
}

func TestStartsWithoutKafka(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	topics.Away(true)
	h := startHub(t, topics, nil)
	time.AfterFunc(50*time.Millisecond, func() { topics.Away(false) })
	r := subscribe(t, h, hub.Request{})
	defer r.Close()
	topics.Append("orders.v1", numbered(0, 1))
	if got := r.collect(t, 1); len(got) != 1 {
		t.Fatal("nothing came")
	}
	topics.Away(true)
	for range 100 {
		<-r.bell
		if status, changed := r.StatusChange(); changed {
			if status.Live {
				t.Error("it is said to be live")
			}
			return
		}
	}
	t.Error("nothing was said")
}
