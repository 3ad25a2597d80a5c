package producer

import (
	"errors"
	"slices"
	"time"

	"sluice/hub/upstream"
)

// What a lane has queued and in progress, and whether it makes progress. All of
// it is guarded by the topic's mutex.

// push queues a message. The lock is held.
func (l *lane) push(m *message) {
	refusal, cause := upstream.ErrPublishUnavailable, l.away
	if l.takes(m.call) {
		refusal, cause = l.late(m), nil
	}
	l.estimate.waiting += m.size
	if refusal != nil {
		m.lane = l
		l.topic.fail(m, refusal, cause)
		l.dead-- // fail counted it, but it never was in the queue
		return
	}
	if l.away != nil && l.trial != m.call {
		l.trial, l.tried = m.call, time.Now()
	}
	l.queue = append(l.queue, m)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Bounds of the hint in a refusal.
const (
	leastHint = 10 * time.Millisecond
	mostHint  = 10 * time.Second
)

// late returns why a message is not queued, nil if it would be stored before its call ends.
// A lane that is away has an end of waiting of its own. The lock is held.
func (l *lane) late(m *message) error {
	if l.away != nil || l.sending == nil && len(l.queue) == l.dead {
		return nil
	}
	now := time.Now()
	wait := l.estimate.wait(m.size, l.bound.now, now)
	if wait == 0 {
		return nil
	}
	if over := wait - m.call.deadline.Sub(now); over > 0 {
		return &upstream.LateError{RetryAfter: min(max(over, leastHint), mostHint)}
	}
	return nil
}

// take makes a batch of queued messages, nil if there are none.
func (l *lane) take() *batch {
	l.topic.mu.Lock()
	defer l.topic.unlock()
	batch := &batch{}
	taken := 0
	for _, m := range l.queue {
		if !m.settled {
			if len(batch.messages) > 0 && batch.size+m.size > l.bound.now {
				batch.full = true
				break
			}
			if len(batch.messages) >= l.maxRecords {
				break
			}
			m.batch = batch
			l.estimate.waiting -= m.size
			batch.messages = append(batch.messages, m)
			batch.size += m.size
			batch.live++
		} else {
			l.dead--
		}
		taken++
	}
	l.queue = slices.Delete(l.queue, 0, taken)
	if batch.live == 0 {
		l.estimate.begun = time.Time{}
		if l.cause == nil && l.away == nil {
			l.progress() // nothing failed, and nothing is waited for
		}
		return nil
	}
	l.sending = batch
	if l.estimate.begun.IsZero() {
		l.estimate.begun = time.Now()
	}
	if l.since.IsZero() {
		l.since = time.Now()
		l.patience.Reset(l.producer.config.FailAfter)
	}
	if l.topic.sticky == int(l.partition) {
		l.topic.spread()
	}
	return batch
}

// requeue puts the messages of a loose batch that have no result back at the head
// of the queue. The cause is nil if the lane has not failed.
func (l *lane) requeue(batch *batch, cause error) {
	l.topic.mu.Lock()
	defer l.topic.unlock()
	l.sending = nil
	if cause != nil {
		l.cause = cause
	}
	batch.messages = slices.DeleteFunc(batch.messages, func(m *message) bool { return m.settled })
	for _, m := range batch.messages {
		m.batch = nil
		l.estimate.waiting += m.size
	}
	l.queue = slices.Insert(l.queue, 0, batch.messages...)
	// Without a cause, the batch belongs to a trial that continues in another
	// form.
	if l.away != nil && (cause != nil || l.trial == nil) {
		l.shut()
	}
}

// shut ends a trial that failed. The lock is held.
func (l *lane) shut() {
	if l.cause != nil {
		l.away = l.cause
	}
	l.ajar = false
	l.failQueue(l.away)
}

// failBatch fails the messages of a batch that have no result.
func (l *lane) failBatch(batch *batch, sentinel, cause error) {
	l.topic.mu.Lock()
	defer l.topic.unlock()
	l.sending, l.estimate.begun = nil, time.Time{}
	switch {
	case l.away != nil:
		l.ajar = false
	case !errors.Is(sentinel, upstream.ErrPublishUnknown) && !errors.Is(sentinel, upstream.ErrPublishUnavailable):
		l.progress() // the broker has answered
	}
	for _, m := range batch.messages {
		l.topic.fail(m, sentinel, cause)
	}
}

// failQueue fails the messages that were never sent. The lock is held.
func (l *lane) failQueue(cause error) {
	for _, m := range l.queue {
		l.topic.fail(m, upstream.ErrPublishUnavailable, cause)
	}
	l.queue, l.dead = nil, 0
	if l.sending == nil {
		l.estimate.begun = time.Time{}
	}
}

// compact drops settled messages once they are more than half of the queue, so
// that calls that time out while the lane is stuck take no memory. The lock is
// held.
func (l *lane) compact() {
	if l.dead > 16 && l.dead > len(l.queue)/2 {
		l.queue = slices.DeleteFunc(l.queue, func(m *message) bool { return m.settled })
		l.dead = 0
	}
}

// progress records that the lane does not wait for progress. The lock is held.
func (l *lane) progress() {
	l.since, l.cause = time.Time{}, nil
	l.patience.Stop()
}

// back ends the lane's being away, as a record has been stored. The lock is held.
func (l *lane) back() {
	if l.away == nil {
		return
	}
	l.away, l.ajar, l.trial = nil, false, nil
	l.producer.config.Log.Info("partition available for writes again", "topic", l.topic.name, "partition", l.partition)
}

var errNoAnswer = errors.New("kafka does not answer")

// losePatience makes the lane away if it has waited for progress for FailAfter.
func (l *lane) losePatience() {
	l.topic.mu.Lock()
	defer l.topic.unlock()
	if l.since.IsZero() || time.Since(l.since) < l.producer.config.FailAfter || l.away != nil {
		return
	}
	l.away = l.cause
	if l.away == nil {
		l.away = errNoAnswer
	}
	l.producer.config.Log.Warn("partition unavailable for writes",
		"topic", l.topic.name, "partition", l.partition, "cause", l.away)
	l.ajar, l.trial, l.tried = false, nil, time.Now()
	l.failQueue(l.away)
	if l.sending != nil {
		l.sending.takeBack() // it is requeued, and fails then
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// awaited reports whether any message of a batch has no result yet.
func (l *lane) awaited(batch *batch) bool {
	l.topic.mu.Lock()
	defer l.topic.unlock()
	return batch.live > 0
}

// needsProbe reports whether the lane must probe the leader.
func (l *lane) needsProbe() bool {
	l.topic.mu.Lock()
	defer l.topic.unlock()
	return l.away != nil && !l.ajar
}
