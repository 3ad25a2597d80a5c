package kafkalog_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/hub/kafkalog"
	"sluice/hub/upstream"
)

// reach is how a broker of an in-process Kafka can be reached.
type reach int

const (
	_ reach = iota // normally
	// killed: connections are closed, and new ones are closed at once.
	killed
	// stopped: connections are accepted and nothing is answered, as with a
	// stopped process, or behind a firewall that drops packets.
	stopped
)

// reachKafka is an in-process Kafka of which single brokers can be made
// unreachable.
type reachKafka struct {
	*kfake.Cluster

	mu      sync.Mutex
	brokers []*reachListener // in the order of their ids
}

func newReachKafka(t *testing.T, brokers int, opts ...kfake.Opt) *reachKafka {
	t.Helper()
	k := &reachKafka{}
	opts = append([]kfake.Opt{kfake.NumBrokers(brokers), kfake.ListenFn(k.listen)}, opts...)
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	t.Cleanup(func() {
		for i := range k.brokers {
			k.set(i, killed) // so that nothing waits forever
		}
	})
	k.Cluster = cluster
	return k
}

func (k *reachKafka) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	made := &reachListener{Listener: l, open: make(map[*reachConn]struct{})}
	k.brokers = append(k.brokers, made)
	return made, nil
}

// set changes how a broker can be reached, also over existing connections.
func (k *reachKafka) set(broker int, how reach) {
	k.mu.Lock()
	l := k.brokers[broker]
	k.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.how = how
	if how == killed {
		for c := range l.open {
			_ = c.Close()
			delete(l.open, c)
		}
	}
}

type reachListener struct {
	net.Listener

	mu   sync.Mutex
	how  reach
	open map[*reachConn]struct{}
}

func (l *reachListener) now() reach {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.how
}

func (l *reachListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		if l.how == killed {
			l.mu.Unlock()
			_ = c.Close()
			continue
		}
		made := &reachConn{Conn: c, listener: l}
		l.open[made] = struct{}{}
		l.mu.Unlock()
		return made, nil
	}
}

type reachConn struct {
	net.Conn
	listener *reachListener
}

// Read discards what arrives while the broker is stopped.
func (c *reachConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || c.listener.now() != stopped {
			return n, err
		}
	}
}

func (c *reachConn) Write(b []byte) (int, error) {
	if c.listener.now() == stopped {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

var _ io.ReadWriteCloser = (*reachConn)(nil)

// TestTheBootstrapBrokerIsAway: once the cluster is known, the loss of the only
// configured broker does not matter, whether it refuses connections or does not
// answer. Requests to any broker go to the others, and new brokers are found.
func TestTheBootstrapBrokerIsAway(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]reach{"killed": killed, "stopped": stopped} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newReachKafka(t, 3, kfake.SeedTopics(1, "a", "b", "c"))
			for _, topic := range []string{"a", "b", "c"} {
				if err := k.MoveTopicPartition(topic, 0, 1); err != nil {
					t.Fatal(err)
				}
			}
			config := kafkalog.Config{Brokers: k.ListenAddrs()[:1], ClientID: "test", DialTimeout: 20 * time.Second}
			source := startSource(t, config, nil)
			store := startProducer(t, kafkalog.Config{Brokers: config.Brokers}, nil)
			if _, err := source.Topic(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			if err := store("a", "before"); err != nil {
				t.Fatal(err)
			}
			k.set(0, how)

			// A readiness probe has less time than it takes to give a broker up.
			for range 10 {
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
				topic, err := source.Topic(ctx, "b")
				if err == nil {
					_, err = source.Offsets(ctx, topic, upstream.Tip())
				}
				cancel()
				if err != nil {
					t.Fatalf("with two brokers of three: %v", err)
				}
			}
			// A topic and a partition that were not produced to before need
			// metadata and a producer id.
			if err := store("b", "meanwhile"); err != nil {
				t.Fatalf("with two brokers of three: %v", err)
			}

			joined, _, err := k.AddNode(-1, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := k.MoveTopicPartition("c", 0, joined); err != nil {
				t.Fatal(err)
			}
			topic, err := source.Topic(t.Context(), "c")
			if err != nil {
				t.Fatal(err)
			}
			j := newJournal()
			follow(t, source, topic, zero(topic), j)
			if err := store("c", "to the one that joined"); err != nil {
				t.Fatalf("led by a broker that joined: %v", err)
			}
			j.until(t, "it is read from the broker that joined", func() bool { return j.count() == 1 })
		})
	}
}

// TestOneAddressOfSeveralDoesNotAnswer: an address that accepts connections and
// never answers does not use up the time in which the others would answer.
func TestOneAddressOfSeveralDoesNotAnswer(t *testing.T) {
	t.Parallel()
	k := newReachKafka(t, 3, kfake.SeedTopics(1, "a"))
	if err := k.MoveTopicPartition("a", 0, 1); err != nil {
		t.Fatal(err)
	}
	k.set(0, stopped)
	k.set(2, stopped)
	var began sync.WaitGroup
	for range 8 { // the order of the addresses is random
		began.Go(func() {
			cluster, err := kafkalog.NewCluster(kafkalog.Config{Brokers: k.ListenAddrs(), ClientID: "test", DialTimeout: 40 * time.Second})
			if err != nil {
				t.Error(err)
				return
			}
			defer cluster.Close()
			source, err := kafkalog.NewSource(cluster, kafkalog.SourceConfig{
				Logger: slog.New(slog.DiscardHandler), MaxWait: time.Second, MaxBytes: 1 << 20,
				PartitionMaxBytes: 128 << 10, InflatedBytes: 8 << 20, MetadataEvery: time.Minute,
			})
			if err != nil {
				t.Error(err)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 16*time.Second)
			defer cancel()
			if _, err := source.Topic(ctx, "a"); err != nil {
				t.Errorf("with one address of three: %v", err)
			}
		})
	}
	began.Wait()
}
