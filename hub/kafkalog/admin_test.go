package kafkalog_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func admin(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, code int16, err error) {
	t.Helper()
	if err == nil {
		err = kerr.ErrorForCode(code)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func createTopic(t *testing.T, c *kgo.Client, name string, partitions int32) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(admin(t), c)
	must(t, 0, err)
	must(t, resp.Topics[0].ErrorCode, nil)
}

func deleteTopic(t *testing.T, c *kgo.Client, name string) {
	t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	req.TopicNames, req.Topics = []string{name}, append(req.Topics, topic)
	resp, err := req.RequestWith(admin(t), c)
	must(t, 0, err)
	must(t, resp.Topics[0].ErrorCode, nil)
}

func addPartitions(t *testing.T, c *kgo.Client, name string, partitions int32) {
	t.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = name, partitions
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(admin(t), c)
	must(t, 0, err)
	must(t, resp.Topics[0].ErrorCode, nil)
}

func deleteRecords(t *testing.T, c *kgo.Client, name string, partition int32, before int64) {
	t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	topic := kmsg.NewDeleteRecordsRequestTopic()
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Partition, p.Offset = partition, before
	topic.Topic, topic.Partitions = name, append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(admin(t), c)
	must(t, 0, err)
	must(t, resp.Topics[0].Partitions[0].ErrorCode, nil)
}
