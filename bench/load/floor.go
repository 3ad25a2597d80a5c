package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// floor is a bare Kafka consumer: without a group, read committed, from the
// tip. Its latency is what any server in front of the topic has to add to.
type floor struct {
	client *kgo.Client
	find   finder

	mu      sync.Mutex // guards what follows
	window  window
	latency latency
}

func newFloor(job writeJob) (*floor, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(job.Brokers...),
		kgo.ConsumeTopics(job.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMinBytes(1),
		kgo.FetchMaxWait(500*time.Millisecond),
		kgo.DisableFetchSessions(),
	)
	if err != nil {
		return nil, fmt.Errorf("make consumer: %w", err)
	}
	return &floor{client: client, latency: newLatency()}, nil
}

// run consumes until the context ends.
func (f *floor) run(ctx context.Context) error {
	defer f.client.Close()
	for {
		fetches := f.client.PollFetches(ctx)
		now := time.Now().UnixNano()
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err0(); err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("consume: %w", err)
		}
		f.mu.Lock()
		fetches.EachRecord(func(record *kgo.Record) {
			if at, ok := f.find.find(record.Value); ok && f.window.holds(at) {
				f.latency.record(now - at)
			}
		})
		f.mu.Unlock()
	}
}

func (f *floor) begin(w window) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.window = w
	f.latency.hist.Reset()
}

// report gives what it has measured once it has seen so many records, which are
// stored, or has waited for them long enough.
func (f *floor) report(ctx context.Context, records int64) summary {
	for late := time.Now().Add(floorWait); ; {
		f.mu.Lock()
		seen := f.latency.summary()
		f.mu.Unlock()
		if seen.Count >= records || ctx.Err() != nil || time.Now().After(late) {
			return seen
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// floorWait is how long the last records may take to be consumed.
const floorWait = 5 * time.Second
