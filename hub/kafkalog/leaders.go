package kafkalog

import (
	"context"

	"github.com/segmentio/kafka-go"
)

// Leaders asks for the broker that leads each partition of a topic, -1 where
// there is none. It goes past kafka-go's cache, which is refreshed on a timer
// only and says "unknown topic" of one that we may not see. It never creates
// the topic. What a broker refuses is a kafka.Error, not wrapped; a topic that
// is not there is kafka.UnknownTopicOrPartition.
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
		// Partitions are always 0..n-1; anything else is no topic of ours.
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
