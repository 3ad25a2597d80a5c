package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

const resumeWindow = 10 * time.Minute

// backdated appends records whose timestamps are a year in the past.
func backdated(topics *hubtest.Topics, n int) {
	for i := range n {
		r := numbered(0, i)
		r.Timestamp = time.Now().Add(-365 * 24 * time.Hour).UnixMilli()
		topics.Append("orders.v1", r)
	}
}

// inWindow tests hubs with a ResumeWindow, in a synctest bubble.
func inWindow(t *testing.T, test func(t *testing.T, topics *hubtest.Topics, start func() *hub.Hub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		topics.Create("orders.v1", 1)
		backdated(topics, 100)
		test(t, topics, func() *hub.Hub {
			h, err := hub.New(hub.Config{
				Streams: []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: topics, LogBytes: 32 << 10}},
				Shards:  2, Wake: pumpOwners,
				Logger: slog.New(slog.DiscardHandler), Now: time.Now,
				Limits: hub.Limits{StartTimeout: 20 * time.Second, ResumeWindow: resumeWindow},
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
		})
	})
}

// resume appends a record, resumes with a bound on replays, and returns what was
// delivered: gaps, and the first and last offset of records.
func resume(t *testing.T, h *hub.Hub, topics *hubtest.Topics, from hub.Start) (recovered bool, got string) {
	t.Helper()
	backdated(topics, 1)
	time.Sleep(6 * time.Second) // the cached offsets of times expire
	s, begun, err := h.Subscribe(t.Context(), hub.Request{Stream: "orders", Start: from, Replay: resumeWindow, Owner: make(bell, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var events []seenEvent
	for {
		more := s.Collect(1000, func(_ bool, body []byte) {
			var e seenEvent
			if err := json.Unmarshal(body, &e); err != nil {
				t.Errorf("%s: %v", body, err)
			}
			events = append(events, e)
		})
		if !more && s.AtTip() {
			break
		}
		time.Sleep(time.Millisecond)
	}
	first, last := int64(-1), int64(-1)
	for _, e := range events {
		if e.Type == "gap" {
			got += fmt.Sprintf("%s %d-%d, ", e.Reason, e.From, e.To)
			continue
		}
		if first < 0 {
			first = e.Offset
		}
		last = e.Offset
	}
	return begun.Recovered, got + fmt.Sprintf("%d-%d", first, last)
}

func cursorFrom(t *testing.T, topics *hubtest.Topics, kind hub.StartKind, offset int64) hub.Start {
	t.Helper()
	topic, err := topics.Topic(t.Context(), "orders.v1")
	if err != nil {
		t.Fatal(err)
	}
	// The client chooses the time of the cursor; it must not matter.
	return hub.Start{Kind: kind, At: time.Now(), Position: record.Position{Topic: topic.ID, Offsets: []record.PartitionOffset{{Offset: offset, Epoch: -1}}}}
}

// TestResumeWindowGoesByWhenItWasWritten: a client that was away for less than the
// window misses nothing, whatever the timestamps of the records, and no client reads
// what was written before the window, whatever its cursor contains.
func TestResumeWindowGoesByWhenItWasWritten(t *testing.T) {
	t.Parallel()
	for _, kind := range []hub.StartKind{hub.StartOffset, hub.StartCursor, hub.StartNamed} {
		for _, away := range []time.Duration{time.Second, time.Minute, 9 * time.Minute, 12 * time.Minute, time.Hour} {
			for _, instance := range []string{"the same", "another", "a new"} {
				t.Run(fmt.Sprintf("%s after %s at %s", kind, away, instance), func(t *testing.T) {
					t.Parallel()
					inWindow(t, func(t *testing.T, topics *hubtest.Topics, start func() *hub.Hub) {
						h := start()
						other := h
						if instance == "another" {
							other = start() // from which the stream has not been read
						}
						time.Sleep(time.Hour)
						backdated(topics, 10) // up to 110, the position of the client
						from := cursorFrom(t, topics, kind, 110)
						time.Sleep(away / 2)
						if instance == "a new" {
							other = start() // before the client returns, as in a rolling deployment
						}
						time.Sleep(away - away/2)
						recovered, got := resume(t, other, topics, from)
						// Nothing was written in the meantime except the last
						// record, just now.
						if got != "110-110" || recovered != (kind != hub.StartOffset) {
							t.Errorf("got %s, recovered %v", got, recovered)
						}
						// The same with a forged cursor, or a lower offset.
						if recovered, got := resume(t, other, topics, cursorFrom(t, topics, kind, 0)); recovered || !startsAbove(got, 100) {
							t.Errorf("a forged cursor: got %s, recovered %v", got, recovered)
						}
					})
				})
			}
		}
	}
}

// startsAbove reports whether the result is a gap of GapPolicy and no record below
// an offset.
func startsAbove(got string, offset int64) bool {
	var from, to, first, last int64
	n, err := fmt.Sscanf(got, "policy %d-%d, %d-%d", &from, &to, &first, &last)
	return err == nil && n == 4 && from == 0 && to >= offset && (first >= offset || first == -1)
}

// TestResumeWindowEnds: what was written before the window is withheld from a client
// that resumes, and reported.
func TestResumeWindowEnds(t *testing.T) {
	t.Parallel()
	inWindow(t, func(t *testing.T, topics *hubtest.Topics, start func() *hub.Hub) {
		h := start()
		time.Sleep(time.Hour)
		from := cursorFrom(t, topics, hub.StartCursor, 100)
		time.Sleep(time.Minute)
		backdated(topics, 50) // up to 150
		time.Sleep(20 * time.Minute)
		backdated(topics, 50) // up to 200
		time.Sleep(time.Minute)
		if recovered, got := resume(t, h, topics, from); recovered || got != "policy 100-150, 150-200" {
			t.Errorf("got %s, recovered %v", got, recovered)
		}
		// Other starts have no position that a client had, and go by timestamps.
		if _, got := resume(t, h, topics, hub.Start{Kind: hub.StartEarliest}); got != "policy 0-202, -1--1" {
			t.Errorf("earliest: got %s", got)
		}
		// While Kafka is unavailable there are no observations, and nothing is
		// allowed.
		topics.Away(true)
		time.Sleep(time.Hour)
		topics.Away(false)
		synctest.Wait()
		if recovered, got := resume(t, h, topics, from); recovered || got == "100-203" {
			t.Errorf("after an outage: got %s, recovered %v", got, recovered)
		}
	})
}
