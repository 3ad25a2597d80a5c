package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/bench/check"
)

// endKey is the key of the record that a test writes last into each partition:
// whoever has all of them has everything.
const endKey = "end"

// writeEnds ends each partition of a topic.
func writeEnds(ctx context.Context, t *testing.T, topic string, partitions int) {
	t.Helper()
	client := kafkaClient(t, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for p := range partitions {
		record := &kgo.Record{Partition: int32(p), Key: []byte(endKey), Value: fmt.Appendf(nil, `{"end":%d}`, p)}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func kafkaClient(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(servers(t).Bootstrap()...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// contents is what a plain Kafka client read of a topic, up to the records that
// end its partitions.
type contents struct {
	log    *check.Log
	codecs map[uint8]int // records by the codec of their batch, as Kafka numbers them
	// visible and aborted count records, without those that end partitions.
	visible, aborted int
}

// readLog reads a topic twice: what is committed, and all.
func readLog(ctx context.Context, t *testing.T, topic string, partitions int) contents {
	t.Helper()
	c := contents{log: check.NewLog(partitions), codecs: make(map[uint8]int)}
	readTopic(ctx, t, topic, partitions, kgo.ReadCommitted(), func(r *kgo.Record) {
		if err := c.log.Add(r.Partition, check.Entry{Offset: r.Offset, Sum: check.Sum(r.Key, r.Value)}); err != nil {
			t.Fatal(err)
		}
		c.codecs[r.Attrs.CompressionType()]++
		if string(r.Key) != endKey {
			c.visible++
		}
	})
	visible := make([]map[int64]bool, partitions)
	for p, entries := range c.log.Visible {
		visible[p] = make(map[int64]bool, len(entries))
		for _, entry := range entries {
			visible[p][entry.Offset] = true
		}
	}
	readTopic(ctx, t, topic, partitions, kgo.ReadUncommitted(), func(r *kgo.Record) {
		if !visible[r.Partition][r.Offset] {
			c.log.Aborted[r.Partition][r.Offset] = true
			c.aborted++
		}
	})
	return c
}

func readTopic(ctx context.Context, t *testing.T, topic string, partitions int, level kgo.IsolationLevel, visit func(*kgo.Record)) {
	t.Helper()
	from := make(map[int32]kgo.Offset)
	for p := range partitions {
		from[int32(p)] = kgo.NewOffset().AtStart()
	}
	client := kafkaClient(t, kgo.FetchIsolationLevel(level), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	defer client.Close()
	for ended := 0; ended < partitions; {
		fetches := client.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			t.Fatalf("read %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			visit(r)
			if string(r.Key) == endKey {
				ended++
			}
		})
	}
}

// kcatLog reads a topic with kcat, which is read-committed, to its end.
func kcatLog(ctx context.Context, t *testing.T, topic string, partitions int) *check.Log {
	t.Helper()
	cmd := exec.CommandContext(ctx, "kcat", "-C", "-b", servers(t).Brokers[0].Addr, "-t", topic,
		"-o", "beginning", "-e", "-q", "-f", `%p\t%o\t%k\t%s\n`)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run kcat: %v", err)
	}
	log := check.NewLog(partitions)
	for line := range bytes.Lines(out) {
		fields := bytes.SplitN(bytes.TrimSuffix(line, []byte("\n")), []byte("\t"), 4)
		if len(fields) != 4 {
			t.Fatalf("kcat prints %q", line)
		}
		partition, err1 := strconv.ParseInt(string(fields[0]), 10, 32)
		offset, err2 := strconv.ParseInt(string(fields[1]), 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if err := log.Add(int32(partition), check.Entry{Offset: offset, Sum: check.Sum(fields[2], fields[3])}); err != nil {
			t.Fatal(err)
		}
	}
	return log
}
