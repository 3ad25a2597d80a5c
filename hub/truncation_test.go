package hub_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// TestTruncationIsTold: a truncation is reported to all subscriptions, which then
// get the records that reuse the offsets: live ones, and those that resume from
// memory or from Kafka.
func TestTruncationIsTold(t *testing.T) {
	t.Parallel()
	for name, logBytes := range map[string]int{"from memory": 1 << 20, "from Kafka": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topics := hubtest.New()
			topics.Create("orders.v1", 1)
			h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes, s.Backfill = logBytes, 0 })
			live := subscribe(t, h, hub.Request{})
			defer live.Close()
			add := func(n int) {
				for i := range n {
					topics.Append("orders.v1", numbered(0, i))
				}
			}
			add(20)
			live.collect(t, 20)
			old, err := record.ParseCursor(live.Cursor())
			if err != nil {
				t.Fatal(err)
			}
			topics.Truncate("orders.v1", 0, 12)
			add(20)
			wantTruncated(t, "live", live, 12, 20, 32)

			at, _ := old.Position("orders")
			resumed := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: at}})
			defer resumed.Close()
			wantTruncated(t, "resumed", resumed, 12, 20, 32)

			now, err := record.ParseCursor(resumed.Cursor())
			if err != nil {
				t.Fatal(err)
			}
			at, _ = now.Position("orders")
			current := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: at}})
			defer current.Close()
			add(1)
			if got := current.collect(t, 1); len(got) != 1 || got[0].Offset != 32 || got[0].Type != "event" {
				t.Errorf("a cursor from behind the cut goes on there, got %+v", got)
			}
		})
	}
}

func TestTruncationBeforeAnyRecordWasRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testTruncationBeforeAnyRecordWasRead)
}

func testTruncationBeforeAnyRecordWasRead(t *testing.T) {
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	for n := range 20 {
		topics.Append("orders.v1", numbered(0, n))
	}
	h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
	live := subscribe(t, h, hub.Request{})
	defer live.Close()
	synctest.Wait() // the log is followed
	topics.Truncate("orders.v1", 0, 12)
	if got := live.collect(t, 1); len(got) != 1 || got[0].Reason != "truncated" || got[0].From != 12 || got[0].To != 20 {
		t.Fatalf("got %+v, want the gap", got)
	}
	for n := range 20 {
		topics.Append("orders.v1", numbered(0, n))
	}
	if got := live.collect(t, 20); len(got) != 20 || got[0].Offset != 12 || got[19].Offset != 31 {
		t.Fatalf("got %d events, want 20 from 12 on", len(got))
	}
}

func wantTruncated(t *testing.T, who string, r *reader, from, to, end int64) {
	t.Helper()
	got := r.collect(t, 1+int(end-from))
	if len(got) != 1+int(end-from) || got[0].Reason != "truncated" || got[0].From != from || got[0].To != to {
		t.Fatalf("%s: got %d events, first %+v", who, len(got), got[:min(2, len(got))])
	}
	for i, e := range got[1:] {
		if e.Type != "event" || e.Offset != from+int64(i) {
			t.Fatalf("%s: event %d is %+v", who, i, e)
		}
	}
}

// TestTruncationThatTheHubDidNotSee: the truncation is reported to a client whose
// cursor is from before it and ahead of what the hub had read.
func TestTruncationThatTheHubDidNotSee(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes, s.Backfill = 1<<20, 0 })
	tip := subscribe(t, h, hub.Request{})
	defer tip.Close()
	for n := range 12 {
		topics.Append("orders.v1", numbered(0, n))
	}
	tip.collect(t, 12)
	at := cursorOf(t, tip)
	at.Position.Offsets[0].Offset = 20 // of a hub that had read eight more, before the truncation
	before := subscribe(t, h, hub.Request{Start: at})
	defer before.Close()
	topics.Truncate("orders.v1", 0, 12)
	for n := range 20 {
		topics.Append("orders.v1", numbered(0, n))
	}
	tip.collect(t, 20)
	wantTruncated(t, "waiting at the tip", before, 12, 20, 32)
	after := subscribe(t, h, hub.Request{Start: at})
	defer after.Close()
	wantTruncated(t, "come later", after, 12, 20, 32)
}

// TestResumeSoonAfterATruncation: records written after the truncation are delivered
// from its offset on, also while the end is still below the cursor.
func TestResumeSoonAfterATruncation(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes, s.Backfill = 1<<20, 0 })
	live := subscribe(t, h, hub.Request{})
	defer live.Close()
	for n := range 20 {
		topics.Append("orders.v1", numbered(0, n))
	}
	live.collect(t, 20)
	start := cursorOf(t, live)
	topics.Truncate("orders.v1", 0, 12)
	for n := range 3 {
		topics.Append("orders.v1", numbered(0, n))
	}
	wantTruncated(t, "live", live, 12, 20, 15)
	resumed := subscribe(t, h, hub.Request{Start: start})
	defer resumed.Close()
	wantTruncated(t, "resumed", resumed, 12, 20, 15)
}

// TestTruncationBeforeABackfill: a truncation while no hub of the test read the log
// is reported, also if the log in memory was filled backwards and nothing was
// written since.
func TestTruncationBeforeABackfill(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	for n := range 5 {
		topics.Append("orders.v1", numbered(0, n))
	}
	topic, _ := topics.Topic(t.Context(), "orders.v1")
	topics.Truncate("orders.v1", 0, 2)
	for n := range 8 {
		topics.Append("orders.v1", numbered(0, n))
	}
	h := startHub(t, topics, nil)
	other := subscribe(t, h, hub.Request{})
	defer other.Close()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if info, _ := h.Stream("", "orders"); info.LogBytes > 0 && h.Floor("orders") == 0 {
			break
		}
	}
	r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: record.Position{
		Topic: topic.ID, Offsets: []record.PartitionOffset{{Offset: 4, Epoch: 0}},
	}}})
	defer r.Close()
	got := r.collect(t, 9)
	if len(got) != 9 || got[0].Reason != "truncated" || got[0].From != 2 || got[0].To != 4 || got[1].Offset != 2 {
		t.Errorf("got %+v", got)
	}
}

// TestSeenAcrossANewLeader: the records that a client has seen since its cursor can
// be of a later epoch. A log that has that epoch before those records was not
// truncated.
func TestSeenAcrossANewLeader(t *testing.T) {
	t.Parallel()
	for name, logBytes := range map[string]int{"from memory": 1 << 20, "from Kafka": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topics := hubtest.New()
			topics.Create("orders.v1", 1)
			h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes, s.Backfill = logBytes, 0 })
			live := subscribe(t, h, hub.Request{})
			defer live.Close()
			for n := range 12 {
				topics.Append("orders.v1", numbered(0, n))
			}
			live.collect(t, 12)
			cursor := live.Cursor()
			topics.Truncate("orders.v1", 0, 12) // nothing is lost: the epoch is new
			for n := range 8 {
				topics.Append("orders.v1", numbered(0, n))
			}
			if got := live.collect(t, 8); len(got) != 8 || got[0].Type != "event" || got[7].Offset != 19 {
				t.Fatalf("live: got %+v", got)
			}
			seen, err := record.ParseCursor(cursor + "~0:18")
			if err != nil {
				t.Fatal(err)
			}
			at, _ := seen.Position("orders")
			resumed := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: at}})
			defer resumed.Close()
			if got := resumed.collect(t, 2); len(got) != 2 || got[0].Type != "event" || got[0].Offset != 18 {
				t.Errorf("resumed: got %+v, want the events at 18 and 19", got)
			}
		})
	}
}

// TestTopicMadeAgainHasNoCuts: the truncations of a topic do not apply to a topic
// that is created later under the same name.
func TestTopicMadeAgainHasNoCuts(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
	live := subscribe(t, h, hub.Request{})
	defer live.Close()
	add := func(n int) { appendNumbered(topics, n) }
	add(6)
	live.collect(t, 6)
	topics.Truncate("orders.v1", 0, 1)
	live.collect(t, 1) // the gap
	topics.Create("orders.v1", 1)
	live.collect(t, 1) // the gap
	add(10)
	live.collect(t, 10)
	now, err := record.ParseCursor(live.Cursor())
	if err != nil {
		t.Fatal(err)
	}
	at, _ := now.Position("orders")
	resumed := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: at}})
	defer resumed.Close()
	add(1)
	if got := resumed.collect(t, 1); len(got) != 1 || got[0].Type != "event" || got[0].Offset != 10 {
		t.Errorf("got %+v, want the record that came", got)
	}
}

// appendNumbered appends a number of records to partition 0.
func appendNumbered(topics *hubtest.Topics, n int) {
	for i := range n {
		topics.Append("orders.v1", numbered(0, i))
	}
}

// TestTruncationUpToWhereTheLogBegins: a truncation while no hub of the test read
// the log, after which it has grown to its old end again, is noticed by a client
// that resumes there, although this instance has read no record of it.
func TestTruncationUpToWhereTheLogBegins(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	add := func(n int) { appendNumbered(topics, n) }
	add(20)
	topic, err := topics.Topic(t.Context(), "orders.v1")
	if err != nil {
		t.Fatal(err)
	}
	at := record.Position{Topic: topic.ID, Offsets: []record.PartitionOffset{{Offset: 20}}}
	topics.Truncate("orders.v1", 0, 12)
	add(8)
	h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
	resumed := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: at}})
	defer resumed.Close()
	wantTruncated(t, "resumed", resumed, 12, 20, 20)
}

// TestAnElectionIsNotAskedAbout: if a log begins at an election that has lost nothing,
// Kafka is not asked whether it has a position from before: the tip has the epoch of the
// record before it.
func TestAnElectionIsNotAskedAbout(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	add := func(n int) { appendNumbered(topics, n) }
	add(12)
	topics.Truncate("orders.v1", 0, 12)
	add(8)
	topics.Truncate("orders.v1", 0, 20)
	topic, err := topics.Topic(t.Context(), "orders.v1")
	if err != nil {
		t.Fatal(err)
	}
	again := record.Position{Topic: topic.ID, Offsets: []record.PartitionOffset{{Offset: 20, Epoch: 1}}}
	h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
	const subscriptions = 20
	for range subscriptions {
		s := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: again}})
		s.Close()
	}
	if reads := topics.Reads(); reads > 0 {
		t.Errorf("%d reads for %d subscriptions, want none", reads, subscriptions)
	}
}

// TestTruncationInFrontOfWhereTheLogBegins: a truncation, after which the log has
// grown, while no hub of the test read it is reported from its offset on, although
// the log of this instance begins only after that and has records up to the resumed
// position.
func TestTruncationInFrontOfWhereTheLogBegins(t *testing.T) {
	t.Parallel()
	for name, grow := range map[string]func(t *testing.T, topics *hubtest.Topics, live *reader, add func(n int)){
		"it was not read before": func(t *testing.T, _ *hubtest.Topics, live *reader, add func(n int)) {
			add(7)
			live.collect(t, 7)
		},
		"another partition was cut short": func(t *testing.T, topics *hubtest.Topics, live *reader, add func(n int)) {
			add(1)
			live.collect(t, 1)
			topics.Truncate("orders.v1", 1, 0)
			live.collect(t, 1) // the gap
			add(6)
			live.collect(t, 6)
		},
		"this instance is behind": func(t *testing.T, _ *hubtest.Topics, live *reader, add func(n int)) {
			add(1)
			live.collect(t, 1)
			add(6)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topics := hubtest.New()
			topics.Create("orders.v1", 2)
			add := func(n int) {
				for i := range n {
					topics.Append("orders.v1", numbered(0, i))
				}
			}
			add(42)
			topics.Append("orders.v1", numbered(1, 0))
			topic, err := topics.Topic(t.Context(), "orders.v1")
			if err != nil {
				t.Fatal(err)
			}
			at := record.Position{Topic: topic.ID, Offsets: []record.PartitionOffset{{Offset: 42}, {Partition: 1, Offset: 1, Epoch: -1}}}
			topics.Truncate("orders.v1", 0, 29)
			add(10)
			h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
			live := subscribe(t, h, hub.Request{})
			defer live.Close()
			grow(t, topics, live, add)
			resumed := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: at}})
			defer resumed.Close()
			for first := true; first; {
				switch got := resumed.collect(t, 1); {
				case len(got) == 0:
					t.Fatal("nothing is told")
				case got[0].Partition == 1: // may be truncated, too
				case got[0].Reason != "truncated" || got[0].From != 29 || got[0].To != 42:
					t.Fatalf("got %+v first", got[0])
				default:
					first = false
				}
			}
			for seen := int64(29); seen < 46; {
				switch got := resumed.collect(t, 1); {
				case len(got) == 0:
					t.Fatalf("%d does not come", seen)
				case got[0].Partition == 1:
				case got[0].Type != "event" || got[0].Offset != seen:
					t.Fatalf("got %+v, want the event at %d", got[0], seen)
				default:
					seen++
				}
			}
		})
	}
}

// TestTruncationInAPartitionThatAReadLeavesOut: whether a position is of the present log is
// asked for each partition, also if that takes more than one read.
func TestTruncationInAPartitionThatAReadLeavesOut(t *testing.T) {
	t.Parallel()
	for name, behind := range map[string]bool{"at the tip": false, "in front of the log": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topics := hubtest.New()
			topics.Create("orders.v1", 3)
			topic, err := topics.Topic(t.Context(), "orders.v1")
			if err != nil {
				t.Fatal(err)
			}
			at := record.Position{Topic: topic.ID}
			for p := range int32(3) {
				for n := range 42 {
					topics.Append("orders.v1", numbered(p, n))
				}
				topics.Truncate("orders.v1", p, 29)
				for n := range 13 {
					topics.Append("orders.v1", numbered(p, 29+n))
				}
				at.Set(record.PartitionOffset{Partition: p, Offset: 42})
			}
			if behind {
				at.Set(record.PartitionOffset{Offset: 5})
			}
			topics.Frugal(true)
			h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
			live := subscribe(t, h, hub.Request{})
			defer live.Close()
			for p := range int32(3) {
				topics.Append("orders.v1", numbered(p, 42))
			}
			live.collect(t, 3)
			resumed := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: at}})
			defer resumed.Close()
			told := make(map[int32]bool)
			for _, e := range resumed.collect(t, 3+3*14) {
				switch {
				case e.Reason == "truncated" && e.From == 29 && e.To == 42:
					told[e.Partition] = true
				case e.Type != "event":
					t.Fatalf("got %+v", e)
				case !told[e.Partition] && (e.Partition > 0 || !behind):
					t.Fatalf("offset %d of partition %d comes before the truncation is reported", e.Offset, e.Partition)
				}
				if len(told) == 3 {
					return
				}
				if behind && len(told) == 2 {
					return
				}
			}
			t.Errorf("told of partitions %v", told)
		})
	}
}

// TestTruncationThatTheLogNoLongerHas: to a subscription ahead of what this instance
// has read, the truncation is reported from its offset on, although the log in
// memory has removed what was written there before the subscription reached it.
func TestTruncationThatTheLogNoLongerHas(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	var hold atomic.Bool
	held, goOn := make(chan struct{}), make(chan struct{})
	h := startHubWith(t, topics, func(s *hub.Stream) { s.LogBytes, s.Backfill = 1, 0 }, func(c *hub.Config) {
		c.Pace = func(*hub.Lane) {
			if hold.CompareAndSwap(true, false) {
				held <- struct{}{}
				<-goOn
			}
		}
	})
	live := subscribe(t, h, hub.Request{})
	defer live.Close()
	add := func(n, size int) {
		for range n {
			topics.Append("orders.v1", record.Record{Timestamp: 1, Value: fmt.Appendf(nil, `"%0*d"`, size, 0)})
		}
	}
	add(12, 1)
	live.collect(t, 12)
	at := cursorOf(t, live)
	hold.Store(true)
	add(1, 1)
	<-held
	add(12, 1)
	at.Position.Offsets[0].Offset = 20 // of an instance that has read eight more
	resumed := subscribe(t, h, hub.Request{Start: at})
	defer resumed.Close()
	topics.Truncate("orders.v1", 0, 14)
	add(20, 4000)
	close(goOn)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if h.Floor("orders") > 0 {
			break
		}
	}
	if floor := h.Floor("orders"); floor <= 14 || floor > 20 {
		t.Fatalf("the log begins at %d", floor)
	}
	wantTruncated(t, "resumed", resumed, 14, 20, 34)
}

// beginWithControlRecord returns a topic with n records and, behind them, a control
// record, which is the first record of a new leader.
func beginWithControlRecord(n int) *hubtest.Topics {
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	appendNumbered(topics, n)
	topics.Elect("orders.v1", 0)
	topics.Skip("orders.v1", 0, 1)
	return topics
}

// TestAnElectionInFrontOfWhereTheLogEnds: the last record of the log in memory is a
// control record, which a new leader has written, and what is read for a subscription
// that comes from further back reaches beyond it. Nothing was lost, and no truncation
// is reported.
func TestAnElectionInFrontOfWhereTheLogEnds(t *testing.T) {
	t.Parallel()
	topics := beginWithControlRecord(8)
	topic, err := topics.Topic(t.Context(), "orders.v1")
	if err != nil {
		t.Fatal(err)
	}
	topics.Hold(true)
	h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
	live := subscribe(t, h, hub.Request{})
	defer live.Close()
	appendNumbered(topics, 3)

	first := record.Position{Topic: topic.ID, Offsets: []record.PartitionOffset{{Offset: 6, Epoch: 0}}}
	late := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: first}})
	defer late.Close()
	got := late.collect(t, 2) // everything up to the end of the log
	topics.Hold(false)
	got = append(got, late.collect(t, 3)...)
	for i, want := range []int64{6, 7, 9, 10, 11} {
		if e := got[i]; e.Type != "event" || e.Offset != want {
			t.Errorf("got %+v, want the event at offset %d", e, want)
		}
	}
}

// TestWhatIsCachedCannotBeComparedAnyMore: a subscription resumes behind a control
// record, of whose epoch no record is cached, and Kafka has removed everything up to
// there since. The subscription goes on behind what is missing.
func TestWhatIsCachedCannotBeComparedAnyMore(t *testing.T) {
	t.Parallel()
	topics := beginWithControlRecord(2)
	topics.Elect("orders.v1", 0)
	appendNumbered(topics, 9)
	topic, err := topics.Topic(t.Context(), "orders.v1")
	if err != nil {
		t.Fatal(err)
	}
	h := startHub(t, topics, func(s *hub.Stream) { s.Backfill = 0 })
	from := func(at record.PartitionOffset) *reader {
		position := record.Position{Topic: topic.ID, Offsets: []record.PartitionOffset{at}}
		return subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: position}})
	}
	first := from(record.PartitionOffset{Offset: 0, Epoch: 0})
	defer first.Close()
	first.collect(t, 11) // it is cached now

	topics.Expire("orders.v1", 0, 12)
	resumed := from(record.PartitionOffset{Offset: 3, Epoch: 1})
	defer resumed.Close()
	appendNumbered(topics, 1)
	got := resumed.collect(t, 2)
	if g := got[0]; g.Reason != "retention" || g.From != 3 || g.To != 12 {
		t.Errorf("got %+v, want the gap of what Kafka has removed", g)
	}
	if e := got[1]; e.Type != "event" || e.Offset != 12 {
		t.Errorf("got %+v, want the event at offset 12", e)
	}
}
