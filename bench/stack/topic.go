package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateTopic creates a topic with the brokers' default replication, and returns
// once every partition has a leader. settings are Kafka's topic settings, such as
// "retention.ms".
func (s *Stack) CreateTopic(ctx context.Context, name string, partitions int, settings map[string]string) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 30_000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, int32(partitions), -1
	for key, value := range settings {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = key, &value
		topic.Configs = append(topic.Configs, config)
	}
	request.Topics = append(request.Topics, topic)
	return s.admin(ctx, func(client *kgo.Client) error {
		if err := createTopic(ctx, client, request); err != nil {
			return fmt.Errorf("create topic %s: %w", name, err)
		}
		return awaitLeaders(ctx, client, name, partitions)
	})
}

// createTopic asks again for up to 30 s while the cluster has no room for all replicas, which
// is so while a broker that was stopped or was too busy rejoins, or while its controller
// changes.
func createTopic(ctx context.Context, client *kgo.Client, request *kmsg.CreateTopicsRequest) error {
	unknown := false // whether an earlier request may have created it
	var refused error
	err := poll(ctx, func() error {
		answer, err := request.RequestWith(ctx, client)
		if err != nil {
			unknown = true
			return err
		}
		for _, made := range answer.Topics {
			err := kerr.ErrorForCode(made.ErrorCode)
			switch {
			case err == nil, unknown && errors.Is(err, kerr.TopicAlreadyExists):
			case errors.Is(err, kerr.RequestTimedOut):
				unknown = true
				return err
			case errors.Is(err, kerr.InvalidReplicationFactor), kerr.IsRetriable(err):
				return err
			default:
				refused = err
			}
		}
		return nil
	})
	return errors.Join(refused, err)
}

// DeleteTopic deletes a topic and returns once the cluster no longer lists it.
func (s *Stack) DeleteTopic(ctx context.Context, name string) error {
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis = 30_000
	request.TopicNames = []string{name}
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	request.Topics = append(request.Topics, topic)
	return s.admin(ctx, func(client *kgo.Client) error {
		answer, err := request.RequestWith(ctx, client)
		if err != nil {
			return fmt.Errorf("delete topic %s: %w", name, err)
		}
		for _, gone := range answer.Topics {
			if err := kerr.ErrorForCode(gone.ErrorCode); err != nil {
				return fmt.Errorf("delete topic %s: %w", name, err)
			}
		}
		return poll(ctx, func() error {
			topic, err := describe(ctx, client, name)
			if err == nil && topic.ErrorCode != kerr.UnknownTopicOrPartition.Code {
				err = fmt.Errorf("delete topic %s: it is still listed", name)
			}
			return err
		})
	})
}

// Leaders returns the id of each partition's leader, -1 if it has none.
func (s *Stack) Leaders(ctx context.Context, topic string) ([]int32, error) {
	var leaders []int32
	err := s.admin(ctx, func(client *kgo.Client) error {
		described, err := describe(ctx, client, topic)
		if err != nil {
			return err
		}
		if err := kerr.ErrorForCode(described.ErrorCode); err != nil {
			return fmt.Errorf("describe topic %s: %w", topic, err)
		}
		leaders = make([]int32, len(described.Partitions))
		for _, partition := range described.Partitions {
			leaders[partition.Partition] = partition.Leader
		}
		return nil
	})
	return leaders, err
}

// Partition is the leadership of a partition.
type Partition struct {
	// Leader is a broker's id, -1 for none. Epoch rises with each new leader.
	Leader, Epoch int32
	// InSync lists the brokers whose replicas are in sync.
	InSync []int32
}

// Partitions describes the partitions of a topic. The brokers in leftOut are not
// asked: a request to a broker that hangs takes long to fail.
func (s *Stack) Partitions(ctx context.Context, topic string, leftOut ...*Broker) ([]Partition, error) {
	var asked []string
	for _, broker := range s.Brokers {
		if !slices.Contains(leftOut, broker) {
			asked = append(asked, broker.Addr)
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(asked...), kgo.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("reach kafka: %w", err)
	}
	defer client.Close()
	var last error
	for _, seed := range client.SeedBrokers() {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		described, err := describe(attempt, seed, topic)
		cancel()
		if err == nil {
			err = kerr.ErrorForCode(described.ErrorCode)
		}
		if err != nil {
			last = fmt.Errorf("describe topic %s: %w", topic, err)
			continue
		}
		partitions := make([]Partition, len(described.Partitions))
		for _, p := range described.Partitions {
			partitions[p.Partition] = Partition{Leader: p.Leader, Epoch: p.LeaderEpoch, InSync: p.ISR}
		}
		return partitions, nil
	}
	return nil, last
}

// DeleteRecords moves the start of a partition's log up to offset, as retention
// does.
func (s *Stack) DeleteRecords(ctx context.Context, topic string, partition int32, offset int64) error {
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.TimeoutMillis = 10_000
	one := kmsg.NewDeleteRecordsRequestTopic()
	one.Topic = topic
	place := kmsg.NewDeleteRecordsRequestTopicPartition()
	place.Partition, place.Offset = partition, offset
	one.Partitions = append(one.Partitions, place)
	request.Topics = append(request.Topics, one)
	return s.admin(ctx, func(client *kgo.Client) error {
		for {
			err := deleteOnce(ctx, client, request)
			// The leader waits for its followers, whose next fetch can be late. To
			// ask again is harmless.
			if !errors.Is(err, kerr.RequestTimedOut) || ctx.Err() != nil {
				return err
			}
		}
	})
}

func deleteOnce(ctx context.Context, client *kgo.Client, request *kmsg.DeleteRecordsRequest) error {
	for _, shard := range client.RequestSharded(ctx, request) {
		if shard.Err != nil {
			return fmt.Errorf("delete records: %w", shard.Err)
		}
		for _, topic := range shard.Resp.(*kmsg.DeleteRecordsResponse).Topics {
			for _, partition := range topic.Partitions {
				if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
					return fmt.Errorf("delete records of %s: %w", topic.Topic, err)
				}
			}
		}
	}
	return nil
}

// admin calls do with a client of the plain listeners.
func (s *Stack) admin(ctx context.Context, do func(*kgo.Client) error) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.Bootstrap()...), kgo.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("reach kafka: %w", err)
	}
	defer client.Close()
	return do(client)
}

func awaitLeaders(ctx context.Context, client *kgo.Client, name string, partitions int) error {
	return poll(ctx, func() error {
		topic, err := describe(ctx, client, name)
		if err != nil {
			return err
		}
		led := 0
		for _, partition := range topic.Partitions {
			if partition.Leader >= 0 && partition.ErrorCode == 0 {
				led++
			}
		}
		if led < partitions {
			return fmt.Errorf("await leaders of %s: %d of %d partitions have one", name, led, partitions)
		}
		return nil
	})
}

func describe(ctx context.Context, client kmsg.Requestor, name string) (*kmsg.MetadataResponseTopic, error) {
	request := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &name
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("describe topic %s: %w", name, err)
	}
	if len(answer.Topics) != 1 {
		return nil, fmt.Errorf("describe topic %s: the answer has %d topics", name, len(answer.Topics))
	}
	return &answer.Topics[0], nil
}

// poll calls try until it succeeds, for up to 30 s.
func poll(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
