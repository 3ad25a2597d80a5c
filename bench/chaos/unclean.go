package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/bench/check"
	"sluice/bench/clients"
	"sluice/bench/stack"
)

// uncleanTopic has one partition, two replicas, and is configured so that Kafka may
// elect a leader that lacks confirmed records. Its stream has the same name with the
// prefix of the other streams. It is a separate topic, so that all other topics are
// checked as strictly as before.
const (
	uncleanTopic  = "unclean"
	uncleanStream = "chaos.unclean"
)

// unclean are the writer and the readers of that topic.
type unclean struct {
	readers []*clients.Subscriber
	// confirmed is the offset after the last record that Kafka confirmed, and read
	// the one after the furthest that any subscriber received.
	confirmed, read atomic.Int64
	// lost counts the records that faults made Kafka lose.
	lost atomic.Int64

	until   chan struct{}
	running sync.WaitGroup

	mu  sync.Mutex
	odd []string // the errors that ended the writer
}

// makeUncleanTopic creates the topic. Its replicas are on the first two brokers.
func makeUncleanTopic(ctx context.Context, bootstrap []string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...))
	if err != nil {
		return fmt.Errorf("make topic %s: %w", uncleanTopic, err)
	}
	defer client.Close()
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 30_000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = uncleanTopic, -1, -1
	replicas := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
	replicas.Replicas = []int32{1, 2}
	topic.ReplicaAssignment = append(topic.ReplicaAssignment, replicas)
	for name, value := range map[string]string{"min.insync.replicas": "1", "unclean.leader.election.enable": "true"} {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = name, &value
		topic.Configs = append(topic.Configs, config)
	}
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, client)
	if err == nil && len(answer.Topics) == 1 {
		err = kerr.ErrorForCode(answer.Topics[0].ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("make topic %s: %w", uncleanTopic, err)
	}
	return nil
}

// newUnclean prepares subscribers that read the whole topic, over all transports
// that send gaps and records in one order. They resume only with cursors of the
// server: offsets that a client has seen since have no epoch.
func newUnclean(addr string) *unclean {
	u := &unclean{until: make(chan struct{})}
	for i, over := range []clients.Transport{clients.OverWS, clients.OverSSE, clients.OverLines} {
		for n := range 4 {
			s := clients.NewSubscriber(fmt.Sprintf("unclean-%s-%d", over, n), over, clients.ByCursor, uncleanStream, 1)
			s.Addrs, s.Idle, s.Rough, s.Watch = []string{addr}, idle, true, u.watch
			s.Token, _ = token(s.Name, "reader", 12*time.Hour)
			if n > 1 {
				s.CutEvery = float64(50_000 * (i + 1))
			}
			u.readers = append(u.readers, s)
		}
	}
	return u
}

func (u *unclean) watch(m *clients.Message) {
	if m.Kind != "event" && m.Kind != "" {
		return
	}
	for next := m.Offset + 1; ; {
		read := u.read.Load()
		if read >= next || u.read.CompareAndSwap(read, next) {
			return
		}
	}
}

// write writes some records per second, without idempotence: the sequence numbers of
// a producer are invalid after an unclean election.
func (u *unclean) write(ctx context.Context, bootstrap []string) {
	u.running.Go(func() {
		client, err := kgo.NewClient(append(patient(bootstrap), kgo.DefaultProduceTopic(uncleanTopic),
			kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.MaxProduceRequestsInflightPerBroker(1))...)
		if err != nil {
			u.remark(err)
			return
		}
		defer client.Close()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-u.until:
				if err := client.Flush(ctx); err != nil {
					u.remark(err)
				}
				return
			case <-tick.C:
			}
			client.Produce(ctx, numbered("unclean", n), func(r *kgo.Record, err error) {
				if err == nil {
					u.confirmed.Store(r.Offset + 1)
				}
			})
		}
	})
}

func (u *unclean) remark(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.odd = append(u.odd, err.Error())
}

// stop stops the writing.
func (u *unclean) stop() {
	close(u.until)
	u.running.Wait()
}

// electUncleanly kills the topic's follower, waits until the leader has confirmed
// records alone and subscribers have read some of them, kills the leader, and makes
// the follower leader, which has none of these records.
func (s *storm) electUncleanly(ctx context.Context) (string, error) {
	before, leader, follower, err := s.uncleanPair(ctx)
	if err != nil {
		return "", err
	}
	shown, err := kill(follower.Server)
	if err != nil {
		return shown, err
	}
	if err := s.writeAlone(ctx, leader, follower); err != nil {
		return shown, errors.Join(err, follower.Start(ctx))
	}
	ended, err := kill(leader.Server)
	shown += ", then " + ended
	if err != nil {
		return shown, err
	}
	confirmed := s.unclean.confirmed.Load()
	if err := follower.Start(ctx); err != nil {
		return shown, err
	}
	cut, errElect := s.elect(ctx, before, leader, follower)
	if errElect == nil {
		lost := max(0, confirmed-cut)
		shown += fmt.Sprintf("; broker %d leads from offset %d on, %d confirmed records are lost", follower.ID, cut, lost)
		s.unclean.lost.Add(lost)
		if lost == 0 {
			errElect = fmt.Errorf("%w: no record is lost", errMissed)
		}
		// Some new records are assigned the same offsets.
		_ = until(ctx, worthStriking, func() error {
			if s.unclean.confirmed.Load() <= cut {
				return errMissed
			}
			return nil
		})
	}
	if err := leader.Start(ctx); err != nil {
		return shown, err
	}
	return shown, errElect
}

// uncleanPair returns the topic's leadership, with its leader and the other replica.
func (s *storm) uncleanPair(ctx context.Context) (p stack.Partition, leader, follower *stack.Broker, err error) {
	partitions, err := s.stage.Partitions(ctx, uncleanTopic)
	if err != nil {
		return p, nil, nil, err
	}
	p = partitions[0]
	for _, broker := range s.stage.Brokers[:2] {
		if broker.ID == p.Leader {
			leader = broker
		} else {
			follower = broker
		}
	}
	if leader == nil || follower == nil {
		return p, nil, nil, fmt.Errorf("%w: broker %d leads %s", errMissed, p.Leader, uncleanTopic)
	}
	return p, leader, follower, nil
}

// writeAlone waits until only the leader is in sync, has confirmed records, and a
// subscriber has received some of them.
func (s *storm) writeAlone(ctx context.Context, leader, follower *stack.Broker) error {
	err := until(ctx, 20*time.Second, func() error {
		partitions, err := s.stage.Partitions(ctx, uncleanTopic, follower)
		if err == nil && !slices.Equal(partitions[0].InSync, []int32{leader.ID}) {
			err = fmt.Errorf("%w: in sync are %v", errMissed, partitions[0].InSync)
		}
		return err
	})
	if err != nil {
		return err
	}
	alone := s.unclean.confirmed.Load()
	return until(ctx, 15*time.Second, func() error {
		if s.unclean.confirmed.Load() < alone+25 || s.unclean.read.Load() < alone+25 {
			return fmt.Errorf("%w: the leader alone confirmed %d records, and subscribers are at %d of %d", errMissed,
				s.unclean.confirmed.Load()-alone, s.unclean.read.Load(), alone)
		}
		return nil
	})
}

// elect makes the follower leader, and returns where the previous epoch ends in its
// log.
func (s *storm) elect(ctx context.Context, before stack.Partition, leader, follower *stack.Broker) (cut int64, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.othersThan(leader)...))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	elect := kmsg.NewPtrElectLeadersRequest()
	elect.ElectionType, elect.TimeoutMillis = 1, 5000 // unclean
	topic := kmsg.NewElectLeadersRequestTopic()
	topic.Topic, topic.Partitions = uncleanTopic, []int32{0}
	elect.Topics = append(elect.Topics, topic)
	err = until(ctx, 30*time.Second, func() error {
		asked, cancel := context.WithTimeout(ctx, 6*time.Second)
		defer cancel()
		// If the controller has elected the follower by itself, the error is that no
		// election was needed.
		_, err := elect.RequestWith(asked, client)
		partitions, errAsk := s.stage.Partitions(asked, uncleanTopic, leader)
		if errAsk != nil {
			return fmt.Errorf("%w: %w", errMissed, errors.Join(err, errAsk))
		}
		if partitions[0].Leader != follower.ID || partitions[0].Epoch <= before.Epoch {
			return fmt.Errorf("%w: broker %d leads (%w)", errMissed, partitions[0].Leader, err)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	err = until(ctx, 10*time.Second, func() error {
		cut, err = epochEnd(ctx, client, follower.ID, before.Epoch)
		return err
	})
	return cut, err
}

func (s *storm) othersThan(broker *stack.Broker) (addrs []string) {
	for _, other := range s.stage.Brokers {
		if other != broker {
			addrs = append(addrs, other.Addr)
		}
	}
	return addrs
}

// epochEnd asks a broker where an epoch ends in its log.
func epochEnd(ctx context.Context, client *kgo.Client, broker, epoch int32) (int64, error) {
	request := kmsg.NewPtrOffsetForLeaderEpochRequest()
	request.SetVersion(4)
	request.ReplicaID = -1
	topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
	topic.Topic = uncleanTopic
	partition := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	partition.CurrentLeaderEpoch, partition.LeaderEpoch = -1, epoch
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	asked, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	answer, err := client.Broker(int(broker)).Request(asked, request)
	if err != nil {
		return 0, fmt.Errorf("%w: ask end of epoch: %w", errMissed, err)
	}
	topics := answer.(*kmsg.OffsetForLeaderEpochResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("%w: ask end of epoch: no answer", errMissed)
	}
	told := topics[0].Partitions[0]
	if err := kerr.ErrorForCode(told.ErrorCode); err != nil {
		return 0, fmt.Errorf("%w: ask end of epoch: %w", errMissed, err)
	}
	return told.EndOffset, nil
}

// judge compares what the topic's subscribers received with its final log.
func (u *unclean) judge(log *check.Log) (*check.Report, int) {
	var journals []*check.Journal
	for _, s := range u.readers {
		journals = append(journals, &s.Journal)
	}
	return check.Uncleanly(log, journals)
}
