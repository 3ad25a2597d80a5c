package hub_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// kafka is a source and a producer.
type kafka interface {
	upstream.Source
	upstream.Producer
}

// forgetful notes which topics it is to forget.
type forgetful struct {
	*hubtest.Topics
	mu     sync.Mutex
	forgot []string
}

func (f *forgetful) Forget(topic string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgot = append(f.forgot, topic)
}

// startTenants runs a hub with the template orders and the stream news, which all have.
func startTenants(t *testing.T, topics kafka, limits func(*hub.Limits)) *hub.Hub {
	t.Helper()
	return startHubWith(t, hubtest.New(), nil, func(c *hub.Config) {
		define := func(name, topic string) hub.Stream {
			return hub.Stream{Name: name, Topic: topic, Source: topics, Producer: topics, LogBytes: 64 << 10, Linger: time.Minute}
		}
		c.Streams = []hub.Stream{define("orders", hub.TenantPlaceholder+".orders"), define("news", "news")}
		c.ResumeWindow = 10 * time.Minute
		if limits != nil {
			limits(&c.Limits)
		}
	})
}

// TestTenantsHaveStreamsOfTheirOwn: a tenant reads and writes its own topic under the
// name that all tenants use, and a client without a tenant has no such stream.
func TestTenantsHaveStreamsOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		for _, topic := range []string{"a.orders", "b.orders", "news"} {
			topics.Create(topic, 1)
		}
		h := startTenants(t, topics, nil)
		a, b := subscribe(t, h, hub.Request{Tenant: "a"}), subscribe(t, h, hub.Request{Tenant: "b"})
		defer a.Close()
		defer b.Close()
		for _, tenant := range []string{"a", "b", "a"} {
			stored := make(chan []upstream.Stored, 1)
			err := h.Publish(t.Context(), tenant, "orders", []upstream.Message{{Key: []byte(tenant), Value: []byte("1")}}, func(all []upstream.Stored) { stored <- all })
			if all := <-stored; err != nil || all[0].Err != nil {
				t.Fatal(err, all)
			}
		}
		synctest.Wait()
		for r, want := range map[*reader]int{a: 2, b: 1} {
			if got := r.collect(t, want); len(got) != want {
				t.Errorf("%d records, want %d", len(got), want)
			}
		}
		if again := subscribe(t, h, hub.Request{Tenant: "a", Start: hub.Start{Kind: hub.StartEarliest}}); len(again.collect(t, 2)) != 2 {
			t.Error("the records of a cannot be replayed")
		} else {
			again.Close()
		}

		for _, stream := range []string{"orders", "other"} {
			_, _, err := h.Subscribe(t.Context(), hub.Request{Stream: stream, Owner: make(bell, 1), Start: hub.Start{Kind: hub.StartLatest}})
			_, described := h.Describe(t.Context(), "", stream)
			_, found := h.Stream("", stream)
			_, vouched := h.Vouch(t.Context(), "", record.StreamPosition{Stream: stream})
			published := h.Publish(t.Context(), "", stream, nil, func([]upstream.Stored) {})
			for _, err := range []error{err, described, found, vouched, published} {
				if !errors.Is(err, hub.ErrUnknownStream) {
					t.Errorf("%s without a tenant: %v", stream, err)
				}
			}
			if h.Has("", stream) {
				t.Errorf("there is a stream %s without a tenant", stream)
			}
		}
		count := func(tenant string) int { names, _ := h.Names(tenant); return len(names) }
		if count("") != 1 || count("a") != 2 || len(h.StreamsOf("")) != 1 || len(h.StreamsOf("c")) != 2 {
			t.Error("the streams of a tenant are not those of the configuration")
		}
		if n := len(h.Streams()); n != 3 {
			t.Errorf("%d streams are in use, want those of a and b, and news", n)
		}
	})
}

// TestATenantsStreamGoesWhenNobodyNeedsIt: what was made for a tenant is removed after
// the time for which a client may resume, and is made again when it is asked for.
func TestATenantsStreamGoesWhenNobodyNeedsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := &forgetful{Topics: hubtest.New()}
		topics.Create("a.orders", 1)
		h := startTenants(t, topics, nil)
		has := func(when string, want bool) {
			t.Helper()
			synctest.Wait()
			found := false
			for _, info := range h.Streams() {
				found = found || info.Name == "orders" && info.Tenant == "a" && info.Topic == "a.orders"
			}
			if found != want {
				t.Errorf("%s: there is a stream of the tenant: %v", when, found)
			}
		}
		for range 2 {
			has("at first", false)
			r := subscribe(t, h, hub.Request{Tenant: "a"})
			time.Sleep(time.Hour)
			has("while it is read", true)
			r.Close()
			time.Sleep(9 * time.Minute)
			has("while clients may come back", true)
			subscribe(t, h, hub.Request{Tenant: "a"}).Close()
			time.Sleep(9 * time.Minute)
			has("after a client came back", true)
			time.Sleep(5 * time.Minute)
		}
		has("in the end", false)
		topics.mu.Lock()
		if got := fmt.Sprint(topics.forgot); got != "[a.orders a.orders a.orders a.orders]" { // source and producer
			t.Errorf("forgotten are %s", got)
		}
		topics.mu.Unlock()

		// What has no topic goes sooner.
		if _, err := h.Describe(t.Context(), "b", "orders"); !errors.Is(err, upstream.ErrUnknownTopic) {
			t.Error(err)
		}
		time.Sleep(3 * time.Minute)
		if n := len(h.Streams()); n != 1 {
			t.Errorf("%d streams are left, one of them without a topic", n)
		}
	})
}

// TestStreamsOfTenantsAreBounded: what nobody uses makes room, those without a topic
// first, and what is used stays.
func TestStreamsOfTenantsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		for _, tenant := range []string{"a", "b", "c"} {
			topics.Create(tenant+".orders", 1)
		}
		h := startTenants(t, topics, func(l *hub.Limits) { l.TenantStreams = 3 })
		describe := func(tenant string) error { _, err := h.Describe(t.Context(), tenant, "orders"); return err }
		a, b := subscribe(t, h, hub.Request{Tenant: "a"}), subscribe(t, h, hub.Request{Tenant: "b"})
		for i := range 100 {
			err := describe(fmt.Sprint("x", i))
			if want := map[bool]error{true: upstream.ErrUnknownTopic, false: hub.ErrTooManyStreams}[i%2 == 0]; !errors.Is(err, want) {
				t.Fatalf("tenant %d: got %v, want %v", i, err, want)
			}
			if i%2 == 1 {
				time.Sleep(tenantIdle)
			}
		}
		if n := len(h.Streams()); n != 4 { // news too
			t.Fatalf("there are %d streams", n)
		}
		c := subscribe(t, h, hub.Request{Tenant: "c"})
		time.Sleep(time.Hour)
		if err := describe("x"); !errors.Is(err, hub.ErrTooManyStreams) {
			t.Errorf("while all are used: %v", err)
		}
		c.Close()
		time.Sleep(2 * time.Minute) // it lingers
		if err := describe("x"); !errors.Is(err, upstream.ErrUnknownTopic) {
			t.Errorf("once one is not used: %v", err)
		}
		topics.Append("a.orders", record.Record{Value: []byte("1")})
		synctest.Wait()
		if len(a.collect(t, 1)) != 1 {
			t.Error("one that is used does not deliver any more")
		}
		a.Close()
		b.Close()
	})
}

// TestInventedTenantsMakeRoom: clients that subscribe to streams of tenants that do not
// exist keep no others out for longer than a moment.
func TestInventedTenantsMakeRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		topics.Create("a.orders", 1)
		h := startTenants(t, topics, func(l *hub.Limits) { l.TenantStreams = 3 })
		for i := range 30 {
			req := hub.Request{Tenant: fmt.Sprint("x", i), Stream: "orders", Start: hub.Start{Kind: hub.StartLatest}, Replay: -1}
			if _, _, err := h.Subscribe(t.Context(), req); !errors.Is(err, upstream.ErrUnknownTopic) {
				t.Fatalf("tenant %d: %v", i, err)
			}
			if i%3 == 2 {
				time.Sleep(2 * time.Second)
			}
		}
		subscribe(t, h, hub.Request{Tenant: "a"}).Close()

		// One look at all of them makes room for as many as were invented.
		for i := range 2 {
			_, _ = h.Describe(t.Context(), fmt.Sprint("y", i), "orders")
		}
		time.Sleep(2 * time.Second)
		if _, err := h.Describe(t.Context(), "z", "orders"); !errors.Is(err, upstream.ErrUnknownTopic) {
			t.Error(err)
		}
		if n := len(h.Streams()); n > 3 { // those of a and z, and news
			t.Errorf("there are %d streams", n)
		}
	})
}

// slowly answers the second question about a topic late.
type slowly struct {
	*forgetful
	asked atomic.Int32
}

func (s *slowly) Topic(ctx context.Context, name string) (record.Topic, error) {
	if name == "x.orders" && s.asked.Add(1) == 2 {
		time.Sleep(4 * time.Second)
		s.Forget("answered " + name)
	}
	return s.forgetful.Topic(ctx, name)
}

// TestNothingIsKeptOfAStreamThatWasAskedAbout: what Kafka is still being asked about a
// topic, when its stream has made room for another one, is forgotten too.
func TestNothingIsKeptOfAStreamThatWasAskedAbout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := &slowly{forgetful: &forgetful{Topics: hubtest.New()}}
		h := startTenants(t, topics, func(l *hub.Limits) { l.TenantStreams = 1 })
		for _, tenant := range []string{"x", "y"} {
			if _, err := h.Describe(t.Context(), tenant, "orders"); !errors.Is(err, upstream.ErrUnknownTopic) {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		}
		time.Sleep(4 * time.Second)
		topics.mu.Lock()
		defer topics.mu.Unlock()
		if got := fmt.Sprint(topics.forgot); got != "[answered x.orders x.orders x.orders]" { // source and producer
			t.Errorf("forgotten are %s", got)
		}
	})
}

// tenantIdle is how long a stream of a tenant that nobody uses is kept at least.
const tenantIdle = 10 * time.Second

// TestATemplateIsReplaced: the streams that were made of a template end with it.
func TestATemplateIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		topics := hubtest.New()
		topics.Create("a.orders", 1)
		topics.Create("orders.a", 1)
		h := startTenants(t, topics, nil)
		r := subscribe(t, h, hub.Request{Tenant: "a"})
		define := hub.Stream{Name: "orders", Topic: "orders." + hub.TenantPlaceholder, Source: topics, LogBytes: 1 << 20}
		if err := h.SetStreams([]hub.Stream{define}); err != nil {
			t.Fatal(err)
		}
		r.Collect(1, func(bool, []byte) {})
		if r.Ended() != hub.StreamChanged {
			t.Errorf("the subscription has ended with %q", r.Ended())
		}
		r.Close()
		next := subscribe(t, h, hub.Request{Tenant: "a"})
		topics.Append("orders.a", record.Record{Value: []byte("1")})
		synctest.Wait()
		if len(next.collect(t, 1)) != 1 {
			t.Error("the new topic is not read")
		}
		next.Close()
		if n := len(h.Streams()); n != 1 {
			t.Errorf("there are %d streams", n)
		}
	})
}

// TestTenantsHaveTurnsAlike: one tenant with many replays does not make another wait for
// all of them, nor do the searches of one.
func TestTenantsHaveTurnsAlike(t *testing.T) {
	t.Parallel()
	var turns hub.Turns
	turns.Init(hub.Limits{ReplaysPerInstance: 4, ReplaysPerTenant: 3, ReplaysPerPrincipal: 2})
	for i := range 100 {
		turns.Wait("big", fmt.Sprint("p", i/10), i)
	}
	for i := 100; i < 103; i++ {
		turns.Wait("small", "q", i)
	}
	turns.Wait("", "r", 103)
	next := func(want ...int) {
		t.Helper()
		for _, n := range want {
			if got := turns.Next(); got != n {
				t.Fatalf("the turn is for %d, want %d", got, n)
			}
		}
	}
	// Two of p0, of small and without a tenant are busy; then the instance is.
	next(0, 100, 103, 1, -1)
	turns.End("big", "p0")
	next(101, -1) // big, small and none have one each: in turn
	turns.End("small", "q")
	next(2, -1)
	turns.End("", "r")
	next(102, -1) // big has two
	turns.End("small", "q")
	turns.End("small", "q")
	next(10, -1) // p0 has two, and big may have three
	if left := turns.Len(); left != 104-8 {
		t.Errorf("%d wait", left)
	}
}
