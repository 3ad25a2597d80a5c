package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What the floor asks of a broker in a long poll.
const (
	floorWait       = 500 * time.Millisecond
	floorBytes      = 32 << 20
	floorPartition  = 1 << 20
	floorPatience   = 5 * time.Second // how long the last records may take
	floorReadCommit = 1
)

// floorJob says what the floor reads.
type floorJob struct {
	Brokers []string `json:"brokers"`
	Topics  []string `json:"topics"`
}

// floorReport says what it measured.
type floorReport struct {
	Latency summary `json:"latency"`
	CPU     float64 `json:"cpu_seconds"`
}

// floor is a bare fetch loop: one long poll a broker, all partitions in it,
// read committed, from the tip, and the batches searched for stamps as they
// are. Its latency is what any server in front of the topics has to add to.
type floor struct {
	client *kgo.Client
	loops  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	window  window
	latency latency
	fault   error
}

// runFloor is the floor's process.
func runFloor(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	f := &floor{latency: newLatency()}
	err := answerCommands(in, out, func(cmd command) (answer, error) {
		switch cmd.Do {
		case "open":
			return answer{}, f.open(ctx, *cmd.Floor)
		case "window":
			f.begin(cmd.Window)
			return answer{}, nil
		case "report":
			return f.report(ctx, cmd.Records)
		}
		return answer{}, fmt.Errorf("unknown command %q", cmd.Do)
	})
	cancel()
	f.loops.Wait()
	if f.client != nil {
		f.client.Close()
	}
	return err
}

// spot is where a partition is read on.
type spot struct {
	topic     string
	id        [16]byte
	partition int32
	offset    int64
}

// open finds the leaders and the tips, and starts a loop for each broker.
func (f *floor) open(ctx context.Context, job floorJob) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(job.Brokers...))
	if err != nil {
		return fmt.Errorf("make consumer: %w", err)
	}
	f.client = client
	leaders, err := f.begins(ctx, job.Topics)
	// A topic that has just been made has leaders which do not know it yet.
	for tries := 0; kerr.IsRetriable(err) && tries < 100 && ctx.Err() == nil; tries++ {
		time.Sleep(50 * time.Millisecond)
		leaders, err = f.begins(ctx, job.Topics)
	}
	if err != nil {
		return err
	}
	for leader, spots := range leaders {
		f.loops.Go(func() {
			if err := f.follow(ctx, leader, spots); err != nil && ctx.Err() == nil {
				f.mu.Lock()
				f.fault = errors.Join(f.fault, err)
				f.mu.Unlock()
			}
		})
	}
	return nil
}

// begins finds where to begin, for each broker.
func (f *floor) begins(ctx context.Context, topics []string) (map[int32][]*spot, error) {
	leaders, err := f.leaders(ctx, topics)
	if err != nil {
		return nil, err
	}
	for leader, spots := range leaders {
		if err := f.tips(ctx, leader, spots); err != nil {
			return nil, err
		}
	}
	return leaders, nil
}

func (f *floor) leaders(ctx context.Context, topics []string) (map[int32][]*spot, error) {
	request := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		one := kmsg.NewMetadataRequestTopic()
		one.Topic = &topic
		request.Topics = append(request.Topics, one)
	}
	answer, err := request.RequestWith(ctx, f.client)
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

func (f *floor) tips(ctx context.Context, leader int32, spots []*spot) error {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID, request.IsolationLevel = -1, floorReadCommit
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
	got, err := f.client.Broker(int(leader)).RetriableRequest(ctx, request)
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

// follow is the loop over one broker.
func (f *floor) follow(ctx context.Context, leader int32, spots []*spot) error {
	type key struct {
		id        [16]byte
		partition int32
	}
	byKey := map[key]*spot{}
	request := kmsg.NewPtrFetchRequest()
	request.ReplicaID, request.IsolationLevel = -1, floorReadCommit
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes = int32(floorWait.Milliseconds()), 1, floorBytes
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
		partition.Partition, partition.PartitionMaxBytes = p.partition, floorPartition
		slots[i] = slot{at, len(request.Topics[at].Partitions)}
		request.Topics[at].Partitions = append(request.Topics[at].Partitions, partition)
		byKey[key{p.id, p.partition}] = p
	}
	broker := f.client.Broker(int(leader))
	var find finder
	for ctx.Err() == nil {
		for i, p := range spots {
			request.Topics[slots[i].topic].Partitions[slots[i].partition].FetchOffset = p.offset
		}
		got, err := broker.Request(ctx, request)
		now := time.Now().UnixNano()
		if err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		f.mu.Lock()
		for _, topic := range got.(*kmsg.FetchResponse).Topics {
			for _, partition := range topic.Partitions {
				if err := kerr.ErrorForCode(partition.ErrorCode); err != nil && !kerr.IsRetriable(err) {
					f.mu.Unlock()
					return fmt.Errorf("fetch: %w", err)
				}
				if p := byKey[key{topic.TopicID, partition.Partition}]; p != nil {
					p.offset = f.take(&find, p.offset, partition.RecordBatches, now)
				}
			}
		}
		f.mu.Unlock()
	}
	return nil
}

// take counts the records of whole batches, and returns where to read on.
func (f *floor) take(find *finder, offset int64, b []byte, now int64) int64 {
	// A batch's first offset, its size behind these 12 bytes, and the last
	// record's offset relative to the first.
	const head, sizeAt, lastAt = 12, 8, 23
	for len(b) >= lastAt+4 {
		size := head + int(binary.BigEndian.Uint32(b[sizeAt:]))
		if size > len(b) {
			break
		}
		last := int64(binary.BigEndian.Uint64(b)) + int64(binary.BigEndian.Uint32(b[lastAt:]))
		for records := b[:size]; ; {
			s, end := find.find(records)
			if end == 0 {
				break
			}
			if f.window.holds(s.at) {
				f.latency.record(now - s.at)
			}
			records = records[end:]
		}
		offset = max(offset, last+1)
		b = b[size:]
	}
	return offset
}

func (f *floor) begin(w window) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.window = w
	f.latency.hist.Reset()
}

// report gives what it has measured once it has seen so many records, which are
// stored, or has waited for them long enough.
func (f *floor) report(ctx context.Context, records int64) (answer, error) {
	for late := time.Now().Add(floorPatience); ; {
		f.mu.Lock()
		seen, fault := f.latency.summary(), f.fault
		f.mu.Unlock()
		if fault != nil || seen.Count >= records || ctx.Err() != nil || time.Now().After(late) {
			used, err := cpuTime(os.Getpid())
			return answer{Floor: &floorReport{Latency: seen, CPU: used.Seconds()}}, errors.Join(fault, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
