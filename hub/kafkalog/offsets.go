package kafkalog

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/record"
)

// Timestamps that stand for the ends of a partition in ListOffsets.
const (
	timeLatest   = int64(-1)
	timeEarliest = int64(-2)
)

// Isolation levels: reading ends at the high watermark, or at the last stable
// offset.
const (
	readUncommitted = int8(0)
	readCommitted   = int8(1)
	// unreplicated is no level of the protocol: the leader answers with the end of its log,
	// as it does to a debugging consumer.
	unreplicated = int8(-1)
)

// debuggingReplica is the replica id of a debugging consumer.
const debuggingReplica = -2

// listed is the answer of ListOffsets for a partition; offset is -1 if no record
// has the given time or a later one.
type listed struct {
	offset int64
	epoch  int32
	err    error
}

// listOffsets asks a leader for the offsets of some of a topic's partitions at a
// time. It must lead all of them. The result has an entry for each.
func (c *Cluster) listOffsets(ctx context.Context, topic string, leader int32, partitions []leadership, at int64, isolation int8) (map[int32]listed, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(6)
	req.ReplicaID = -1
	if req.IsolationLevel = isolation; isolation == unreplicated {
		req.ReplicaID, req.IsolationLevel = debuggingReplica, readUncommitted
	}
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for _, lead := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.Timestamp = lead.partition, lead.epoch, at
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	resp, err := c.request(ctx, leader, req)
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	found := make(map[int32]listed, len(partitions))
	for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			found[p.Partition] = listed{offset: p.Offset, epoch: p.LeaderEpoch, err: kafkaError(p.ErrorCode)}
		}
	}
	for _, lead := range partitions {
		if _, ok := found[lead.partition]; !ok {
			return nil, fmt.Errorf("list offsets: partition %d is missing in the response", lead.partition)
		}
	}
	return found, nil
}

// epochOf is an epoch in a partition.
type epochOf struct {
	lead  leadership
	epoch int32
}

// epochEnd asks where an epoch, or the last one before it, ends in a partition
// (KIP-320). A negative epoch in the answer means that the log has no epoch that
// old.
func (c *Cluster) epochEnd(ctx context.Context, topic string, lead leadership, epoch int32) (record.PartitionOffset, error) {
	ends, err := c.epochEnds(ctx, topic, lead.leader, []epochOf{{lead, epoch}})
	return ends[lead.partition], err
}

// epochEnds is epochEnd for some of a topic's partitions, each of which the leader
// must lead. The result has an entry for each.
func (c *Cluster) epochEnds(ctx context.Context, topic string, leader int32, asked []epochOf) (map[int32]record.PartitionOffset, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.SetVersion(4)
	req.ReplicaID = -1
	t := kmsg.NewOffsetForLeaderEpochRequestTopic()
	t.Topic = topic
	for _, a := range asked {
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = a.lead.partition, a.lead.epoch, a.epoch
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	resp, err := c.request(ctx, leader, req)
	if err != nil {
		return nil, fmt.Errorf("request end of epoch: %w", err)
	}
	ends := make(map[int32]record.PartitionOffset, len(asked))
	for _, t := range resp.(*kmsg.OffsetForLeaderEpochResponse).Topics {
		for _, p := range t.Partitions {
			if err := kafkaError(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("request end of epoch: %w", err)
			}
			ends[p.Partition] = record.PartitionOffset{Partition: p.Partition, Epoch: p.LeaderEpoch, Offset: p.EndOffset}
		}
	}
	for _, a := range asked {
		if _, ok := ends[a.lead.partition]; !ok {
			return nil, fmt.Errorf("request end of epoch: partition %d is missing in the response", a.lead.partition)
		}
	}
	return ends, nil
}
