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
	clusters map[string]*cluster
	logger   *slog.Logger
	// streams receives the streams in force, at first and when they were replaced. It
	// has room for the last ones.
	streams chan map[string]config.Stream
}

func newTopicMaker(streams map[string]config.Stream, clusters map[string]*cluster, logger *slog.Logger) *topicMaker {
	m := &topicMaker{clusters: clusters, logger: logger, streams: make(chan map[string]config.Stream, 1)}
	m.streams <- streams
	return m
}

// replace has the topics of other streams created. It is not called concurrently.
func (m *topicMaker) replace(streams map[string]config.Stream) {
	select {
	case <-m.streams: // older ones that were not looked at
	default:
	}
	m.streams <- streams
}

// run creates topics until the context ends. Topics of streams that were replaced are
// not tried any longer.
func (m *topicMaker) run(ctx context.Context) error {
	var streams map[string]config.Stream
	for ctx.Err() == nil {
		streams = m.ensureAll(ctx, streams)
	}
	return nil
}

// ensureAll creates the topics of streams until they are replaced by others, which it
// returns, or the context ends.
func (m *topicMaker) ensureAll(ctx context.Context, streams map[string]config.Stream) (next map[string]config.Stream) {
	current, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	for _, name := range slices.Sorted(maps.Keys(streams)) {
		if stream := streams[name]; stream.Partitions > 0 {
			tasks.Go(func() { m.ensure(current, name, stream) })
		}
	}
	select {
	case <-ctx.Done():
		return nil
	case next := <-m.streams:
		return next
	}
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
