package kafkalog_test

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/kafkalog"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// TestReplicaThatIsBehindIsNoTruncation: if a replica reports that an offset is
// not in its log, the leader is asked, which then does not name the replica
// again.
func TestReplicaThatIsBehindIsNoTruncation(t *testing.T) {
	t.Parallel()
	const leader, replica = 0, 1
	for name, behind := range map[string]func(*kmsg.FetchResponseTopicPartition){
		"diverging": func(p *kmsg.FetchResponseTopicPartition) {
			p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = 0, 2
		},
		"out of range": func(p *kmsg.FetchResponseTopicPartition) { p.ErrorCode = 1 },
		"nothing yet":  func(p *kmsg.FetchResponseTopicPartition) { p.LastStableOffset = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, "a"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(k.Close)
			if err := k.MoveTopicPartition("a", 0, leader); err != nil {
				t.Fatal(err)
			}
			write(t, writer(t, k), "a", 0, "x", 10)
			var sent, struck atomic.Int64
			k.ControlKey(1, func(r kmsg.Request) (kmsg.Response, error, bool) {
				k.KeepControl()
				req := r.(*kmsg.FetchRequest)
				node := k.CurrentNode()
				if node == leader && req.Rack == "" || len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 || struck.Load() > 0 && name == "nothing yet" {
					return nil, nil, false
				}
				resp := req.ResponseKind().(*kmsg.FetchResponse)
				topic := kmsg.NewFetchResponseTopic()
				topic.Topic, topic.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
				p := kmsg.NewFetchResponseTopicPartition()
				p.RecordBatches, p.LogStartOffset, p.LastStableOffset, p.HighWatermark = []byte{}, 0, 10, 10
				if node == leader {
					sent.Add(1)
					p.PreferredReadReplica = replica
				} else {
					struck.Add(1)
					behind(&p)
				}
				topic.Partitions = append(topic.Partitions, p)
				resp.Topics = append(resp.Topics, topic)
				return resp, nil, true
			})
			config := kafkalog.Config{Brokers: k.ListenAddrs(), Rack: "r"}
			from := []record.PartitionOffset{{Offset: 4, Epoch: 0}}
			read := startSource(t, config, nil)
			topic, err := read.Topic(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			var offsets []int64
			err = read.Read(t.Context(), topic, from, 1<<20, func(got *upstream.Fetched) {
				if got.Gap != nil {
					t.Errorf("a read has the gap %v", *got.Gap)
				}
				if got.Each != nil {
					got.Each(func(r *record.Record) bool { offsets = append(offsets, r.Offset); return true })
				}
			})
			want := []int64{4, 5, 6, 7, 8, 9}
			if err != nil || !slices.Equal(offsets, want) {
				t.Errorf("read %v (%v), want %v", offsets, err, want)
			}
			if sent.Load() == 0 || struck.Load() == 0 {
				t.Errorf("sent to the replica %d times, which answered %d times: the read did not go there", sent.Load(), struck.Load())
			}
			if name == "nothing yet" {
				return // a poll waits for it
			}
			was := struck.Load()
			j := newJournal()
			follow(t, startSource(t, config, nil), topic, from, j)
			j.until(t, "all has come", func() bool { return j.count() == len(want) })
			if len(j.gaps) > 0 || !slices.Equal(j.offsets[0], want) || struck.Load() == was {
				t.Errorf("gaps %v, offsets %v, the replica answered %d times", j.gaps, j.offsets[0], struck.Load()-was)
			}
		})
	}
}
