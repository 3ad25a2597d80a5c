package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// SourceConfig says how to read. All fields are needed.
type SourceConfig struct {
	Logger *slog.Logger
	// MaxWait is how long a broker holds a fetch for which it has nothing.
	// It bounds how long a stopped broker goes unnoticed.
	MaxWait time.Duration
	// MaxBytes bounds what one fetch brings of all partitions, as Kafka
	// stores it.
	MaxBytes int
	// PartitionMaxBytes bounds what one fetch brings of a partition. Well
	// below MaxBytes, or a busy partition starves the others.
	PartitionMaxBytes int
	// MetadataEvery is how often partitions that were added are looked for.
	// What brokers answer to fetches makes metadata be asked for at once.
	MetadataEvery time.Duration
	// InflatedBytes bounds what one batch may decompress to. A larger one
	// becomes a gap.
	InflatedBytes int
}

func (c SourceConfig) check() error {
	switch {
	case c.Logger == nil:
		return errors.New("give a logger")
	case c.MaxWait < time.Millisecond:
		return errors.New("give a max wait of a millisecond or more")
	case c.MaxBytes <= 0 || c.MaxBytes > maxAnswerBytes:
		return fmt.Errorf("max bytes must be between 1 and %d", maxAnswerBytes)
	case c.PartitionMaxBytes <= 0 || c.PartitionMaxBytes > c.MaxBytes:
		return errors.New("partition max bytes must be between 1 and max bytes")
	case c.MetadataEvery <= 0:
		return errors.New("metadata every must be above zero")
	case c.InflatedBytes < 1<<10 || c.InflatedBytes > 1<<30:
		return errors.New("inflated bytes must be between 1 KiB and 1 GiB")
	}
	return nil
}

// Source reads a cluster. It implements upstream.Source.
type Source struct {
	cluster   *Cluster
	config    SourceConfig
	log       *slog.Logger
	inflaters sync.Pool // of *inflater
	kick      chan struct{}
	near      nearest

	mu        sync.Mutex
	followers map[*follower]struct{} // guarded by mu, as all they hold
	brokers   map[int32]*broker      // likewise
	versions  map[int32]int16        // newest Fetch of each broker that was asked
	layouts   map[string]cachedLayout
	unguarded map[string]struct{} // topics that the log has named as such
	absent    map[string]Absence  // topics that metadata says do not exist
	cause     error               // why metadata cannot be had, nil if it can
}

var _ upstream.Source = (*Source)(nil)

// NewSource prepares to read a cluster. Topic, Offsets and Read work at once,
// Follow while Run runs.
func NewSource(cluster *Cluster, config SourceConfig) (*Source, error) {
	if cluster == nil {
		return nil, errors.New("new source: give a cluster")
	}
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("new source: %w", err)
	}
	return &Source{
		cluster:   cluster,
		config:    config,
		log:       config.Logger,
		inflaters: sync.Pool{New: func() any { return newInflater(config.InflatedBytes) }},
		kick:      make(chan struct{}, 1),
		followers: make(map[*follower]struct{}),
		brokers:   make(map[int32]*broker),
		versions:  make(map[int32]int16),
		layouts:   make(map[string]cachedLayout),
		unguarded: make(map[string]struct{}),
		absent:    make(map[string]Absence),
	}, nil
}

// layoutAge is how long Read trusts who leads a topic's partitions.
const layoutAge = 10 * time.Second

type cachedLayout struct {
	layout
	asked time.Time
}

// layoutOf returns who leads a topic, which must still be the one described.
func (s *Source) layoutOf(ctx context.Context, topic record.Topic, fresh bool) (layout, error) {
	s.mu.Lock()
	c, ok := s.layouts[topic.Name]
	s.mu.Unlock()
	if ok && !fresh && time.Since(c.asked) < layoutAge && c.id == topic.ID {
		return c.layout, nil
	}
	l, err := s.cluster.layout(ctx, topic.Name)
	return s.keepLayout(topic, l, err)
}

// newestLayoutOf asks all brokers for the layout, and reports whether all have
// answered.
func (s *Source) newestLayoutOf(ctx context.Context, topic record.Topic) (l layout, all bool, err error) {
	found, all, err := s.cluster.newest(ctx, []string{topic.Name})
	l, err = layoutAmong(found, topic.Name, err)
	l, err = s.keepLayout(topic, l, err)
	return l, all, err
}

// keepLayout holds what brokers answered against the topic, and keeps it.
func (s *Source) keepLayout(topic record.Topic, l layout, err error) (layout, error) {
	if errors.Is(err, upstream.ErrUnknownTopic) {
		return layout{}, fmt.Errorf("%w: %q is gone", upstream.ErrLogChanged, topic.Name)
	}
	if err != nil {
		return layout{}, err
	}
	if !topic.ID.IsZero() && !l.id.IsZero() && l.id != topic.ID {
		return layout{}, fmt.Errorf("%w: %q has id %s, not %s", upstream.ErrLogChanged, topic.Name, l.id, topic.ID)
	}
	s.mu.Lock()
	s.layouts[topic.Name] = cachedLayout{layout: l, asked: time.Now()}
	s.mu.Unlock()
	return l, nil
}

// newBackoff paces one thing that is tried again until it works.
func newBackoff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 20 * time.Millisecond
	b.Multiplier = 2
	b.RandomizationFactor = 0.5
	b.MaxInterval = time.Second
	return b
}

// sleep waits, and reports whether the context lives on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
