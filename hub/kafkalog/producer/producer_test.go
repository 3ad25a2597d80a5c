package producer_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/kafkalog/producer"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

func TestProducerStoresWhatItWasGiven(t *testing.T) {
	t.Parallel()
	codecs := map[string]kafka.Compression{"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newFakeKafka(t, kfake.SeedTopics(6, "t"))
			p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) { c.Compression = codec })
			messages := []upstream.Message{
				{},
				{Key: []byte{}, Value: []byte{}},
				{Key: []byte("tombstone")},
				{Value: []byte("keyless")},
				{Value: []byte("late"), Timestamp: 1_700_000_000_123},
				{Key: []byte{0, 0xff}, Value: bytes.Repeat([]byte("large "), 10_000), Headers: []record.Header{
					{Name: []byte("a"), Value: []byte("1")},
					{Name: []byte("a"), Value: []byte{}},
					{Name: []byte(""), Value: nil},
					{Name: []byte{0xfe}, Value: []byte{0xff}},
				}},
			}
			before := time.Now().UnixMilli()
			stored := produce(t, p, "t", messages...)
			log := logOf(t, k.Cluster, "t")
			if len(log) != len(messages) {
				t.Fatalf("%d records in the log, want %d", len(log), len(messages))
			}
			for i, s := range stored {
				if s.Err != nil {
					t.Fatalf("message %d: %v", i, s.Err)
				}
				at := slices.IndexFunc(log, func(r *kgo.Record) bool { return r.Partition == s.Partition && r.Offset == s.Offset })
				if at < 0 {
					t.Fatalf("message %d: nothing at partition %d, offset %d", i, s.Partition, s.Offset)
				}
				r := log[at]
				if !same(r.Key, messages[i].Key) || !same(r.Value, messages[i].Value) {
					t.Errorf("message %d: key %q value %.20q, want %q %.20q", i, r.Key, r.Value, messages[i].Key, messages[i].Value)
				}
				if own := messages[i].Timestamp; own > 0 && s.Timestamp != own || own == 0 && s.Timestamp < before || s.Timestamp != r.Timestamp.UnixMilli() {
					t.Errorf("message %d: timestamp %d, the record's is %d", i, s.Timestamp, r.Timestamp.UnixMilli())
				}
				if len(r.Headers) != len(messages[i].Headers) {
					t.Fatalf("message %d: %d headers, want %d", i, len(r.Headers), len(messages[i].Headers))
				}
				for j, h := range messages[i].Headers {
					if r.Headers[j].Key != string(h.Name) || !same(r.Headers[j].Value, h.Value) {
						t.Errorf("message %d: header %d is %v, want %v", i, j, r.Headers[j], h)
					}
				}
			}
		})
	}
}

// same compares two byte slices and distinguishes null from empty.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func TestProducerPartitionsLikeJava(t *testing.T) {
	t.Parallel()
	const partitions = 7
	k := newFakeKafka(t, kfake.SeedTopics(partitions, "t"))
	p := newProducer(t, k.ListenAddrs(), nil)
	java := kgo.StickyKeyPartitioner(nil).ForTopic("t")

	messages := make([]upstream.Message, 2000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range messages {
		key := make([]byte, random.IntN(40))
		for j := range key {
			key[j] = byte(random.Uint32())
		}
		messages[i] = upstream.Message{Key: key, Value: []byte("v")}
	}
	for i, s := range produce(t, p, "t", messages...) {
		if want := java.Partition(&kgo.Record{Key: messages[i].Key}, partitions); s.Err != nil || int(s.Partition) != want {
			t.Fatalf("key %x went to partition %d (%v), with Java to %d", messages[i].Key, s.Partition, s.Err, want)
		}
	}

	used := make(map[int32]bool)
	for range 100 {
		used[produce(t, p, "t", upstream.Message{Value: []byte("v")})[0].Partition] = true
	}
	if len(used) < partitions-1 {
		t.Errorf("100 batches without keys went to %d of %d partitions", len(used), partitions)
	}
}

// TestProducerStoresOnce: whatever faults attempts meet, each message is stored
// once, in order, and its result tells where.
func TestProducerStoresOnce(t *testing.T) {
	t.Parallel()
	onProduce := func(err *kerr.Error) func(*fakeKafka) func() int {
		return func(k *fakeKafka) func() int {
			return k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err, Count: 2}).Hits
		}
	}
	onNetwork := func(faults ...networkFault) func(*fakeKafka) func() int {
		return func(k *fakeKafka) func() int {
			k.fail(faults...)
			return k.hits
		}
	}
	tests := map[string]func(*fakeKafka) (hits func() int){
		"answer lost after append":           onNetwork(faultLoseAnswer, faultLoseAnswer),
		"request lost":                       onNetwork(faultLoseRequest, faultLoseRequest),
		"no answer":                          onNetwork(faultSwallow, faultNone, faultSwallow),
		"request late":                       onNetwork(faultLate, faultLate),
		"request lost, then the answer":      onNetwork(faultLoseRequest, faultLoseAnswer, faultSwallow),
		"not leader":                         onProduce(kerr.NotLeaderForPartition),
		"unknown topic":                      onProduce(kerr.UnknownTopicOrPartition),
		"leader not available":               onProduce(kerr.LeaderNotAvailable),
		"not enough replicas":                onProduce(kerr.NotEnoughReplicas),
		"not enough replicas after append":   onProduce(kerr.NotEnoughReplicasAfterAppend),
		"timed out":                          onProduce(kerr.RequestTimedOut),
		"out of order sequence":              onProduce(kerr.OutOfOrderSequenceNumber),
		"duplicate sequence of nothing sent": onProduce(kerr.DuplicateSequenceNumber),
		"unknown producer id":                onProduce(kerr.UnknownProducerID),
		"invalid producer epoch":             onProduce(kerr.InvalidProducerEpoch),
		"corrupt":                            onProduce(kerr.CorruptMessage),
		"storage error":                      onProduce(kerr.KafkaStorageError),
		"batch too large":                    onProduce(kerr.MessageTooLarge),
		"record list too large":              onProduce(kerr.RecordListTooLarge),
		"invalid record, and not said which": onProduce(kerr.InvalidRecord),
		"no producer id for a moment": func(k *fakeKafka) func() int {
			return k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.CoordinatorLoadInProgress, Count: 2, TopLevel: true}).Hits
		},
		"no metadata for a moment": func(k *fakeKafka) func() int {
			return k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "t", Err: kerr.LeaderNotAvailable, Count: 2, When: asksByName}).Hits
		},
	}
	for name, arm := range tests {
		for _, warm := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, warm %t", name, warm), func(t *testing.T) {
				t.Parallel()
				k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
				p := newProducer(t, k.ListenAddrs(), nil)
				var want []string
				if warm {
					want = append(want, "warm")
					if s := produce(t, p, "t", message("warm")); s[0].Err != nil {
						t.Fatal(s[0].Err)
					}
				}
				hits := arm(k)
				const calls, each = 5, 8
				var results []<-chan []upstream.Stored
				for i := range calls {
					var messages []upstream.Message
					for j := range each {
						value := fmt.Sprintf("%d.%d", i, j)
						want = append(want, value)
						messages = append(messages, message(value))
					}
					results = append(results, begin(t.Context(), p, "t", messages...))
				}
				offset := int64(len(want) - calls*each)
				for _, r := range results {
					for _, s := range await(t, r) {
						if s.Err != nil || s.Offset != offset {
							t.Fatalf("offset %d (%v), want %d", s.Offset, s.Err, offset)
						}
						offset++
					}
				}
				// When the producer is warm, the topic's partitions and the
				// producer id are already known.
				if quiet := warm && strings.HasPrefix(name, "no "); hits() == 0 && (!quiet || name == "no answer") {
					t.Error("the fault did not strike")
				}
				var got []string
				for _, r := range logOf(t, k.Cluster, "t") {
					got = append(got, string(r.Value))
				}
				if !slices.Equal(got, want) {
					t.Errorf("in the log: %v\nwant: %v", got, want)
				}
			})
		}
	}
}

// asksByName distinguishes this package's metadata requests from kafka-go's own,
// which ask for all topics.
func asksByName(r kmsg.Request) bool { return len(r.(*kmsg.MetadataRequest).Topics) > 0 }

func TestProducerRejects(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault *kerr.Error
		key   kmsg.Key
		want  error
	}{
		"no right to the topic":         {kerr.TopicAuthorizationFailed, kmsg.Produce, upstream.ErrPublishRejected},
		"no right, says the metadata":   {kerr.TopicAuthorizationFailed, kmsg.Metadata, upstream.ErrPublishRejected},
		"no right to be idempotent":     {kerr.ClusterAuthorizationFailed, kmsg.InitProducerID, upstream.ErrPublishRejected},
		"invalid record":                {kerr.InvalidRecord, kmsg.Produce, upstream.ErrPublishRejected},
		"one message is too large":      {kerr.MessageTooLarge, kmsg.Produce, upstream.ErrRecordTooLarge},
		"one message, a list too large": {kerr.RecordListTooLarge, kmsg.Produce, upstream.ErrRecordTooLarge},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
			p := newProducer(t, k.ListenAddrs(), nil)
			// Every time, as a late answer is requested again.
			fault := kfake.Fault{Keys: []kmsg.Key{test.key}, Err: test.fault, Topic: "t", Count: -1}
			switch test.key {
			case kmsg.InitProducerID:
				fault.Topic, fault.TopLevel = "", true
			case kmsg.Metadata:
				fault.When = asksByName
			}
			faulty := k.Fault(fault)
			s := produce(t, p, "t", message("bad"))
			if !errors.Is(s[0].Err, test.want) {
				t.Fatalf("error %v, want %v", s[0].Err, test.want)
			}
			faulty.Remove()
			for other, sentinel := range map[string]error{"unavailable": upstream.ErrPublishUnavailable, "unknown": upstream.ErrPublishUnknown} {
				if errors.Is(s[0].Err, sentinel) {
					t.Errorf("%v is %s too", s[0].Err, other)
				}
			}
			if s := produce(t, p, "t", message("good")); s[0].Err != nil || s[0].Offset != 0 {
				t.Errorf("afterwards: %+v", s[0])
			}
		})
	}
}

func TestProducerFailsOnlyTheInvalidRecords(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
	p := newProducer(t, k.ListenAddrs(), nil)
	k.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req := r.(*kmsg.ProduceRequest)
		why := "no key"
		invalid := kmsg.NewProduceResponseTopicPartitionErrorRecord()
		invalid.RelativeOffset, invalid.ErrorMessage = 1, &why
		partition := kmsg.NewProduceResponseTopicPartition()
		partition.ErrorCode = kerr.InvalidRecord.Code
		partition.ErrorRecords = append(partition.ErrorRecords, invalid)
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = req.Topics[0].Topic
		topic.Partitions = append(topic.Partitions, partition)
		answer := req.ResponseKind().(*kmsg.ProduceResponse)
		answer.Topics = append(answer.Topics, topic)
		return answer, nil, true
	})
	stored := produce(t, p, "t", message("a"), message("b"), message("c"))
	if stored[0].Err != nil || stored[0].Offset != 0 || stored[2].Err != nil || stored[2].Offset != 1 {
		t.Errorf("the valid ones: %+v, %+v", stored[0], stored[2])
	}
	if !errors.Is(stored[1].Err, upstream.ErrPublishRejected) || !strings.Contains(stored[1].Err.Error(), "no key") {
		t.Errorf("the invalid one: %v", stored[1].Err)
	}
}

func TestProducerSplitsBatches(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t)
	if err := k.CreateTopic("t", 1, map[string]string{"max.message.bytes": "5000"}); err != nil {
		t.Fatal(err)
	}
	p := newProducer(t, k.ListenAddrs(), nil)
	var messages []upstream.Message
	for i := range 40 {
		size := 1000
		if i == 20 {
			size = 6000
		}
		messages = append(messages, upstream.Message{Key: []byte("k"), Value: bytes.Repeat([]byte{byte(i)}, size)})
	}
	next := int64(0)
	for i, s := range produce(t, p, "t", messages...) {
		if i == 20 {
			if !errors.Is(s.Err, upstream.ErrRecordTooLarge) {
				t.Errorf("the large one: %v", s.Err)
			}
			continue
		}
		if s.Err != nil || s.Offset != next {
			t.Fatalf("message %d: offset %d (%v), want %d", i, s.Offset, s.Err, next)
		}
		next++
	}
}

func TestProducerTellsLogAppendTime(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
	p := newProducer(t, k.ListenAddrs(), nil)
	const at = 1234567890123
	k.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req := r.(*kmsg.ProduceRequest)
		answer := req.ResponseKind().(*kmsg.ProduceResponse)
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = "t"
		partition := kmsg.NewProduceResponseTopicPartition()
		partition.BaseOffset, partition.LogAppendTime = 41, at
		topic.Partitions = append(topic.Partitions, partition)
		answer.Topics = append(answer.Topics, topic)
		return answer, nil, true
	})
	if s := produce(t, p, "t", message("a"))[0]; s.Err != nil || s.Timestamp != at || s.Offset != 41 {
		t.Errorf("got %+v", s)
	}
}
