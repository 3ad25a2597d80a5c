package kafkalog_test

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/hub/kafkalog"
)

// rough is in front of a Kafka's listeners: answers arrive late and in small
// slices, and connections are reset in the middle of them.
type rough struct {
	calm           atomic.Bool
	slices, resets atomic.Int64
}

func (r *rough) listen() kfake.Opt {
	return kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		return &roughListener{l, r}, err
	})
}

type roughListener struct {
	net.Listener
	r *rough
}

func (l *roughListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &roughConn{Conn: c, r: l.r, left: 20_000 + rand.IntN(150_000)}, nil
}

type roughConn struct {
	net.Conn
	r    *rough
	left int // bytes until it is reset
}

func (c *roughConn) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) && !c.r.calm.Load() {
		n := min(1+rand.IntN(1_000), len(b)-written)
		if c.left -= n; c.left < 0 {
			c.r.resets.Add(1)
			_ = c.Conn.(*net.TCPConn).SetLinger(0)
			return written, errors.Join(syscall.ECONNRESET, c.Close())
		}
		time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
		m, err := c.Conn.Write(b[written : written+n])
		c.r.slices.Add(1)
		written += m
		if err != nil {
			return written, err
		}
	}
	if written == len(b) {
		return written, nil
	}
	m, err := c.Conn.Write(b[written:])
	return written + m, err
}

// noise returns text that no codec compresses much.
func noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('!' + rand.IntN(90))
	}
	return string(b)
}

// TestFollowOverARoughNetwork: late, sliced and reset answers cause no record to
// be lost, repeated or misplaced, and no gap.
func TestFollowOverARoughNetwork(t *testing.T) {
	t.Parallel()
	const partitions, rounds, each = 3, 60, 5
	r := &rough{}
	r.calm.Store(true) // until the connections are established
	f := start(t, kfake.NumBrokers(2), kfake.SeedTopics(partitions, "a"), r.listen())
	topic := f.topic("a")
	j := newJournal()
	// Most connections must live longer than an answer takes.
	source := startSource(t, kafkalog.Config{Brokers: f.kafka.ListenAddrs()}, func(c *kafkalog.SourceConfig) { c.PartitionMaxBytes = 16 << 10 })
	follow(t, source, topic, zero(topic), j)
	w := f.writer()
	write(t, w, "a", 0, "first", each)
	j.until(t, "it runs", func() bool { return j.count() == each })
	r.calm.Store(false)
	for round := range rounds {
		for p := range int32(partitions) {
			if round > 0 || p > 0 {
				write(t, w, "a", p, noise(9_000), each)
			}
		}
	}
	j.until(t, "all has come", func() bool { return j.count() == partitions*rounds*each })
	if len(j.gaps) > 0 || len(j.trouble) > 0 {
		t.Errorf("gaps %v, trouble %v", j.gaps, j.trouble)
	}
	for p := range int32(partitions) {
		for i, offset := range j.offsets[p] {
			if offset != int64(i) {
				t.Fatalf("partition %d: record %d has offset %d", p, i, offset)
			}
		}
	}
	t.Logf("%d slices, %d resets", r.slices.Load(), r.resets.Load())
	if r.slices.Load() < 100 || r.resets.Load() < 5 {
		t.Errorf("%d slices, %d resets: the network was not rough", r.slices.Load(), r.resets.Load())
	}
}
