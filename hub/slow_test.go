package hub_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// slowTopic returns a live subscription that has taken nothing while so many records
// arrived that the log no longer reaches back to its position.
func slowTopic(t *testing.T, policy hub.SlowPolicy, req hub.Request, change func(*hub.Config)) (*hubtest.Topics, *hub.Hub, *reader) {
	t.Helper()
	topics := hubtest.New()
	topics.Create("orders.v1", 2)
	h := startHubWith(t, topics, func(s *hub.Stream) { s.Backfill, s.LogBytes, s.Slow = 0, 64<<10, policy }, change)
	r := subscribe(t, h, req)
	add(topics, 0, 10)
	for len(r.seen) < 10 {
		r.collect(t, 10)
	}
	add(topics, 10, slowRecords)
	awaitTip(t, h, slowRecords)
	return topics, h, r
}

// awaitTip waits until the log has a number of entries of both partitions together.
func awaitTip(t *testing.T, h *hub.Hub, want int64) {
	t.Helper()
	for {
		probe := subscribe(t, h, hub.Request{})
		at := probe.Position()
		probe.Close()
		if at.Offset(0, 0)+at.Offset(1, 0) >= want {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

const slowRecords = 4000

// add appends the records with the numbers from to to, alternating between two
// partitions, with 20 keys, the first of which occurs only early.
func add(topics *hubtest.Topics, from, to int) {
	records := make([]record.Record, 0, to-from)
	for n := from; n < to; n++ {
		key := fmt.Appendf(nil, "k%d", 1+n%19)
		switch n {
		case 11:
			key = []byte("early")
		case 30:
			key = nil
		}
		records = append(records, record.Record{
			Partition: int32(n % 2), Key: key, Timestamp: int64(n),
			Value: fmt.Appendf(nil, `{"n":%d,"pad":%q}`, n, strings.Repeat("x", 100)),
		})
	}
	topics.AppendBatch("orders.v1", records)
}

func TestSlowOneCatchesUp(t *testing.T) {
	t.Parallel()
	_, _, r := slowTopic(t, hub.SlowCatchUp, hub.Request{}, nil)
	defer r.Close()
	r.collectAll(t, slowRecords)
	for i, e := range r.seen[10:] {
		if e.Type != "event" {
			t.Fatalf("event %d is %+v", i, e)
		}
	}
	if len(r.seen) != slowRecords {
		t.Errorf("got %d events", len(r.seen))
	}
}

func TestSlowOneSkips(t *testing.T) {
	t.Parallel()
	topics, h, r := slowTopic(t, hub.SlowSkip, hub.Request{}, nil)
	defer r.Close()
	got := r.collect(t, 2)
	for i, e := range got {
		if e.Type != "gap" || e.Reason != "policy" || e.Partition != int32(i) || e.From != 5 || e.To != slowRecords/2 {
			t.Errorf("gap %d is %+v", i, e)
		}
	}
	add(topics, slowRecords, slowRecords+2)
	if got := r.collect(t, 2); len(got) != 2 || got[0].Offset != slowRecords/2 || got[1].Offset != slowRecords/2 {
		t.Errorf("behind the gaps: %+v", got)
	}
	info, _ := h.Stream("", "orders")
	if info.Slow != 1 || info.Reported[record.GapPolicy] != 2 {
		t.Errorf("counted %d slow ones and %v", info.Slow, info.Reported)
	}
}

func TestSlowOneIsCutOff(t *testing.T) {
	t.Parallel()
	_, h, r := slowTopic(t, hub.SlowDisconnect, hub.Request{}, nil)
	defer r.Close()
	if r.Collect(10, func(_ bool, body []byte) { t.Errorf("got %s", body) }) || r.Ended() != hub.SlowConsumer {
		t.Errorf("ended %q", r.Ended())
	}
	cursor, err := record.ParseCursor(r.Cursor())
	at, _ := cursor.Position("orders")
	if err != nil || at.Offset(0, 0) != 5 || at.Offset(1, 0) != 5 {
		t.Fatalf("its cursor is %+v, %v", at, err)
	}
	// A client that resumes from the cursor replays and is not slow.
	back := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: at}})
	defer back.Close()
	if back.collectAll(t, slowRecords-10); len(back.seen) != slowRecords-10 || back.Ended() != "" {
		t.Errorf("got %d events, ended %q", len(back.seen), back.Ended())
	}
}

func TestSlowOneThatFailsOnGaps(t *testing.T) {
	t.Parallel()
	for _, policy := range []hub.SlowPolicy{hub.SlowSkip, hub.SlowConflate} {
		_, _, r := slowTopic(t, policy, hub.Request{FailOnGap: true}, nil)
		defer r.Close()
		if r.Collect(10, func(_ bool, body []byte) { t.Errorf("got %s", body) }) || r.Ended() != record.GapPolicy {
			t.Errorf("%s: ended %q", policy, r.Ended())
		}
	}
}

// TestSlowOneIsConflated: the subscription is delivered the newest record of each
// key, and gaps for all other records; wherever it stops, its cursor covers only
// what was delivered or reported.
func TestSlowOneIsConflated(t *testing.T) {
	t.Parallel()
	for _, step := range []int{1, 3, 1000} {
		topics, _, r := slowTopic(t, hub.SlowConflate, hub.Request{}, nil)
		defer r.Close()
		latest, next := map[string]int{}, map[int32]int64{0: 5, 1: 5}
		events, gaps, nulls := 0, 0, 0
		deliver := func() (more bool) {
			return r.Collect(step, func(isGap bool, body []byte) {
				var e struct {
					seenEvent
					Data struct{ N int }
				}
				if err := json.Unmarshal(body, &e); err != nil {
					t.Fatal(err)
				}
				from := e.Offset
				if isGap {
					from = e.From
				}
				if from != next[e.Partition] {
					t.Fatalf("step %d: got %s, want what follows %d", step, body, next[e.Partition])
				}
				switch {
				case isGap:
					gaps++
					next[e.Partition] = e.To
				case e.Key == nil:
					nulls++
					next[e.Partition] = e.Offset + 1
				default:
					events++
					latest[fmt.Sprint(e.Partition, *e.Key)] = e.Data.N
					next[e.Partition] = e.Offset + 1
				}
			})
		}
		for next[0] < slowRecords/2 || next[1] < slowRecords/2 {
			if !deliver() && (next[0] < slowRecords/2 || next[1] < slowRecords/2) {
				<-r.bell
			}
			cursor, err := record.ParseCursor(r.Cursor())
			at, _ := cursor.Position("orders")
			if err != nil || at.Offset(0, 0) > next[0] || at.Offset(1, 0) > next[1] {
				t.Fatalf("step %d: the cursor is at %v, behind %v, %v", step, at.Offsets, next, err)
			}
		}
		if want := 2*19 + 1; events != want || nulls != 1 || gaps == 0 || gaps > want+3 {
			t.Errorf("step %d: got %d events and %d without a key, in %d gaps; want %d and 1", step, events, nulls, gaps, want)
		}
		if latest["1early"] != 11 {
			t.Errorf("what was early only did not come: %v", latest)
		}
		add(topics, slowRecords, slowRecords+20)
		for behind := true; behind; {
			more := deliver()
			if behind = next[0]+next[1] < slowRecords+20; behind && !more {
				<-r.bell
			}
		}
	}
}

// TestConflationEndsAtTheTip: a subscription that reads records before the log up to
// the very tip while it is conflated is live then, and not behind forever.
func TestConflationEndsAtTheTip(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.Backfill, s.LogBytes, s.Slow = 0, 1, hub.SlowConflate })
	r := subscribe(t, h, hub.Request{})
	defer r.Close()
	publish := func(from, to int) {
		for n := from; n < to; n++ {
			topics.Append("orders.v1", record.Record{
				Key: []byte("k"), Timestamp: int64(n), Value: fmt.Appendf(nil, `{"n":%d,"pad":%q}`, n, strings.Repeat("x", 100)),
			})
		}
		awaitTip(t, h, int64(to))
	}
	for n := 0; n < 20_000; n += 1000 {
		publish(n, n+1000)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for !r.AtTip() {
				if !r.Collect(1000, func(bool, []byte) {}) && !r.AtTip() {
					<-r.bell
				}
			}
		}()
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Fatal("it does not come to the tip")
		}
		if at := r.Position(); at.Offset(0, 0) != int64(n+1000) {
			t.Fatalf("it is at %v, the end at %d", at.Offsets, n+1000)
		}
	}
}

// TestConflationWithinMemory: if there is not enough memory for the keys, the
// subscription catches up instead.
func TestConflationWithinMemory(t *testing.T) {
	t.Parallel()
	_, _, r := slowTopic(t, hub.SlowConflate, hub.Request{}, func(c *hub.Config) { c.LateMemory = 1000 })
	defer r.Close()
	if r.collectAll(t, slowRecords); len(r.seen) != slowRecords {
		t.Errorf("got %d events", len(r.seen))
	}
}

// TestQuietFeedIsNotSlow: a subscription whose filter has passed nothing for long,
// and which therefore was not woken, is not behind, and Kafka is not read for it.
func TestQuietFeedIsNotSlow(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"none", "rare"} {
		topics, h, r := slowTopic(t, hub.SlowDisconnect, hub.Request{}, nil)
		r.Close()
		quiet := subscribe(t, h, hub.Request{Keys: []string{key}})
		defer quiet.Close()
		reads := topics.Reads()
		add(topics, slowRecords, 2*slowRecords)
		topics.Append("orders.v1", record.Record{Key: []byte("rare"), Value: []byte("1"), Timestamp: 1})
		awaitTip(t, h, 2*slowRecords+1)
		want := 0
		if key == "rare" {
			want = 1
		}
		got := 0
		more := quiet.Collect(10, func(bool, []byte) { got++ })
		info, _ := h.Stream("", "orders")
		if more || got != want || quiet.Ended() != "" || !quiet.AtTip() || info.Slow != 0 || topics.Reads() != reads {
			t.Errorf("%s: got %d events, ended %q, at tip %v, %d slow ones, %d reads", key, got, quiet.Ended(), quiet.AtTip(), info.Slow, topics.Reads()-reads)
		}
	}
}
