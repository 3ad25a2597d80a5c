package hub_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// stage is a hub with a topic, on which a subscription is led through the table of
// transitions.
type stage struct {
	t       *testing.T
	topics  *hubtest.Topics
	hub     *hub.Hub
	written uint64
	took    map[hub.Transition]bool
	// then holds functions called once, when a transition from a mode on a trigger
	// occurs.
	then map[[2]string]func()
}

func newStage(t *testing.T, partitions int, policy hub.SlowPolicy, change func(*hub.Config)) *stage {
	s := &stage{t: t, topics: hubtest.New(), took: make(map[hub.Transition]bool), then: make(map[[2]string]func())}
	s.topics.Create("orders.v1", partitions)
	s.hub = startHubWith(t, s.topics, func(st *hub.Stream) {
		st.Backfill, st.LogBytes, st.RecordBytes, st.Slow = 0, 64<<10, 2<<10, policy
	}, change)
	s.hub.WatchTransitions(func(tr hub.Transition) {
		s.took[tr] = true
		at := [2]string{tr.From, tr.On}
		if then := s.then[at]; then != nil {
			delete(s.then, at)
			then()
		}
	})
	return s
}

// write appends n records, alternating between the partitions, with a number of
// keys, and waits for the log to have them if the stream is read.
func (s *stage) write(n, keys int) {
	topic, err := s.topics.Topic(s.t.Context(), "orders.v1")
	if err != nil {
		s.t.Fatal(err)
	}
	for from := 0; from < n; from += writeBatch {
		records := make([]record.Record, min(writeBatch, n-from))
		for i := range records {
			records[i] = record.Record{
				Partition: int32(from+i) % topic.Partitions, Key: fmt.Appendf(nil, "k%d", (from+i)%keys), Timestamp: int64(s.written),
				Value: fmt.Appendf(nil, `{"pad":%q}`, strings.Repeat("x", 200)),
			}
			s.written++
		}
		s.topics.AppendBatch("orders.v1", records)
		s.await(func() bool {
			info, err := s.hub.Stream("", "orders")
			return err != nil || !info.Reading || info.Records >= s.written
		})
	}
}

// writeBatch is small, so that a chunk of the log, which is kept as a whole, holds
// little.
const writeBatch = 40

func (s *stage) await(done func() bool) {
	for !done() {
		time.Sleep(time.Millisecond)
	}
}

// fewBlocks sets a LateMemory for a few blocks of about a hundred records, so that
// the second pass reads most of them again.
func fewBlocks(c *hub.Config) { c.LateMemory = 64 << 10 }

// plenty is more records than the log holds, and fewer than a block holds.
const plenty = 800

// live returns a new subscription that has been delivered ten records.
func (s *stage) live(req hub.Request) *reader {
	r := subscribe(s.t, s.hub, req)
	s.t.Cleanup(r.Close)
	s.write(10, 3)
	s.read(r)
	return r
}

// from returns a subscription that begins at offsets, by partition.
func (s *stage) from(req hub.Request, offsets ...int64) *reader {
	topic, err := s.topics.Topic(s.t.Context(), "orders.v1")
	if err != nil {
		s.t.Fatal(err)
	}
	at := record.Position{Topic: topic.ID}
	for p, offset := range offsets {
		at.Offsets = append(at.Offsets, record.PartitionOffset{Partition: int32(p), Epoch: -1, Offset: offset})
	}
	req.Start = hub.Start{Kind: hub.StartCursor, Position: at}
	r := subscribe(s.t, s.hub, req)
	s.t.Cleanup(r.Close)
	return r
}

// begin delivers the first record of a subscription, once its position has been found in the
// log.
func (s *stage) begin(r *reader) {
	s.await(func() bool {
		r.Collect(1, func(bool, []byte) {})
		return r.Mode() != "joining"
	})
}

// read delivers everything that is available.
func (s *stage) read(r *reader) {
	for r.Ended() == "" {
		if r.Collect(1_000_000, func(bool, []byte) {}) {
			continue
		}
		if r.AtTip() || r.Ended() != "" {
			return
		}
		select {
		case <-r.bell:
		case <-time.After(time.Minute):
			s.t.Fatalf("it stays %s, at %v", r.Mode(), r.Position())
		}
	}
}

func (s *stage) on(from, trigger string, then func()) { s.then[[2]string{from, trigger}] = then }

// cut truncates the first partition below the position of a live subscription.
func (s *stage) cut() {
	s.topics.Truncate("orders.v1", 0, 3)
	s.await(func() bool { return s.hub.Floor("orders") == 3 })
}

func (s *stage) makeAnew() {
	s.topics.Create("orders.v1", 2)
	s.await(func() bool { return s.hub.Floor("orders") == 0 })
}

// fewKeys sets a LateMemory for 30 keys.
func fewKeys(c *hub.Config) { c.LateMemory = 30 * 4 * 64 }

type way struct {
	name       string
	partitions int
	policy     hub.SlowPolicy
	change     func(*hub.Config)
	walk       func(*stage)
}

// ways together take every transition of the table.
var ways = []way{
	{"live, behind, in order", 2, hub.SlowCatchUp, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 3)
		s.read(r)
	}},
	{"from a position of its own, overtaken by the log", 2, hub.SlowCatchUp, nil, func(s *stage) {
		s.live(hub.Request{})
		r := s.from(hub.Request{}, 0, 3)
		s.begin(r)
		s.write(plenty, 3)
		s.read(r)
		s.read(s.from(hub.Request{}, 404, 402))
	}},
	{"cut short while live", 2, hub.SlowCatchUp, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.cut()
		s.read(r)
	}},
	{"narrowed", 2, hub.SlowCatchUp, nil, func(s *stage) {
		s.live(hub.Request{})
		r := s.from(hub.Request{}, 0, 0)
		s.begin(r)
		bound, err := s.hub.Bound(s.t.Context(), "", "orders", time.Hour)
		if err != nil {
			s.t.Fatal(err)
		}
		r.Narrow(bound)
		s.read(r)
	}},
	{"skips", 2, hub.SlowSkip, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 3)
		s.read(r)
	}},
	{"cut off", 2, hub.SlowDisconnect, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 3)
		s.read(r)
	}},
	{"conflates, and is behind again when it is done", 2, hub.SlowConflate, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 3)
		s.on("picking: in the log", "conflated", func() { s.write(plenty, 3) })
		s.read(r)
	}},
	{"overtaken in the first pass", 2, hub.SlowConflate, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 3)
		s.on("scanning: joining", "found", func() { s.write(plenty, 3) })
		s.read(r)
	}},
	{"overtaken in the second pass", 2, hub.SlowConflate, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 3)
		s.on("picking: joining", "found", func() { s.write(2*plenty, 3) })
		s.read(r)
	}},
	{"overtaken once more when it was to join", 1, hub.SlowConflate, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 3)
		s.on("picking: joining", "past", func() { s.write(plenty/2, 3) })
		s.on("picking: late", "floor", func() { s.write(plenty, 3) })
		s.read(r)
	}},
	{"too many keys in the past", 2, hub.SlowConflate, fewKeys, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 50)
		s.read(r)
	}},
	{"too many keys in the log", 2, hub.SlowConflate, fewKeys, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(500, 3) // the log begins within these, a hundred records before their end
		s.write(50, 50)
		s.read(r)
	}},
	{"made anew in the first pass", 2, hub.SlowConflate, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 3)
		s.on("behind", "conflate", s.makeAnew)
		s.read(r)
	}},
	{"cut short in the first pass, late", 2, hub.SlowConflate, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 3)
		s.on("behind", "conflate", s.cut)
		s.read(r)
	}},
	{"cut short in the first pass, in the log", 1, hub.SlowConflate, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 3)
		s.on("behind", "conflate", s.cut)
		s.read(r)
	}},
	{"made anew in the second pass", 2, hub.SlowConflate, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 3)
		s.on("scanning: in the log", "scanned", s.makeAnew)
		s.read(r)
	}},
	{"cut short in the second pass, late", 2, hub.SlowConflate, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 3)
		s.on("scanning: in the log", "scanned", s.cut)
		s.read(r)
	}},
	{"cut short in the second pass, in the log", 1, hub.SlowConflate, nil, func(s *stage) {
		r := s.live(hub.Request{})
		s.write(plenty, 3)
		s.on("scanning: in the log", "scanned", s.cut)
		s.read(r)
	}},
	{"paused while live, and once more before it has gone on", 2, hub.SlowSkip, nil, func(s *stage) {
		r := s.live(hub.Request{})
		r.Pause()
		s.write(plenty, 3)
		r.Resume(nil)
		r.Pause()
		r.Resume(nil)
		s.read(r)
	}},
	{"paused before it has joined, late, and with a position of its own", 2, hub.SlowCatchUp, nil, func(s *stage) {
		s.live(hub.Request{})
		own := s.from(hub.Request{}, 0, 3)
		s.begin(own)
		own.Pause()
		s.write(plenty, 3)
		late := s.from(hub.Request{}, 0, 3)
		late.Pause()
		late.Resume(nil)
		late.Collect(1, func(bool, []byte) {})
		late.Pause()
		for _, r := range []*reader{own, late} {
			r.Resume(nil)
			s.read(r)
		}
	}},
	{"ended by a gap while live, from a position of its own, and late", 2, hub.SlowSkip, nil, func(s *stage) {
		live := s.live(hub.Request{FailOnGap: true})
		s.topics.Append("orders.v1", record.Record{Partition: 1, Value: make([]byte, 4<<10)})
		s.write(2, 2)
		s.read(live)
		s.read(s.from(hub.Request{FailOnGap: true}, 0, 3))
		s.write(plenty, 3)
		s.read(s.from(hub.Request{FailOnGap: true}, 0, 3))
	}},
	{"ended by a gap before it begins", 2, hub.SlowSkip, nil, func(s *stage) {
		s.live(hub.Request{})
		r := subscribe(s.t, s.hub, hub.Request{FailOnGap: true, Start: hub.Start{
			Kind: hub.StartCursor, Position: record.Position{Topic: record.TopicID{99}, Offsets: []record.PartitionOffset{{Offset: 7}}},
		}})
		s.t.Cleanup(r.Close)
		s.read(r)
	}},
	{"ended by the gap of a policy", 2, hub.SlowSkip, nil, func(s *stage) {
		r := s.live(hub.Request{FailOnGap: true})
		s.write(plenty, 3)
		s.read(r)
	}},
}

// brittle is a filter that passes all records, but fails on those without a key.
var brittle = filter.Where(brittlePredicate{})

type brittlePredicate struct{}

func (brittlePredicate) Canonical() string { return "brittle" }

func (brittlePredicate) Passes(r *filter.Record) (bool, error) {
	if _, ok := r.Key(); !ok {
		return false, errors.New("the record has no key")
	}
	return true, nil
}

// appendBad appends a record on which brittle fails.
func (s *stage) appendBad(partition int32) {
	s.topics.Append("orders.v1", record.Record{Partition: partition, Timestamp: int64(s.written), Value: []byte("1")})
	s.written++
	s.await(func() bool {
		info, err := s.hub.Stream("", "orders")
		return err == nil && info.Records >= s.written && s.hub.Asked("orders")
	})
}

// failing are additional ways, of subscriptions whose filters fail.
var failing = []way{
	{"fails while live, from a position of its own, and late", 2, hub.SlowCatchUp, nil, func(s *stage) {
		live := s.live(hub.Request{Filter: brittle})
		s.appendBad(1)
		s.write(2, 2)
		s.read(live)
		s.read(s.from(hub.Request{Filter: brittle}, 0, 3))
		s.write(plenty, 3)
		s.read(s.from(hub.Request{Filter: brittle}, 0, 3))
	}},
	{"fails in the first pass, late", 2, hub.SlowConflate, nil, func(s *stage) {
		r := s.live(hub.Request{Filter: brittle})
		s.appendBad(0)
		s.write(plenty, 3)
		s.read(r)
	}},
	{"fails in the first pass, in the log", 2, hub.SlowConflate, nil, func(s *stage) {
		r := s.live(hub.Request{Filter: brittle})
		s.write(plenty, 3)
		s.appendBad(0)
		s.read(r)
	}},
	{"fails in the second pass, late", 1, hub.SlowConflate, fewBlocks, func(s *stage) {
		r := s.live(hub.Request{Filter: brittle})
		s.write(plenty, 3)
		s.on("scanning: in the log", "scanned", func() {
			s.appendBad(0)
			s.write(plenty, 3)
		})
		s.read(r)
	}},
	{"fails in the second pass, in the log", 1, hub.SlowConflate, fewBlocks, func(s *stage) {
		r := s.live(hub.Request{Filter: brittle})
		s.write(plenty, 3)
		s.on("scanning: in the log", "scanned", func() { s.appendBad(0) })
		s.read(r)
	}},
}

// retire ends the stream, which is in force again at once, with another definition.
func (s *stage) retire() {
	st := hub.Stream{Name: "orders", Topic: "orders.v1", Source: s.topics, LogBytes: 64<<10 + 1}
	for range 2 {
		if err := s.hub.SetStreams([]hub.Stream{st}); err != nil {
			s.t.Error(err)
		}
		st.LogBytes++
	}
}

// retiring returns a way to a mode, of a subscription whose stream is retired in this
// mode. The mode follows on a trigger from another one.
func retiring(partitions int, from, trigger string) way {
	return way{"retired after " + from + " on " + trigger, partitions, hub.SlowConflate, fewBlocks, func(s *stage) {
		r := s.live(hub.Request{})
		s.on(from, trigger, s.retire)
		s.write(plenty, 3)
		s.read(r)
		if r.Ended() != hub.StreamChanged {
			s.t.Errorf("it ended with %q", r.Ended())
		}
	}}
}

// retirements are additional ways, of subscriptions whose stream is retired.
var retirements = []way{
	{"retired while live, and before it has joined", 2, hub.SlowCatchUp, nil, func(s *stage) {
		live, joining := s.live(hub.Request{}), s.from(hub.Request{}, 0, 3)
		s.retire()
		s.read(live)
		s.read(joining)
	}},
	{"retired with a position of its own", 2, hub.SlowCatchUp, nil, func(s *stage) {
		s.live(hub.Request{})
		r := s.from(hub.Request{}, 0, 3)
		s.on("joining", "found", s.retire)
		s.read(r)
	}},
	{"retired while late", 2, hub.SlowCatchUp, nil, func(s *stage) {
		s.live(hub.Request{})
		s.write(plenty, 3)
		r := s.from(hub.Request{}, 0, 3)
		s.on("joining", "past", s.retire)
		s.read(r)
	}},
	retiring(2, "in step", "fell behind"),
	retiring(2, "behind", "conflate"),
	retiring(2, "scanning: joining", "past"),
	retiring(2, "scanning: joining", "found"),
	retiring(2, "scanning: in the log", "scanned"),
	retiring(1, "picking: joining", "past"),
	retiring(2, "picking: joining", "found"),
}

// TestTransitions: real subscriptions take every transition of the table. That no
// subscription takes another one is checked by every test, because it panics.
func TestTransitions(t *testing.T) {
	t.Parallel()
	if missing := hub.WithoutReason(); len(missing) > 0 {
		t.Errorf("transitions without a reason: %v", missing)
	}
	ways := slices.Concat(ways, failing, retirements)
	took := make(chan map[hub.Transition]bool, len(ways))
	t.Run("ways", func(t *testing.T) {
		for _, way := range ways {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				s := newStage(t, way.partitions, way.policy, way.change)
				way.walk(s)
				for at := range s.then {
					t.Errorf("it never was %s and changed on %s; it went %v", at[0], at[1], s.took)
				}
				took <- s.took
			})
		}
	})
	close(took)
	all := hub.Transitions()
	if len(all) < 40 {
		t.Errorf("the table has only %d transitions", len(all))
	}
	for one := range took {
		all = slices.DeleteFunc(all, func(tr hub.Transition) bool { return one[tr] })
	}
	for _, tr := range all {
		t.Errorf("none was %s and became %s on %s", tr.From, tr.To, tr.On)
	}
}
