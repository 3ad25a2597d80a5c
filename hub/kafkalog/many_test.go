package kafkalog_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
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
	fetches := &fetchRounds{topics: topics, asked: make(map[[16]byte]bool)}
	f.kafka.ControlKey(1, func(req kmsg.Request) (kmsg.Response, error, bool) {
		f.kafka.KeepControl()
		fetches.count(req)
		return nil, nil, false
	})
	delays := make(chan time.Duration, records)
	for _, name := range names {
		topic := f.topic(name)
		follow(t, f.source, topic, zero(topic), timing(delays))
	}
	// Rounds are irregular while topics are added, which takes as long as the machine is
	// busy. One fetch per topic would be a hundred in every round. Long polls take 200 ms.
	const rounds = 8
	for deadline, last := time.Now().Add(time.Minute), rounds; ; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in %d rounds, there were never %d in which all topics shared their fetches", fetches.rounds(), rounds)
		}
		if fetches.rounds() <= last {
			continue
		}
		n, took := fetches.between(last-rounds+1, last+1)
		if polls := int(took / (200 * time.Millisecond)); n <= 5*rounds && n <= 5*(polls+1) {
			break
		}
		last++
	}

	w := f.writer(kgo.ProducerLinger(0), kgo.DisableIdempotentWrite())
	before := fetches.total()
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
		case d := <-delays:
			all = append(all, d)
		case <-time.After(time.Minute):
			t.Fatalf("%d of %d records came", len(all), records)
		}
	}
	slices.Sort(all)
	t.Logf("p50 %v, p99 %v, max %v, %d fetches", all[records/2], all[records*99/100], all[records-1], fetches.total()-before)
}

// fetchRounds counts fetches in rounds: a round ends with the fetch by which all
// topics have been asked for since the last one.
type fetchRounds struct {
	topics int

	mu    sync.Mutex
	n     int
	asked map[[16]byte]bool // the topics of this round
	ends  []roundEnd
}

// roundEnd is how many fetches there were at the end of a round.
type roundEnd struct {
	n  int
	at time.Time
}

func (r *fetchRounds) count(req kmsg.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fetch, ok := req.(*kmsg.FetchRequest)
	if !ok {
		return
	}
	r.n++
	for _, topic := range fetch.Topics {
		r.asked[topic.TopicID] = true
	}
	if len(r.asked) == r.topics {
		r.ends = append(r.ends, roundEnd{r.n, time.Now()})
		clear(r.asked)
	}
}

func (r *fetchRounds) total() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

func (r *fetchRounds) rounds() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ends)
}

// between returns how many fetches there were between the ends of two rounds, in
// what time.
func (r *fetchRounds) between(from, to int) (n int, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, b := r.ends[from-1], r.ends[to-1]
	return b.n - a.n, b.at.Sub(a.at)
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
