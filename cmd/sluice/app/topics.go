package app

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"sluice/cmd/sluice/config"
	"sluice/hub/kafkalog"
)

// topicAttempt bounds one attempt to create a topic.
const topicAttempt = 15 * time.Second

// topicMaker creates missing topics for which the configuration sets partitions.
// Kafka may be unavailable when the server starts, so it retries until each topic
// was requested once.
type topicMaker struct {
	streams  map[string]config.Stream
	clusters map[string]*cluster
	logger   *slog.Logger
}

// run creates the topics and then waits for the context to end.
func (m *topicMaker) run(ctx context.Context) error {
	var tasks sync.WaitGroup
	for _, name := range slices.Sorted(maps.Keys(m.streams)) {
		if stream := m.streams[name]; stream.Partitions > 0 {
			tasks.Go(func() { m.ensure(ctx, name, stream) })
		}
	}
	tasks.Wait()
	<-ctx.Done()
	return nil
}

func (m *topicMaker) ensure(ctx context.Context, name string, stream config.Stream) {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 30 * time.Second
	for {
		attempt, cancel := context.WithTimeout(ctx, topicAttempt)
		err := kafkalog.EnsureTopic(attempt, m.clusters[stream.Cluster].conn, stream.Topic, int32(stream.Partitions))
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		m.logger.Warn("topic creation failed; retrying", "stream", name, "topic", stream.Topic, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait.NextBackOff()):
		}
	}
}
