package producer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"

	"sluice/hub/kafkalog"
	"sluice/hub/upstream"
)

// Config says how a Producer stores messages. Every field is required
// but Compression.
type Config struct {
	Log *slog.Logger
	// MemoryBytes bounds the messages in flight, with some overhead for each.
	// Past it Produce refuses with upstream.ErrPublishOverloaded.
	MemoryBytes int64
	// BatchBytes bounds a batch before compression. Keep it below the topics'
	// max.message.bytes (1 MiB where nothing else is set); a single message may
	// exceed it.
	BatchBytes int
	// Compression of the batches. Zero is none.
	Compression kafka.Compression
	// Requests bounds the produce requests that are under way at once, and so
	// the connections that they take. Each carries a batch of one partition.
	Requests int
	// Timeout bounds how long a message is tried, also where the context of
	// Produce lasts longer.
	Timeout time.Duration
	// RequestTimeout bounds one attempt.
	RequestTimeout time.Duration
	// FailAfter is how long a partition may make no progress before messages
	// for it that have not been sent fail, and new ones at once.
	FailAfter time.Duration
	// DrainTimeout bounds how long Run goes on for what is in flight when its
	// context has ended.
	DrainTimeout time.Duration
}

func (c *Config) check() error {
	switch {
	case c.Log == nil:
		return errors.New("give a logger")
	case c.MemoryBytes <= 0, c.BatchBytes <= 0, c.Requests <= 0:
		return errors.New("give memory, batch bytes and requests above zero")
	case c.Timeout <= 0, c.RequestTimeout <= 0, c.FailAfter <= 0, c.DrainTimeout <= 0:
		return errors.New("give timeouts above zero")
	case c.Compression != 0 && c.Compression.Codec() == nil:
		return fmt.Errorf("unknown compression %d", c.Compression)
	}
	return nil
}

// Producer stores messages in the topics of a cluster, idempotently (KIP-98)
// and with acks=all. It implements upstream.Producer.
//
// Each partition has a lane: a queue, and a producer id, epoch and sequence of
// its own. A lane has one batch under way; what gathers meanwhile makes up the
// next one, so batches grow with the load and no message waits for a timer.
// How a lane keeps its sequence is described at the type lane.
type Producer struct {
	cluster *kafkalog.Cluster
	config  Config

	memory  atomic.Int64  // bytes in flight
	slots   chan struct{} // one for each request under way
	fresh   chan struct{} // signals Run that there are topics to start
	started atomic.Bool

	mu       sync.Mutex
	topics   map[string]*topic
	waiting  []*topic // made, but not started by Run yet
	closed   bool
	refusals sync.WaitGroup // goroutines that report refusals, while not closed
}

var _ upstream.Producer = (*Producer)(nil)

// New prepares to produce. Messages are taken from now on and sent
// once Run runs.
func New(cluster *kafkalog.Cluster, config Config) (*Producer, error) {
	if cluster == nil {
		return nil, errors.New("new producer: give a cluster")
	}
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("new producer: %w", err)
	}
	return &Producer{
		cluster: cluster,
		config:  config,
		slots:   make(chan struct{}, config.Requests),
		fresh:   make(chan struct{}, 1),
		topics:  make(map[string]*topic),
	}, nil
}

// Run sends what Produce takes until the context ends. Then it refuses new
// messages, goes on for the drain timeout with those that it has, and returns
// nil once every message is answered. It can be called once. It owns one
// goroutine for each topic and one for each of their partitions.
func (p *Producer) Run(ctx context.Context) error {
	if !p.started.CompareAndSwap(false, true) {
		return errors.New("run producer: it has been run before")
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()

	var topics sync.WaitGroup
	for ctx.Err() == nil {
		for _, t := range p.takeWaiting() {
			topics.Go(func() { t.run(ctx, work) })
		}
		select {
		case <-p.fresh:
		case <-ctx.Done():
		}
	}
	for _, t := range p.close() {
		t.end()
	}
	deadline := time.AfterFunc(p.config.DrainTimeout, stop)
	defer deadline.Stop()
	topics.Wait()
	p.refusals.Wait()
	return nil
}

// Bytes is what the messages in flight take of MemoryBytes.
func (p *Producer) Bytes() int64 { return p.memory.Load() }

// Produce implements upstream.Producer.
func (p *Producer) Produce(ctx context.Context, topic string, messages []upstream.Message, done func([]upstream.Stored)) {
	call := newCall(messages, done)
	if call.cost > p.config.MemoryBytes {
		p.refuse(call, fmt.Errorf("store %d bytes: %w", call.cost, upstream.ErrRecordTooLarge))
		return
	}
	if p.memory.Add(call.cost) > p.config.MemoryBytes {
		p.memory.Add(-call.cost)
		p.refuse(call, upstream.ErrPublishOverloaded)
		return
	}
	call.release = func() { p.memory.Add(-call.cost) }

	if t := p.topic(topic); t != nil && len(messages) > 0 {
		for _, finished := range t.accept(ctx, call) {
			p.answer(finished)
		}
		return
	}
	p.refuse(call, fmt.Errorf("%w: %w", upstream.ErrPublishUnavailable, errClosed))
}

var errClosed = errors.New("the producer has ended")

// refuse answers every message of a call with an error.
func (p *Producer) refuse(call *call, err error) {
	for i := range call.results {
		call.results[i] = upstream.Stored{Partition: -1, Offset: -1, Err: err}
	}
	p.answer(call)
}

// answer finishes a call from a goroutine of its own, as Produce must not run
// its caller's function itself.
func (p *Producer) answer(call *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		// Run may be gone. The function must not block, so neither does this.
		go call.finish()
		return
	}
	p.refusals.Go(call.finish)
}

// topic finds or makes a topic, nil when the producer has ended.
func (p *Producer) topic(name string) *topic {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	t := p.topics[name]
	if t == nil {
		t = newTopic(p, name)
		p.topics[name] = t
		p.waiting = append(p.waiting, t)
		select {
		case p.fresh <- struct{}{}:
		default:
		}
	}
	return t
}

func (p *Producer) takeWaiting() []*topic {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := p.waiting
	p.waiting = nil
	return waiting
}

// close refuses messages from now on and returns the topics that nobody runs.
func (p *Producer) close() []*topic {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	waiting := p.waiting
	p.waiting = nil
	return waiting
}

func (p *Producer) newBackoff() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval:     30 * time.Millisecond,
		RandomizationFactor: 0.5,
		Multiplier:          2,
		MaxInterval:         500 * time.Millisecond,
	}
}
