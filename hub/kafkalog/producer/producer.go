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

// Config configures a Producer. Every field except Compression is required.
type Config struct {
	Log *slog.Logger
	// MemoryBytes bounds the memory of the messages in flight, including some
	// overhead for each. Beyond it Produce fails with
	// upstream.ErrPublishOverloaded.
	MemoryBytes int64
	// BatchBytes bounds a batch before compression. It should be below the
	// topics' max.message.bytes (1 MiB by default); a single message may exceed
	// it.
	BatchBytes int
	// Compression is the codec of the batches. The zero value is no compression.
	Compression kafka.Compression
	// Requests bounds the number of produce requests in progress, and so the
	// connections that they use. Each carries a batch of one partition.
	Requests int
	// Timeout bounds how long a message is tried, even if the context of Produce
	// lasts longer.
	Timeout time.Duration
	// RequestTimeout bounds one attempt.
	RequestTimeout time.Duration
	// FailAfter is how long a partition may make no progress before its messages
	// that have not been sent fail, and new ones fail at once.
	FailAfter time.Duration
	// DrainTimeout bounds how long Run continues to send the messages in flight
	// after its context has ended.
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

// Producer stores messages in the topics of a cluster, idempotently (KIP-98) and
// with acks=all. It implements upstream.Producer.
//
// Each partition has a lane: a queue, and a producer id, epoch and sequence of
// its own. A lane has one batch in progress; the messages that arrive meanwhile
// form the next one, so batches grow with the load and no message waits for a
// timer. The type lane describes how a lane keeps its sequence.
type Producer struct {
	cluster *kafkalog.Cluster
	config  Config

	memory  atomic.Int64  // bytes in flight
	slots   chan struct{} // one for each request in progress
	fresh   chan struct{} // signals Run that waiting has topics
	started atomic.Bool

	mu       sync.Mutex
	topics   map[string]*topic
	waiting  []*topic // created, but not started by Run yet
	closed   bool
	refusals sync.WaitGroup // goroutines that report results, while not closed
}

var _ upstream.Producer = (*Producer)(nil)

// New returns a Producer. It accepts messages at once and sends them while Run
// runs.
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

// Run sends what Produce accepts until the context ends. Then it refuses new
// messages, continues to send the accepted ones for the drain timeout, and
// returns nil once every message has a result. It can be called once. It owns one
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

// Bytes returns the memory of the messages in flight, which MemoryBytes bounds.
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

// refuse gives every message of a call an error as its result.
func (p *Producer) refuse(call *call, err error) {
	for i := range call.results {
		call.results[i] = upstream.Stored{Partition: -1, Offset: -1, Err: err}
	}
	p.answer(call)
}

// answer finishes a call in a new goroutine, because Produce must not call done
// itself.
func (p *Producer) answer(call *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		// Run may have returned, so no WaitGroup is used. done must not block, so
		// the goroutine ends soon.
		go call.finish()
		return
	}
	p.refusals.Go(call.finish)
}

// topic finds or creates a topic. It returns nil if the producer has ended.
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

// close refuses messages from now on and returns the topics that Run has not
// started.
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
