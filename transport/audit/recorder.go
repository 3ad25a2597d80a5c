package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// refusedEvery is how long refusals are summed up.
const refusedEvery = time.Second

// Config configures a Recorder. All fields without a remark are required.
type Config struct {
	// Log writes events to Logger, at level info.
	Log bool
	// Stream is the stream that events are stored in, empty for none.
	Stream string
	// Store stores them. It is required with Stream, as are Source, which is the
	// source of CloudEvents, and PublishTimeout, which bounds one attempt.
	Store          Store
	Source         string
	PublishTimeout time.Duration
	// Version is the instance's, for Started.
	Version string
	// Queue and QueueBytes bound the events that wait, for each place.
	Queue, QueueBytes int
	// TokenIDs is how token ids are recorded.
	TokenIDs TokenIDs
	// SumEvery is how long publishes of requests are summed up.
	SumEvery time.Duration
	// DrainTimeout bounds how long Run may take to store what waits when it ends.
	DrainTimeout time.Duration
	// Logger also gets what is lost.
	Logger *slog.Logger
	Now    func() time.Time
}

// Recorder records events. A nil Recorder records none. All methods but Run are safe
// for concurrent use at any time, and do not wait.
type Recorder struct {
	// Immutable.
	config Config
	prefix string // of ids, unique for this Recorder
	lanes  []*lane
	sums   *sums

	serial atomic.Uint64 // of the last id
}

// New checks a configuration and returns a Recorder, which needs Run to store events.
func New(c Config) (*Recorder, error) {
	switch {
	case !c.Log && c.Stream == "":
		return nil, errors.New("new audit recorder: Log or Stream is required")
	case c.Stream != "" && (c.Store == nil || c.Source == "" || c.PublishTimeout <= 0):
		return nil, errors.New("new audit recorder: Store, Source and PublishTimeout are required with Stream")
	case c.Queue <= 0 || c.QueueBytes <= 0 || c.SumEvery <= 0 || c.DrainTimeout < 0 || c.Logger == nil || c.Now == nil:
		return nil, errors.New("new audit recorder: Queue, QueueBytes, SumEvery, Logger and Now are required")
	case c.TokenIDs != TokenIDsPlain && c.TokenIDs != TokenIDsDigest && c.TokenIDs != TokenIDsNone:
		return nil, errors.New("new audit recorder: TokenIDs is not valid")
	}
	r := &Recorder{config: c, prefix: rand.Text() + "-", sums: newSums()}
	if c.Log {
		r.addLane("log", written{c.Logger.Handler()})
	}
	if c.Stream != "" {
		r.addLane("stream", stored{stream: c.Stream, source: c.Source, store: c.Store, timeout: c.PublishTimeout})
	}
	return r, nil
}

func (r *Recorder) addLane(name string, to place) {
	r.lanes = append(r.lanes, &lane{
		name: name, place: to, queue: newQueue(r.config.Queue, r.config.QueueBytes), logger: r.config.Logger, now: r.config.Now,
		note: func(e Event) *entry { return r.entry(e, r.config.Now()) },
	})
}

// Stream returns the stream that events are stored in, empty for none. Clients must not
// publish to it.
func (r *Recorder) Stream() string {
	if r == nil {
		return ""
	}
	return r.config.Stream
}

// Record records an event.
func (r *Recorder) Record(e Event) {
	if r != nil {
		r.record(e, r.config.Now())
	}
}

// Refuse records a refusal, summed up with others like it.
func (r *Recorder) Refuse(e Refused) {
	if r != nil {
		r.sums.refuse(e, r.config.Now())
	}
}

// Publish records publishes of requests, summed up with others like them.
func (r *Recorder) Publish(e Published) {
	if r == nil {
		return
	}
	now := r.config.Now()
	e.Since = now
	for _, sum := range r.sums.publish(e, now) {
		r.record(sum.event, now)
	}
}

func (r *Recorder) record(e Event, at time.Time) {
	made := r.entry(e, at)
	for _, l := range r.lanes {
		l.put(made)
	}
}

func (r *Recorder) entry(e Event, at time.Time) *entry {
	return newEntry(r.prefix+strconv.FormatUint(r.serial.Add(1), 10), at, e, r.config.TokenIDs)
}

// Run stores events until its context ends, and then what is left, within the
// DrainTimeout. It must be called at most once.
func (r *Recorder) Run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	closing := make(chan struct{})
	var lanes sync.WaitGroup
	for _, l := range r.lanes {
		lanes.Go(func() { l.run(work, closing) })
	}
	r.Record(Started{Version: r.config.Version})
	r.sumUp(ctx)
	r.Record(Stopped{})
	for _, l := range r.lanes {
		l.queue.close()
	}
	close(closing)
	late := time.AfterFunc(r.config.DrainTimeout, cancel)
	defer late.Stop()
	lanes.Wait()
	return nil
}

// sumUp records the sums when their time has come, until the context ends.
func (r *Recorder) sumUp(ctx context.Context) {
	refused := time.NewTicker(refusedEvery)
	defer refused.Stop()
	published := time.NewTicker(r.config.SumEvery)
	defer published.Stop()
	for {
		select {
		case <-refused.C:
			r.recordRefused()
		case <-published.C:
			r.recordPublished()
		case <-ctx.Done():
			r.recordRefused()
			r.recordPublished()
			return
		}
	}
}

func (r *Recorder) recordRefused() {
	for _, sum := range r.sums.takeRefused() {
		r.record(sum.event, sum.at)
	}
}

func (r *Recorder) recordPublished() {
	now := r.config.Now()
	for _, sum := range r.sums.takePublished() {
		r.record(sum.event, now)
	}
}
