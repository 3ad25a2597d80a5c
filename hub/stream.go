package hub

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hub/event"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// Stream is a public name for a topic, with its policies.
type Stream struct {
	Name  string
	Topic string
	// Source and Producer reach the cluster that has the topic. A stream
	// without a Producer cannot be published to.
	Source   upstream.Source
	Producer upstream.Producer
	Content  event.Content
	// Linger is how long the stream is read on after its last subscriber.
	Linger time.Duration
	// LogBytes bounds the stream's log in memory.
	LogBytes int
	// RecordBytes bounds an event; a larger one is told as a gap. 0 for none.
	RecordBytes int
	// Slow is what a subscription gets that was live and has fallen below the
	// floor of the log.
	Slow SlowPolicy
	// Backfill is how far back the log is filled when the stream starts.
	Backfill time.Duration
}

// stream is a configured stream, read from Kafka while anybody subscribes.
type stream struct {
	Stream
	hub     *Hub
	encoder *encoder
	logger  *slog.Logger

	records, bytes, gaps atomic.Uint64 // read since the start
	slow                 atomic.Uint64 // subscriptions that have fallen behind
	reported             [len(record.GapReasons)]atomic.Uint64
	topic                atomic.Pointer[record.Topic]
	missing              atomic.Bool // the topic does not exist
	horizons             horizons
	tips                 tips

	mu      sync.Mutex
	users   int
	reading *reading    // nil while nobody is interested
	linger  *time.Timer // runs while there are no users, else nil
}

// logNow is the log while the stream is being read, else nil.
func (st *stream) logNow() *log {
	st.mu.Lock()
	r := st.reading
	st.mu.Unlock()
	if r == nil {
		return nil
	}
	select {
	case <-r.ready:
		return r.log
	default:
		return nil
	}
}

// topicNow is the topic as it was last described. A log has been there before.
func (st *stream) topicNow() record.Topic { return *st.topic.Load() }

// grown asks for the topic anew, as somebody knows more partitions of it, which
// the source follows without a word. It may have been made again meanwhile.
func (st *stream) grown(ctx context.Context) (record.Topic, error) {
	known := st.topic.Load()
	topic, err := st.Source.Topic(ctx, st.Topic)
	if err != nil {
		return record.Topic{}, err
	}
	if topic.ID == known.ID && topic.Partitions > known.Partitions {
		st.topic.CompareAndSwap(known, &topic)
	}
	return topic, nil
}

// horizons remembers, for each span that grants allow, where in the topic it
// begins, so that many who come back at once cost one question.
type horizons struct {
	mu    sync.Mutex
	known map[time.Duration]*horizon
}

type horizon struct {
	mu    sync.Mutex // held while Kafka is asked
	asked time.Time
	reach reach
}

// reach is how far back a topic can be read.
type reach struct {
	at    record.Position // where the span begins
	kept  record.Position // where what Kafka keeps begins
	first record.Position // where its first record is, or behind what was found to hold none
}

// reading is one time of a stream being read, from a first subscriber until
// some time after the last.
type reading struct {
	stream *stream
	cancel context.CancelFunc
	ready  chan struct{} // closed when log is set
	// missing is closed, before ready, once the topic was found not to exist.
	missing chan struct{}
	log     *log
	cause   atomic.Pointer[error] // why it is not ready yet

	// Owned by run.
	failures failures

	// Owned by Append.
	builder chunkBuilder
	newest  *chunk // when the log was last kept within its bounds
}
