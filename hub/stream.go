package hub

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hub/event"
	"sluice/hub/record"
	"sluice/hub/redact"
	"sluice/hub/share"
	"sluice/hub/upstream"
)

// Stream is a public name for a topic, with its policies. It is comparable, and
// therefore Source, Producer, Decode and Decrypt have to be, as pointers are.
type Stream struct {
	Name string
	// Topic is the topic's name, or a template with TenantPlaceholder in it.
	Topic string
	// Source and Producer reach the cluster that has the topic. A stream
	// without a Producer cannot be published to.
	Source   upstream.Source
	Producer upstream.Producer
	Content  event.Content
	// Linger is how long reading continues after the last subscriber has left.
	Linger time.Duration
	// LogBytes bounds the stream's log in memory.
	LogBytes int
	// RecordBytes bounds an event; a larger one is reported as a gap. 0 for no
	// bound.
	RecordBytes int
	// Slow is the policy for a subscription that was live and has fallen below the
	// floor of the log.
	Slow SlowPolicy
	// Backfill is how far back the log is filled when the stream starts.
	Backfill time.Duration
	// Decode decodes values that are stored in another form than they are shown in; nil if
	// none are. Content is that of the decoded values.
	Decode Decoder
	// Decrypt decrypts what is encrypted in the records; nil if nothing is. Another one
	// makes another stream of it, so that nothing that was decrypted, or not, by this one
	// is delivered any more.
	Decrypt Decrypter
}

// TenantPlaceholder in Stream.Topic makes the stream a template: each tenant has a
// stream of this name of its own, whose topic has the tenant's id in that place. A
// client without a tenant has none.
const TenantPlaceholder = "{tenant}"

// stream is a configured stream. It is read from Kafka while it has subscriptions.
type stream struct {
	Stream
	hub     *Hub
	encoder *encoder
	logger  *slog.Logger
	since   time.Time
	retired chan struct{} // closed when the stream is no longer in force
	// Of a tenant's stream, the tenant and the template; else "" and nil.
	tenant   string
	template *stream
	used     atomic.Int64 // when a tenant's stream was last asked for or left, Unix nanoseconds

	records, bytes, gaps atomic.Uint64 // read since the start
	slow                 atomic.Uint64 // subscriptions that had been live and fell below the floor
	reported             [len(record.GapReasons)]atomic.Uint64
	undecided            undecided
	topic                atomic.Pointer[record.Topic]
	missing              atomic.Bool // the topic does not exist
	horizons             horizons
	asking               *share.Slots // for questions of clients to Kafka
	cluster              *share.Slots // likewise, of all streams of its Source
	tips                 tips
	stored               stored

	mu      sync.Mutex
	users   int
	reading *reading    // nil while the stream is not read
	linger  *time.Timer // runs while there are no users and reading continues, else nil
}

// questionsOfStream bounds how many subscriptions of a stream have Kafka asked for where they
// begin at the same time, and questionsOfCluster how many of all streams that a Source reads. Each
// question may take a connection to a broker, and how many begin at once, and in how many streams,
// is up to clients. There is no bound for all clusters together: the questions to one that does
// not answer would keep others from their answers.
const (
	questionsOfStream  = 64
	questionsOfCluster = 256
)

// newStream returns a stream, of whose records some things are encrypted that hides
// hides.
func (h *Hub) newStream(s Stream, hides *redact.Redaction) *stream {
	st := &stream{
		Stream:  s,
		hub:     h,
		encoder: newEncoder(s.Name, s.Content, s.RecordBytes),
		logger:  h.config.Logger.With("stream", s.Name),
		since:   h.now().Truncate(time.Millisecond), // as precise as timestamps of records
		retired: make(chan struct{}),
		// Who has all questions of the cluster that it may have waits with those of the stream.
		asking:  share.NewSlots(func() share.Bounds { return share.Bounds{Total: questionsOfStream, Spare: true} }),
		cluster: h.questionsTo(s.Source),
	}
	st.encoder.decodes = s.Decode
	if s.Decrypt != nil {
		st.encoder.decrypts = &decrypting{by: s.Decrypt, topic: s.Topic, hides: hides, logger: st.logger, now: h.now}
	}
	return st
}

// questionsTo returns the slots for what a source is asked for clients. Some of them remain for
// the streams that have none, however many others the source does not answer about.
func (h *Hub) questionsTo(source upstream.Source) *share.Slots {
	slots, _ := h.questions.LoadOrStore(source, share.NewSlots(func() share.Bounds {
		return share.Bounds{Total: questionsOfCluster, Spare: true}
	}))
	of, _ := slots.(*share.Slots)
	return of
}

// isTemplate reports whether tenants have streams of their own of this one.
func (st *stream) isTemplate() bool {
	return st.tenant == "" && strings.Contains(st.Topic, TenantPlaceholder)
}

// forget releases what is kept elsewhere of a tenant's topic.
func (st *stream) forget() {
	if source, ok := st.Source.(upstream.Forgetter); ok {
		source.Forget(st.Topic)
	}
	if producer, ok := st.Producer.(upstream.Forgetter); ok {
		producer.Forget(st.Topic)
	}
}

// redaction returns what of a stream's records a subscriber with some rights may not see.
// Rights that were determined for other encrypted paths, or without regard to any, show
// nothing that is encrypted.
func (st *stream) redaction(rows *Rows) (*redact.Redaction, error) {
	c := st.encoder.decrypts
	if c == nil || slices.Equal(rows.Encrypted, c.by.Paths()) {
		return rows.Redaction, nil
	}
	return redact.Union(rows.Redaction, c.hides)
}

// retire ends a stream that is no longer in force.
func (st *stream) retire() {
	close(st.retired)
	if l := st.logNow(); l != nil {
		l.notifyAll()
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.linger != nil {
		st.linger.Stop()
		st.linger = nil
		st.reading.cancel()
		st.reading = nil
	}
}

// tenantStreams are the streams that were made of templates. A stream is made when it
// is first asked for, and removed some time after it was last used.
type tenantStreams struct {
	mu  sync.RWMutex
	all map[tenantStream]*stream
}

type tenantStream struct {
	template *stream
	tenant   string
}

// isRetired reports whether the stream is no longer in force.
func (st *stream) isRetired() bool {
	select {
	case <-st.retired:
		return true
	default:
		return false
	}
}

// logNow returns the log while the stream is being read, else nil.
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

// topicNow returns the topic as it was last described. There must have been a log
// before.
func (st *stream) topicNow() record.Topic { return *st.topic.Load() }

// grown describes the topic again, because a position has more partitions than are
// known: the source follows added partitions without a notification. The topic may
// have been recreated in the meantime.
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

// horizons caches, for each span that grants allow, where in the topic the span
// begins, so that many clients that return at once cause one request to Kafka.
type horizons struct {
	mu    sync.Mutex
	known map[time.Duration]*horizon
}

type horizon struct {
	asking chan struct{} // has a value while Kafka is asked, or what follows is looked at

	asked time.Time
	reach reach
}

// reach is how far back a topic can be read.
type reach struct {
	at    record.Position // where the span begins
	kept  record.Position // where the records that Kafka keeps begin
	first record.Position // the first record, or the end of what was found to hold none
}

// reading is one period in which a stream is read, from a first subscriber until
// some time after the last.
type reading struct {
	stream *stream
	cancel context.CancelFunc
	ready  chan struct{} // closed when log is set
	// missing is closed, before ready, once the topic was found not to exist.
	missing chan struct{}
	log     *log
	cause   atomic.Pointer[error] // why the log is not ready yet

	// Owned by run.
	failures failures

	// Owned by Append.
	builder chunkBuilder
	newest  *chunk // the last chunk when the log was last kept within its bounds
}
