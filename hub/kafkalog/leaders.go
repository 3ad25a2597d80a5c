package kafkalog

import (
	"context"

	"github.com/segmentio/kafka-go"
)

// Leaders asks for the broker that leads each partition of a topic, -1 for a
// partition without a leader. It bypasses kafka-go's cache, which is refreshed
// only on a timer and reports "unknown topic" for a topic that the client may not
// see. It never creates the topic. An error code of the broker is returned as a
// kafka.Error, not wrapped; for a topic that does not exist it is
// kafka.UnknownTopicOrPartition.
func (c *Cluster) Leaders(ctx context.Context, topic string) ([]int32, error) {
	found, err := c.metadata(ctx, []string{topic})
	if err != nil {
		return nil, err
	}
	if len(found) != 1 || found[0].name != topic {
		return nil, kafka.UnknownTopicOrPartition
	}
	if err := found[0].err; err != nil {
		return nil, err
	}
	leaders := make([]int32, len(found[0].partitions))
	for i := range leaders {
		leaders[i] = -1
	}
	for _, p := range found[0].partitions {
		// Partitions are always numbered 0..n-1; anything else is not a valid
		// topic.
		if int(p.partition) >= len(leaders) || p.partition < 0 {
			return nil, kafka.UnknownTopicOrPartition
		}
		leaders[p.partition] = p.leader
	}
	if len(leaders) == 0 {
		return nil, kafka.UnknownTopicOrPartition
	}
	return leaders, nil
}
