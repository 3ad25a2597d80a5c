package producer_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/kafkalog/producer"
	"sluice/hub/upstream"
)

// slowly makes each produce request take a time.
func slowly(k *fakeKafka, takes *atomic.Int64) {
	k.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if d := time.Duration(takes.Load()); d > 0 {
			k.SleepControl(func() { time.Sleep(d) })
		}
		return nil, nil, false
	})
}

// TestWhatWouldBeLateIsRefusedAtOnce: with a slow broker, messages that cannot be stored in
// their time are refused at once, with a time after which one is stored; those before them
// are stored in time; and once the queue is empty, any is tried.
func TestWhatWouldBeLateIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
	var takes atomic.Int64
	slowly(k, &takes)
	p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) {
		c.BatchBytes, c.RequestTimeout, c.Timeout, c.FailAfter = 10_000, time.Minute, 10*time.Second, time.Minute
	})
	if s := produce(t, p, "t", message("first"))[0]; s.Err != nil {
		t.Fatal(s.Err)
	}
	takes.Store(int64(time.Second))
	if s := produce(t, p, "t", message("slow"))[0]; s.Err != nil {
		t.Fatal(s.Err)
	}
	value := strings.Repeat("x", 9950) // a batch each
	var waiting []<-chan []upstream.Stored
	var late *upstream.LateError
	for late == nil {
		if len(waiting) > 50 {
			t.Fatal("none is refused")
		}
		began := time.Now()
		result := begin(t.Context(), p, "t", message(value))
		select {
		case stored := <-result:
			if took := time.Since(began); !errors.As(stored[0].Err, &late) || took > time.Second {
				t.Fatalf("after %v: %v", took, stored[0].Err)
			}
		case <-time.After(200 * time.Millisecond):
			waiting = append(waiting, result)
		}
	}
	if len(waiting) < 2 || late.RetryAfter < 10*time.Millisecond || late.RetryAfter > 10*time.Second {
		t.Errorf("%d were queued, and then one is to be tried after %v", len(waiting), late.RetryAfter)
	}
	for n, result := range waiting {
		if s := await(t, result)[0]; s.Err != nil {
			t.Errorf("the queued one %d: %v", n, s.Err)
		}
	}
	if s := produce(t, p, "t", message("alone"))[0]; s.Err != nil {
		t.Errorf("with an empty queue: %v", s.Err)
	}
	takes.Store(0)
	for n := range 3 {
		if s := produce(t, p, "t", message("alone"))[0]; s.Err != nil {
			t.Errorf("with a fast broker: %v", s.Err)
		}
		for i := range 20 {
			if s := produce(t, p, "t", message(fmt.Sprint(n, i)), message(value))[1]; s.Err != nil {
				t.Errorf("with a fast broker: %v", s.Err)
			}
		}
	}
}

// TestUnavailablePartitionsAreCounted: from when a partition refuses messages until one is
// stored again. An outage that was longer than a message may wait is not taken for slowness.
func TestUnavailablePartitionsAreCounted(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(2, "t"))
	var failing atomic.Bool
	k.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if !failing.Load() {
			return nil, nil, false
		}
		asked := request.(*kmsg.ProduceRequest)
		answer := asked.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range asked.Topics {
			of := kmsg.NewProduceResponseTopic()
			of.Topic = topic.Topic
			for _, partition := range topic.Partitions {
				one := kmsg.NewProduceResponseTopicPartition()
				one.Partition, one.ErrorCode = partition.Partition, 19 // NOT_ENOUGH_REPLICAS
				of.Partitions = append(of.Partitions, one)
			}
			answer.Topics = append(answer.Topics, of)
		}
		return answer, nil, true
	})
	p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) {
		c.FailAfter, c.Timeout, c.RequestTimeout = 100*time.Millisecond, 2*time.Second, 2*time.Second
	})
	for produce(t, p, "t", message("x"))[0].Err != nil {
		time.Sleep(time.Millisecond)
	}
	if n := p.Unavailable(); n != 0 {
		t.Errorf("%d are unavailable", n)
	}
	failing.Store(true)
	for began := time.Now(); time.Since(began) < 3*time.Second; {
		if s := produce(t, p, "t", message("x"))[0]; !errors.Is(s.Err, upstream.ErrPublishUnavailable) {
			t.Fatal(s.Err)
		}
	}
	if n := p.Unavailable(); n != 1 {
		t.Errorf("%d are unavailable", n)
	}
	failing.Store(false)
	for deadline := time.Now().Add(time.Minute); produce(t, p, "t", message("x"))[0].Err != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is stored any more")
		}
	}
	if n := p.Unavailable(); n != 0 {
		t.Errorf("%d are unavailable", n)
	}
}
