package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createtopics"
)

// EnsureTopic creates a topic with the given number of partitions, and the
// brokers' default replication and configuration, unless a topic of that name
// exists. An existing topic is left as it is, even if it has another number of
// partitions. EnsureTopic returns once the cluster knows the topic; the context
// bounds the wait. A broker's error is wrapped as a kafka.Error.
func EnsureTopic(ctx context.Context, c *Cluster, name string, partitions int32) error {
	if partitions <= 0 {
		return fmt.Errorf("create topic %s: %d partitions", name, partitions)
	}
	_, err := c.Leaders(ctx, name)
	if err == nil || !errors.Is(err, kafka.UnknownTopicOrPartition) {
		if err != nil {
			err = fmt.Errorf("look up topic %s: %w", name, err)
		}
		return err
	}
	if err := createTopic(ctx, c, name, partitions); err != nil {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	return nil
}

func createTopic(ctx context.Context, c *Cluster, name string, partitions int32) error {
	timeout := 10 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	// Kafka-go routes this request to the controller and waits until the topic is
	// in its own metadata.
	answer, err := c.transport.RoundTrip(ctx, anyAddress, &createtopics.Request{
		TimeoutMs: int32(timeout / time.Millisecond),
		Topics:    []createtopics.RequestTopic{{Name: name, NumPartitions: partitions, ReplicationFactor: -1}},
	})
	if err != nil {
		return err
	}
	created, ok := answer.(*createtopics.Response)
	if !ok || len(created.Topics) != 1 {
		return fmt.Errorf("unexpected response of type %T", answer)
	}
	if code := kafka.Error(created.Topics[0].ErrorCode); code != 0 && code != kafka.TopicAlreadyExists {
		if words := created.Topics[0].ErrorMessage; words != "" {
			return fmt.Errorf("%w (%s)", code, words)
		}
		return code
	}
	return nil
}
