package clients

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/bench/check"
)

// WriteEnds writes the end record into each partition of a topic.
func WriteEnds(ctx context.Context, brokers []string, topic string, partitions int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return fmt.Errorf("end partitions: %w", err)
	}
	defer client.Close()
	for p := range partitions {
		record := &kgo.Record{Partition: int32(p), Key: []byte(EndKey), Value: fmt.Appendf(nil, `{"end":%d}`, p)}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return fmt.Errorf("end partition %d: %w", p, err)
		}
	}
	return nil
}

// Contents is what a plain Kafka client read from a topic, up to the end records of
// its partitions.
type Contents struct {
	Log *check.Log
	// Codecs counts records by the codec of their batch, as numbered by Kafka.
	Codecs map[uint8]int
	// Visible and Aborted count records, without the end records.
	Visible, Aborted int

	keys [][]string // by partition, as in Log.Visible
}

// ReadLog reads a topic twice: the committed records, and all records. Each
// partition must have an end record.
func ReadLog(ctx context.Context, brokers []string, topic string, partitions int) (*Contents, error) {
	c := &Contents{Log: check.NewLog(partitions), Codecs: make(map[uint8]int), keys: make([][]string, partitions)}
	names := make(map[string]string) // so that equal keys share memory
	err := readTopic(ctx, brokers, topic, partitions, kgo.ReadCommitted(), func(r *kgo.Record) error {
		key, ok := names[string(r.Key)]
		if !ok {
			key = string(r.Key)
			names[key] = key
		}
		c.keys[r.Partition] = append(c.keys[r.Partition], key)
		c.Codecs[r.Attrs.CompressionType()]++
		if key != EndKey {
			c.Visible++
		}
		return c.Log.Add(r.Partition, check.Entry{Offset: r.Offset, Sum: check.Sum(r.Key, r.Value)})
	})
	if err != nil {
		return nil, err
	}
	visible := make([]map[int64]bool, partitions)
	for p, entries := range c.Log.Visible {
		visible[p] = make(map[int64]bool, len(entries))
		for _, entry := range entries {
			visible[p][entry.Offset] = true
		}
	}
	err = readTopic(ctx, brokers, topic, partitions, kgo.ReadUncommitted(), func(r *kgo.Record) error {
		if !visible[r.Partition][r.Offset] {
			c.Log.Aborted[r.Partition][r.Offset] = true
			c.Aborted++
		}
		return nil
	})
	return c, err
}

// Of returns the part of the log with one of the keys, and the end records.
func (c *Contents) Of(keys []string) *check.Log {
	part := &check.Log{Visible: make([][]check.Entry, len(c.Log.Visible)), Aborted: c.Log.Aborted}
	wanted := map[string]bool{EndKey: true}
	for _, key := range keys {
		wanted[key] = true
	}
	for p, entries := range c.Log.Visible {
		for i, entry := range entries {
			if wanted[c.keys[p][i]] {
				part.Visible[p] = append(part.Visible[p], entry)
			}
		}
	}
	return part
}

func readTopic(ctx context.Context, brokers []string, topic string, partitions int, level kgo.IsolationLevel, visit func(*kgo.Record) error) error {
	from := make(map[int32]kgo.Offset)
	for p := range partitions {
		from[int32(p)] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.FetchIsolationLevel(level),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	if err != nil {
		return fmt.Errorf("read %s: %w", topic, err)
	}
	defer client.Close()
	for ended := 0; ended < partitions; {
		fetches := client.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return fmt.Errorf("read %s: %w", topic, err)
		}
		var failed error
		fetches.EachRecord(func(r *kgo.Record) {
			if err := visit(r); err != nil && failed == nil {
				failed = fmt.Errorf("read %s: %w", topic, err)
			}
			if string(r.Key) == EndKey {
				ended++
			}
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}
