package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go/protocol/apiversions"

	"sluice/hub"
)

// produceLane stores the messages of one partition, in order, with a producer
// identity of its own, so that what befalls it touches no other partition.
//
// # Sequence
//
// The broker appends a batch only if its sequence follows the last one of the
// same producer id and epoch, and answers the last batches again instead of
// appending them twice. The lane keeps to these rules:
//
//   - One batch is under way at a time. Its sequence is used up when it is
//     stored, and only then.
//   - As long as every attempt certainly failed to append it (nothing was
//     written to a connection, or the broker said so), the batch is loose: its
//     messages go back to the head of the queue, those whose time is over fail
//     as unavailable, and the sequence serves for whatever batch is next.
//   - After an attempt whose end is not known, the batch is fixed. Only the
//     same bytes with the same sequence are sent from then on, which the broker
//     appends at most once, until one attempt is answered as stored. Messages
//     of it whose time is over are answered as unknown; the others are still
//     waited for.
//   - When nobody waits for a fixed batch any more, or the broker will not
//     take it, it is given up, all of it answered as unknown and never sent
//     again, neither with this sequence nor with another. Whether its sequence
//     is used up cannot be known, so the lane does not go on from there: it
//     raises its epoch and begins at sequence 0 (KIP-360). If the lost request
//     arrives before the next batch, its records come before that; if it
//     arrives later, the broker refuses it for its old epoch. Either way
//     order holds and nothing is stored twice.
//   - A broker that says OUT_OF_ORDER_SEQUENCE_NUMBER to a loose batch has lost
//     what it knew (an unclean election, a topic made again). The batch was not
//     appended, so it goes again under the next epoch; under a new producer id
//     where the broker no longer accepts the old one.
//   - DUPLICATE_SEQUENCE_NUMBER means stored for a fixed batch, whose offset is
//     then not known (-1). A loose batch cannot have been stored, so there it
//     is an error of sequence like the one above.
//
// # Failing fast
//
// A lane that makes no progress for some time is away: what has not been sent
// fails, and new messages fail at once. A fixed batch goes on being sent, and
// without one the lane asks the leader for a sign of life, until it is back.
type produceLane struct {
	topic     *produceTopic
	producer  *Producer
	partition int32
	wake      chan struct{}

	// Guarded by the topic's mutex.
	queue    []*produceMessage
	dead     int           // settled messages in the queue
	sending  *produceBatch // taken from the queue, not yet done with
	leader   int32         // -1 for none
	since    time.Time     // when it began to wait for progress; zero when it does not
	cause    error         // the last failure since then
	away     error         // why nothing is taken for now
	patience *time.Timer   // ends FailAfter after since

	// Owned by run.
	identity   produceIdentity
	sequence   int32
	maxBytes   int // bounds of the next batch
	maxRecords int
	retry      *backoff.ExponentialBackOff
}

// produceMaxRecords bounds a batch, and so what one bad record can delay.
const produceMaxRecords = 10_000

func newProduceLane(t *produceTopic, partition int32) *produceLane {
	l := &produceLane{
		topic:      t,
		producer:   t.producer,
		partition:  partition,
		leader:     -1,
		wake:       make(chan struct{}, 1),
		maxBytes:   t.producer.config.BatchBytes,
		maxRecords: produceMaxRecords,
		retry:      t.producer.newBackoff(),
	}
	l.patience = time.AfterFunc(time.Hour, l.losePatience)
	l.patience.Stop()
	return l
}

// run sends what is queued. It returns once ctx has ended and the queue is
// empty, or when work ends.
func (l *produceLane) run(ctx, work context.Context) {
	defer l.patience.Stop()
	for work.Err() == nil {
		if batch := l.take(); batch != nil {
			l.store(work, batch)
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if l.isAway() {
			if !l.probe(ctx) {
				l.pause(ctx)
			}
			continue
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
		}
	}
}

// store tries a batch until all its messages have a result or are back in the
// queue.
func (l *produceLane) store(work context.Context, batch *produceBatch) {
	for {
		if !l.prepare(work, batch) {
			return
		}
		outcome := l.attempt(work, batch)
		if l.conclude(batch, outcome) {
			if outcome.verdict == verdictRetry && !outcome.takenBack {
				l.pause(work)
			}
			return
		}
		if work.Err() != nil {
			l.giveUp(batch, errProduceClosed)
			return
		}
		if l.awaited(batch) {
			l.pause(work)
		}
	}
}

// prepare gives the batch its identity and its bytes, once. When it returns
// false the batch is done with.
func (l *produceLane) prepare(work context.Context, batch *produceBatch) bool {
	if batch.encoded != nil {
		return true
	}
	if !l.identity.valid {
		asking, cancel := context.WithTimeout(work, l.producer.config.RequestTimeout)
		identity, err := newProduceIdentity(asking, l.producer.cluster)
		cancel()
		if err != nil {
			if refusedForGood(err) {
				l.failBatch(batch, hub.ErrPublishRejected, err)
				return false
			}
			l.requeue(batch, fmt.Errorf("ask for a producer id: %w", err))
			l.pause(work)
			return false
		}
		l.identity, l.sequence = identity, 0
	}
	encoded, err := encodeProduce(batch.messages, l.producer.config.Compression, l.identity, l.sequence)
	if err != nil {
		l.failBatch(batch, hub.ErrPublishRejected, err)
		return false
	}
	batch.encoded = encoded
	return true
}

// conclude acts on an attempt's outcome and reports whether the batch is done
// with.
func (l *produceLane) conclude(batch *produceBatch, out produceOutcome) bool {
	switch {
	case out.verdict == verdictStored:
		return true // attempt has answered it
	case out.verdict == verdictUnknown:
		return false
	case batch.unknown:
		// This attempt appended nothing. An earlier one may have.
		if out.verdict == verdictRetry {
			return false
		}
		l.giveUp(batch, out.err)
		return true
	}
	l.retrace(batch, out)
	return true
}

// retrace acts on the outcome for a loose batch, which is not stored.
func (l *produceLane) retrace(batch *produceBatch, out produceOutcome) {
	switch out.verdict {
	case verdictResequence, verdictDuplicate:
		l.renew(l.identity.next(), out.err)
		l.requeue(batch, out.err)
	case verdictFenced:
		l.renew(produceIdentity{}, out.err)
		l.requeue(batch, out.err)
	case verdictTooLarge:
		l.split(batch, out.err)
	case verdictInvalid:
		l.sortOut(batch, out)
	case verdictRefused:
		l.failBatch(batch, hub.ErrPublishRejected, out.err)
	default:
		if out.takenBack {
			l.requeue(batch, nil)
		} else {
			l.requeue(batch, out.err)
		}
	}
}

// stored answers a batch that is in the log. The lock is held.
func (l *produceLane) stored(batch *produceBatch, out produceOutcome) {
	l.sequence = produceSequence(l.sequence, len(batch.messages))
	l.maxRecords = min(2*l.maxRecords, produceMaxRecords)
	l.retry.Reset()
	l.progress()
	for i, m := range batch.messages {
		result := hub.Stored{Partition: l.partition, Offset: -1, Timestamp: m.call.at}
		if out.offset >= 0 {
			result.Offset = out.offset + int64(i)
		}
		if out.appendTime >= 0 {
			result.Timestamp = out.appendTime
		}
		l.topic.settle(m, result)
	}
	l.sending = nil
}

// giveUp answers a fixed batch as unknown, and goes on under an identity with
// which it cannot be stored any more once the next batch is.
func (l *produceLane) giveUp(batch *produceBatch, cause error) {
	if batch.unknown {
		l.renew(l.identity.next(), cause)
		l.failBatch(batch, hub.ErrPublishUnknown, cause)
		return
	}
	l.failBatch(batch, hub.ErrPublishUnavailable, cause)
}

// renew goes on with another identity, and a new one where that is none.
func (l *produceLane) renew(next produceIdentity, cause error) {
	l.identity, l.sequence = next, 0
	l.producer.config.Log.Info("producer begins a new sequence",
		"topic", l.topic.name, "partition", l.partition, "cause", cause)
}

// split makes the next batch smaller, unless it is one message that is too
// large by itself.
func (l *produceLane) split(batch *produceBatch, cause error) {
	if len(batch.messages) == 1 {
		// The batches before it were cut down on its account only.
		l.maxBytes = l.producer.config.BatchBytes
		l.failBatch(batch, hub.ErrRecordTooLarge, cause)
		return
	}
	l.maxBytes = batch.size / 2
	l.requeue(batch, nil)
}

// sortOut fails the records that the broker found invalid and tries the others
// again, in smaller batches where it did not say which.
func (l *produceLane) sortOut(batch *produceBatch, out produceOutcome) {
	if len(batch.messages) == 1 {
		l.failBatch(batch, hub.ErrPublishRejected, out.err)
		return
	}
	if len(out.invalid) == 0 { // brokers before 2.4 (KIP-467)
		l.maxRecords = len(batch.messages) / 2
		l.requeue(batch, nil)
		return
	}
	l.topic.mu.Lock()
	for index, why := range out.invalid {
		if index >= 0 && int(index) < len(batch.messages) {
			l.topic.fail(batch.messages[index], hub.ErrPublishRejected, fmt.Errorf("%w: %s", out.err, why))
		}
	}
	l.topic.unlock()
	l.requeue(batch, nil)
}

// pause waits before the next attempt, longer each time until one succeeds.
func (l *produceLane) pause(ctx context.Context) {
	select {
	case l.topic.stale <- struct{}{}:
	default:
	}
	timer := time.NewTimer(l.retry.NextBackOff())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// probe asks the leader for a sign of life and reports whether the lane is
// back.
func (l *produceLane) probe(ctx context.Context) bool {
	l.topic.mu.Lock()
	leader := l.leader
	l.topic.unlock()
	if leader < 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, l.producer.config.FailAfter)
	defer cancel()
	if _, err := produceAsk[*apiversions.Response](ctx, l.producer.cluster, leader, &apiversions.Request{}); err != nil {
		return false
	}
	l.topic.mu.Lock()
	defer l.topic.unlock()
	l.progress()
	l.retry.Reset()
	return true
}

// The queue. The topic's mutex guards what follows.

// push queues a message. The lock is held.
func (l *produceLane) push(m *produceMessage) {
	if l.away != nil {
		m.lane = l
		l.topic.fail(m, hub.ErrPublishUnavailable, l.away)
		l.dead-- // it never came into the queue
		return
	}
	l.queue = append(l.queue, m)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take makes a batch of what is queued, nil when nothing is.
func (l *produceLane) take() *produceBatch {
	l.topic.mu.Lock()
	defer l.topic.unlock()
	batch := &produceBatch{}
	taken := 0
	for _, m := range l.queue {
		if !m.settled {
			if len(batch.messages) > 0 && (batch.size+m.size > l.maxBytes || len(batch.messages) >= l.maxRecords) {
				break
			}
			m.batch = batch
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
		if l.cause == nil && l.away == nil {
			l.progress() // nothing failed, and nothing is waited for
		}
		return nil
	}
	l.sending = batch
	if l.since.IsZero() {
		l.since = time.Now()
		l.patience.Reset(l.producer.config.FailAfter)
	}
	if l.topic.sticky == int(l.partition) {
		l.topic.spread()
	}
	return batch
}

// requeue puts what lives of a loose batch back to the head of the queue.
// The cause is nil where that is no failure of the lane.
func (l *produceLane) requeue(batch *produceBatch, cause error) {
	l.topic.mu.Lock()
	defer l.topic.unlock()
	l.sending = nil
	if cause != nil {
		l.cause = cause
	}
	batch.messages = slices.DeleteFunc(batch.messages, func(m *produceMessage) bool { return m.settled })
	for _, m := range batch.messages {
		m.batch = nil
	}
	l.queue = slices.Insert(l.queue, 0, batch.messages...)
	if l.away != nil {
		l.failQueue(l.away)
	}
}

// failBatch answers what lives of a batch with an error.
func (l *produceLane) failBatch(batch *produceBatch, sentinel, cause error) {
	l.topic.mu.Lock()
	defer l.topic.unlock()
	l.sending = nil
	if !errors.Is(sentinel, hub.ErrPublishUnknown) && !errors.Is(sentinel, hub.ErrPublishUnavailable) {
		l.progress() // the broker has spoken
	}
	for _, m := range batch.messages {
		l.topic.fail(m, sentinel, cause)
	}
}

// failQueue answers what was never sent. The lock is held.
func (l *produceLane) failQueue(cause error) {
	for _, m := range l.queue {
		l.topic.fail(m, hub.ErrPublishUnavailable, cause)
	}
	l.queue, l.dead = nil, 0
}

// compact drops settled messages once they are the larger part, so that calls
// that come and go while the lane is stuck take no memory. The lock is held.
func (l *produceLane) compact() {
	if l.dead > 16 && l.dead > len(l.queue)/2 {
		l.queue = slices.DeleteFunc(l.queue, func(m *produceMessage) bool { return m.settled })
		l.dead = 0
	}
}

// progress notes that the lane works. The lock is held.
func (l *produceLane) progress() {
	if l.away != nil {
		l.producer.config.Log.Info("partition can be produced to again", "topic", l.topic.name, "partition", l.partition)
	}
	l.since, l.cause, l.away = time.Time{}, nil, nil
	l.patience.Stop()
}

var errProduceStuck = errors.New("kafka does not answer")

// losePatience is called when the lane has waited for progress for FailAfter.
func (l *produceLane) losePatience() {
	l.topic.mu.Lock()
	defer l.topic.unlock()
	if l.since.IsZero() || time.Since(l.since) < l.producer.config.FailAfter || l.away != nil {
		return
	}
	l.away = l.cause
	if l.away == nil {
		l.away = errProduceStuck
	}
	l.producer.config.Log.Warn("partition cannot be produced to",
		"topic", l.topic.name, "partition", l.partition, "cause", l.away)
	l.failQueue(l.away)
	if l.sending != nil {
		l.sending.takeBack() // it is requeued, and fails there
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// awaited reports whether anybody waits for a batch.
func (l *produceLane) awaited(batch *produceBatch) bool {
	l.topic.mu.Lock()
	defer l.topic.unlock()
	return batch.live > 0
}

func (l *produceLane) isAway() bool {
	l.topic.mu.Lock()
	defer l.topic.unlock()
	return l.away != nil
}
