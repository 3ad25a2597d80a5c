package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The parameters of a tail's long poll, which are Sluice's defaults.
const (
	tailWait       = 500 * time.Millisecond
	tailBytes      = 16 << 20
	tailPartition  = 1 << 20
	tailReadCommit = 1
)

// tail reads topics from their tips on, without a consumer group: one long poll per
// broker with all partitions in it, read committed. The next one is sent when the
// result of the last one has been processed.
type tail struct {
	client *kgo.Client
	// take is called with each response, one at a time, with the time of its arrival
	// in Unix nanoseconds. It may use the parts only until it returns.
	take func(parts []part, now int64) error

	loops sync.WaitGroup
	mu    sync.Mutex // held in take; guards fault
	fault error
}

// part is the data of one partition in a response.
type part struct {
	*spot
	batches []byte
}

// spot is the next offset to read in a partition.
type spot struct {
	topic     string
	id        [16]byte
	partition int32
	offset    int64
}

// open finds the leaders and the tips, and starts a loop for each broker.
func (t *tail) open(ctx context.Context, brokers, topics []string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return fmt.Errorf("make consumer: %w", err)
	}
	t.client = client
	leaders, err := t.begins(ctx, topics)
	// A new topic has leaders that do not know it yet.
	for tries := 0; kerr.IsRetriable(err) && tries < 100 && ctx.Err() == nil; tries++ {
		time.Sleep(50 * time.Millisecond)
		leaders, err = t.begins(ctx, topics)
	}
	if err != nil {
		return err
	}
	for leader, spots := range leaders {
		t.loops.Go(func() {
			if err := t.follow(ctx, leader, spots); err != nil && ctx.Err() == nil {
				t.mu.Lock()
				if t.fault == nil {
					t.fault = err
				}
				t.mu.Unlock()
			}
		})
	}
	return nil
}

// close waits for the loops, whose context has ended.
func (t *tail) close() {
	t.loops.Wait()
	if t.client != nil {
		t.client.Close()
	}
}

// begins returns the partitions to read and their first offsets, by broker.
func (t *tail) begins(ctx context.Context, topics []string) (map[int32][]*spot, error) {
	leaders, err := t.leaders(ctx, topics)
	if err != nil {
		return nil, err
	}
	for leader, spots := range leaders {
		if err := t.tips(ctx, leader, spots); err != nil {
			return nil, err
		}
	}
	return leaders, nil
}

func (t *tail) leaders(ctx context.Context, topics []string) (map[int32][]*spot, error) {
	request := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		one := kmsg.NewMetadataRequestTopic()
		one.Topic = &topic
		request.Topics = append(request.Topics, one)
	}
	answer, err := request.RequestWith(ctx, t.client)
	if err != nil {
		return nil, fmt.Errorf("ask for leaders: %w", err)
	}
	leaders := map[int32][]*spot{}
	for _, topic := range answer.Topics {
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
			return nil, fmt.Errorf("ask for leaders: %w", err)
		}
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("ask for leaders: %w", err)
			}
			leaders[p.Leader] = append(leaders[p.Leader], &spot{topic: *topic.Topic, id: topic.TopicID, partition: p.Partition})
		}
	}
	return leaders, nil
}

func (t *tail) tips(ctx context.Context, leader int32, spots []*spot) error {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID, request.IsolationLevel = -1, tailReadCommit
	topics := map[string]*kmsg.ListOffsetsRequestTopic{}
	for _, p := range spots {
		topic := topics[p.topic]
		if topic == nil {
			made := kmsg.NewListOffsetsRequestTopic()
			made.Topic = p.topic
			topic = &made
			topics[p.topic] = topic
		}
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp = p.partition, -1
		topic.Partitions = append(topic.Partitions, partition)
	}
	for topic := range maps.Values(topics) {
		request.Topics = append(request.Topics, *topic)
	}
	got, err := t.client.Broker(int(leader)).RetriableRequest(ctx, request)
	if err != nil {
		return fmt.Errorf("ask for tips: %w", err)
	}
	for _, topic := range got.(*kmsg.ListOffsetsResponse).Topics {
		for _, partition := range topic.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return fmt.Errorf("ask for tips: %w", err)
			}
			for _, p := range spots {
				if p.topic == topic.Topic && p.partition == partition.Partition {
					p.offset = partition.Offset
				}
			}
		}
	}
	return nil
}

// follow is the loop for one broker.
func (t *tail) follow(ctx context.Context, leader int32, spots []*spot) error {
	type key struct {
		id        [16]byte
		partition int32
	}
	byKey := map[key]*spot{}
	for _, p := range spots {
		byKey[key{p.id, p.partition}] = p
	}
	request, ask := tailRequest(spots)
	broker := t.client.Broker(int(leader))
	var parts []part
	for ctx.Err() == nil {
		ask()
		got, err := broker.Request(ctx, request)
		now := time.Now().UnixNano()
		if err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		parts = parts[:0]
		for _, topic := range got.(*kmsg.FetchResponse).Topics {
			for _, partition := range topic.Partitions {
				if err := kerr.ErrorForCode(partition.ErrorCode); err != nil && !kerr.IsRetriable(err) {
					return fmt.Errorf("fetch: %w", err)
				}
				if p := byKey[key{topic.TopicID, partition.Partition}]; p != nil && len(partition.RecordBatches) > 0 {
					parts = append(parts, part{p, partition.RecordBatches})
				}
			}
		}
		if len(parts) == 0 {
			continue
		}
		t.mu.Lock()
		err = t.take(parts, now)
		t.mu.Unlock()
		if err != nil {
			return err
		}
		for _, p := range parts {
			for b := range batches(p.batches) {
				p.offset = max(p.offset, b.last()+1)
			}
		}
	}
	return nil
}

// tailRequest makes the request of a loop, and a function that updates it to the
// offsets of the spots.
func tailRequest(spots []*spot) (request *kmsg.FetchRequest, ask func()) {
	request = kmsg.NewPtrFetchRequest()
	request.ReplicaID, request.IsolationLevel = -1, tailReadCommit
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes = int32(tailWait.Milliseconds()), 1, tailBytes
	request.SessionEpoch = -1
	topics := map[string]int{}
	type slot struct{ topic, partition int }
	slots := make([]slot, len(spots))
	for i, p := range spots {
		at, ok := topics[p.topic]
		if !ok {
			at = len(request.Topics)
			topics[p.topic] = at
			topic := kmsg.NewFetchRequestTopic()
			topic.Topic, topic.TopicID = p.topic, p.id
			request.Topics = append(request.Topics, topic)
		}
		partition := kmsg.NewFetchRequestTopicPartition()
		partition.Partition, partition.PartitionMaxBytes = p.partition, tailPartition
		slots[i] = slot{at, len(request.Topics[at].Partitions)}
		request.Topics[at].Partitions = append(request.Topics[at].Partitions, partition)
	}
	return request, func() {
		for i, p := range spots {
			request.Topics[slots[i].topic].Partitions[slots[i].partition].FetchOffset = p.offset
		}
	}
}

// batch is one complete record batch of Kafka's format 2, as on the wire.
type batch []byte

// Positions of a batch's fields: its size without the first 12 bytes, its magic, its
// attributes, the last record's offset relative to the first, and the first record's
// time; and the length of its header.
const (
	batchSizeAt       = 8
	batchSizeFrom     = 12
	batchMagicAt      = 16
	batchAttributesAt = 21
	batchLastAt       = 23
	batchTimeAt       = 27
	batchHeader       = 61
)

func (b batch) first() int64 { return int64(binary.BigEndian.Uint64(b)) }

func (b batch) last() int64 {
	return b.first() + int64(binary.BigEndian.Uint32(b[batchLastAt:]))
}

// batches yields the complete batches: the last one of a response may be truncated.
func batches(b []byte) iter.Seq[batch] {
	return func(yield func(batch) bool) {
		for len(b) >= batchHeader {
			size := batchSizeFrom + int(binary.BigEndian.Uint32(b[batchSizeAt:]))
			if size < batchHeader || size > len(b) || !yield(batch(b[:size])) {
				return
			}
			b = b[size:]
		}
	}
}
