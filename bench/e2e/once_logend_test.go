package e2e_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestALeaderTellsTheEndOfItsLog: Kafka answers a debugging consumer (replica -2) with the end
// of the leader's log, behind records that no other replica has yet and no consumer sees. A
// lookback for message ids relies on that: such a record may still come to be stored.
func TestALeaderTellsTheEndOfItsLog(t *testing.T) {
	kafka := threeBrokers(t)
	topic(t, "log-end", 1)
	ctx := within(t, 30*time.Second)
	leader := leaderOf(ctx, t, kafka, "log-end", 0)
	client := kafkaClient(t, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	store := func() {
		t.Helper()
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: "log-end", Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	end := func(replica int32, isolation int8) int64 {
		t.Helper()
		req := kmsg.NewPtrListOffsetsRequest()
		req.SetVersion(6)
		req.ReplicaID, req.IsolationLevel = replica, isolation
		of := kmsg.NewListOffsetsRequestTopic()
		of.Topic = "log-end"
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp = -1
		of.Partitions = append(of.Partitions, p)
		req.Topics = append(req.Topics, of)
		asking, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		answer, err := client.Broker(int(leader.ID)).Request(asking, req)
		if err != nil {
			t.Fatal(err)
		}
		got := answer.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
		if got.ErrorCode != 0 {
			t.Fatalf("error %d", got.ErrorCode)
		}
		return got.Offset
	}
	store()
	inSync(ctx, t, "log-end")
	for end(-1, 0) != 1 {
		if !pause(ctx, 10*time.Millisecond) {
			t.Fatal("the first record is not replicated")
		}
	}
	for _, broker := range kafka.Brokers {
		if broker == leader {
			continue
		}
		if err := broker.Pause(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = broker.Resume() }()
	}
	store()
	if consumer, debugging := end(-1, 0), end(-2, 0); consumer != 1 || debugging != 2 {
		t.Errorf("a consumer is told %d, and a debugging one %d; want 1 and 2", consumer, debugging)
	}
}
