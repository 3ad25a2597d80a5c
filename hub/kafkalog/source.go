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

// SourceConfig configures a Source. All fields are required.
type SourceConfig struct {
	Logger *slog.Logger
	// MaxWait is how long a broker holds a fetch for which it has no records. It
	// bounds how long a stopped broker goes unnoticed.
	MaxWait time.Duration
	// MaxBytes bounds what one fetch returns for all partitions, in bytes as
	// stored by Kafka.
	MaxBytes int
	// PartitionMaxBytes bounds what one fetch returns for one partition. It
	// should be well below MaxBytes, or a busy partition starves the others.
	PartitionMaxBytes int
	// MetadataEvery is how often new partitions are looked for. Errors in the
	// answers to fetches cause a metadata request at once.
	MetadataEvery time.Duration
	// InflatedBytes bounds the decompressed size of one batch. A larger batch
	// becomes a reported gap.
	InflatedBytes int
}

func (c SourceConfig) check() error {
	switch {
	case c.Logger == nil:
		return errors.New("a logger is required")
	case c.MaxWait < time.Millisecond:
		return errors.New("max wait must be a millisecond or more")
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
	epochs    epochs

	mu        sync.Mutex
	followers map[*follower]struct{} // guarded by mu, including what they hold
	brokers   map[int32]*broker      // guarded by mu, including what they hold
	versions  map[int32]int16        // newest Fetch version of each broker asked
	layouts   map[string]cachedLayout
	unguarded map[string]struct{} // topics that warnUnguarded has logged
	absent    map[string]Absence  // topics that metadata reports as missing
	cause     error               // why metadata is unavailable, nil if it is available
}

var _ upstream.Source = (*Source)(nil)

// NewSource returns a Source that reads a cluster. Topic, Offsets and Read work
// at once, Follow only while Run runs.
func NewSource(cluster *Cluster, config SourceConfig) (*Source, error) {
	if cluster == nil {
		return nil, errors.New("new source: a cluster is required")
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

// layoutAge is how long Read uses the known leaders of a topic's partitions.
const layoutAge = 10 * time.Second

type cachedLayout struct {
	layout
	asked time.Time
}

// layoutOf returns the leaders of a topic. It fails if the topic is no longer the
// one described.
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

// keepLayout checks the layout that brokers reported against the topic, and
// caches it.
func (s *Source) keepLayout(topic record.Topic, l layout, err error) (layout, error) {
	if errors.Is(err, upstream.ErrUnknownTopic) {
		return layout{}, fmt.Errorf("%w: %q does not exist", upstream.ErrLogChanged, topic.Name)
	}
	if err != nil {
		return layout{}, err
	}
	if !topic.ID.IsZero() && !l.id.IsZero() && l.id != topic.ID {
		return layout{}, fmt.Errorf("%w: %q has topic ID %s, not %s", upstream.ErrLogChanged, topic.Name, l.id, topic.ID)
	}
	s.mu.Lock()
	s.layouts[topic.Name] = cachedLayout{layout: l, asked: time.Now()}
	s.mu.Unlock()
	return l, nil
}

// Forget implements upstream.Forgetter.
func (s *Source) Forget(topic string) {
	s.epochs.forget(topic)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.layouts, topic)
	delete(s.absent, topic)
	delete(s.unguarded, topic)
}

// newBackoff returns a backoff for one operation that is retried until it
// succeeds.
func newBackoff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 20 * time.Millisecond
	b.Multiplier = 2
	b.RandomizationFactor = 0.5
	b.MaxInterval = time.Second
	return b
}

// sleep waits for d, and reports false if the context ended first.
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

// refresh makes Run ask for new metadata soon.
func (s *Source) refresh() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}
