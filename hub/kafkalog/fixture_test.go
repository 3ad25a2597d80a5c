package kafkalog_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/hub/kafkalog"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// fixture is an in-process Kafka with a source that reads it.
type fixture struct {
	*testing.T
	kafka  *kfake.Cluster
	source *kafkalog.Source
}

func start(t *testing.T, opts ...kfake.Opt) *fixture {
	t.Helper()
	k := newCluster(t, append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	return &fixture{T: t, kafka: k, source: startSource(t, kafkalog.Config{Brokers: k.ListenAddrs()}, nil)}
}

func newCluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// lead moves the leadership of a topic's first partition the given number of
// times.
func (f *fixture) lead(topic string, times int) {
	for range times {
		if err := f.kafka.MoveTopicPartition(topic, 0, 0); err != nil {
			f.Error(err)
		}
	}
}

func startSource(t *testing.T, config kafkalog.Config, change func(*kafkalog.SourceConfig)) *kafkalog.Source {
	t.Helper()
	config.ClientID = "test"
	if config.DialTimeout == 0 {
		config.DialTimeout = 2 * time.Second
	}
	cluster, err := kafkalog.NewCluster(config)
	if err != nil {
		t.Fatal(err)
	}
	sc := kafkalog.SourceConfig{
		Logger:            slog.New(slog.DiscardHandler),
		MaxWait:           200 * time.Millisecond,
		MaxBytes:          1 << 20,
		PartitionMaxBytes: 128 << 10,
		InflatedBytes:     8 << 20,
		MetadataEvery:     200 * time.Millisecond,
	}
	if change != nil {
		change(&sc)
	}
	source, err := kafkalog.NewSource(cluster, sc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = source.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		cluster.Close()
	})
	return source
}

func (f *fixture) writer(opts ...kgo.Opt) *kgo.Client {
	f.Helper()
	return writer(f.T, f.kafka, opts...)
}

func writer(t *testing.T, k *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(k.ListenAddrs()...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(50 * time.Millisecond),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// write produces n records with values "prefix-i" to a partition, in one batch if
// they fit.
func write(t *testing.T, c *kgo.Client, topic string, partition int32, prefix string, n int) {
	t.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Value: fmt.Appendf(nil, "%s-%d", prefix, i)}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) topic(name string) record.Topic {
	f.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	topic, err := f.source.Topic(ctx, name)
	if err != nil {
		f.Fatal(err)
	}
	return topic
}

// zero returns the beginning of each partition.
func zero(topic record.Topic) []record.PartitionOffset {
	offsets := make([]record.PartitionOffset, topic.Partitions)
	for i := range offsets {
		offsets[i] = record.PartitionOffset{Partition: int32(i), Epoch: -1}
	}
	return offsets
}

// journal is a sink that records what it is given.
type journal struct {
	mu      sync.Mutex
	values  map[int32][]string
	offsets map[int32][]int64
	next    map[int32]record.PartitionOffset
	gaps    []record.Gap
	lives   []bool
	cause   error
	appends int
	inside  int
	trouble []string
	hold    chan struct{} // closed or received from before Append returns
	changed chan struct{}
}

func newJournal() *journal {
	return &journal{
		values: make(map[int32][]string), offsets: make(map[int32][]int64),
		next: make(map[int32]record.PartitionOffset), changed: make(chan struct{}, 1),
	}
}

func (j *journal) enter() {
	j.mu.Lock()
	j.inside++
	if j.inside > 1 {
		j.trouble = append(j.trouble, "calls overlap")
	}
}

func (j *journal) exit() {
	j.inside--
	j.mu.Unlock()
	select {
	case j.changed <- struct{}{}:
	default:
	}
}

func (j *journal) Append(batch []*upstream.Fetched) {
	if j.hold != nil {
		<-j.hold
	}
	j.enter()
	defer j.exit()
	j.appends++
	for _, f := range batch {
		j.take(f)
	}
}

func (j *journal) take(f *upstream.Fetched) {
	if f.Gap != nil {
		j.gaps = append(j.gaps, *f.Gap)
	}
	if f.Each != nil {
		n := 0
		for r := range f.Each {
			n++
			if r.Partition != f.Partition {
				j.trouble = append(j.trouble, "partition of a record")
			}
			if r.Offset >= f.Next.Offset {
				j.trouble = append(j.trouble, "record behind next")
			}
			j.values[r.Partition] = append(j.values[r.Partition], string(r.Value))
			j.offsets[r.Partition] = append(j.offsets[r.Partition], r.Offset)
		}
		if n == 0 {
			j.trouble = append(j.trouble, "each without records")
		}
	}
	j.next[f.Partition] = f.Next
}

func (j *journal) Live(live bool, cause error) {
	j.enter()
	defer j.exit()
	j.lives = append(j.lives, live)
	j.cause = cause
	if live != (cause == nil) {
		j.trouble = append(j.trouble, "live and cause disagree")
	}
}

// until waits for cond, which is called with the journal locked.
func (j *journal) until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		j.mu.Lock()
		ok := cond()
		trouble := j.trouble
		j.mu.Unlock()
		if len(trouble) > 0 {
			t.Fatalf("while waiting until %s: %v", what, trouble)
		}
		if ok {
			return
		}
		select {
		case <-j.changed:
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			j.mu.Lock()
			defer j.mu.Unlock()
			for p := range j.values {
				t.Logf("partition %d: %d records, next %+v", p, len(j.values[p]), j.next[p])
			}
			t.Fatalf("waited in vain until %s; gaps %v, lives %v, cause %v", what, j.gaps, j.lives, j.cause)
		}
	}
}

// live returns the last reported state; the state is live until one is reported.
func (j *journal) live() bool { return len(j.lives) == 0 || j.lives[len(j.lives)-1] }

func (j *journal) count() int {
	n := 0
	for _, v := range j.values {
		n += len(v)
	}
	return n
}

// following is a Follow in progress.
type following struct {
	cancel context.CancelFunc
	err    chan error
}

func follow(t *testing.T, s *kafkalog.Source, topic record.Topic, from []record.PartitionOffset, sink upstream.Sink) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &following{cancel: cancel, err: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.err <- s.Follow(ctx, topic, from, sink)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return w
}

// ended waits for Follow to return by itself.
func (w *following) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-w.err:
		return err
	case <-time.After(time.Minute):
		t.Fatal("follow does not return")
		return nil
	}
}
