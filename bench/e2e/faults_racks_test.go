package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/bench/clients"
	"sluice/bench/stack"
)

// TestTheNearestReplicaIsRead: an instance with a rack must read live records and
// history from the broker of that rack, whichever broker leads; when that broker
// dies the instance must continue elsewhere, and nothing may be lost.
func TestTheNearestReplicaIsRead(t *testing.T) {
	const (
		partitions = 3
		each       = 1_000
		size       = 5_000
	)
	kafka := threeBrokers(t)
	if err := stack.Install(t.Context(), "iproute2"); err != nil {
		stack.Check(t, err)
	}
	ctx := within(t, 90*time.Second)
	topic(t, "near", partitions)
	// Records before the log, for replay: half a megabyte is little.
	inSync(ctx, t, "near")
	fillWith(ctx, t, "near", partitions, each, size)
	const nearest = 2
	i := sluice(t, setup{
		kafka: fmt.Sprintf("kafka: {brokers: [%s], rack: rack-%d}", strings.Join(kafka.Bootstrap(), ", "), nearest),
		more:  "  near: {topic: near, content: json, log_bytes: 512KiB}\n",
	})

	// History. A leader names the preferred replica in its first response.
	read := bytesFrom(t, i, kafka)
	past := newWitness(t, "near-past", clients.OverSSE, "near", partitions, nil, i)
	live := newWitness(t, "near-live", clients.OverWS, "near", partitions, nil, i)
	var all crowd
	all.add(ctx, t, past)
	all.add(ctx, t, live)
	all.await(ctx, t, partitions*each)
	shareOf(t, "of the past", read, bytesFrom(t, i, kafka), nearest, partitions*each*size/2)

	// Live records.
	fillWith(ctx, t, "near", partitions, 10, size) // so that the leaders have named the preferred replica
	all.await(ctx, t, partitions*(each+10))
	read = bytesFrom(t, i, kafka)
	fillWith(ctx, t, "near", partitions, each, size)
	all.await(ctx, t, partitions*(2*each+10))
	shareOf(t, "of live records", read, bytesFrom(t, i, kafka), nearest, partitions*each*size)

	// The nearest broker dies.
	flow := startFlow(ctx, t, "near", 100)
	pause(ctx, time.Second)
	victim := kafka.Brokers[nearest-1]
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	deposed(ctx, t, kafka, "near", victim)
	before := live.received()
	eventually(ctx, t, "records come from elsewhere", func() error {
		if got := live.received(); got < before+200 {
			return fmt.Errorf("%d more", got-before)
		}
		return nil
	})
	startBrokers(ctx, t, kafka)
	inSync(ctx, t, "near")
	flow.end()
	writeEnds(ctx, t, "near", partitions)
	log := readLog(ctx, t, "near", partitions).Log
	all.running.Wait()
	judge(t, log, all.subscribers())
	all.stayed(t)
}

// fillWith writes n records of a size into each partition.
func fillWith(ctx context.Context, t *testing.T, topic string, partitions, n, size int) {
	t.Helper()
	client := kafkaClient(t, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer client.Close()
	value := fmt.Appendf(nil, `{"filler":%q}`, strings.Repeat("x", size))
	var records []*kgo.Record
	for i := range n {
		for p := range partitions {
			records = append(records, &kgo.Record{Partition: int32(p), Key: fmt.Appendf(nil, "%d", i), Value: value})
		}
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

var (
	ofProcess = regexp.MustCompile(`pid=(\d+),`)
	received  = regexp.MustCompile(`bytes_received:(\d+)`)
)

// bytesFrom returns how much an instance has received from each broker over its open
// connections, as counted by the kernel.
func bytesFrom(t *testing.T, i *instance, s *stack.Stack) map[int32]int64 {
	t.Helper()
	from := make(map[int32]int64)
	for _, broker := range s.Brokers {
		_, port, _ := strings.Cut(broker.Addr, ":")
		out, err := exec.CommandContext(t.Context(), "ss", "-tinpHO", "state", "established", "dport = :"+port).Output()
		if err != nil {
			t.Fatalf("run ss: %v", err)
		}
		for line := range bytes.Lines(out) {
			pid, n := ofProcess.FindSubmatch(line), received.FindSubmatch(line)
			if pid == nil || n == nil || string(pid[1]) != strconv.Itoa(i.PID()) {
				continue
			}
			bytes, err := strconv.ParseInt(string(n[1]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			from[broker.ID] += bytes
		}
	}
	return from
}

// shareOf checks that more than half of what was read between two times came from
// one broker, where leaders alone would account for a third, and that the amount is
// sufficient for that conclusion. Nearly everything comes from it, except for what
// is read before the leaders name the preferred replica, and while a replica lags on
// a busy machine.
func shareOf(t *testing.T, what string, before, after map[int32]int64, nearest int32, least int64) {
	t.Helper()
	all, near := int64(0), int64(0)
	for id, n := range after {
		n = max(0, n-before[id]) // a connection may have been closed
		all += n
		if id == nearest {
			near = n
		}
	}
	t.Logf("%s, %d of %d KiB came from the nearest broker", what, near>>10, all>>10)
	if all < least {
		t.Errorf("%s, only %d of %d bytes were seen: the test shows nothing", what, all, least)
	}
	if near < all/2 {
		t.Errorf("%s, only %d of %d bytes came from the nearest broker", what, near, all)
	}
}
