package kafkalog_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol/describegroups"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/kafkalog"
	"sluice/hub/kafkalog/producer"
	"sluice/hub/upstream"
)

// startProducer runs a producer for a test of the connections that it shares with
// a source, and returns a function that stores a value in a topic.
func startProducer(t *testing.T, reached kafkalog.Config, change func(*producer.Config)) (store func(topic, value string) error) {
	t.Helper()
	if reached.DialTimeout == 0 {
		reached.ClientID, reached.DialTimeout = "test", time.Second
	}
	cluster, err := kafkalog.NewCluster(reached)
	if err != nil {
		t.Fatal(err)
	}
	config := producer.Config{
		Log:            slog.New(slog.DiscardHandler),
		MemoryBytes:    32 << 20,
		BatchBytes:     256 << 10,
		Requests:       32,
		Timeout:        10 * time.Second,
		RequestTimeout: time.Second,
		FailAfter:      5 * time.Second,
		DrainTimeout:   time.Second,
	}
	if change != nil {
		change(&config)
	}
	p, err := producer.New(cluster, config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		cluster.Close()
	})
	return func(topic, value string) error {
		results := make(chan []upstream.Stored, 1)
		message := upstream.Message{Key: []byte("k"), Value: []byte(value)}
		p.Produce(t.Context(), topic, []upstream.Message{message}, func(stored []upstream.Stored) { results <- stored })
		return (<-results)[0].Err
	}
}

// TestARequestThatIsTooLateIsNotWritten: as after the process was stopped between making it and
// sending it.
func TestARequestThatIsTooLateIsNotWritten(t *testing.T) {
	t.Parallel()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	var asked atomic.Int32
	kafka.ControlKey(int16(kmsg.DescribeGroups), func(kmsg.Request) (kmsg.Response, error, bool) {
		kafka.KeepControl()
		asked.Add(1)
		return nil, nil, false
	})
	cluster, err := kafkalog.NewCluster(kafkalog.Config{ClientID: "test", DialTimeout: time.Second, Brokers: kafka.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for name, c := range map[string]struct {
		notAfter time.Time
		want     bool
	}{
		"never": {time.Time{}, true}, "in time": {time.Now().Add(time.Hour), true}, "late": {time.Now().Add(-time.Millisecond), false},
	} {
		before := asked.Load()
		request := cluster.NewRequest(0, &describegroups.Request{Groups: []string{"g"}})
		request.NotAfter = c.notAfter
		_, err := kafkalog.Do[*describegroups.Response](ctx, request)
		if sent := asked.Load() > before; sent != c.want || (err == nil) != c.want || request.Abandoned() == c.want {
			t.Errorf("%s: sent is %v, abandoned %v, error %v", name, sent, request.Abandoned(), err)
		}
	}
}
