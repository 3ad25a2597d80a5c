package redisstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/hub/cursors"
	"sluice/hub/redisstore"
)

// BenchmarkCommit moves many cursors at once on a real Redis, over connections with some
// times for a round trip.
func BenchmarkCommit(b *testing.B) {
	address := realServer(b)
	for _, rtt := range []time.Duration{0, 500 * time.Microsecond} {
		for _, names := range []int{0, 100} {
			b.Run(fmt.Sprintf("rtt=%s/names=%d", rtt, names), func(b *testing.B) { benchmarkCommit(b, address, rtt, names) })
		}
	}
}

func benchmarkCommit(b *testing.B, address string, rtt time.Duration, names int) {
	store := open(b, redisstore.Config{
		Redis: redis.UniversalOptions{Addrs: []string{address}, Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return &farConn{Conn: conn, rtt: rtt}, err
		}},
		Prefix: "bench:", TTL: time.Hour, Timeout: time.Second, Names: names, Logger: slog.New(slog.DiscardHandler),
	})
	const many = 4096
	commits := make([]cursors.Commit, many)
	for n := range commits {
		key := cursors.Key{Principal: fmt.Sprint("p", n/50), Stream: "orders", Name: fmt.Sprint("name", n)}
		commits[n] = cursors.Commit{Key: key, Ack: cursors.Ack{Position: at(oldTopic, 0, 1, 0, 1, 1, 0), At: noon}}
	}
	moved := int64(0)
	for b.Loop() {
		moved++
		for n := range commits {
			commits[n].Position = at(oldTopic, 0, moved, 0, 1, moved, 0)
		}
		for n, done := range store.Commit(b.Context(), commits) {
			if done.Err != nil {
				b.Fatalf("commit %d: %v", n, done.Err)
			}
		}
	}
	b.ReportMetric(float64(many)*float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// farConn is a connection to a server that is some way off.
type farConn struct {
	net.Conn
	rtt   time.Duration
	asked bool
}

func (c *farConn) Write(p []byte) (int, error) {
	c.asked = true
	return c.Conn.Write(p)
}

func (c *farConn) Read(p []byte) (int, error) {
	if c.asked && c.rtt > 0 {
		time.Sleep(c.rtt)
	}
	c.asked = false
	return c.Conn.Read(p)
}
