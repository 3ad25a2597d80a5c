package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"
	"golang.org/x/sync/errgroup"
)

// Config configures the embedded servers and demo streams.
type Config struct {
	// DataDir keeps records and keys across restarts. It is created if it is
	// missing. If it is empty, nothing is kept.
	DataDir string
	// KafkaPort and RedisPort are ports on 127.0.0.1, 0 for any.
	KafkaPort, RedisPort int
	// Topics are further topics, which begin empty.
	Topics []Topic
	// PartitionBytes bounds the size of a partition, plus a segment of at most 1 MiB
	// and what is written in two seconds. At least 64 KiB.
	PartitionBytes int64
	// Rates are the mean records per second of the demo streams. A stream that is
	// not listed, or has rate 0, exists without records. DefaultRates is a suitable
	// choice.
	Rates map[string]float64
	// History is how much history a demo stream begins with.
	History time.Duration
	// Seed is the seed of the demo streams.
	Seed   uint64
	Logger *slog.Logger
}

// Embedded is a running Kafka and Redis.
type Embedded struct {
	// Brokers and RedisAddr are host:port. Immutable.
	Brokers   []string
	RedisAddr string

	config  Config
	log     *slog.Logger
	kafka   *kfake.Cluster
	redis   *miniredis.Miniredis
	journal *journal // nil without a directory
	unlock  func()
	ready   chan struct{}
	closed  sync.Once
}

const minPartitionBytes = 64 << 10

// Start starts both servers and creates the missing demo topics. The caller must
// call Run or Close.
func Start(config Config) (*Embedded, error) {
	if err := check(config); err != nil {
		return nil, fmt.Errorf("start embedded servers: %w", err)
	}
	e := &Embedded{config: config, log: config.Logger, ready: make(chan struct{}), unlock: func() {}}
	if err := e.start(); err != nil {
		e.Close()
		return nil, fmt.Errorf("start embedded servers: %w", err)
	}
	return e, nil
}

func check(config Config) error {
	switch {
	case config.Logger == nil:
		return errors.New("no logger")
	case config.PartitionBytes < minPartitionBytes:
		return fmt.Errorf("partition bytes %d are below %d", config.PartitionBytes, minPartitionBytes)
	case config.History < 0:
		return fmt.Errorf("history %s is negative", config.History)
	}
	for name, rate := range config.Rates {
		if _, err := newGenerator(name, config.Seed, 1); err != nil {
			return err
		}
		if rate < 0 || rate > maxRate {
			return fmt.Errorf("rate %v of %s is not within 0 and %d", rate, name, maxRate)
		}
	}
	return nil
}

func (e *Embedded) start() (err error) {
	if dir := e.config.DataDir; dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create data directory: %w", err)
		}
		if e.unlock, err = lock(filepath.Join(dir, "lock")); err != nil {
			e.unlock = func() {}
			return fmt.Errorf("lock data directory: %w", err)
		}
	}
	if e.kafka, err = startKafka(e.config); err != nil {
		return err
	}
	e.Brokers = e.kafka.ListenAddrs()
	if err = e.startRedis(); err != nil {
		return err
	}
	e.RedisAddr = e.redis.Addr()
	return nil
}

// Ready is closed once Run has written all history, some hundred milliseconds after
// it began, and the demo streams are live.
func (e *Embedded) Ready() <-chan struct{} { return e.ready }

// Run drives the servers' clocks and writes the demo streams until the context ends,
// then closes the servers and returns nil. It must be called at most once.
func (e *Embedded) Run(ctx context.Context) error {
	defer e.Close()
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return e.keepKafka(running) })
	group.Go(func() error { return e.keepRedis(running) })
	group.Go(func() error { return e.writeDemo(running) })
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("run embedded servers: %w", err)
	}
	return nil
}

// Close stops both servers and saves the data that is kept. Further calls do
// nothing.
func (e *Embedded) Close() {
	e.closed.Do(func() {
		if e.kafka != nil {
			e.kafka.Close()
		}
		if e.redis != nil {
			err := e.saveRedis()
			e.redis.Close()
			if e.journal != nil {
				e.journal.end()
				if err == nil { // the snapshot has everything
					err = e.journal.forget(0)
				}
			}
			if err != nil {
				e.log.Error("saving redis keys failed", "error", err)
			}
		}
		e.unlock()
	})
}
