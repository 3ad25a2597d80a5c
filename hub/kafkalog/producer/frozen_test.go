package producer_test

import (
	"context"
	"encoding/binary"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/hub/kafkalog/producer"
	"sluice/hub/upstream"
)

// frozenBroker is a network behind which the first broker answers no produce requests any more.
type frozenBroker struct {
	frozen  atomic.Bool
	swallow atomic.Int32 // requests that were not answered
	first   sync.Once
}

func (f *frozenBroker) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	f.first.Do(func() {
		if err == nil {
			l = &frozenListener{l, f}
		}
	})
	return l, err
}

type frozenListener struct {
	net.Listener
	of *frozenBroker
}

func (l *frozenListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &frozenConn{Conn: c, of: l.of}, nil
}

// frozenConn tells produce requests by their beginnings.
type frozenConn struct {
	net.Conn
	of   *frozenBroker
	head []byte
	rest int
}

func (c *frozenConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	for data := b[:n]; len(data) > 0; {
		if c.rest > 0 {
			skip := min(c.rest, len(data))
			c.rest, data = c.rest-skip, data[skip:]
			continue
		}
		c.head, data = append(c.head, data[0]), data[1:]
		if len(c.head) < 6 {
			continue
		}
		c.rest = int(binary.BigEndian.Uint32(c.head)) - 2
		produce := binary.BigEndian.Uint16(c.head[4:]) == 0
		c.head = c.head[:0]
		if produce && c.of.frozen.Load() {
			c.of.swallow.Add(1)
			_, err := c.Conn.Read(make([]byte, 1<<16)) // until the client gives up
			for err == nil {
				_, err = c.Conn.Read(make([]byte, 1<<16))
			}
			return 0, err
		}
	}
	return n, err
}

// TestAFrozenBrokerDelaysNoOther: however many partitions a broker leads that answers nothing, what
// is published to another one is stored as ever.
func TestAFrozenBrokerDelaysNoOther(t *testing.T) {
	t.Parallel()
	const requests, partitions = 8, 24
	network := &frozenBroker{}
	k, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.ListenFn(network.listen), kfake.SeedTopics(partitions, "frozen"), kfake.SeedTopics(1, "well"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	for p := range int32(partitions) {
		if err := k.MoveTopicPartition("frozen", p, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.MoveTopicPartition("well", 0, 1); err != nil {
		t.Fatal(err)
	}
	p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) {
		c.Requests, c.RequestTimeout, c.FailAfter, c.Timeout = requests, 30*time.Second, 5*time.Second, time.Minute
		c.DrainTimeout = time.Millisecond
	})
	all := func() (results []<-chan []upstream.Stored) {
		for n := range 20 * partitions {
			results = append(results, begin(t.Context(), p, "frozen", upstream.Message{Key: []byte(strconv.Itoa(n)), Value: []byte("v")}))
		}
		return results
	}
	stored := func(results []<-chan []upstream.Stored) (yes bool) {
		yes = true
		for _, r := range results {
			yes = await(t, r)[0].Err == nil && yes
		}
		return yes
	}
	// On a busy machine the first ones may take longer than FailAfter.
	for deadline := time.Now().Add(time.Minute); !stored(all()) || produce(t, p, "well", message("before"))[0].Err != nil; {
		if time.Now().After(deadline) {
			t.Fatal("nothing is stored before")
		}
	}
	network.frozen.Store(true)
	all()
	for network.swallow.Load() < requests/2 {
		if t.Context().Err() != nil {
			t.Fatal("nothing was sent to the frozen broker")
		}
		time.Sleep(time.Millisecond)
	}
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second) // half of what the frozen one is given
		s := await(t, begin(ctx, p, "well", message("meanwhile")))[0]
		cancel()
		if s.Err != nil {
			t.Fatalf("published to the other broker: %v", s.Err)
		}
	}
}
