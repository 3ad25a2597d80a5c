package kafkalog_test

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	kgoplain "github.com/twmb/franz-go/pkg/sasl/plain"

	"sluice/hub/kafkalog"
	"sluice/hub/kafkalog/producer"
	"sluice/hub/upstream"
)

// movedListener is a broker's address that can be redirected to another broker.
type movedListener struct {
	net.Listener

	mu   sync.Mutex
	to   string // the address to redirect to, empty for the broker's own
	open []net.Conn
	led  map[string]bool // addresses of connections that were redirected
}

// visited is a listener that records where its connections come from.
type visited struct {
	net.Listener

	mu   sync.Mutex
	from []string
}

func (l *visited) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.from = append(l.from, c.RemoteAddr().String())
		l.mu.Unlock()
	}
	return c, err
}

// since returns the addresses of connections after the first n.
func (l *visited) since(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.from[n:])
}

// move closes all connections. New ones lead to another address.
func (l *movedListener) move(to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
	for _, c := range l.open {
		_ = c.Close()
	}
	l.open = nil
}

func (l *movedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		to := l.to
		l.open = append(l.open, c)
		l.mu.Unlock()
		if to == "" {
			return c, nil
		}
		other, err := net.Dial("tcp", to)
		if err != nil {
			_ = c.Close()
			continue
		}
		l.mu.Lock()
		l.open = append(l.open, other)
		if l.led == nil {
			l.led = make(map[string]bool)
		}
		l.led[other.LocalAddr().String()] = true
		l.mu.Unlock()
		for _, way := range [][2]net.Conn{{c, other}, {other, c}} {
			go func() {
				_, _ = io.Copy(way[0], way[1])
				_ = way[0].Close()
				_ = way[1].Close()
			}()
		}
	}
}

// TestAnAddressComesToBeAnotherClusters: remembered addresses of a cluster never
// lead to another cluster, whatever topics that has. Nothing is read from it,
// nothing is stored in it, and no topic is reported as created again.
func TestAnAddressComesToBeAnotherClusters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain", "SASL"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addressComesToBeAnotherClusters(t, name == "SASL")
		})
	}
}

func addressComesToBeAnotherClusters(t *testing.T, sasl bool) {
	config := kafkalog.Config{ClientID: "test", DialTimeout: 2 * time.Second}
	var credentials []kgo.Opt
	opts := []kfake.Opt{kfake.SeedTopics(1, "t")}
	if sasl {
		config.SASL = plain.Mechanism{Username: "u", Password: "p"}
		credentials = append(credentials, kgo.SASL(kgoplain.Auth{User: "u", Pass: "p"}.AsMechanism()))
		opts = append(opts, kfake.EnableSASL(), kfake.Superuser("PLAIN", "u", "p"))
	}
	var brokers []*movedListener
	ours := newCluster(t, append(opts, kfake.NumBrokers(2), kfake.ClusterID("ours"),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			l, err := net.Listen(network, address)
			brokers = append(brokers, &movedListener{Listener: l})
			return brokers[len(brokers)-1], err
		}))...)
	t.Cleanup(func() {
		for _, l := range brokers {
			l.move("127.0.0.1:1")
		}
	})
	var asked atomic.Int32 // for metadata, in the other cluster
	var other *visited
	theirs := newCluster(t, append(opts, kfake.NumBrokers(1), kfake.ClusterID("theirs"),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			l, err := net.Listen(network, address)
			other = &visited{Listener: l}
			return other, err
		}))...)
	if err := ours.MoveTopicPartition("t", 0, 1); err != nil {
		t.Fatal(err)
	}
	write(t, writer(t, ours, credentials...), "t", 0, "ours", 5)
	write(t, writer(t, theirs, credentials...), "t", 0, "theirs", 20)
	visitors := len(other.since(0))
	theirs.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		theirs.KeepControl()
		asked.Add(1)
		return nil, nil, false
	})

	config.Brokers = ours.ListenAddrs()[:1]
	source := startSource(t, config, nil)
	produce := startProducer(t, config, func(c *producer.Config) {
		c.Timeout, c.RequestTimeout, c.FailAfter = 3*time.Second, time.Second, 300*time.Millisecond
	})
	topic := (&fixture{T: t, source: source}).topic("t")
	j := newJournal()
	w := follow(t, source, topic, zero(topic), j)
	store := func(value string) error { return produce("t", value) }
	// On a busy machine the first one may take longer than FailAfter.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		err := store("stored")
		if err == nil {
			break
		}
		if !errors.Is(err, upstream.ErrPublishUnavailable) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	j.until(t, "all is read", func() bool { return j.count() == 6 })

	refused := func(what string) {
		t.Helper()
		before := asked.Load()
		told := false
		for deadline := time.Now().Add(time.Minute); asked.Load() < before+5 || !told; time.Sleep(10 * time.Millisecond) {
			err := store("misled")
			// The result is unknown for a record that was written as its
			// connection was cut.
			if !errors.Is(err, upstream.ErrPublishUnavailable) && !errors.Is(err, upstream.ErrPublishUnknown) {
				t.Fatalf("%s: a publish is answered with %v", what, err)
			}
			told = told || strings.Contains(err.Error(), "another cluster")
			if time.Now().After(deadline) {
				t.Fatalf("%s: asked %d times; the cause is told: %v (%v)", what, asked.Load()-before, told, err)
			}
		}
	}
	brokers[1].move(theirs.ListenAddrs()[0])
	refused("the leader's address is another cluster's")
	brokers[0].move("127.0.0.1:1")
	refused("no broker of the cluster is left")
	brokers[0].move("")
	refused("the configured one is back")
	brokers[1].move("")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		err := store("back")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing can be stored though all brokers are back: %v", err)
		}
	}
	j.until(t, "what was stored since is read", func() bool { return slices.Contains(j.values[0], "back") })
	for _, from := range other.since(visitors) {
		brokers[1].mu.Lock()
		if !brokers[1].led[from] {
			t.Errorf("a connection from %s came to the other cluster at its own address, of which nothing is to be believed", from)
		}
		brokers[1].mu.Unlock()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, value := range j.values[0] {
		if strings.HasPrefix(value, "theirs") {
			t.Errorf("read %q", value)
		}
	}
	if end := theirs.PartitionInfo("t", 0).HighWatermark; end != 20 {
		t.Errorf("the other cluster's log ends at %d, want 20", end)
	}
	select {
	case err := <-w.err:
		t.Errorf("Follow ended: %v", err)
	default:
	}
}

// TestTheConfigurationNamesTheCluster: if an address of the configuration now
// leads to another cluster, that cluster is the one meant.
func TestTheConfigurationNamesTheCluster(t *testing.T) {
	t.Parallel()
	var broker *movedListener
	before := newCluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.ClusterID("before"),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			l, err := net.Listen(network, address)
			broker = &movedListener{Listener: l}
			return broker, err
		}))
	t.Cleanup(func() { broker.move("127.0.0.1:1") })
	after := newCluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.ClusterID("after"))
	store := startProducer(t, kafkalog.Config{Brokers: before.ListenAddrs()}, nil)
	if err := store("t", "a"); err != nil {
		t.Fatal(err)
	}
	broker.move(after.ListenAddrs()[0])
	for deadline := time.Now().Add(time.Minute); after.PartitionInfo("t", 0).HighWatermark == 0; {
		if err := store("t", "b"); err != nil && time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
