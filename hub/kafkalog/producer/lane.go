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

// lane stores the messages of one partition, in order. It has a producer identity
// of its own, so that a failure of it affects no other partition.
//
// # Sequence
//
// The broker appends a batch only if its sequence follows the last one of the
// same producer id and epoch. It answers a repetition of one of the last batches
// with the first result instead of appending it again. The lane keeps to these
// rules:
//
//   - One batch is in progress at a time. Its sequence is used up when it is
//     stored, and only then.
//   - As long as every attempt certainly failed to append it (nothing was written
//     to a connection, or the broker reported so), the batch is loose: its
//     messages go back to the head of the queue, those that have timed out fail
//     as unavailable, and the next batch uses the same sequence.
//   - After an attempt with an unknown result, the batch is fixed. From then on
//     only the same bytes with the same sequence are sent, which the broker
//     appends at most once, until an attempt is answered as stored. Messages of
//     the batch that time out are answered as unknown; the others still wait.
//   - When no message of a fixed batch is waited for any more, or the broker
//     refuses the batch, it is given up: all of it is answered as unknown and
//     never sent again, neither with this sequence nor with another. Whether its
//     sequence is used up is unknown, so the lane does not continue from there:
//     it raises its epoch and begins at sequence 0 (KIP-360). If the lost request
//     arrives before the next batch, its records come before that batch; if it
//     arrives later, the broker refuses it for its old epoch. In both cases order
//     is kept and nothing is stored twice. (If the broker then forgets the
//     producer id, so that the lane needs another one, nothing is fenced: a batch
//     that was answered as unknown can then still arrive, once, after its
//     successors.)
//   - A broker that answers OUT_OF_ORDER_SEQUENCE_NUMBER to a loose batch has
//     lost its state (an unclean election, a topic that was created again). The
//     batch was not appended, so it is sent again under the next epoch; under a
//     new producer id if the broker no longer accepts the old one.
//   - DUPLICATE_SEQUENCE_NUMBER means stored for a fixed batch, whose offset is
//     then unknown (-1). A loose batch cannot have been stored, so for it this is
//     a sequence error like the one above.
//
// # Failing fast
//
// A lane that makes no progress for some time is away: messages that have not
// been sent fail, and new messages fail at once. It is back when a record is
// stored, and not before: a broker with too few in-sync replicas answers all
// other requests. A fixed batch continues to be sent. Without a fixed batch the
// lane probes the leader, and when that answers, lets the messages of one call
// through as a trial, one call at a time, each sent once; the others continue to
// fail at once.
type lane struct {
	topic     *topic
	producer  *Producer
	partition int32
	wake      chan struct{}

	// Guarded by the topic's mutex.
	queue    []*message
	dead     int         // number of settled messages in the queue
	sending  *batch      // taken from the queue and not concluded
	leader   int32       // -1 for none
	since    time.Time   // when it began to wait for progress; zero if it does not
	cause    error       // the last failure since then
	away     error       // why no messages are accepted for now, nil if they are
	ajar     bool        // away, but the leader answers: a trial may begin
	trial    *call       // the last call that was let through while away
	tried    time.Time   // when that was
	patience *time.Timer // fires FailAfter after since

	// Owned by run.
	identity   identity
	sequence   int32
	maxBytes   int // bounds of the next batch
	maxRecords int
	retry      *backoff.ExponentialBackOff
}

// maxBatchRecords bounds a batch, and so the number of records that a bad record
// can delay.
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

// run sends queued messages. It returns once ctx has ended and the queue is
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
// false, the batch is concluded.
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

// conclude acts on an attempt's outcome and reports whether the batch is
// concluded.
func (l *lane) conclude(batch *batch, out outcome) bool {
	switch {
	case out.verdict == verdictStored:
		return true // attempt has reported the results
	case out.verdict == verdictUnknown:
		return false
	case batch.unknown:
		// This attempt appended nothing, but an earlier one may have.
		if out.verdict == verdictRetry {
			return false
		}
		l.giveUp(batch, out.err)
		return true
	}
	l.retrace(batch, out)
	return true
}

// retrace acts on the outcome for a loose batch that is not stored.
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

// stored reports the results of a batch that is in the log. The lock is held.
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

// giveUp fails a batch. A fixed batch is answered as unknown, and the lane
// continues under an identity with which that batch can no longer be stored once
// the next batch is.
func (l *lane) giveUp(batch *batch, cause error) {
	if batch.unknown {
		l.renew(l.identity.next(), cause)
		l.failBatch(batch, upstream.ErrPublishUnknown, cause)
		return
	}
	l.failBatch(batch, upstream.ErrPublishUnavailable, cause)
}

// renew switches to the next identity; if that is invalid, prepare asks for a new
// one.
func (l *lane) renew(next identity, cause error) {
	l.identity, l.sequence = next, 0
	l.producer.config.Log.Info("producer begins a new sequence",
		"topic", l.topic.name, "partition", l.partition, "cause", cause)
}

// split makes the next batch smaller, unless this one is a single message that is
// too large by itself.
func (l *lane) split(batch *batch, cause error) {
	if len(batch.messages) == 1 {
		// The batches before it were made smaller only because of it.
		l.maxBytes = l.producer.config.BatchBytes
		l.failBatch(batch, upstream.ErrRecordTooLarge, cause)
		return
	}
	l.maxBytes = batch.size / 2
	l.requeue(batch, nil)
}

// sortOut fails the records that the broker found invalid and tries the others
// again, in smaller batches if the broker did not report which records are
// invalid.
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

// pause waits before the next attempt, with a backoff that the next stored batch
// resets.
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

// probe asks the leader for its API versions, and allows a trial to begin if the
// leader answers, so that no message is sent to a broker that does not answer.
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
		// The current cause is reported, unless it is only that the probe timed
		// out.
		if l.away != nil && ctx.Err() == nil {
			l.away = err
		}
		return false
	}
	l.ajar = true
	return true
}
