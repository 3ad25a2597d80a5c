package kafkalog_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/upstream"
)

// Many topics share a broker's long poll, and each still gets its records at
// once.
func TestManyTopicsShareOneLongPoll(t *testing.T) {
	t.Parallel()
	const topics, partitions, records = 100, 6, 300
	var names []string
	for i := range topics {
		names = append(names, fmt.Sprintf("t%d", i))
	}
	f := start(t, kfake.SeedTopics(partitions, names...))
	var fetches atomic.Int64
	f.kafka.ControlKey(1, func(kmsg.Request) (kmsg.Response, error, bool) {
		f.kafka.KeepControl()
		fetches.Add(1)
		return nil, nil, false
	})
	took := make(chan time.Duration, records)
	for _, name := range names {
		topic := f.topic(name)
		follow(t, f.source, topic, zero(topic), timing(took))
	}
	time.Sleep(400 * time.Millisecond)
	before, began := fetches.Load(), time.Now()
	time.Sleep(600 * time.Millisecond)
	// Long polls of 200 ms; one per topic would be a hundred times as many.
	n, polls := fetches.Load()-before, int64(time.Since(began)/(200*time.Millisecond))
	if n > 5*polls {
		t.Errorf("%d fetches in the time of %d polls, while nothing happened", n, polls)
	}

	w := f.writer(kgo.ProducerLinger(0), kgo.DisableIdempotentWrite())
	before = fetches.Load()
	for i := range records {
		r := &kgo.Record{
			Topic: names[i*7%topics], Partition: int32(i % partitions),
			Value: fmt.Append(nil, time.Now().UnixNano()),
		}
		if err := w.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	all := make([]time.Duration, 0, records)
	for range records {
		select {
		case d := <-took:
			all = append(all, d)
		case <-time.After(time.Minute):
			t.Fatalf("%d of %d records came", len(all), records)
		}
	}
	slices.Sort(all)
	t.Logf("p50 %v, p99 %v, max %v, %d fetches", all[records/2], all[records*99/100], all[records-1], fetches.Load()-before)
}

// timing is a sink that reports how long records were in transit.
type timing chan<- time.Duration

func (c timing) Append(batch []*upstream.Fetched) {
	for _, f := range batch {
		if f.Each == nil {
			continue
		}
		for r := range f.Each {
			var sent int64
			if _, err := fmt.Sscan(string(r.Value), &sent); err == nil {
				c <- time.Since(time.Unix(0, sent))
			}
		}
	}
}

func (timing) Live(bool, error) {}
