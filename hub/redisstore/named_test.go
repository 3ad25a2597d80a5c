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
	"sluice/hub/cursors"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

const partitions = 2

// world is a hub with one stream, its log, and named cursors in a Redis.
type world struct {
	topics    *hubtest.Topics
	hub       *hub.Hub
	committer *cursors.Committer
	store     *lateStore
	name      cursors.Key
	end       func()
	// settle waits until the hub has noticed what has happened to the log, and
	// the subscriptions have been notified.
	settle func()

	log  [partitions][]int // the present log: the number of the record at each offset
	made int               // number of records so far
	seen map[int]bool      // records that were delivered under the name, or acked as delivered
	// sure holds the offsets that must not be lost: acked, in a log to which
	// nothing has happened since.
	sure   map[int32]int64
	broken int // how often the log was truncated or created again
	fault  []failure
}

// failure is a property that does not hold, and the records and offsets
// concerned.
type failure struct{ what, detail string }

func (f failure) String() string { return f.what + ": " + f.detail }

// lateStore can make commits arrive late, after their callers were told that
// Redis is unavailable.
type lateStore struct {
	cursors.Store
	mu   sync.Mutex
	hold bool
	late []cursors.Commit
}

func (s *lateStore) Commit(ctx context.Context, commits []cursors.Commit) []cursors.Committed {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hold {
		return s.Store.Commit(ctx, commits)
	}
	s.late = append(s.late, commits...)
	results := make([]cursors.Committed, len(commits))
	for i := range results {
		results[i].Err = cursors.ErrStoreUnavailable
	}
	return results
}

// arrive makes one of the late commits arrive.
func (s *lateStore) arrive(pick int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.late) == 0 {
		return
	}
	pick %= len(s.late)
	s.Store.Commit(ctx, s.late[pick:pick+1])
	s.late = append(s.late[:pick:pick], s.late[pick+1:]...)
}

// Superseded reports nothing: fences are enforced nevertheless.
func (s *lateStore) Superseded(ctx context.Context, _ func(cursors.Taken), _ func()) error {
	<-ctx.Done()
	return ctx.Err()
}

func (s *lateStore) setHold(hold bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = hold
}

func newWorld(store cursors.Store, name string) *world {
	w := &world{
		topics: hubtest.New(), store: &lateStore{Store: store},
		name: cursors.Key{Principal: "p", Stream: "orders", Name: name},
		seen: make(map[int]bool), sure: make(map[int32]int64),
		settle: func() { time.Sleep(5 * time.Millisecond) },
	}
	w.topics.Create("orders.v1", partitions)
	h, err := hub.New(hub.Config{
		Streams: []hub.Stream{{Name: "orders", Topic: "orders.v1", Source: w.topics, LogBytes: 1 << 20, RecordBytes: 1 << 20, Backfill: time.Hour}},
		Shards:  1, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Wake: func(shard int, f *hub.Feed) {
			go func() {
				for _, o := range f.Take(shard, nil) {
					o.Pump()
				}
			}()
		},
		Limits: hub.Limits{StartTimeout: 20 * time.Second},
	})
	if err != nil {
		panic(err)
	}
	w.hub = h
	if w.committer, err = cursors.NewCommitter(w.store, time.Microsecond); err != nil {
		panic(err)
	}
	running, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() { _ = h.Run(running) })
	tasks.Go(func() { _ = w.committer.Run(running) })
	w.end = func() { cancel(); tasks.Wait() }
	return w
}

// doorbell ignores notifications: clients poll.
type doorbell struct{}

func (doorbell) Pump() {}

// client is a subscription that holds the name, or a reader without it.
type client struct {
	w       *world
	sub     *hub.Subscription
	lease   *cursors.Lease
	cursors []string // cursors that it received, of the present log
	older   []string // cursors from before a break
	told    int      // world.broken when it was last at the end
	// replaces is set if its next ack replaces the stored position, whichever
	// client stored it: after reset, truncated and log_changed.
	replaces bool
}

// current reports whether the client has been notified of all that has happened
// to the log, so that its offsets are those of the present log.
func (c *client) current() bool { return c.told == c.w.broken }

func (w *world) faulty(what, format string, args ...any) {
	w.fault = append(w.fault, failure{what, fmt.Sprintf(format, args...)})
}

// open begins a subscription as the transport does.
func (w *world) open(reset, look bool) *client {
	c := &client{w: w, told: -1, replaces: reset}
	var (
		stored cursors.Stored
		err    error
	)
	if look {
		stored, err = w.committer.Load(ctx, w.name)
	} else {
		stored, c.lease, err = w.committer.Take(ctx, w.name, func(*cursors.Lease) {})
	}
	at := stored.Position
	start := hub.Start{Kind: hub.StartNamed, Position: at, Lease: stored.Fence}
	switch {
	case errors.Is(err, cursors.ErrNoCursor) || reset:
		start = hub.Start{Kind: hub.StartEarliest}
	case err != nil:
		panic(err)
	default:
		for partition, offset := range w.sure {
			if at.Offset(partition, 0) < offset {
				w.faulty("what was acked is lost", "partition %d was acked up to %d, and %d is stored", partition, offset, at.Offset(partition, 0))
			}
		}
	}
	sub, begun, err := w.hub.Subscribe(ctx, hub.Request{
		Stream: "orders", Start: start, Replay: -1, Owner: doorbell{}, Anew: reset && !look,
	})
	if err != nil {
		panic(err)
	}
	c.sub = sub
	if c.lease != nil {
		sub.Under(c.lease.Fence())
	}
	if c.lease != nil && len(begun.Cut) > 0 {
		if err := c.lease.Cut(ctx, sub.Position().Topic, begun.Cut, time.Now()); err != nil && !errors.Is(err, cursors.ErrStoreUnavailable) {
			panic(err)
		}
	}
	c.cursors = append(c.cursors, sub.Cursor())
	return c
}

func (c *client) close() {
	c.sub.Close()
	if c.lease != nil {
		c.lease.Release()
	}
}

// read delivers up to the given number of records, or all available ones if it is
// negative.
func (c *client) read(records int) {
	for idle, all := 0, 0; records != 0; {
		got := 0
		more := c.sub.Take(1, 1, func(isGap bool, body []byte) {
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
				// Earlier cursors are void; a client forgets them.
				c.older, c.cursors = append(c.older, c.cursors...), nil
				c.replaces = true
			}
		})
		if got > 0 {
			c.cursors = append(c.cursors, c.sub.Cursor())
			records--
		}
		switch all += got; {
		case all > 10*(c.w.made+len(c.w.log)+c.w.broken):
			c.w.faulty("a subscription does not come to the end", "%d events, at %v", all, c.sub.Position())
			return
		case more || got > 0:
			idle = 0
			continue
		case c.atEnd():
			c.told = c.w.broken
			return
		case idle == 1000:
			c.w.faulty("a subscription does not come to the end", "%v", c.sub.Position())
			return
		}
		idle++
		c.w.settle()
	}
}

// atEnd reports whether all of the present log has been delivered to it.
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
				w.faulty("a record is passed over", "record %d, at offset %d of partition %d", n, offset, p)
				w.seen[n] = true
			}
		}
	}
}

// ack acks a cursor of the client, and records what must not be lost from then
// on.
func (c *client) ack(text string, current bool) {
	cursor, err := record.ParseCursor(text)
	if err != nil {
		panic(err)
	}
	at, _ := cursor.Position("orders")
	ack, err := c.sub.Ack(at, cursor.At)
	if err != nil {
		return // ahead of what was sent
	}
	done := make(chan cursors.Committed, 1)
	c.lease.Ack(ack, func(d cursors.Committed) { done <- d })
	if c.replaces {
		clear(c.w.sure)
	}
	stored := <-done
	c.replaces = c.replaces && stored.Err != nil
	c.w.stored(at, stored, current)
}

// stored checks the result of a commit, and records it.
func (w *world) stored(asked record.Position, done cursors.Committed, current bool) {
	if done.Err != nil {
		return
	}
	topic, err := w.topics.Topic(ctx, "orders.v1")
	if err != nil {
		panic(err)
	}
	loaded, err := w.committer.Load(ctx, w.name)
	now := loaded.Position
	if err != nil || fmt.Sprint(now) != fmt.Sprint(done.Position) {
		w.faulty("an answer is not what is stored", "the answer is %v, and stored is %v, %v", done.Position, now, err)
	}
	if !current || now.Topic != topic.ID || asked.Topic != topic.ID {
		return
	}
	for _, place := range now.Offsets {
		w.sure[place.Partition] = max(w.sure[place.Partition], min(place.Offset, asked.Offset(place.Partition, 0)))
	}
}

// put is a PUT of a cursor, by a client that claims to have seen everything
// before it.
func (w *world) put(text string, reset, current bool) {
	cursor, err := record.ParseCursor(text)
	if err != nil {
		panic(err)
	}
	asked := cursor.Streams[0]
	at, err := w.hub.Vouch(ctx, "", asked)
	if err != nil {
		if !errors.Is(err, record.ErrBadCursor) {
			panic(err)
		}
		return
	}
	done := make(chan cursors.Committed, 1)
	w.committer.Set(w.name, at, cursor.At, asked.Lease, reset, func(d cursors.Committed) { done <- d })
	if reset {
		clear(w.sure)
	}
	w.stored(at, <-done, current)
}

func (w *world) append(partition, n int) {
	for range n {
		w.topics.Append("orders.v1", record.Record{
			Partition: int32(partition), Timestamp: 1, Value: fmt.Appendf(nil, `{"n":%d}`, w.made),
		})
		w.log[partition] = append(w.log[partition], w.made)
		w.made++
	}
	w.settle()
}

func (w *world) truncate(partition, to int) {
	w.topics.Truncate("orders.v1", int32(partition), int64(to))
	w.log[partition] = w.log[partition][:to:to]
	clear(w.sure)
	w.broken++
	w.settle()
}

func (w *world) recreate() {
	w.topics.Create("orders.v1", partitions)
	w.log = [partitions][]int{}
	clear(w.sure)
	w.broken++
	w.settle()
}

// TestNamedCursorOverATruncation: an ack after a truncation replaces what was
// acked before it, also if the client acks with its own offsets, and no record of
// the present log is skipped when the log has grown beyond that.
func TestNamedCursorOverATruncation(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, f fixture) {
		w := newWorld(f.Store, "n")
		defer w.end()
		w.append(0, 1000)
		c := w.open(false, false)
		begin := c.cursors[0]
		c.read(-1)
		c.ack(begin+"~0:1000", true)
		w.truncate(0, 800)
		w.append(0, 50)
		c.read(-1)
		c.ack(begin+"~0:850", true)
		if stored, _ := w.committer.Load(ctx, w.name); stored.Position.Offset(0, -1) != 850 {
			t.Errorf("stored is %v", stored.Position)
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

// TestFirstCursorOverATruncation: the first cursor of a subscription, which has
// no record before it, still reveals that the log has been truncated since, if a
// client stores it with offsets of its own.
func TestFirstCursorOverATruncation(t *testing.T) {
	t.Parallel()
	for name, reset := range map[string]bool{"reset": true, "not reset": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(newFixture(t, redis.UniversalOptions{Addrs: []string{miniredis.RunT(t).Addr()}}).Store, "n")
			defer w.end()
			w.append(0, 10)
			c := w.open(false, false)
			begin := c.cursors[0]
			c.read(-1)
			c.close()
			w.truncate(0, 0)
			w.append(0, 15)
			w.put(begin+"~0:10", reset, false)
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

// TestStoredCursorBeyondTheLog: a stored offset without an epoch, from before
// this version, that is beyond the end of its log is reported as truncated, and
// is no longer stored when the log has grown beyond it.
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
			done := make(chan cursors.Committed, 1)
			w.committer.Set(w.name, record.Position{Topic: topic, Offsets: []record.PartitionOffset{{Offset: 200, Epoch: -1}}}, noon, 0, false,
				func(d cursors.Committed) { done <- d })
			<-done
			c = w.open(false, false)
			if acks {
				c.read(-1)
				c.ack(c.cursors[len(c.cursors)-1], true)
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
