package producer

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"

	"sluice/hub/kafkalog"
	"sluice/hub/share"
)

// Config configures a Producer. Every field except Compression is required.
type Config struct {
	Log *slog.Logger
	// MemoryBytes bounds the memory of the messages in flight, including some
	// overhead for each. Beyond it Produce fails with
	// upstream.ErrPublishOverloaded. A principal of a tenant with messages in flight has no
	// more of it than is left, and a tenant, or a principal without one, no more than three
	// times as much, so that some is left for others.
	MemoryBytes int64
	// BatchBytes bounds a batch before compression. It should be below the
	// topics' max.message.bytes (1 MiB by default); a single message may exceed
	// it.
	BatchBytes int
	// Compression is the codec of the batches. The zero value is no compression.
	Compression kafka.Compression
	// Requests bounds the number of produce requests in progress, and so the
	// connections that they use. Each carries a batch of one partition. No broker has more
	// than three quarters of them.
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
		return errors.New("a logger is required")
	case c.MemoryBytes <= 0, c.BatchBytes <= 0, c.Requests <= 0:
		return errors.New("memory, batch bytes and requests above zero are required")
	case c.Timeout <= 0, c.RequestTimeout <= 0, c.FailAfter <= 0, c.DrainTimeout <= 0:
		return errors.New("timeouts above zero are required")
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

	memory  share.Memory // of the messages in flight
	slots   *slots
	fresh   chan struct{} // signals Run that waiting has topics
	started atomic.Bool

	mu       sync.Mutex
	topics   map[string]*topic
	waiting  []*topic // created, but not started by Run yet
	closed   bool
	refusals sync.WaitGroup // goroutines that report results, while not closed
}

var errClosed = errors.New("the producer has stopped")

func (p *Producer) newBackoff() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval:     30 * time.Millisecond,
		RandomizationFactor: 0.5,
		Multiplier:          2,
		MaxInterval:         500 * time.Millisecond,
	}
}
