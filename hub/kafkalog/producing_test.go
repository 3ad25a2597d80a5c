package kafkalog_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

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
		RequestTimeout: 150 * time.Millisecond,
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
