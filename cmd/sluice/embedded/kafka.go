package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

const (
	retentionEvery  = 2 * time.Second
	compactionEvery = 15 * time.Second
	// tombstonesFor is how long a compacted topic keeps its tombstones, so that late
	// readers see deletions.
	tombstonesFor = 10 * time.Minute
)

// startKafka starts a broker and creates the missing demo topics.
func startKafka(config Config) (*kfake.Cluster, error) {
	segment := min(1<<20, config.PartitionBytes/2)
	bounds := map[string]string{
		"retention.bytes": strconv.FormatInt(config.PartitionBytes, 10),
		"segment.bytes":   strconv.FormatInt(segment, 10),
	}
	options := []kfake.Opt{
		kfake.Ports(config.KafkaPort),
		kfake.ClusterID("sluice-dev"),
		kfake.WithLogger(newKafkaLog(config.Logger.With("component", "kafka"))),
		// Topics that clients create are bounded too.
		kfake.BrokerConfigs(map[string]string{
			"log.retention.bytes": bounds["retention.bytes"],
			"log.segment.bytes":   bounds["segment.bytes"],
		}),
	}
	if config.DataDir != "" {
		options = append(options, kfake.DataDir(filepath.Join(config.DataDir, "kafka")))
	}
	kafka, err := kfake.NewCluster(options...)
	if err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	for _, topic := range append(Topics(), config.Topics...) {
		if kafka.TopicInfo(topic.Name) != nil {
			if kept := len(kafka.PartitionInfos(topic.Name)); kept != int(topic.Partitions) {
				config.Logger.Warn("a topic that is kept has other partitions than are asked for: use another data directory, or another name",
					"topic", topic.Name, "partitions", kept, "asked_for", topic.Partitions)
			}
			continue
		}
		settings := map[string]string{}
		for name, value := range bounds {
			settings[name] = value
		}
		if topic.Compacted {
			settings["cleanup.policy"] = "compact,delete"
			settings["delete.retention.ms"] = strconv.FormatInt(tombstonesFor.Milliseconds(), 10)
		}
		if err := kafka.CreateTopic(topic.Name, topic.Partitions, settings); err != nil {
			kafka.Close()
			return nil, fmt.Errorf("create topic %s: %w", topic.Name, err)
		}
	}
	return kafka, nil
}

// keepKafka applies retention and compaction, which kfake does only on request.
func (e *Embedded) keepKafka(ctx context.Context) error {
	retain := time.NewTicker(retentionEvery)
	defer retain.Stop()
	compact := time.NewTicker(compactionEvery)
	defer compact.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-retain.C:
			e.kafka.ApplyRetention()
		case <-compact.C:
			e.kafka.Compact()
		}
	}
}

// written returns the newest timestamp in a topic, zero if it has no records.
func (e *Embedded) written(topic string) time.Time {
	newest := int64(0)
	for _, partition := range e.kafka.PartitionInfos(topic) {
		newest = max(newest, partition.MaxTimestamp)
	}
	if newest == 0 {
		return time.Time{}
	}
	return time.UnixMilli(newest)
}

// kafkaLogEvery is how often messages of one kind are logged: on a full disk kfake has one for each
// batch of records.
const kafkaLogEvery = 10 * time.Second

// kafkaLog forwards errors and warnings of kfake.
type kafkaLog struct {
	log *slog.Logger

	mu   sync.Mutex
	told map[string]told // by format, of which kfake has a fixed number
}

// told is when a kind of message was logged, and how many were not since then.
type told struct {
	at   time.Time
	more int
}

func newKafkaLog(log *slog.Logger) *kafkaLog {
	return &kafkaLog{log: log, told: make(map[string]told)}
}

// Logf implements kfake.Logger.
func (l *kafkaLog) Logf(level kfake.LogLevel, format string, args ...any) {
	severity := slog.LevelError
	switch level {
	case kfake.LogLevelError:
	case kfake.LogLevelWarn:
		severity = slog.LevelWarn
	default:
		return
	}
	var attrs []any
	switch more, due := l.due(format); {
	case !due:
		return
	case more > 0:
		attrs = []any{"more_since", more}
	}
	l.log.Log(context.Background(), severity, fmt.Sprintf(format, args...), attrs...)
}

// due reports whether a message is to be logged, and how many of its kind were not before it.
func (l *kafkaLog) due(format string) (more int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.told[format]
	if !last.at.IsZero() && time.Since(last.at) < kafkaLogEvery {
		last.more++
		l.told[format] = last
		return 0, false
	}
	l.told[format] = told{at: time.Now()}
	return last.more, true
}
