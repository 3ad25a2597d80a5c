package redisstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hub/hubtest"
	"sluice/hub/ingest"
	"sluice/hub/ingest/once"
	"sluice/hub/record"
	"sluice/hub/redisstore"
	"sluice/hub/upstream"
)

// onceStorm is an in-memory Kafka, with a lease and a timeout that make the storm short.
type onceStorm struct {
	topics *hubtest.Topics
	asked  atomic.Int64
	struck [4]atomic.Int64
}

// What is late is appended so long before the end of the lease that a busy machine, whose timers are late,
// too, does not make it later than that.
const (
	stormLease   = 4 * time.Second
	stormTimeout = time.Second
	stormSpare   = 2 * time.Second
)

func (s *onceStorm) Locate(string, string) (upstream.Source, string, error) {
	return s.topics, "orders", nil
}

// Publish loses answers, of what is appended, is not, or is later.
func (s *onceStorm) Publish(ctx context.Context, _, _ string, m []upstream.Message, done func([]upstream.Stored)) error {
	if len(m) == 0 {
		go done(nil)
		return nil
	}
	deadline, _ := ctx.Deadline()
	unknown := []upstream.Stored{ingest.Rejected(upstream.ErrPublishUnknown)}
	what := int(s.asked.Add(1)) % len(s.struck) // each as often as the others
	s.struck[what].Add(1)
	switch what {
	case 0:
		go done(unknown)
	case 1:
		s.append(m[0])
		go done(unknown)
	case 2:
		late := time.Until(deadline) + rand.N(stormLease-stormTimeout-stormSpare)
		time.AfterFunc(late, func() { s.append(m[0]) })
		go done(unknown)
	default:
		go done([]upstream.Stored{s.append(m[0])})
	}
	return nil
}

func (s *onceStorm) append(m upstream.Message) upstream.Stored {
	offset := s.topics.Append("orders", record.Record{Key: m.Key, Value: m.Value, Headers: m.Headers, Timestamp: time.Now().UnixMilli()})
	return upstream.Stored{Offset: offset}
}

// stormInstance is an instance with connections of its own, which can be cut.
type stormInstance struct {
	pipeline *ingest.Pipeline
	store    *redisstore.Store
	stop     func()
}

func (s *onceStorm) instance(t *testing.T, config redisstore.Config) *stormInstance {
	t.Helper()
	store, err := redisstore.New(config)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := once.New(once.Config{
		Store: store, Logs: s, Wait: 50 * time.Millisecond, Skew: time.Second, Pause: 20 * time.Millisecond,
		LookbackTime: time.Second, LookbackBytes: 1 << 30, Lookbacks: 2, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	pipeline := ingest.New(s, nil, nil)
	pipeline.SetStreams(map[string]ingest.Stream{"orders": {Once: guard.Step(once.Policy{Window: time.Hour, Lease: stormLease})}})
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = guard.Run(ctx) })
	return &stormInstance{pipeline: pipeline, store: store, stop: func() {
		_ = store.Close() // first: what is not settled is lost
		cancel()
		running.Wait()
	}}
}

func (i *stormInstance) publish(id string) ingest.Verdict {
	bounded, cancel := context.WithTimeout(ctx, stormTimeout)
	defer cancel()
	done := make(chan []ingest.Verdict, 1)
	i.pipeline.Publish(bounded, "orders", ingest.Publisher{Principal: "u1"}, []ingest.Message{{ID: id, Value: []byte(id)}},
		func(v []ingest.Verdict) { done <- v })
	return (<-done)[0]
}

// TestStormOfMessageIDs: on a real Redis many publish the same ids on instances that come and
// go, while Kafka's answers are lost, until each is told where its record is. Each is stored
// once, and all are told the same place.
func TestStormOfMessageIDs(t *testing.T) {
	t.Parallel()
	address := realServer(t)
	options := backends()[1].redis(t)
	options.Addrs = []string{address}
	f := newFixture(t, options)
	s := &onceStorm{topics: hubtest.New()}
	s.topics.Create("orders", 1)

	const places, ids, publishers = 3, 24, 12
	var mu sync.Mutex
	instances := make([]*stormInstance, places)
	for n := range instances {
		instances[n] = s.instance(t, f.config)
	}
	told := make([]map[int64]int, ids)
	for n := range told {
		told[n] = map[int64]int{}
	}
	var publishing sync.WaitGroup
	for range publishers {
		publishing.Go(func() {
			for _, n := range rand.Perm(ids) {
				for deadline := time.Now().Add(2 * time.Minute); ; {
					mu.Lock()
					i := instances[rand.IntN(places)]
					mu.Unlock()
					v := i.publish(fmt.Sprint("id", n))
					if v.Err == nil {
						mu.Lock()
						told[n][v.Offset]++
						mu.Unlock()
						break
					}
					if time.Now().After(deadline) {
						t.Errorf("id %d is not known after 2 min: %v", n, v.Err)
						return
					}
				}
			}
		})
	}
	ended := make(chan struct{})
	kills := 0
	var killing sync.WaitGroup
	killing.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-ended:
				return
			case <-time.After(100 * time.Millisecond):
			}
			fresh := s.instance(t, f.config)
			mu.Lock()
			old := instances[n%places]
			instances[n%places] = fresh
			mu.Unlock()
			old.stop()
			kills++
		}
	})
	publishing.Wait()
	close(ended)
	killing.Wait()
	for _, i := range instances {
		i.stop()
	}
	// What is late comes by then.
	time.Sleep(stormLease)
	at := map[string][]int64{}
	topic, err := s.topics.Topic(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	for next, before := int64(0), int64(-1); next > before; {
		before = next
		if err := s.topics.Read(ctx, topic, []record.PartitionOffset{{Offset: next, Epoch: -1}}, 1<<20, func(got *upstream.Fetched) {
			got.Each(func(r *record.Record) bool {
				at[string(r.Value)] = append(at[string(r.Value)], r.Offset)
				return true
			})
			next = got.Next.Offset
		}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range ids {
		places := at[fmt.Sprint("id", n)]
		if len(places) != 1 || len(told[n]) != 1 || told[n][places[0]] != publishers {
			t.Errorf("id %d is at %v, and was told to be at %v", n, places, told[n])
		}
	}
	var struck []string
	for what := range s.struck {
		if n := s.struck[what].Load(); n < 5 {
			t.Errorf("fault %d has struck %d times", what, n)
		}
		struck = append(struck, fmt.Sprint(s.struck[what].Load()))
	}
	if kills < 5 {
		t.Errorf("%d instances were killed", kills)
	}
	t.Logf("%d instances ended; not appended, appended, late, answered: %s", kills, strings.Join(struck, ", "))
}
