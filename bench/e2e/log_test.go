package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/bench/check"
	"sluice/bench/clients"
)

// writeEnds writes the end record into each partition of a topic.
func writeEnds(ctx context.Context, t *testing.T, topic string, partitions int) {
	t.Helper()
	if err := clients.WriteEnds(ctx, servers(t).Bootstrap(), topic, partitions); err != nil {
		t.Fatal(err)
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

// readLog reads a topic twice: the committed records, and all records.
func readLog(ctx context.Context, t *testing.T, topic string, partitions int) *clients.Contents {
	t.Helper()
	contents, err := clients.ReadLog(ctx, servers(t).Bootstrap(), topic, partitions)
	if err != nil {
		t.Fatal(err)
	}
	return contents
}

// kcatLog reads a topic to its end with kcat, which is read-committed.
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
