package producer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/kafkalog/producer"
	"sluice/hub/upstream"
)

// TestProducerStorm produces through random faults of the network, the brokers
// and the leaders, with callers whose contexts end early, and compares every
// result with the log: a stored message is there once and at the reported offset,
// a message that was not stored is not there, an unknown one is there at most
// once, and the order of each key is that of the calls. Only if brokers also
// forget producer ids, a message that was answered as unknown can come after its
// successors: nothing fences the old id then.
func TestProducerStorm(t *testing.T) {
	t.Parallel()
	faults := []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend,
		kerr.RequestTimedOut, kerr.OutOfOrderSequenceNumber, kerr.UnknownServerError, kerr.MessageTooLarge,
	}
	t.Run("producer ids are known", func(t *testing.T) {
		t.Parallel()
		storeInStorm(t, faults, false)
	})
	t.Run("producer ids are forgotten", func(t *testing.T) {
		t.Parallel()
		storeInStorm(t, append(slices.Clone(faults), kerr.UnknownProducerID, kerr.InvalidProducerEpoch), true)
	})
}

func storeInStorm(t *testing.T, faults []*kerr.Error, forgotten bool) {
	t.Helper()
	const (
		partitions = 4
		writers    = 8
		each       = 120
	)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	k := newFakeKafka(t, kfake.NumBrokers(3), kfake.SeedTopics(partitions, "t"))
	p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) {
		c.FailAfter, c.RequestTimeout = 1500*time.Millisecond, 400*time.Millisecond
		c.BatchBytes = 2000
	})

	calm := make(chan struct{})
	var storm sync.WaitGroup
	storm.Go(func() { tempest(k, faults, partitions, rand.New(rand.NewPCG(seed, 0)), calm) })

	type answer struct {
		writer, number int
		upstream.Stored
	}
	var (
		mu      sync.Mutex
		answers = make(map[string]answer)
		callers sync.WaitGroup
	)
	for w := range writers {
		callers.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(w+1)))
			var waiting sync.WaitGroup
			for number := 0; number < each; {
				var messages []upstream.Message
				for range 1 + random.IntN(3) {
					value := fmt.Sprintf("%d/%d", w, number+len(messages))
					messages = append(messages, upstream.Message{Key: fmt.Appendf(nil, "key %d", w), Value: []byte(value)})
				}
				patience := 3 * time.Second
				if random.IntN(4) == 0 {
					patience = time.Duration(random.IntN(60)) * time.Millisecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				first := number
				number += len(messages)
				waiting.Add(1)
				p.Produce(ctx, "t", messages, func(stored []upstream.Stored) {
					defer waiting.Done()
					cancel()
					mu.Lock()
					defer mu.Unlock()
					for i, s := range stored {
						answers[string(messages[i].Value)] = answer{w, first + i, s}
					}
				})
				if random.IntN(3) == 0 {
					time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
				}
			}
			waiting.Wait()
		})
	}
	callers.Wait()
	close(calm)
	storm.Wait()
	for number := 1000; ; number++ { // when it is calm again, messages are stored
		value := fmt.Sprintf("0/%d", number)
		s := produce(t, p, "t", upstream.Message{Key: []byte("key 0"), Value: []byte(value)})[0]
		answers[value] = answer{0, number, s}
		if s.Err == nil {
			break
		}
		if number == 1200 {
			t.Fatalf("after the storm: %v", s.Err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(lateness) // late requests arrive
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		bytes, busy := p.Waiting()
		if bytes == 0 && busy == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("nothing is queued, but %d bytes seem to be, and %d batches in progress", bytes, busy)
			break
		}
	}

	found := make(map[string]*kgo.Record)
	last := make(map[string]string)
	for _, r := range logOf(t, k.Cluster, "t") {
		value := string(r.Value)
		if found[value] != nil {
			t.Errorf("%s is in the log twice", value)
		}
		found[value] = r
		if before, ok := last[string(r.Key)]; ok && answers[before].number > answers[value].number {
			if forgotten && errors.Is(answers[value].Err, upstream.ErrPublishUnknown) {
				continue
			}
			t.Errorf("%s stands behind %s", value, before)
		}
		last[string(r.Key)] = value
	}
	count := make(map[string]int)
	for value, a := range answers {
		r := found[value]
		switch {
		case a.Err == nil:
			count["stored"]++
			if r == nil || r.Partition != a.Partition || r.Offset != a.Offset {
				t.Errorf("%s was said to be at %d/%d; it is %v", value, a.Partition, a.Offset, r)
			}
		case errors.Is(a.Err, upstream.ErrPublishUnknown):
			count["unknown"]++
		default:
			count["not stored"]++
			if r != nil {
				t.Errorf("%s is in the log; it was answered: %v", value, a.Err)
			}
			// A broker that rejects a batch of one record as too large reports it
			// for that record. One whose caller waits for less than the queue takes is
			// refused as late.
			if !errors.Is(a.Err, upstream.ErrPublishUnavailable) && !errors.Is(a.Err, upstream.ErrPublishLate) && !errors.Is(a.Err, upstream.ErrRecordTooLarge) || strings.Contains(a.Err.Error(), "<nil>") {
				t.Errorf("%s: %v", value, a.Err)
			}
		}
	}
	t.Logf("answers: %v, faults on the network: %d", count, k.hits())
	if len(answers) < writers*each || count["stored"] == 0 || count["unknown"] == 0 || count["not stored"] == 0 || k.hits() == 0 {
		t.Errorf("the storm was no test: %v", count)
	}
}

// tempest causes faults for a while, or until it is calm.
func tempest(k *fakeKafka, brokers []*kerr.Error, partitions int32, random *rand.Rand, calm <-chan struct{}) {
	for range 60 {
		switch random.IntN(4) {
		case 0:
			k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: brokers[random.IntN(len(brokers))]})
		case 1:
			_ = k.MoveTopicPartition("t", random.Int32N(partitions), random.Int32N(3))
		default:
			k.fail([]networkFault{faultLoseRequest, faultLoseAnswer, faultSwallow, faultLate}[random.IntN(4)])
		}
		select {
		case <-calm:
			return
		case <-time.After(time.Duration(random.IntN(30)) * time.Millisecond):
		}
	}
}
