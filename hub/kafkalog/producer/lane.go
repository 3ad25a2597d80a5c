package producer

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go/protocol/apiversions"

	"sluice/hub/kafkalog"
	"sluice/hub/upstream"
)

// lane stores the messages of one partition, in order, with a producer
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
//     (A broker that then forgets the producer id, so that the lane needs
//     another one, fences nothing: what was answered as unknown can still
//     arrive then, once, behind its successors.)
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
// fails, and new messages fail at once. It is back when a record is stored,
// and not before: a broker that has too few replicas answers everything else.
// A fixed batch goes on being sent. Without one the lane asks the leader for a
// sign of life, and then lets the messages of one call through as a trial, one
// call at a time, each sent once; the others go on failing at once.
type lane struct {
	topic     *topic
	producer  *Producer
	partition int32
	wake      chan struct{}

	// Guarded by the topic's mutex.
	queue    []*message
	dead     int         // settled messages in the queue
	sending  *batch      // taken from the queue, not yet done with
	leader   int32       // -1 for none
	since    time.Time   // when it began to wait for progress; zero when it does not
	cause    error       // the last failure since then
	away     error       // why nothing is taken for now
	ajar     bool        // away, yet the leader lives: a trial may begin
	trial    *call       // the last that was let through while away
	tried    time.Time   // when it was
	patience *time.Timer // ends FailAfter after since

	// Owned by run.
	identity   identity
	sequence   int32
	maxBytes   int // bounds of the next batch
	maxRecords int
	retry      *backoff.ExponentialBackOff
}

// maxBatchRecords bounds a batch, and so what one bad record can delay.
const maxBatchRecords = 10_000

func newLane(t *topic, partition int32) *lane {
	l := &lane{
		topic:      t,
		producer:   t.producer,
		partition:  partition,
		leader:     -1,
		wake:       make(chan struct{}, 1),
		maxBytes:   t.producer.config.BatchBytes,
		maxRecords: maxBatchRecords,
		retry:      t.producer.newBackoff(),
	}
	l.patience = time.AfterFunc(time.Hour, l.losePatience)
	l.patience.Stop()
	return l
}

// run sends what is queued. It returns once ctx has ended and the queue is
// empty, or when work ends.
func (l *lane) run(ctx, work context.Context) {
	defer l.patience.Stop()
	for work.Err() == nil {
		if batch := l.take(); batch != nil {
			l.store(work, batch)
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if l.needsProbe() {
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
func (l *lane) store(work context.Context, batch *batch) {
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
			l.giveUp(batch, errClosed)
			return
		}
		if l.awaited(batch) {
			l.pause(work)
		}
	}
}

// prepare gives the batch its identity and its bytes, once. When it returns
// false the batch is done with.
func (l *lane) prepare(work context.Context, batch *batch) bool {
	if batch.encoded != nil {
		return true
	}
	if !l.identity.valid {
		asking, cancel := context.WithTimeout(work, l.producer.config.RequestTimeout)
		identity, err := newIdentity(asking, l.producer.cluster)
		cancel()
		if err != nil {
			if refusedForGood(err) {
				l.failBatch(batch, upstream.ErrPublishRejected, err)
				return false
			}
			l.requeue(batch, fmt.Errorf("ask for a producer id: %w", err))
			l.pause(work)
			return false
		}
		l.identity, l.sequence = identity, 0
	}
	encoded, err := encode(batch.messages, l.producer.config.Compression, l.identity, l.sequence)
	if err != nil {
		l.failBatch(batch, upstream.ErrPublishRejected, err)
		return false
	}
	batch.encoded = encoded
	return true
}

// conclude acts on an attempt's outcome and reports whether the batch is done
// with.
func (l *lane) conclude(batch *batch, out outcome) bool {
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
func (l *lane) retrace(batch *batch, out outcome) {
	switch out.verdict {
	case verdictResequence, verdictDuplicate:
		l.renew(l.identity.next(), out.err)
		l.requeue(batch, nil)
	case verdictFenced:
		l.renew(identity{}, out.err)
		l.requeue(batch, nil)
	case verdictTooLarge:
		l.split(batch, out.err)
	case verdictInvalid:
		l.sortOut(batch, out)
	case verdictRefused:
		l.failBatch(batch, upstream.ErrPublishRejected, out.err)
	default:
		if out.takenBack {
			l.requeue(batch, nil)
		} else {
			l.requeue(batch, out.err)
		}
	}
}

// stored answers a batch that is in the log. The lock is held.
func (l *lane) stored(batch *batch, out outcome) {
	l.sequence = sequenceBehind(l.sequence, len(batch.messages))
	l.maxRecords = min(2*l.maxRecords, maxBatchRecords)
	l.retry.Reset()
	l.back()
	l.progress()
	for i, m := range batch.messages {
		result := upstream.Stored{Partition: l.partition, Offset: -1, Timestamp: m.call.at}
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
func (l *lane) giveUp(batch *batch, cause error) {
	if batch.unknown {
		l.renew(l.identity.next(), cause)
		l.failBatch(batch, upstream.ErrPublishUnknown, cause)
		return
	}
	l.failBatch(batch, upstream.ErrPublishUnavailable, cause)
}

// renew goes on with another identity, and a new one where that is none.
func (l *lane) renew(next identity, cause error) {
	l.identity, l.sequence = next, 0
	l.producer.config.Log.Info("producer begins a new sequence",
		"topic", l.topic.name, "partition", l.partition, "cause", cause)
}

// split makes the next batch smaller, unless it is one message that is too
// large by itself.
func (l *lane) split(batch *batch, cause error) {
	if len(batch.messages) == 1 {
		// The batches before it were cut down on its account only.
		l.maxBytes = l.producer.config.BatchBytes
		l.failBatch(batch, upstream.ErrRecordTooLarge, cause)
		return
	}
	l.maxBytes = batch.size / 2
	l.requeue(batch, nil)
}

// sortOut fails the records that the broker found invalid and tries the others
// again, in smaller batches where it did not say which.
func (l *lane) sortOut(batch *batch, out outcome) {
	if len(batch.messages) == 1 {
		l.failBatch(batch, upstream.ErrPublishRejected, out.err)
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
			l.topic.fail(batch.messages[index], upstream.ErrPublishRejected, fmt.Errorf("%w: %s", out.err, why))
		}
	}
	l.topic.unlock()
	l.requeue(batch, nil)
}

// pause waits before the next attempt, longer each time until one succeeds.
func (l *lane) pause(ctx context.Context) {
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

// probe asks the leader for a sign of life, and lets a trial begin when there is
// one, so that no message is given to a broker that does not answer.
func (l *lane) probe(ctx context.Context) bool {
	l.topic.mu.Lock()
	leader := l.leader
	l.topic.unlock()
	if leader < 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, l.producer.config.FailAfter)
	defer cancel()
	_, err := kafkalog.Do[*apiversions.Response](ctx, l.producer.cluster.NewRequest(leader, &apiversions.Request{}))
	l.topic.mu.Lock()
	defer l.topic.unlock()
	if err != nil {
		// What stands in the way now is told, unless that is only that it takes long.
		if l.away != nil && ctx.Err() == nil {
			l.away = err
		}
		return false
	}
	l.ajar = true
	return true
}
