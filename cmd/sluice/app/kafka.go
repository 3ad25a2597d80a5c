package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/segmentio/kafka-go"

	"sluice/cmd/sluice/config"
	"sluice/hub/kafkalog"
)

// clientID is what brokers log and account for.
const clientID = "sluice"

// How Kafka is read. A broker that hangs is noticed after fetchWait and the
// source's own margin; one fetch is some milliseconds of a fast network.
const (
	fetchWait           = 500 * time.Millisecond
	fetchBytes          = 16 << 20
	fetchPartitionBytes = 1 << 20
	inflatedBytes       = 64 << 20
	partitionsEvery     = 5 * time.Second
)

// How Kafka is written to. A batch stays below the 1 MiB that topics take
// where nothing else is set.
const (
	batchBytes     = 900 << 10
	produceAtOnce  = 32
	produceAttempt = 5 * time.Second
	produceFail    = 2 * time.Second
	produceDrain   = 3 * time.Second
	noTimeout      = 24 * time.Hour // where limits/publish_timeout is none
)

// cluster is a Kafka cluster with what reads it and writes to it.
type cluster struct {
	name     string
	conn     *kafkalog.Cluster
	source   *kafkalog.Source
	producer *kafkalog.Producer
}

// newCluster prepares to reach a cluster, whose producer may take so much
// memory. It does not connect.
func newCluster(name string, c config.Cluster, limits config.Limits, memory int64, logger *slog.Logger) (*cluster, error) {
	tls, err := c.TLS.Load()
	if err != nil {
		return nil, err
	}
	mechanism, err := newMechanism(c.SASL)
	if err != nil {
		return nil, err
	}
	logger = logger.With("component", "kafka", "cluster", name)
	made := &cluster{name: name}
	if made.conn, err = kafkalog.NewCluster(kafkalog.Config{
		Brokers:     c.Brokers,
		ClientID:    clientID,
		TLS:         tls,
		SASL:        mechanism,
		Rack:        c.Rack,
		DialTimeout: c.DialTimeout,
	}); err != nil {
		return nil, err
	}
	if made.source, err = kafkalog.NewSource(made.conn, kafkalog.SourceConfig{
		Logger:            logger,
		MaxWait:           fetchWait,
		MaxBytes:          fetchBytes,
		PartitionMaxBytes: fetchPartitionBytes,
		MetadataEvery:     partitionsEvery,
		InflatedBytes:     inflatedBytes,
	}); err != nil {
		return nil, err
	}
	timeout := cmp.Or(limits.PublishTimeout, noTimeout)
	made.producer, err = kafkalog.NewProducer(made.conn, kafkalog.ProducerConfig{
		Log:            logger,
		MemoryBytes:    cmp.Or(memory, math.MaxInt64),
		BatchBytes:     batchBytes,
		Compression:    kafka.Lz4,
		Requests:       produceAtOnce,
		Timeout:        timeout,
		RequestTimeout: min(produceAttempt, timeout),
		FailAfter:      min(produceFail, timeout),
		DrainTimeout:   produceDrain,
	})
	return made, err
}

// parts of the cluster: what is written must be able to end before the
// connections do.
func (c *cluster) parts() []part {
	return []part{
		{name: "connections to kafka " + c.name, run: func(ctx context.Context) error {
			<-ctx.Done()
			c.conn.Close()
			return nil
		}},
		{name: "reading of kafka " + c.name, run: c.source.Run},
		{name: "writing to kafka " + c.name, run: c.producer.Run},
	}
}

// newClusters makes all the clusters of a configuration, which share the
// memory for publishes evenly.
func newClusters(c *config.Config, logger *slog.Logger) (map[string]*cluster, error) {
	all := c.Kafka.All()
	made := make(map[string]*cluster, len(all))
	for name, one := range all {
		var err error
		if made[name], err = newCluster(name, one, c.Limits, int64(c.Limits.PublishMemory)/int64(len(all)), logger); err != nil {
			return nil, fmt.Errorf("kafka cluster %s: %w", name, err)
		}
	}
	return made, nil
}
