package kafkalog_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/kafkalog"
)

func TestEnsureTopic(t *testing.T) {
	t.Parallel()
	k := newCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(2, "there"))
	cluster, err := kafkalog.NewCluster(kafkalog.Config{Brokers: k.ListenAddrs(), DialTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	for name, want := range map[string]int{"there": 2, "new": 6} {
		for range 2 {
			if err := kafkalog.EnsureTopic(ctx, cluster, name, 6); err != nil {
				t.Fatal(err)
			}
			if got := len(k.PartitionInfos(name)); got != want {
				t.Errorf("%s has %d partitions, want %d", name, got, want)
			}
		}
	}
	if err := kafkalog.EnsureTopic(ctx, cluster, "none", 0); err == nil {
		t.Error("made a topic without partitions")
	}

	// Created by another client in between.
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.TopicAlreadyExists})
	if err := kafkalog.EnsureTopic(ctx, cluster, "raced", 1); err != nil {
		t.Errorf("a topic that exists meanwhile: %v", err)
	}
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.PolicyViolation})
	if err := kafkalog.EnsureTopic(ctx, cluster, "refused", 1); !errors.Is(err, kafka.PolicyViolation) {
		t.Errorf("error %v, want the broker's", err)
	}
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "there", Err: kerr.TopicAuthorizationFailed, When: asksByName})
	if err := kafkalog.EnsureTopic(ctx, cluster, "there", 1); !errors.Is(err, kafka.TopicAuthorizationFailed) {
		t.Errorf("error %v, want the broker's", err)
	}
}

// asksByName distinguishes this package's metadata requests from kafka-go's own,
// which ask for all topics.
func asksByName(r kmsg.Request) bool { return len(r.(*kmsg.MetadataRequest).Topics) > 0 }
