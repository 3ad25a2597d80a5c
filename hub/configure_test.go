package hub_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// followed counts how often its topics are followed at present.
type followed struct {
	*hubtest.Topics
	by atomic.Int32
}

func (f *followed) Follow(ctx context.Context, topic record.Topic, from []record.PartitionOffset, sink upstream.Sink) error {
	f.by.Add(1)
	defer f.by.Add(-1)
	return f.Topics.Follow(ctx, topic, from, sink)
}

// TestStreamsAreReplaced: a stream with the same definition goes on, one that is
// removed or changed ends its subscriptions, whose cursors lead on in the stream that
// comes after it, and nothing of it stays.
func TestStreamsAreReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := &followed{Topics: hubtest.New()}
		topics.Create("orders.v1", 1)
		topics.Create("news.v1", 1)
		define := func(name string, logBytes int) hub.Stream {
			return hub.Stream{Name: name, Topic: name + ".v1", Source: topics, Producer: topics, LogBytes: logBytes, Linger: time.Hour}
		}
		h := startHubWith(t, topics.Topics, nil, func(c *hub.Config) {
			c.Streams = []hub.Stream{define("orders", 1<<20), define("news", 1<<20)}
			c.ResumeWindow = time.Minute
		})
		append1 := func(topic string, n int) {
			for range n {
				topics.Append(topic, record.Record{Key: []byte("k"), Value: []byte("1"), Timestamp: time.Now().UnixMilli()})
			}
			synctest.Wait()
		}
		count := func(r *reader) (n int) {
			r.Collect(1000, func(bool, []byte) { n++ })
			return n
		}
		orders, news := subscribe(t, h, hub.Request{Stream: "orders"}), subscribe(t, h, hub.Request{Stream: "news"})
		defer news.Close()
		append1("orders.v1", 3)
		append1("news.v1", 3)
		if a, b := count(orders), count(news); a != 3 || b != 3 {
			t.Fatalf("got %d and %d records", a, b)
		}

		for _, wrong := range [][]hub.Stream{
			{define("orders", 1<<20), define("orders", 1<<20)},
			{define("news", 1<<20), define("", 1<<20)},
			{define("news", 0)},
		} {
			if h.SetStreams(wrong) == nil {
				t.Errorf("%v was taken", wrong)
			}
		}
		append1("orders.v1", 1)
		if n := count(orders); n != 1 {
			t.Errorf("after what was refused there came %d records", n)
		}

		// orders gets another definition, news stays, clicks is new.
		topics.Create("clicks.v1", 1)
		if err := h.SetStreams([]hub.Stream{define("news", 1<<20), define("orders", 2<<20), define("clicks", 1<<20)}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-orders.bell:
		default:
			t.Error("the owner of a subscription of the old stream was not pumped")
		}
		append1("orders.v1", 2)
		append1("news.v1", 2)
		if n := count(orders); n != 0 || orders.Ended() != hub.StreamChanged {
			t.Errorf("the old stream delivered %d records, and ended with %q", n, orders.Ended())
		}
		if n := count(news); n != 2 || news.Ended() != "" {
			t.Errorf("the same stream delivered %d records, and ended with %q", n, news.Ended())
		}
		at, err := record.ParseCursor(orders.Cursor())
		position, _ := at.Position("orders")
		if err != nil {
			t.Fatal(err)
		}
		orders.Close()
		again := subscribe(t, h, hub.Request{Stream: "orders", Start: hub.Start{Kind: hub.StartCursor, Position: position, At: at.At}, Replay: -1})
		for n := count(again); n < 2; n += count(again) {
			<-again.bell
		}
		clicks := subscribe(t, h, hub.Request{Stream: "clicks"})
		append1("clicks.v1", 1)
		if n := count(clicks); n != 1 {
			t.Errorf("the new stream delivered %d records", n)
		}
		clicks.Close()

		// Nothing of what is removed is read any more, whatever its Linger.
		again.Close()
		time.Sleep(time.Second)
		if err := h.SetStreams([]hub.Stream{define("news", 1<<20)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := topics.by.Load(); n != 1 {
			t.Errorf("%d streams are read, want one", n)
		}
		if _, err := h.Stream("", "orders"); err == nil {
			t.Error("a removed stream is there")
		}
		if _, _, err := h.Subscribe(t.Context(), hub.Request{Stream: "orders"}); err == nil {
			t.Error("a removed stream was subscribed to")
		}
	})
}

// TestHubLimitsAreReplaced: a limit that is replaced holds for what comes next, and
// wrong limits replace none.
func TestHubLimitsAreReplaced(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHubWith(t, topics, func(s *hub.Stream) { s.LogBytes = 8 << 20 }, nil)
	r := subscribe(t, h, hub.Request{})
	defer r.Close()
	written := uint64(0)
	logBytes := func(fits func(int) bool) int {
		t.Helper()
		for range 2000 {
			topics.Append("orders.v1", record.Record{Value: []byte(`"` + strings.Repeat("x", 1000) + `"`), Timestamp: time.Now().UnixMilli()})
			written++
		}
		// Records are counted before they are in the log.
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			info, err := h.Stream("", "orders")
			if err != nil {
				t.Fatal(err)
			}
			if info.Records == written && fits(info.LogBytes) || time.Now().After(end) {
				return info.LogBytes
			}
		}
	}
	least := func(n int) func(int) bool { return func(has int) bool { return has >= n } }
	if n := logBytes(least(2_000_000)); n < 2_000_000 {
		t.Errorf("without a bound the log has %d bytes", n)
	}
	if err := h.SetLimits(hub.Limits{LogMemory: 1 << 20}); err == nil {
		t.Error("limits without StartTimeout were taken")
	}
	if n := logBytes(least(4_000_000)); n < 4_000_000 {
		t.Errorf("after limits that were refused the log has %d bytes", n)
	}
	if err := h.SetLimits(hub.Limits{LogMemory: 1 << 20, StartTimeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if n := logBytes(func(n int) bool { return n <= 3<<19 }); n > 3<<19 {
		t.Errorf("with a bound of 1 MiB the log has %d bytes", n)
	}
}
