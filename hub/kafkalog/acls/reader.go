package acls

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	jitter "sluice/hub/backoff"
)

const (
	// RequestTimeout bounds asking a cluster.
	RequestTimeout = 10 * time.Second
	// firstRetry is the wait after the first failure. It doubles up to Config.Refresh.
	firstRetry = 500 * time.Millisecond
)

// Config configures how the ACLs of one cluster are read.
type Config struct {
	Cluster Asker
	// Refresh is the longest time between two reads. Each waits for a random time
	// between half of it and all of it, so that instances do not ask at once.
	Refresh time.Duration
	// MaxAge is for how long ACLs allow anything without having been read again. It is
	// at least Refresh.
	MaxAge time.Duration
	// Changed is called after the snapshot has been replaced by one that says something
	// else, in the goroutine that reads. Optional.
	Changed func()
	// Logger logs when ACLs change and when a cluster cannot be read. Nil discards it.
	Logger *slog.Logger
}

// Reader reads the ACLs of one cluster.
type Reader struct {
	// Immutable.
	config Config

	current atomic.Pointer[Snapshot]

	// Owned by the goroutine of Read and Run.
	readAt time.Time // when the newest answer was asked for, zero for none

	mu     sync.Mutex
	failed error // of the last read
}

// New checks the configuration. It asks nothing.
func New(config Config) (*Reader, error) {
	switch {
	case config.Cluster == nil:
		return nil, errors.New("new ACL reader: a cluster is required")
	case config.Refresh <= 0:
		return nil, errors.New("new ACL reader: a refresh above zero is required")
	case config.MaxAge < config.Refresh:
		return nil, errors.New("new ACL reader: the maximum age is shorter than the refresh")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Changed == nil {
		config.Changed = func() {}
	}
	r := &Reader{config: config, failed: errors.New("the ACLs have not been read yet")}
	r.current.Store(unread)
	return r, nil
}

// Current returns the newest snapshot. It is safe for concurrent use.
func (r *Reader) Current() *Snapshot { return r.current.Load() }

// Check returns why the last read failed, nil if it did not. It is safe for concurrent
// use.
func (r *Reader) Check() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// Run reads the ACLs until the context ends, and then returns nil. After a failure it
// tries again, at first soon and at last every Config.Refresh.
func (r *Reader) Run(ctx context.Context) error {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = min(firstRetry, r.config.Refresh), r.config.Refresh
	var pause time.Duration
	if r.Check() == nil { // Read has been called
		pause = jitter.Jitter(r.config.Refresh)
	}
	for r.wait(ctx, pause) {
		if r.Read(ctx) == nil {
			retry.Reset()
			pause = jitter.Jitter(r.config.Refresh)
		} else {
			pause = min(retry.NextBackOff(), r.config.Refresh)
		}
	}
	return nil
}

// wait waits for pause, and ends what the ACLs allow when it is time to. It reports
// false if the context ended.
func (r *Reader) wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	expiry := time.NewTimer(time.Until(r.readAt.Add(r.config.MaxAge)))
	defer expiry.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-expiry.C:
			r.expire()
		case <-timer.C:
			return true
		}
	}
}

// Read asks the cluster once, for RequestTimeout at most. It must not be called while
// Run runs.
func (r *Reader) Read(ctx context.Context) error {
	began := time.Now()
	until := began.Add(RequestTimeout)
	if ends := r.readAt.Add(r.config.MaxAge); r.Current().Complete() && ends.Before(until) {
		until = ends // what is allowed must end in time
	}
	asking, cancel := context.WithDeadline(ctx, until)
	entries, err := describe(asking, r.config.Cluster)
	cancel()
	if err != nil {
		err = fmt.Errorf("read ACLs: %w", err)
		r.note(ctx, err)
		return err
	}
	r.readAt = began
	r.note(ctx, nil)
	if made, was := newSnapshot(entries), r.Current(); !made.same(was) {
		r.current.Store(made)
		r.config.Logger.Info("ACLs of topics have changed", "count", made.Count())
		r.config.Changed()
	}
	return nil
}

// expire ends what the ACLs allow.
func (r *Reader) expire() {
	if was := r.Current(); was.Complete() {
		r.current.Store(was.withoutAllows())
		r.config.Logger.Error("ACLs are too old and allow nothing any more", "max_age", r.config.MaxAge, "cause", r.Check())
		r.config.Changed()
	}
}

// note records the outcome of a read, and logs it if it is another one than before.
func (r *Reader) note(ctx context.Context, failed error) {
	if failed != nil && ctx.Err() != nil {
		return // the server stops
	}
	r.mu.Lock()
	was := r.failed
	r.failed = failed
	r.mu.Unlock()
	switch {
	case failed != nil && (was == nil || was.Error() != failed.Error()):
		r.config.Logger.Warn("ACLs cannot be read; trying again", "error", failed)
	case failed == nil && was != nil:
		r.config.Logger.Info("ACLs are read")
	}
}
