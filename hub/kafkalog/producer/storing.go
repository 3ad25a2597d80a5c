package producer

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/protocol/apiversions"

	"sluice/hub/kafkalog"
	"sluice/hub/upstream"
)

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
			l.requeue(batch, fmt.Errorf("request a producer ID: %w", err))
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
	now := time.Now()
	l.estimate.stored(now)
	l.bound.stored(batch.full, now)
	for i, m := range batch.messages {
		result := upstream.Stored{Partition: l.partition, Offset: -1, Timestamp: m.timestamp()}
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
	l.producer.config.Log.Info("producer started a new sequence",
		"topic", l.topic.name, "partition", l.partition, "cause", cause)
}

// split makes the next batch smaller, unless this one is a single message that is
// too large by itself.
func (l *lane) split(batch *batch, cause error) {
	l.topic.mu.Lock()
	l.bound.tooLarge(batch.size, len(batch.messages), time.Now())
	l.topic.unlock()
	if len(batch.messages) == 1 {
		l.failBatch(batch, upstream.ErrRecordTooLarge, cause)
		return
	}
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

func newLane(t *topic, partition int32) *lane {
	l := &lane{
		topic:      t,
		producer:   t.producer,
		partition:  partition,
		leader:     -1,
		wake:       make(chan struct{}, 1),
		bound:      newBound(t.producer.config.BatchBytes),
		maxRecords: maxBatchRecords,
		retry:      t.producer.newBackoff(),
	}
	l.patience = time.AfterFunc(time.Hour, l.losePatience)
	l.patience.Stop()
	return l
}
