package kafkalog

import (
	"context"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// produceLeaders asks a broker for the leader of every partition of a topic,
// -1 where there is none. It goes past kafka-go's cache, which is refreshed on
// a timer only and says "unknown topic" of one that we may not see. It never
// creates the topic.
func produceLeaders(ctx context.Context, c *Cluster, topic string) ([]int32, error) {
	answer, err := produceAsk[*metadata.Response](ctx, c, produceAnyBroker, &metadata.Request{TopicNames: []string{topic}})
	if err != nil {
		return nil, err
	}
	if len(answer.Topics) != 1 || answer.Topics[0].Name != topic {
		return nil, kafka.UnknownTopicOrPartition
	}
	found := &answer.Topics[0]
	if found.ErrorCode != 0 {
		return nil, kafka.Error(found.ErrorCode)
	}
	leaders := make([]int32, len(found.Partitions))
	for i := range leaders {
		leaders[i] = -1
	}
	for _, p := range found.Partitions {
		// Partitions are always 0..n-1; anything else is no topic of ours.
		if int(p.PartitionIndex) >= len(leaders) || p.PartitionIndex < 0 {
			return nil, kafka.UnknownTopicOrPartition
		}
		leaders[p.PartitionIndex] = p.LeaderID
	}
	if len(leaders) == 0 {
		return nil, kafka.UnknownTopicOrPartition
	}
	return leaders, nil
}
