package producer_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/hub/kafkalog"
	"sluice/hub/kafkalog/producer"
	"sluice/hub/upstream"
)

// networkFault is a network fault during a produce request.
type networkFault int

const (
	faultNone        networkFault = iota
	faultLoseRequest              // the connection is closed before the broker reads the request
	faultLoseAnswer               // the connection is closed after the broker has executed it
	faultSwallow                  // the broker executes it, and no answer arrives
	faultLate                     // the broker reads it when the client has given up
)

// lateness is longer than the producers of these tests wait for an answer.
const lateness = 3 * time.Second

// fakeKafka is an in-process Kafka behind a network that can fail.
type fakeKafka struct {
	*kfake.Cluster

	mu     sync.Mutex
	faults []networkFault // of the next produce requests, in order
	struck int

	late atomic.Int32 // requests that are not read yet
}

func newFakeKafka(t *testing.T, opts ...kfake.Opt) *fakeKafka {
	t.Helper()
	k := &fakeKafka{}
	opts = append([]kfake.Opt{kfake.NumBrokers(1), kfake.ListenFn(k.listen)}, opts...)
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cluster.Close()
		for k.late.Load() > 0 {
			time.Sleep(10 * time.Millisecond)
		}
	})
	k.Cluster = cluster
	return k
}

// fail sets the faults of the next produce requests, one for each.
func (k *fakeKafka) fail(faults ...networkFault) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults = append(k.faults, faults...)
}

func (k *fakeKafka) next() networkFault {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.faults) == 0 {
		return faultNone
	}
	fault := k.faults[0]
	k.faults = k.faults[1:]
	if fault != faultNone {
		k.struck++
	}
	return fault
}

func (k *fakeKafka) hits() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.struck
}

// awaitHit returns once another fault has occurred after the given number of
// hits.
func (k *fakeKafka) awaitHit(t *testing.T, hits int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); k.hits() == hits; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the fault did not strike")
		}
	}
}

func (k *fakeKafka) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return &faultyListener{Listener: l, kafka: k}, err
}

type faultyListener struct {
	net.Listener
	kafka *fakeKafka
}

func (l *faultyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: c, kafka: l.kafka}, nil
}

// faultyConn tracks the requests on a broker's connection. The client sends the
// next one only after the answer to the last.
type faultyConn struct {
	net.Conn
	kafka *fakeKafka

	head  []byte // size and api key of the request being read
	rest  int    // bytes of it that are still to come
	mu    sync.Mutex
	fault networkFault
}

func (c *faultyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	for data := b[:n]; len(data) > 0; {
		if c.rest > 0 {
			skip := min(c.rest, len(data))
			c.rest -= skip
			data = data[skip:]
			continue
		}
		c.head = append(c.head, data[0])
		data = data[1:]
		if len(c.head) < 6 {
			continue
		}
		c.rest = int(binary.BigEndian.Uint32(c.head)) - 2
		key := binary.BigEndian.Uint16(c.head[4:])
		c.head = c.head[:0]
		if key != 0 {
			continue
		}
		fault := c.kafka.next()
		if fault == faultLoseRequest {
			_ = c.Close()
			return 0, io.EOF
		}
		if fault == faultLate {
			c.kafka.late.Add(1)
			time.Sleep(lateness)
			c.kafka.late.Add(-1)
		}
		c.mu.Lock()
		c.fault = fault
		c.mu.Unlock()
	}
	return n, err
}

func (c *faultyConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	fault := c.fault
	c.mu.Unlock()
	switch fault {
	case faultLoseAnswer:
		_ = c.Close()
		return 0, net.ErrClosed
	case faultSwallow:
		return len(b), nil
	default:
		return c.Conn.Write(b)
	}
}

// newProducer runs a producer for a test and stops it at its end.
func newProducer(t *testing.T, addresses []string, change func(*producer.Config)) *producer.Producer {
	t.Helper()
	return newProducerOf(t, kafkalog.Config{Brokers: addresses, ClientID: "test", DialTimeout: time.Second}, change)
}

// newProducerOf is newProducer for a cluster with another configuration.
func newProducerOf(t *testing.T, reached kafkalog.Config, change func(*producer.Config)) *producer.Producer {
	t.Helper()
	cluster, err := kafkalog.NewCluster(reached)
	if err != nil {
		t.Fatal(err)
	}
	config := producer.Config{
		Log:            slog.New(slog.DiscardHandler),
		MemoryBytes:    32 << 20,
		BatchBytes:     256 << 10,
		Requests:       32,
		Timeout:        10 * time.Second,
		RequestTimeout: time.Second,
		FailAfter:      5 * time.Second,
		DrainTimeout:   time.Second,
	}
	if change != nil {
		change(&config)
	}
	p, err := producer.New(cluster, config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		cluster.Close()
	})
	return p
}

// begin calls Produce and returns the channel on which the results arrive.
func begin(ctx context.Context, p *producer.Producer, topic string, messages ...upstream.Message) <-chan []upstream.Stored {
	results := make(chan []upstream.Stored, 1)
	p.Produce(ctx, topic, messages, func(stored []upstream.Stored) { results <- stored })
	return results
}

// produce calls Produce and waits for the results.
func produce(t *testing.T, p *producer.Producer, topic string, messages ...upstream.Message) []upstream.Stored {
	t.Helper()
	return await(t, begin(t.Context(), p, topic, messages...))
}

func await(t *testing.T, results <-chan []upstream.Stored) []upstream.Stored {
	t.Helper()
	select {
	case stored := <-results:
		return stored
	case <-time.After(time.Minute):
		t.Fatal("no results")
		return nil
	}
}

// logOf reads all records of a topic, sorted by partition and offset.
func logOf(t testing.TB, k *kfake.Cluster, topic string) []*kgo.Record {
	t.Helper()
	want := 0
	for _, p := range k.PartitionInfos(topic) {
		want += int(p.HighWatermark)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var records []*kgo.Record
	for len(records) < want {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d records read: %v", len(records), want, err)
		}
		records = append(records, fetches.Records()...)
	}
	slices.SortFunc(records, func(a, b *kgo.Record) int {
		if a.Partition != b.Partition {
			return int(a.Partition - b.Partition)
		}
		return int(a.Offset - b.Offset)
	})
	return records
}

func message(value string) upstream.Message {
	return upstream.Message{Key: []byte("k"), Value: []byte(value)}
}

// logLines collects log output.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
