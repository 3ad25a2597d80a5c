package redisstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"sluice/hub"
	"sluice/hub/hubtest"
)

const partitions = 2

// world is a hub with one stream, its log, and named cursors in a Redis.
type world struct {
	topics *hubtest.Topics
	hub    *hub.Hub
	keeper *hub.Keeper
	store  *lateStore
	name   hub.CursorName
	end    func()

	log  [partitions][]int // the present log: which record stands at an offset
	made int               // records so far
	seen map[int]bool      // records that were delivered under the name, or said to have been
	// sure is what must not be lost: acked, in a log that nothing has happened
	// to since.
	sure  map[int32]int64
	fault []string
}

// lateStore can have commits arrive late, when those who wait have been told
// that Redis is away.
type lateStore struct {
	hub.CursorStore
	mu   sync.Mutex
	hold bool
	late []hub.Commit
}

func (s *lateStore) Commit(ctx context.Context, commits []hub.Commit) []hub.Committed {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hold {
		return s.CursorStore.Commit(ctx, commits)
	}
	s.late = append(s.late, commits...)
	results := make([]hub.Committed, len(commits))
	for i := range results {
		results[i].Err = hub.ErrStoreUnavailable
	}
	return results
}

// arrive has one of the late commits arrive.
func (s *lateStore) arrive(pick int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.late) == 0 {
		return
	}
	pick %= len(s.late)
	s.CursorStore.Commit(ctx, s.late[pick:pick+1])
	s.late = append(s.late[:pick:pick], s.late[pick+1:]...)
}

func (s *lateStore) setHold(hold bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = hold
}

func newWorld(store hub.CursorStore, name string) *world {
	w := &world{
		topics: hubtest.New(), store: &lateStore{CursorStore: store},
		name: hub.CursorName{Principal: "p", Stream: "orders", Name: name},
		seen: make(map[int]bool), sure: make(map[int32]int64),
	}
	w.topics.Create("orders.v1", partitions)
	h, err := hub.New(hub.Config{
		Streams: []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: w.topics, LogBytes: 1 << 20, RecordBytes: 1 << 20}},
		Shards:  1, StartTimeout: 20 * time.Second, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Wake: func(shard int, f *hub.Feed) {
			go func() {
				for _, o := range f.Take(shard, nil) {
					o.Pump()
				}
			}()
		},
	})
	if err != nil {
		panic(err)
	}
	w.hub = h
	if w.keeper, err = hub.NewKeeper(w.store, time.Microsecond); err != nil {
		panic(err)
	}
	running, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() { _ = h.Run(running) })
	tasks.Go(func() { _ = w.keeper.Run(running) })
	w.end = func() { cancel(); tasks.Wait() }
	return w
}

type doorbell chan struct{}

func (b doorbell) Pump() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// client is a subscription that holds the name, or a reader without it.
type client struct {
	w       *world
	sub     *hub.Subscription
	holding *hub.Holding
	bell    doorbell
	cursors []string // that it was given, of the log as it is now
	older   []string // of before a break
}

func (w *world) faulty(format string, args ...any) {
	w.fault = append(w.fault, fmt.Sprintf(format, args...))
}

// open begins a subscription as the transport does.
func (w *world) open(reset, look bool) *client {
	c := &client{w: w, bell: make(doorbell, 1)}
	var (
		at  hub.Position
		err error
	)
	if look {
		at, _, err = w.keeper.Load(ctx, w.name)
	} else {
		at, c.holding, err = w.keeper.Take(ctx, w.name, func(*hub.Holding) {})
	}
	start := hub.Start{Kind: hub.StartNamed, Position: at}
	switch {
	case errors.Is(err, hub.ErrNoCursor) || reset:
		start = hub.Start{Kind: hub.StartEarliest}
	case err != nil:
		panic(err)
	default:
		for partition, offset := range w.sure {
			if at.Offset(partition, 0) < offset {
				w.faulty("partition %d was acked up to %d, and %d is stored", partition, offset, at.Offset(partition, 0))
			}
		}
	}
	sub, begun, err := w.hub.Subscribe(ctx, hub.Request{
		Stream: "orders", Start: start, Replay: -1, Owner: c.bell, Anew: reset && !look,
	})
	if err != nil {
		panic(err)
	}
	c.sub = sub
	if c.holding != nil && len(begun.Cut) > 0 {
		c.holding.Cut(sub.Position().Topic, begun.Cut, time.Now())
	}
	c.cursors = append(c.cursors, sub.Cursor())
	return c
}

func (c *client) close() {
	c.sub.Close()
	if c.holding != nil {
		c.holding.Release()
	}
}

// read delivers up to so many records, or all there is for a negative number.
func (c *client) read(records int) {
	deadline := time.After(time.Second)
	for records != 0 {
		if records < 0 && c.atEnd() {
			return
		}
		got := 0
		more := c.sub.Collect(1, func(isGap bool, body []byte) {
			got++
			var e struct {
				Reason string
				Data   struct{ N int }
			}
			if err := json.Unmarshal(body, &e); err != nil {
				panic(err)
			}
			if !isGap {
				c.w.seen[e.Data.N] = true
			} else if e.Reason == "truncated" || e.Reason == "log_changed" {
				// What it was given before is void; a client forgets it.
				c.older, c.cursors = append(c.older, c.cursors...), nil
			}
		})
		if got > 0 {
			c.cursors = append(c.cursors, c.sub.Cursor())
			records--
		}
		if more || got > 0 {
			continue
		}
		if records > 0 && c.atEnd() {
			return
		}
		select {
		case <-c.bell:
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			c.w.faulty("a subscription does not come to the end: %v", c.sub.Position())
			return
		}
	}
}

// atEnd reports whether it has been delivered all of the present log.
func (c *client) atEnd() bool {
	topic, err := c.w.topics.Topic(ctx, "orders.v1")
	if err != nil {
		panic(err)
	}
	at := c.sub.Position()
	if at.Topic != topic.ID || !c.sub.AtTip() {
		return false
	}
	for p := range c.w.log {
		if at.Offset(int32(p), 0) != int64(len(c.w.log[p])) {
			return false
		}
	}
	return true
}

// complete checks that all of the present log has been delivered under the name.
func (w *world) complete() {
	for p := range w.log {
		for offset, n := range w.log[p] {
			if !w.seen[n] {
				w.faulty("record %d, at offset %d of partition %d, is passed over", n, offset, p)
				w.seen[n] = true
			}
		}
	}
}

// ack acks a cursor of the client, and notes what must not be lost from then on.
func (c *client) ack(text string) {
	cursor, err := hub.ParseCursor(text)
	if err != nil {
		panic(err)
	}
	at, _ := cursor.Position("orders")
	ack, err := c.sub.Ack(at, cursor.At)
	if err != nil {
		return // ahead of what was sent
	}
	done := make(chan hub.Committed, 1)
	c.holding.Ack(ack, func(d hub.Committed) { done <- d })
	c.w.stored(at, <-done)
}

// stored checks what a commit is answered, and notes it.
func (w *world) stored(asked hub.Position, done hub.Committed) {
	if done.Err != nil {
		return
	}
	topic, err := w.topics.Topic(ctx, "orders.v1")
	if err != nil {
		panic(err)
	}
	now, _, err := w.keeper.Load(ctx, w.name)
	if err != nil || fmt.Sprint(now) != fmt.Sprint(done.Position) {
		w.faulty("the answer is %v, and stored is %v, %v", done.Position, now, err)
	}
	if now.Topic != topic.ID || asked.Topic != topic.ID {
		return
	}
	for _, place := range now.Places {
		w.sure[place.Partition] = max(w.sure[place.Partition], min(place.Offset, asked.Offset(place.Partition, 0)))
	}
}

// put is a PUT of a cursor, by a client that says it has seen all in front.
func (w *world) put(text string, reset bool) {
	cursor, err := hub.ParseCursor(text)
	if err != nil {
		panic(err)
	}
	asked := cursor.Streams[0]
	at, err := w.hub.Vouch(ctx, asked)
	if err != nil {
		if !errors.Is(err, hub.ErrBadCursor) {
			panic(err)
		}
		return
	}
	done := make(chan hub.Committed, 1)
	w.keeper.Set(w.name, at, cursor.At, reset, func(d hub.Committed) { done <- d })
	if reset {
		clear(w.sure)
	}
	w.stored(at, <-done)
}

func (w *world) append(partition, n int) {
	for range n {
		w.topics.Append("orders.v1", hub.Record{
			Partition: int32(partition), Timestamp: 1, Value: fmt.Appendf(nil, `{"n":%d}`, w.made),
		})
		w.log[partition] = append(w.log[partition], w.made)
		w.made++
	}
}

func (w *world) truncate(partition, to int) {
	w.topics.Truncate("orders.v1", int32(partition), int64(to))
	w.log[partition] = w.log[partition][:to:to]
	clear(w.sure)
}

func (w *world) recreate() {
	w.topics.Create("orders.v1", partitions)
	w.log = [partitions][]int{}
	clear(w.sure)
}

// TestNamedCursorOverATruncation: what is acked behind a cut replaces what was
// acked in front of it, also where a client acks with its own offsets, and
// nothing of the log as it is now is passed over when it has grown beyond that.
func TestNamedCursorOverATruncation(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		w := newWorld(f.Store, "n")
		defer w.end()
		w.append(0, 1000)
		c := w.open(false, false)
		begin := c.cursors[0]
		c.read(-1)
		c.ack(begin + "~0:1000")
		w.truncate(0, 800)
		w.append(0, 50)
		c.read(-1)
		c.ack(begin + "~0:850")
		if at, _, _ := w.keeper.Load(ctx, w.name); at.Offset(0, -1) != 850 {
			t.Errorf("stored is %v", at)
		}
		c.close()
		w.append(0, 500)
		c = w.open(false, false)
		c.read(-1)
		c.close()
		w.complete()
		for _, fault := range w.fault {
			t.Error(fault)
		}
	})
}

// TestStoredCursorBeyondTheLog: a stored place without an epoch, of before this
// version, that lies beyond the end of its log is told as truncated, and no
// longer stands there when the log has grown beyond it.
func TestStoredCursorBeyondTheLog(t *testing.T) {
	t.Parallel()
	for name, acks := range map[string]bool{"acked": true, "not acked": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(newFixture(t, redis.UniversalOptions{Addrs: []string{miniredis.RunT(t).Addr()}}).Store, "n")
			defer w.end()
			w.append(0, 80)
			c := w.open(false, false)
			c.read(-1)
			topic := c.sub.Position().Topic
			c.close()
			done := make(chan hub.Committed, 1)
			w.keeper.Set(w.name, hub.Position{Topic: topic, Places: []hub.Place{{Offset: 200, Epoch: -1}}}, noon, false,
				func(d hub.Committed) { done <- d })
			<-done
			c = w.open(false, false)
			if acks {
				c.read(-1)
				c.ack(c.cursors[len(c.cursors)-1])
			}
			c.close()
			w.append(0, 300)
			c = w.open(false, false)
			c.read(-1)
			c.close()
			w.complete()
			for _, fault := range w.fault {
				t.Error(fault)
			}
		})
	}
}
