package kafkalog_test

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/hub/kafkalog"
	"sluice/hub/kafkalog/producer"
)

// strict makes a broker that ends sessions as Kafka does (KIP-368): a connection on which
// a request arrives after the end of its session is closed. Kfake only tells when that is.
type strict struct {
	net.Listener
	lifetime time.Duration
	refuses  bool // it closes a connection on which a client authenticates again

	again, refused, late atomic.Int64 // authentications after the first one, and requests too late
}

// readLate is how long after it was sent a request may be read on a busy machine. Without renewals
// requests come until the test ends, which is later.
const readLate = time.Second

func (s *strict) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &strictConn{Conn: conn, of: s}, nil
}

// strictConn reads the keys of requests. Each request of a test is read whole by one
// goroutine.
type strictConn struct {
	net.Conn
	of *strict

	head  []byte // of the request in progress: size and key
	left  int    // bytes of it that follow the head
	began time.Time
}

func (c *strictConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	for rest := b[:n]; len(rest) > 0; {
		if c.left > 0 {
			skip := min(c.left, len(rest))
			c.left -= skip
			rest = rest[skip:]
			continue
		}
		take := min(6-len(c.head), len(rest))
		c.head = append(c.head, rest[:take]...)
		rest = rest[take:]
		if len(c.head) < 6 {
			continue
		}
		key := binary.BigEndian.Uint16(c.head[4:])
		c.left, c.head = int(binary.BigEndian.Uint32(c.head))-2, c.head[:0]
		switch {
		case key == 36:
			if !c.began.IsZero() {
				c.of.again.Add(1)
			}
			c.began = time.Now()
		case key == 17:
			if c.of.refuses && !c.began.IsZero() {
				c.of.refused.Add(1)
				_ = c.Close()
				return 0, net.ErrClosed
			}
		case !c.began.IsZero() && time.Since(c.began) > c.of.lifetime+readLate:
			c.of.late.Add(1)
			_ = c.Close()
			return 0, net.ErrClosed
		}
	}
	return n, err
}

// TestSessionsAreRenewedInTime: reads, writes and kafka-go's own requests go on over the
// ends of sessions, and none of them is too late. Where a broker does not let a client
// authenticate twice, or too soon, connections are replaced.
func TestSessionsAreRenewedInTime(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lifetime time.Duration
		refuses  bool
		again    bool // whether clients are to authenticate again; a rested connection may where sessions are too short
	}{
		"again":     {2000 * time.Millisecond, false, true},
		"not again": {2000 * time.Millisecond, true, false},
		"too short": {400 * time.Millisecond, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &strict{lifetime: test.lifetime, refuses: test.refuses}
			k := newCluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "a"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "u", "p"),
				kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": fmt.Sprint(test.lifetime.Milliseconds())}),
				kfake.ListenFn(func(network, address string) (_ net.Listener, err error) {
					s.Listener, err = net.Listen(network, address)
					return s, err
				}))
			config := kafkalog.Config{Brokers: k.ListenAddrs(), SASL: plain.Mechanism{Username: "u", Password: "p"}}
			var log lines
			source := startSource(t, config, func(c *kafkalog.SourceConfig) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			store := startProducer(t, config, func(c *producer.Config) { c.RequestTimeout = 5 * time.Second })
			f := &fixture{T: t, kafka: k, source: source}
			topic := f.topic("a")
			j := newJournal()
			follow(t, source, topic, zero(topic), j)
			stored := 0
			for began := time.Now(); time.Since(began) < 5*time.Second; stored++ {
				if err := store("a", fmt.Sprint(stored)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
			j.until(t, "all is read", func() bool { return len(j.values[0]) == stored })
			if len(j.lives) > 0 || len(j.gaps) > 0 {
				t.Errorf("reading was interrupted: %v, %v, %v", j.lives, j.gaps, j.cause)
			}
			if said := log.String(); said != "" {
				t.Errorf("the log is\n%s", said)
			}
			if n := s.late.Load(); n > 0 {
				t.Errorf("%d requests were too late", n)
			}
			if n := s.again.Load(); (n > 0) != test.again && test.lifetime > time.Second {
				t.Errorf("clients authenticated again %d times", n)
			}
			if n := s.refused.Load(); (n > 0) != test.refuses {
				t.Errorf("%d authentications were refused", n)
			}
			t.Logf("%d stored, %d times again", stored, s.again.Load())
		})
	}
}
