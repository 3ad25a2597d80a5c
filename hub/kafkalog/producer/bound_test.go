package producer_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/kafkalog/producer"
	"sluice/hub/upstream"
)

// full sends batches as large as the bound allows to a topic with a limit, every 10 ms, and
// returns how many were refused.
func full(b *producer.Bound, limit int, at *time.Time, batches int) (refused int) {
	for range batches {
		*at = at.Add(10 * time.Millisecond)
		if b.Now() > limit {
			b.TooLarge(b.Now(), 2, *at)
			refused++
		} else {
			b.Stored(true, *at)
		}
	}
	return refused
}

func TestABoundFindsWhatTheTopicAllows(t *testing.T) {
	t.Parallel()
	const most = 900 << 10
	for _, limit := range []int{most - 1, most * 3 / 4, most/2 + 1, most / 2, most / 3, 10_000, 700} {
		b, at := producer.NewBound(most), time.Unix(0, 0)
		// Halving to the limit, and some sizes that are too large on the way up.
		if n := full(b, limit, &at, 49); n > 18 {
			t.Errorf("limit %d: %d of the first 49 batches refused", limit, n)
		}
		if now := b.Now(); now > limit && now*4/5 > limit || now < limit/2 {
			t.Errorf("limit %d: the bound is %d", limit, now)
		}
		// An hour of full batches: the larger size is tried more and more rarely.
		full(b, limit, &at, 10*60*100)
		if n := full(b, limit, &at, 60*60*100); n == 0 || n > 60 {
			t.Errorf("limit %d: %d refused in an hour", limit, n)
		}
		// The topic is changed.
		full(b, most, &at, 11*60*100)
		if b.Now() != most {
			t.Errorf("limit %d: without it the bound is still %d", limit, b.Now())
		}
	}
}

func TestABoundAfterOneRecordThatIsTooLarge(t *testing.T) {
	t.Parallel()
	const most = 900 << 10
	b, at := producer.NewBound(most), time.Unix(0, 0)
	for size := most; size > 1000; size /= 2 {
		b.TooLarge(size, size/500, at)
	}
	b.TooLarge(1000, 1, at)
	if n := full(b, most, &at, 12); n > 0 || b.Now() != most {
		t.Errorf("%d refused, the bound is %d", n, b.Now())
	}
	// Batches that are not full say nothing.
	b.TooLarge(most, 2, at)
	b.Stored(false, at)
	if b.Now() != most/2 {
		t.Errorf("the bound is %d", b.Now())
	}
	// It never comes to nothing.
	b.TooLarge(1, 2, at)
	if b.Now() < 1 {
		t.Errorf("the bound is %d", b.Now())
	}
}

// TestBatchesGrowAgain: a broker refuses batches above a limit for a while. They are as large
// as before soon after, and until then everything is stored.
func TestBatchesGrowAgain(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
	p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) { c.BatchBytes = 40_000 })
	var limit, largest, refused atomic.Int64
	limit.Store(20_000)
	k.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		req := r.(*kmsg.ProduceRequest)
		size := int64(len(req.Topics[0].Partitions[0].Records))
		if size <= limit.Load() {
			largest.Store(max(largest.Load(), size))
			return nil, nil, false
		}
		refused.Add(1)
		partition := kmsg.NewProduceResponseTopicPartition()
		partition.ErrorCode = kerr.MessageTooLarge.Code
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = req.Topics[0].Topic
		topic.Partitions = append(topic.Partitions, partition)
		answer := req.ResponseKind().(*kmsg.ProduceResponse)
		answer.Topics = append(answer.Topics, topic)
		return answer, nil, true
	})
	messages := make([]upstream.Message, 100)
	for i := range messages {
		messages[i] = message(strings.Repeat("x", 1000))
	}
	stores := func() {
		t.Helper()
		for _, s := range produce(t, p, "t", messages...) {
			if s.Err != nil {
				t.Fatal(s.Err)
			}
		}
	}
	for range 3 {
		stores()
	}
	if largest.Load() < 10_000 || refused.Load() == 0 || refused.Load() > 5 {
		t.Errorf("within a limit of 20000 the largest batch had %d bytes, and %d were refused", largest.Load(), refused.Load())
	}
	if s := produce(t, p, "t", message(strings.Repeat("x", 30_000)))[0]; !errors.Is(s.Err, upstream.ErrRecordTooLarge) {
		t.Errorf("a record above the limit: %v", s.Err)
	}
	limit.Store(1 << 20)
	for largest.Load() < 35_000 {
		if t.Context().Err() != nil {
			t.Fatalf("the largest batch has %d bytes", largest.Load())
		}
		stores()
	}
}
