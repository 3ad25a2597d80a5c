package kafkalog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

func TestFollowBringsEveryCodec(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(2, "a"))
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	j := newJournal()
	topic := f.topic("a")
	follow(t, f.source, topic, zero(topic), j)
	var want []string
	for name, codec := range codecs {
		write(t, f.writer(kgo.ProducerBatchCompression(codec)), "a", 1, name, 500)
		for i := range 500 {
			want = append(want, fmt.Sprintf("%s-%d", name, i))
		}
	}
	j.until(t, "all records have come", func() bool { return len(j.values[1]) >= len(want) })
	if !slices.Equal(j.values[1], want) {
		t.Error("the records differ")
	}
	for i, offset := range j.offsets[1] {
		if offset != int64(i) {
			t.Fatalf("record %d has offset %d", i, offset)
		}
	}
	if len(j.gaps) > 0 {
		t.Errorf("gaps %v", j.gaps)
	}
}

func TestFollowReadsCommitted(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(1, "a"))
	j := newJournal()
	topic := f.topic("a")
	follow(t, f.source, topic, zero(topic), j)
	plain := f.writer()
	tx := f.writer(kgo.TransactionalID("tx"))
	var want []string
	for i := range 6 {
		commit := i%2 == 0
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("tx%d", i)
		write(t, tx, "a", 0, name, 20)
		write(t, plain, "a", 0, "plain", 1)
		if err := tx.EndTransaction(context.Background(), kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
		if commit {
			for n := range 20 {
				want = append(want, fmt.Sprintf("%s-%d", name, n))
			}
		}
		want = append(want, "plain-0")
	}
	end := int64(6 * 22)
	j.until(t, "the position is behind the last control record", func() bool { return j.next[0].Offset == end })
	if !slices.Equal(j.values[0], want) {
		t.Errorf("got %d records, want %d", len(j.values[0]), len(want))
	}

	// The same, with a read from every offset.
	for at := range end {
		n := 0
		from := record.PartitionOffset{Offset: at, Epoch: -1}
		for from.Offset < end {
			err := f.source.Read(context.Background(), topic, []record.PartitionOffset{from}, 1<<20, func(got *upstream.Fetched) {
				from = got.Next
				if got.Each == nil {
					return
				}
				for r := range got.Each {
					if r.Offset < at {
						t.Fatalf("asked for %d, got %d", at, r.Offset)
					}
					n++
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if i, _ := slices.BinarySearch(j.offsets[0], at); n != len(j.offsets[0])-i {
			t.Fatalf("from %d: %d records, want %d", at, n, len(j.offsets[0])-i)
		}
	}
}

func TestFollowSaysWhatRetentionTook(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(1, "a"))
	w := f.writer()
	write(t, w, "a", 0, "old", 10)
	write(t, w, "a", 0, "new", 5)
	deleteRecords(t, w, "a", 0, 10)
	j := newJournal()
	topic := f.topic("a")
	follow(t, f.source, topic, []record.PartitionOffset{{Offset: 3, Epoch: -1}}, j)
	j.until(t, "what is left has come", func() bool { return len(j.values[0]) == 5 })
	want := []record.Gap{{Partition: 0, From: 3, To: 10, Reason: record.GapRetention}}
	if !slices.Equal(j.gaps, want) {
		t.Errorf("gaps %v, want %v", j.gaps, want)
	}
}

func TestFollowEndsWhenTheTopicIsMadeAgain(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(1, "a"))
	w := f.writer()
	write(t, w, "a", 0, "old", 10)
	j := newJournal()
	topic := f.topic("a")
	running := follow(t, f.source, topic, zero(topic), j)
	j.until(t, "the old topic is read", func() bool { return j.count() == 10 })

	deleteTopic(t, w, "a")
	createTopic(t, w, "a", 1)
	write(t, f.writer(), "a", 0, "new", 50)
	if err := running.ended(t); !errors.Is(err, upstream.ErrLogChanged) {
		t.Errorf("got %v", err)
	}
	if j.count() != 10 {
		t.Errorf("records of another topic came: %d in all", j.count())
	}
	ctx := context.Background()
	err := f.source.Read(ctx, topic, zero(topic), 1<<20, func(got *upstream.Fetched) { t.Errorf("visited with %+v", got) })
	if !errors.Is(err, upstream.ErrLogChanged) {
		t.Errorf("read: %v", err)
	}
	if _, err := f.source.Offsets(ctx, topic, upstream.Tip()); !errors.Is(err, upstream.ErrLogChanged) {
		t.Errorf("offsets: %v", err)
	}
}

func TestFollowEndsWhenTheTopicIsDeleted(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(1, "a"))
	topic := f.topic("a")
	running := follow(t, f.source, topic, zero(topic), newJournal())
	deleteTopic(t, f.writer(), "a")
	if err := running.ended(t); !errors.Is(err, upstream.ErrLogChanged) {
		t.Errorf("got %v", err)
	}
	if _, err := f.source.Topic(context.Background(), "a"); !errors.Is(err, upstream.ErrUnknownTopic) {
		t.Errorf("topic: %v", err)
	}
}

func TestFollowSurvivesMovingLeaders(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "a"))
	j := newJournal()
	topic := f.topic("a")
	follow(t, f.source, topic, zero(topic), j)
	w := f.writer()
	for i := range 10 {
		for p := range int32(3) {
			if err := f.kafka.MoveTopicPartition("a", p, (int32(i)+p)%3); err != nil {
				t.Fatal(err)
			}
			write(t, w, "a", p, fmt.Sprint(i), 10)
		}
	}
	j.until(t, "all records have come", func() bool { return j.count() == 300 })
	for p := range int32(3) {
		for i, offset := range j.offsets[p] {
			if offset != int64(i) {
				t.Fatalf("partition %d: record %d has offset %d", p, i, offset)
			}
		}
	}
}

func TestFollowFindsAddedPartitions(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(1, "a"))
	j := newJournal()
	topic := f.topic("a")
	follow(t, f.source, topic, zero(topic), j)
	w := f.writer()
	write(t, w, "a", 0, "x", 1)
	j.until(t, "the topic is read", func() bool { return j.count() == 1 })
	addPartitions(t, w, "a", 3)
	write(t, f.writer(), "a", 2, "x", 7)
	j.until(t, "the new partition's records have come", func() bool { return len(j.values[2]) == 7 })
}

// A sink that does not return must not delay another topic, or topics that were
// followed before.
func TestFollowWaitsForNoSink(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(1, "a", "b"))
	a, b := f.topic("a"), f.topic("b")
	stuck, quick := newJournal(), newJournal()
	stuck.hold = make(chan struct{})
	w := f.writer()
	write(t, w, "a", 0, "x", 1)
	follow(t, f.source, a, zero(a), stuck)
	follow(t, f.source, b, zero(b), quick)
	for i := range 20 {
		write(t, w, "b", 0, "y", 1)
		quick.until(t, "a record has come", func() bool { return quick.count() == i+1 })
	}
	write(t, w, "a", 0, "x", 1)
	close(stuck.hold)
	stuck.until(t, "the other goes on", func() bool { return stuck.count() == 2 })
}

// TestTheTipBeforeAnOpenTransaction: the tip has the epoch of the record before it,
// which is older than the leader's: otherwise a position would have a later epoch than
// the record after it.
func TestTheTipBeforeAnOpenTransaction(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(1, "a"))
	ctx := context.Background()
	write(t, f.writer(), "a", 0, "x", 3)
	f.lead("a", 2)
	write(t, f.writer(), "a", 0, "x", 1)
	f.lead("a", 1)
	tx := f.writer(kgo.TransactionalID("tx"))
	if err := tx.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	write(t, tx, "a", 0, "open", 2)
	topic := f.topic("a")
	tip := func() record.PartitionOffset {
		t.Helper()
		got, err := f.source.Offsets(ctx, topic, upstream.Tip())
		if err != nil {
			t.Fatal(err)
		}
		return got[0]
	}
	epoch := tip().Epoch // of the record before the transaction
	if epoch < 1 {
		t.Fatalf("the epoch is %d after an election", epoch)
	}
	for _, leader := range []int{2, 0, 1} {
		f.lead("a", leader)
		write(t, f.writer(), "a", 0, "x", 1) // has an epoch of its own, and is uncommitted
	}
	want := record.PartitionOffset{Epoch: epoch, Offset: 4}
	if got := tip(); got != want {
		t.Errorf("in front of an open transaction: %v, want %v", got, want)
	}
	if got, err := f.source.Offsets(ctx, topic, upstream.LogEnd()); err != nil || got[0].Offset != 9 {
		t.Errorf("the end of the log: %v, %v, want offset 9", got, err)
	}
	if got, err := f.source.Offsets(ctx, topic, upstream.At(time.Now().Add(time.Hour))); err != nil || got[0] != want {
		t.Errorf("at a time, in front of an open transaction: %v, %v, want %v", got, err, want)
	}
	if err := tx.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if got := tip(); got.Offset != 10 || got.Epoch < epoch+4 {
		t.Errorf("with none open: %v, want offset 10 and the leader's epoch", got)
	}
}

// TestTheTipOfANewLeader: a new leader's high watermark can be below records of earlier
// epochs that it has, until it knows that the others have them; and the leader after it
// can have records of earlier epochs that it has not. The tip has the epoch of the record
// before it, as positions are compared by their epochs.
func TestTheTipOfANewLeader(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(1, "a"))
	var known atomic.Int64
	var questions atomic.Int32
	known.Store(-1)
	f.kafka.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		f.kafka.KeepControl()
		if known.Load() < 0 {
			return nil, nil, false
		}
		asked := r.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0]
		answer := r.ResponseKind().(*kmsg.ListOffsetsResponse)
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = "a"
		p := kmsg.NewListOffsetsResponseTopicPartition()
		p.Offset, p.LeaderEpoch = known.Load(), asked.CurrentLeaderEpoch
		topic.Partitions = append(topic.Partitions, p)
		answer.Topics = append(answer.Topics, topic)
		return answer, nil, true
	})
	f.kafka.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(kmsg.Request) (kmsg.Response, error, bool) {
		f.kafka.KeepControl()
		questions.Add(1)
		return nil, nil, false
	})
	topic := f.topic("a")
	tip := func() record.PartitionOffset {
		t.Helper()
		got, err := f.source.Offsets(t.Context(), topic, upstream.Tip())
		if err != nil {
			t.Fatal(err)
		}
		return got[0]
	}
	f.lead("a", 2)
	write(t, f.writer(), "a", 0, "x", 5)
	before := tip().Epoch
	f.lead("a", 1)
	write(t, f.writer(), "a", 0, "x", 2)
	leader := tip().Epoch
	if leader <= before {
		t.Fatalf("the leader's epoch is %d, and before that %d", leader, before)
	}
	asked := questions.Load()
	for at, want := range map[int64]int32{2: before, 4: before, 5: before, 6: leader, 7: leader} {
		known.Store(at)
		if got := tip(); got.Offset != at || got.Epoch != want {
			t.Errorf("with a high watermark of %d: %v, want the epoch %d", at, got, want)
		}
	}
	if more := questions.Load() - asked; more > 4 {
		t.Errorf("%d questions for two tips in an earlier epoch: where the leader's epoch begins is known", more)
	}
}

func TestOffsets(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "a"))
	w := f.writer()
	at := time.UnixMilli(1_700_000_000_000)
	for i := range 10 {
		r := &kgo.Record{Topic: "a", Value: []byte("x"), Timestamp: at.Add(time.Duration(i) * time.Second)}
		if err := w.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	deleteRecords(t, w, "a", 0, 2)
	topic := f.topic("a")
	for name, test := range map[string]struct {
		at   upstream.OffsetSpec
		want [2]int64
	}{
		"tip":      {upstream.Tip(), [2]int64{10, 0}},
		"earliest": {upstream.Earliest(), [2]int64{2, 0}},
		"time":     {upstream.At(at.Add(4500 * time.Millisecond)), [2]int64{5, 0}},
		"later":    {upstream.At(at.Add(time.Hour)), [2]int64{10, 0}},
	} {
		got, err := f.source.Offsets(context.Background(), topic, test.at)
		if len(got) == 2 && got[0].Epoch < 0 {
			t.Errorf("%s: %v has no epoch, by which a log that is cut short would be noticed", name, got[0])
		}
		if err != nil || len(got) != 2 || got[0].Offset != test.want[0] || got[1].Offset != test.want[1] ||
			got[0].Partition != 0 || got[1].Partition != 1 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
