package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// storm is a topic to which everything possible happens, and its content.
type storm struct {
	topics *hubtest.Topics
	rand   *rand.Rand
	unsafe bool // truncations, too

	mu    sync.Mutex
	n     int
	kept  [][]stormRecord // by partition
	start []int64
}

type stormRange struct {
	partition int32
	from, to  int64
}

type stormRecord struct {
	offset int64
	n      int
	key    string
}

func newStorm(seed uint64, truncations bool) *storm {
	s := &storm{topics: hubtest.New(), rand: rand.New(rand.NewPCG(seed, 1)), unsafe: truncations}
	s.create(1 + s.rand.IntN(4))
	return s
}

func (s *storm) create(partitions int) {
	s.topics.Create("orders.v1", partitions)
	s.kept, s.start = make([][]stormRecord, partitions), make([]int64, partitions)
}

func (s *storm) add(partition int, key string) {
	s.n++
	offset := s.topics.Append("orders.v1", record.Record{
		Partition: int32(partition), Key: []byte(key), Timestamp: time.Now().UnixMilli(),
		Value: fmt.Appendf(nil, `{"n":%d,"pad":%q}`, s.n, strings.Repeat("x", s.rand.IntN(300))),
	})
	s.kept[partition] = append(s.kept[partition], stormRecord{offset, s.n, key})
}

func stormKey(n int) string { return fmt.Sprintf("k%d", n) }

// step makes one random change.
func (s *storm) step() {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.rand.IntN(len(s.kept))
	switch what := s.rand.IntN(1000); {
	case what < 900:
		for range 1 + s.rand.IntN(60) {
			s.add(s.rand.IntN(len(s.kept)), stormKey(s.rand.IntN(8)))
		}
	case what < 950:
		s.topics.Skip("orders.v1", int32(p), 1+s.rand.IntN(3))
	case what < 965:
		s.topics.Away(true)
		time.Sleep(time.Duration(s.rand.IntN(3)) * time.Millisecond)
		s.topics.Away(false)
	case what < 985 && len(s.kept[p]) > 20:
		kept := s.kept[p]
		if s.unsafe {
			i := len(kept) - 1 - s.rand.IntN(15)
			s.topics.Truncate("orders.v1", int32(p), kept[i].offset)
			s.kept[p] = slices.Clone(kept[:i])
			return
		}
		i := s.rand.IntN(len(kept) - 10)
		s.topics.Expire("orders.v1", int32(p), kept[i].offset)
		s.kept[p] = slices.Clone(kept[i:])
	case what < 990 && !s.unsafe:
		s.create(1 + s.rand.IntN(4))
	case what < 994 && len(s.kept) < 6 && !s.unsafe:
		s.topics.Grow("orders.v1", len(s.kept)+1)
		s.kept, s.start = append(s.kept, nil), append(s.start, 0)
	}
}

// stormClient reads the whole topic, is disconnected at random, and checks the order
// of what it receives.
type stormClient struct {
	hubs []*hub.Hub
	rand *rand.Rand
	keys []string

	start hub.Start
	next  map[int32]int64
	had   map[int]bool
	last  []string
	// passed are offsets that a policy skipped, in the log as it is now.
	passed []stormRange
	// gaps are the latest gaps, with no record after them.
	gaps  []stormRange
	moves []string // gaps and resumptions, to investigate a failure
}

func (c *stormClient) see(body []byte) error {
	var e struct {
		seenEvent
		Data struct{ N int }
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return fmt.Errorf("%s: %w", body, err)
	}
	c.last = append(c.last[max(0, len(c.last)-12):], string(body[:min(len(body), 130)]))
	if e.Type == "gap" {
		c.moves = append(c.moves, string(body))
		c.gaps = append(c.gaps, stormRange{e.Partition, e.From, e.To})
	} else {
		c.gaps = nil
	}
	switch {
	case e.Type == "gap" && e.Reason == "log_changed":
		c.next[e.Partition] = 0
		c.forget(e.Partition, 0)
	case e.Type == "gap" && e.Reason == "truncated":
		if e.From > c.next[e.Partition] && len(c.keys) == 0 {
			return fmt.Errorf("truncated from beyond %d", c.next[e.Partition])
		}
		c.next[e.Partition] = e.From
		c.forget(e.Partition, e.From)
	case e.Type == "gap":
		if e.Reason == "policy" {
			c.passed = append(c.passed, stormRange{e.Partition, e.From, e.To})
		}
		c.next[e.Partition] = max(c.next[e.Partition], e.To)
	case e.Offset < c.next[e.Partition]:
		return fmt.Errorf("offset %d of partition %d comes after %d", e.Offset, e.Partition, c.next[e.Partition])
	default:
		if len(c.keys) > 0 && (e.Key == nil || !slices.Contains(c.keys, *e.Key)) {
			return fmt.Errorf("%s is not for the filter", body)
		}
		c.next[e.Partition] = e.Offset + 1
		c.had[e.Data.N] = true
	}
	return nil
}

// comeBack is called when a client resumes. Of several gaps before the next record
// it may have received only the first. Then it resumes before all of them, in a
// stream that may skip less.
func (c *stormClient) comeBack(at record.Position) {
	for _, r := range slices.Backward(c.gaps) {
		if from := at.Offset(r.partition, r.to); from < r.to && c.next[r.partition] == r.to {
			c.next[r.partition] = max(from, r.from)
		}
	}
	c.gaps = nil
}

// forget removes what was skipped from an offset on, because it has become void.
func (c *stormClient) forget(partition int32, from int64) {
	for i := range c.passed {
		if r := &c.passed[i]; r.partition == partition {
			r.to = min(r.to, from)
		}
	}
}

// excused reports whether a policy skipped a record.
func (c *stormClient) excused(partition int, offset int64) bool {
	return slices.ContainsFunc(c.passed, func(r stormRange) bool {
		return int(r.partition) == partition && r.from <= offset && offset < r.to
	})
}

// end returns the end of the topic.
func (s *storm) end(t *testing.T) record.Position {
	t.Helper()
	topic, err := s.topics.Topic(t.Context(), "orders.v1")
	if err != nil {
		t.Fatal(err)
	}
	places, err := s.topics.Offsets(t.Context(), topic, upstream.Tip())
	if err != nil {
		t.Fatal(err)
	}
	return record.Position{Topic: topic.ID, Offsets: places}
}

// round is one connection. It ends at random or, once there is an end, when the
// subscription has reached it and has nothing more for a while.
func (c *stormClient) round(ctx context.Context, end *atomic.Pointer[record.Position]) (atEnd bool, err error) {
	r := &reader{bell: make(bell, 1)}
	if r.Subscription, _, err = c.hubs[c.rand.IntN(len(c.hubs))].Subscribe(ctx, hub.Request{
		Stream: "orders", Keys: c.keys, Start: c.start, Replay: -1, Owner: r.bell, Shard: c.rand.IntN(2),
		Labelled: c.rand.IntN(2) == 0, Principal: stormKey(c.rand.IntN(3)),
	}); err != nil {
		return false, nil //nolint:nilerr // the cluster is away, or the topic is being made again
	}
	defer r.Close()
	finish := func() error {
		cursor, err := record.ParseCursor(r.Cursor())
		at, _ := cursor.Position("orders")
		c.start = hub.Start{Kind: hub.StartCursor, Position: at}
		c.comeBack(at)
		c.moves = append(c.moves, fmt.Sprintf("left at %v, behind %v", at.Offsets, c.next))
		return err
	}
	var b hub.Batch
	for steps := c.rand.IntN(40); ; {
		var fault error
		see := func(_ bool, body []byte) {
			if fault == nil {
				fault = c.see(body)
			}
		}
		var more bool
		if c.rand.IntN(2) == 0 {
			more = r.Collect(1+c.rand.IntN(100), see)
		} else {
			b.Reset()
			more = r.Next(&b, frame{}, 1+c.rand.IntN(20_000))
			for _, buf := range b.Bufs {
				for line := range strings.Lines(string(buf)) {
					see(false, []byte(line))
				}
			}
		}
		if fault != nil {
			return false, fault
		}
		if r.Ended() != "" {
			return false, finish()
		}
		if c.rand.IntN(10) == 0 {
			r.Pause()
			time.Sleep(time.Duration(c.rand.IntN(5)) * time.Millisecond)
			if r.Collect(100, see) || fault != nil {
				return false, fmt.Errorf("it delivers while it is paused: %w", fault)
			}
			r.Resume(nil)
			more = true
		}
		last := end.Load()
		if steps--; steps < 0 && last == nil {
			return false, finish()
		}
		if more {
			continue
		}
		quiet := 20 * time.Millisecond
		if last != nil {
			quiet = 300 * time.Millisecond
		}
		select {
		case <-r.bell:
		case <-time.After(quiet):
			if last != nil && r.AtTip() && r.Position().Covers(*last) {
				return true, finish()
			}
		case <-ctx.Done():
			return false, fmt.Errorf("it does not come to the end: it is at %v", r.Position().Offsets)
		}
		if c.rand.IntN(10) == 0 {
			time.Sleep(time.Duration(c.rand.IntN(5)) * time.Millisecond)
		}
	}
}

// TestStorm: whatever happens to a topic, and wherever clients are disconnected and
// resume, everything that the topic has at the end has reached each client, in order
// and once.
func TestStorm(t *testing.T) {
	t.Parallel()
	for i := range uint64(stormRuns) {
		seed := uint64(time.Now().UnixNano()) + i
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			runStorm(t, seed, i%2 == 1, i%4 >= 2)
		})
	}
}

const stormRuns = 4

func runStorm(t *testing.T, seed uint64, truncations, slow bool) {
	s := newStorm(seed, truncations)
	var hubs []*hub.Hub
	policies := []hub.SlowPolicy{hub.SlowCatchUp, hub.SlowConflate, hub.SlowSkip, hub.SlowDisconnect}
	for i, logBytes := range []int{1, 1, 40 << 10, 1 << 20} {
		hubs = append(hubs, startHubWith(t, s.topics, func(st *hub.Stream) {
			st.LogBytes, st.Linger = logBytes, time.Duration(s.rand.IntN(3))*time.Millisecond
			if slow {
				st.Slow = policies[i]
			}
			if truncations {
				st.Linger = time.Hour
			}
		}, func(c *hub.Config) {
			// The memory for late subscriptions is sometimes plenty, sometimes
			// hardly any.
			c.LateMemory = []int{0, 1, 50 << 10, 1 << 20}[s.rand.IntN(4)]
			c.ReplaysPerInstance, c.ReplaysPerPrincipal = s.rand.IntN(4), s.rand.IntN(3)
			c.LateBytesPerSecond = []int{0, 100 << 20}[s.rand.IntN(2)]
		}))
	}
	if truncations {
		// A position whose epoch is not known cannot be told from one that was
		// truncated.
		var readers []*reader
		for _, h := range hubs {
			r := subscribe(t, h, hub.Request{})
			defer r.Close()
			readers = append(readers, r)
		}
		for p := range s.kept {
			s.add(p, stormKey(0))
		}
		for _, r := range readers {
			r.collect(t, len(s.kept))
		}
	}
	var end atomic.Pointer[record.Position]
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	clients := make([]*stormClient, 12)
	var running sync.WaitGroup
	for i := range clients {
		c := &stormClient{
			hubs: hubs, rand: rand.New(rand.NewPCG(seed, uint64(100+i))),
			start: hub.Start{Kind: hub.StartEarliest}, next: make(map[int32]int64), had: make(map[int]bool),
		}
		for n := range i % 3 {
			c.keys = append(c.keys, stormKey((i+n)%8))
		}
		clients[i] = c
		running.Go(func() {
			for atEnd := false; !atEnd && ctx.Err() == nil; {
				var err error
				if atEnd, err = c.round(ctx, &end); err != nil {
					t.Errorf("client %d, keys %v: %v; before it came\n%s", i, c.keys, err, strings.Join(c.last, "\n"))
					return
				}
			}
		})
	}
	for range 300 {
		s.step()
		time.Sleep(time.Duration(s.rand.IntN(2000)) * time.Microsecond)
	}
	last := s.end(t)
	end.Store(&last)
	running.Wait()
	late := uint64(0)
	for _, h := range hubs {
		late += h.Late().Made
	}
	if late == 0 {
		t.Error("nobody was late")
	}
	for i, c := range clients {
		for p, kept := range s.kept {
			for _, r := range kept {
				if (len(c.keys) == 0 || slices.Contains(c.keys, r.key)) && !c.had[r.n] && !c.excused(p, r.offset) {
					t.Fatalf("client %d, keys %v: offset %d of partition %d (to %d) never came; it went\n%s",
						i, c.keys, r.offset, p, kept[len(kept)-1].offset, strings.Join(c.moves, "\n"))
				}
			}
		}
	}
}
