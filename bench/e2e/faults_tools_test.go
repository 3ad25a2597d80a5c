package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"sluice/bench/clients"
	"sluice/bench/stack"
)

// offsetOf identifies a record by its offset.
type offsetOf struct {
	partition int32
	offset    int64
}

// flow is plain Kafka clients that keep writing, acks=all, whatever happens to the
// brokers, until they are stopped.
type flow struct {
	stop func()
	done sync.WaitGroup

	mu      sync.Mutex
	stored  map[offsetOf]time.Time // when Kafka confirmed it
	last    time.Time
	longest time.Duration // between two answers: how long nothing could be written
}

// startFlow writes perSecond records per second, from two clients.
func startFlow(ctx context.Context, t *testing.T, topic string, perSecond int) *flow {
	t.Helper()
	stop := make(chan struct{})
	f := &flow{stop: sync.OnceFunc(func() { close(stop) }), stored: make(map[offsetOf]time.Time)}
	for writer := range 2 {
		client := kafkaClient(t, kgo.DefaultProduceTopic(topic), kgo.MetadataMinAge(200*time.Millisecond),
			kgo.ProduceRequestTimeout(2*time.Second), kgo.RequestTimeoutOverhead(2*time.Second), kgo.ProducerLinger(time.Millisecond))
		f.done.Go(func() {
			tick := time.NewTicker(2 * time.Second / time.Duration(perSecond))
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-stop:
					if err := client.Flush(ctx); err != nil {
						t.Errorf("flush the writer: %v", err)
					}
					return
				case <-tick.C:
				}
				client.Produce(ctx, &kgo.Record{
					Key:   fmt.Appendf(nil, "%d-%d", writer, n%50),
					Value: fmt.Appendf(nil, `{"writer":%d,"n":%d}`, writer, n),
				}, f.answered(t))
			}
		})
	}
	t.Cleanup(f.end)
	return f
}

func (f *flow) answered(t *testing.T) func(*kgo.Record, error) {
	return func(r *kgo.Record, err error) {
		now := time.Now()
		if err != nil {
			t.Errorf("write a record: %v", err)
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.stored[offsetOf{r.Partition, r.Offset}] = now
		if !f.last.IsZero() {
			f.longest = max(f.longest, now.Sub(f.last))
		}
		f.last = now
	}
}

// end stops the writers, and returns once everything is stored.
func (f *flow) end() {
	f.stop()
	f.done.Wait()
}

// count returns how many records Kafka has confirmed.
func (f *flow) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.stored)
}

// lag returns how long ago Kafka confirmed a record, 0 if it has not yet.
func (f *flow) lag(m *clients.Message) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.stored[offsetOf{m.Partition, m.Offset}]
	if !ok {
		return 0
	}
	return time.Since(at)
}

// witness is a subscriber that records when it receives which message.
type witness struct {
	*clients.Subscriber
	flow *flow // nil if nothing is measured

	mu     sync.Mutex
	events int
	lag    time.Duration // the longest since the last call of takeLag
	told   []change
	steps  [][]step // by partition
}

// change is a status that was received.
type change struct {
	live bool
	at   time.Time
}

// step is a record or a gap, in order of arrival.
type step struct {
	gap      string // the reason, empty for a record
	from, to int64  // of a gap; a record's offset is from
	data     string
}

func (w *witness) see(m *clients.Message) {
	lag := time.Duration(0)
	if w.flow != nil && m.Kind == "event" {
		lag = w.flow.lag(m)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch m.Kind {
	case "event":
		w.events++
		w.lag = max(w.lag, lag)
		if w.flow == nil && int(m.Partition) < len(w.steps) {
			w.steps[m.Partition] = append(w.steps[m.Partition], step{from: m.Offset, data: string([]byte(m.Data))})
		}
	case "gap":
		if int(m.Partition) < len(w.steps) {
			w.steps[m.Partition] = append(w.steps[m.Partition], step{gap: string([]byte(m.Reason)), from: m.From, to: m.To})
		}
	case "status":
		w.told = append(w.told, change{m.Live, time.Now()})
	}
}

// received returns the number of events so far.
func (w *witness) received() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events
}

// takeLag returns the longest lag and resets it.
func (w *witness) takeLag() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	lag := w.lag
	w.lag = 0
	return lag
}

// changes returns the statuses received so far.
func (w *witness) changes() []change {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.told)
}

// crowd is many witnesses of one stream.
type crowd struct {
	all     []*witness
	running sync.WaitGroup
}

// newWitness prepares a subscriber that records what it receives.
func newWitness(t *testing.T, name string, over clients.Transport, stream string, partitions int, f *flow, at ...*instance) *witness {
	t.Helper()
	w := &witness{Subscriber: clients.NewSubscriber(name, over, clients.ByCursor, stream, partitions), flow: f, steps: make([][]step, partitions)}
	w.Addrs, w.Token, w.Watch = addrs(at...), token(t, name, "reader"), w.see
	return w
}

// gather subscribes n witnesses over each transport, from the beginning.
func gather(ctx context.Context, t *testing.T, n int, stream string, partitions int, f *flow, at ...*instance) *crowd {
	t.Helper()
	c := &crowd{}
	for i := range 2 * n {
		over := []clients.Transport{clients.OverSSE, clients.OverWS}[i%2]
		c.add(ctx, t, newWitness(t, fmt.Sprintf("%s-%s-%d", stream, over, i), over, stream, partitions, f, at...))
	}
	return c
}

func (c *crowd) add(ctx context.Context, t *testing.T, w *witness) {
	c.all = append(c.all, w)
	c.running.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	})
}

func (c *crowd) subscribers() []*clients.Subscriber {
	var all []*clients.Subscriber
	for _, w := range c.all {
		all = append(all, w.Subscriber)
	}
	return all
}

// await waits until each witness has received a number of events.
func (c *crowd) await(ctx context.Context, t *testing.T, events int) {
	t.Helper()
	for _, w := range c.all {
		eventually(ctx, t, w.Name+" has its records", func() error {
			if got := w.received(); got < events {
				return fmt.Errorf("%d of %d", got, events)
			}
			return nil
		})
	}
}

// takeLag returns the longest lag of all witnesses since the last call.
func (c *crowd) takeLag() (longest time.Duration) {
	for _, w := range c.all {
		longest = max(longest, w.takeLag())
	}
	return longest
}

// stayed checks that each session lasted until its witness had everything.
func (c *crowd) stayed(t *testing.T) {
	t.Helper()
	for _, w := range c.all {
		if n := len(w.Journal.Connections); n != 1 {
			t.Errorf("%s has had %d connections, want one", w.Name, n)
		}
	}
}

// eventually waits until try succeeds.
func eventually(ctx context.Context, t *testing.T, what string, try func() error) {
	t.Helper()
	for {
		err := try()
		if err == nil {
			return
		}
		if !pause(ctx, 50*time.Millisecond) {
			t.Fatalf("waiting until %s: %v", what, err)
		}
	}
}

// leaderOf returns the broker that leads a partition.
func leaderOf(ctx context.Context, t *testing.T, s *stack.Stack, topic string, partition int) *stack.Broker {
	t.Helper()
	var leader *stack.Broker
	eventually(ctx, t, "the topic has a leader", func() error { // not every broker knows of a new one at once
		leaders, err := s.Leaders(ctx, topic)
		if err != nil {
			return err
		}
		for _, broker := range s.Brokers {
			if broker.ID == leaders[partition] {
				leader = broker
				return nil
			}
		}
		return fmt.Errorf("partition %d of %s has no leader", partition, topic)
	})
	return leader
}

// readyThrough polls an instance that must keep accepting clients. On a busy machine
// some polls may fail, but less than half.
func readyThrough(ctx context.Context, t *testing.T, i *instance, why string) {
	t.Helper()
	const polls = 20
	ready := 0
	var last error
	for range polls {
		if err := i.ready(ctx); err != nil {
			last = err
		} else {
			ready++
		}
		pause(ctx, 50*time.Millisecond)
	}
	t.Logf("%s was ready in %d of %d polls, %s", i.Name(), ready, polls, why)
	if ready <= polls/2 {
		t.Errorf("%s was ready in %d of %d polls, %s; the last: %v", i.Name(), ready, polls, why, last)
	}
}

// deposed waits until a broker leads no partition of a topic any more. The other
// brokers are asked, because this one may hang.
func deposed(ctx context.Context, t *testing.T, s *stack.Stack, topic string, broker *stack.Broker) {
	t.Helper()
	var others []string
	for _, other := range s.Brokers {
		if other != broker {
			others = append(others, other.Addr)
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(others...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	eventually(ctx, t, broker.Name()+" is deposed", func() error {
		asked, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		described, err := describe(asked, client.SeedBrokers()[0], topic)
		if err != nil {
			return err
		}
		for _, p := range described {
			if p.Leader == broker.ID || p.Leader < 0 {
				return fmt.Errorf("partition %d is led by %d", p.Partition, p.Leader)
			}
		}
		return nil
	})
}

// describe requests the metadata of a topic's partitions.
func describe(ctx context.Context, at kmsg.Requestor, topic string) ([]kmsg.MetadataResponseTopicPartition, error) {
	request := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &topic
	request.Topics = append(request.Topics, asked)
	answer, err := request.RequestWith(ctx, at)
	if err != nil {
		return nil, err
	}
	if len(answer.Topics) != 1 {
		return nil, fmt.Errorf("asked about one topic, and told of %d", len(answer.Topics))
	}
	return answer.Topics[0].Partitions, nil
}

// inSync waits until every partition of a topic has all its replicas in sync.
func inSync(ctx context.Context, t *testing.T, topic string) {
	t.Helper()
	client := kafkaClient(t)
	defer client.Close()
	eventually(ctx, t, topic+" has all its replicas", func() error {
		described, err := describe(ctx, client, topic)
		if err != nil {
			return err
		}
		for _, p := range described {
			if len(p.ISR) != len(servers(t).Brokers) {
				return fmt.Errorf("partition %d has the replicas %v in sync", p.Partition, p.ISR)
			}
		}
		return nil
	})
}

// killBrokers kills all brokers at once.
func killBrokers(t *testing.T, s *stack.Stack) {
	t.Helper()
	var all errgroup.Group
	for _, broker := range s.Brokers {
		all.Go(broker.Kill)
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
}

// startBrokers starts the brokers that are not running, and returns once they
// answer.
func startBrokers(ctx context.Context, t *testing.T, s *stack.Stack) {
	t.Helper()
	var all errgroup.Group
	for _, broker := range s.Brokers {
		if broker.PID() == 0 {
			all.Go(func() error { return broker.Start(ctx) })
		}
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
}

// since returns the changes received from a time on. On a machine that is too busy
// for a moment, a stream can look dead before the test injects a fault.
func (w *witness) since(t time.Time) []change {
	return slices.DeleteFunc(w.changes(), func(c change) bool { return c.at.Before(t) })
}
