package audit

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// batchEvents and batchBytes bound what a place is given at once.
	batchEvents = 500
	batchBytes  = 256 << 10
	// retryFirst and retryMost are the shortest and the longest pause before another
	// attempt.
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
	// reportEvery is how often a bout of loss that goes on is logged.
	reportEvery = time.Minute
)

// place keeps events.
type place interface {
	// keep keeps events, in order. It returns those that are to be given again, and
	// the number of those that the place will never take, with the reason of either.
	// It may wait until its context ends.
	keep(ctx context.Context, events []*entry) (again []*entry, refused int, err error)
}

// lane is the way of events to one place.
type lane struct {
	// Immutable.
	name   string
	place  place
	queue  *queue
	logger *slog.Logger
	now    func() time.Time
	// note makes an event for this place only.
	note func(Event) *entry

	results [results]atomic.Int64

	// Owned by run.
	reported time.Time // when a bout of loss was last logged
	failing  bool      // the last attempt failed
}

// result is what became of an event in a place.
type result uint8

const (
	resultStored   result = iota
	resultFull            // the queue was full
	resultRefused         // the place will never take it
	resultShutdown        // the instance has ended before
	results
)

func (r result) String() string {
	return [...]string{"stored", "queue_full", "refused", "shutdown"}[r]
}

func (l *lane) count(r result, n int) {
	if n > 0 {
		l.results[r].Add(int64(n))
	}
}

// put queues an event, or counts it as lost. It does not wait.
func (l *lane) put(e *entry) {
	switch l.queue.put(e) {
	case putQueued:
	case putFull:
		l.count(resultFull, 1)
	case putClosed:
		l.count(resultShutdown, 1)
	}
}

// run gives events to the place until closing is closed and the queue is empty. When
// the context ends, what is left is lost.
func (l *lane) run(ctx context.Context, closing <-chan struct{}) {
	for {
		batch := l.queue.take(batchEvents, batchBytes)
		if batch == nil {
			select {
			case <-l.queue.wake:
				continue
			case <-closing:
			}
			if batch = l.queue.take(batchEvents, batchBytes); batch == nil {
				l.report(true)
				return
			}
		}
		if left := l.keep(ctx, batch); left > 0 {
			l.end(left)
			return
		}
		l.report(false)
	}
}

// keep gives events to the place until it has them, and returns how many it does not
// have when the context ends.
func (l *lane) keep(ctx context.Context, batch []*entry) (left int) {
	pause := retryFirst
	for {
		again, refused, err := l.place.keep(ctx, batch)
		l.count(resultRefused, refused)
		l.count(resultStored, len(batch)-len(again)-refused)
		l.tell(len(again) > 0, refused, err)
		if len(again) == 0 {
			return 0
		}
		if len(again) < len(batch) {
			pause = retryFirst
		}
		batch = again
		l.report(false)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return len(batch)
		}
		pause = min(2*pause, retryMost)
	}
}

// tell logs that the place fails, once, and that it works again.
func (l *lane) tell(failing bool, refused int, err error) {
	if refused > 0 {
		l.logger.Warn("audit events were refused for good and are lost", "sink", l.name, "events", refused, "error", err)
	}
	if failing == l.failing {
		return
	}
	if l.failing = failing; failing {
		l.logger.Warn("audit events cannot be stored; retrying", "sink", l.name, "error", err)
	} else {
		l.logger.Info("audit events are stored again", "sink", l.name)
	}
}

// report logs a bout of loss when it has ended, and while it goes on. When it has
// ended, the place is told too.
func (l *lane) report(last bool) {
	if was := l.queue.recovered(last); was.events > 0 {
		l.logger.Warn("audit events were lost: the queue was full", "sink", l.name, "events", was.events, "since", was.since.UTC())
		l.reported = time.Time{}
		if !last {
			l.put(l.note(EventsLost{Events: was.events, Since: was.since}))
		}
		return
	}
	now := l.now()
	switch ongoing := l.queue.losing(); {
	case ongoing.events == 0:
	case l.reported.IsZero():
		l.reported = now
	case now.Sub(l.reported) >= reportEvery:
		l.reported = now
		l.logger.Warn("audit events are being lost: the queue is full", "sink", l.name, "events", ongoing.events, "since", ongoing.since.UTC())
	}
}

// end counts what is lost because the time is up.
func (l *lane) end(left int) {
	for {
		more := l.queue.take(batchEvents, batchBytes)
		if more == nil {
			break
		}
		left += len(more)
	}
	l.count(resultShutdown, left)
	l.report(true)
	l.logger.Warn("audit events were lost: they could not be stored before the end", "sink", l.name, "events", left)
}
