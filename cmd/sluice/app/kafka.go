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
	"sluice/hub/kafkalog/bearer"
	"sluice/hub/kafkalog/producer"
)

// clientID identifies Sluice in the brokers' logs and quotas.
const clientID = "sluice"

// cluster is a Kafka cluster with its source and producer.
type cluster struct {
	name     string
	conn     *kafkalog.Cluster
	source   *kafkalog.Source
	producer *producer.Producer
	tokens   *bearer.Tokens // nil if the brokers are not given tokens
}

// newCluster prepares the connection to a cluster. memory bounds the records that
// its producer buffers. It does not connect.
func newCluster(name string, c config.Cluster, limits config.Limits, memory int64, logger *slog.Logger) (*cluster, error) {
	tls, err := c.TLS.Load()
	if err != nil {
		return nil, err
	}
	logger = logger.With("component", "kafka", "cluster", name)
	mechanism, tokens, err := newMechanism(c.SASL, logger)
	if err != nil {
		return nil, err
	}
	made := &cluster{name: name, tokens: tokens}
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
		MaxWait:           c.Fetch.Wait,
		MaxBytes:          int(c.Fetch.Bytes),
		PartitionMaxBytes: int(c.Fetch.PartitionBytes),
		MetadataEvery:     c.Fetch.MetadataEvery,
		InflatedBytes:     int(c.Fetch.InflatedBytes),
	}); err != nil {
		return nil, err
	}
	timeout := span(limits.PublishTimeout)
	made.producer, err = producer.New(made.conn, producer.Config{
		Log:            logger,
		MemoryBytes:    cmp.Or(memory, math.MaxInt64),
		BatchBytes:     int(c.Produce.BatchBytes),
		Compression:    kafka.Lz4,
		Requests:       c.Produce.AtOnce,
		Timeout:        timeout,
		RequestTimeout: min(c.Produce.Attempt, timeout),
		FailAfter:      min(c.Produce.FailAfter, timeout),
		DrainTimeout:   max(c.Produce.Drain, time.Millisecond),
	})
	return made, err
}

// parts returns the parts of the cluster. Writes must be able to finish before the
// connections are closed.
func (c *cluster) parts() (all []part) {
	if c.tokens != nil {
		all = append(all, part{name: "tokens for kafka " + c.name, start: c.tokens.Start, run: c.tokens.Run})
	}
	return append(all, []part{
		{name: "connections to kafka " + c.name, run: func(ctx context.Context) error {
			<-ctx.Done()
			c.conn.Close()
			return nil
		}},
		{name: "reading from kafka " + c.name, run: c.source.Run},
		{name: "writing to kafka " + c.name, run: c.producer.Run},
	}...)
}

// newClusters makes all clusters of a configuration. They share the memory for
// publishes evenly.
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
