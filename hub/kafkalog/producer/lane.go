package producer

import (
	"time"

	"github.com/cenkalti/backoff/v5"
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
	estimate estimate
	bound    bound // of the bytes of a batch

	// Owned by run.
	identity   identity
	sequence   int32
	maxRecords int // bound of the next batch
	retry      *backoff.ExponentialBackOff
}

// maxBatchRecords bounds a batch, and so the number of records that a bad record
// can delay.
const maxBatchRecords = 10_000

// usable reports whether messages without a key may go to the lane. The lock is
// held.
func (l *lane) usable() bool {
	if l.leader < 0 {
		return false
	}
	return l.away == nil || l.takes(nil) && time.Since(l.tried) > spreadAfter
}

// takes reports whether a message of a call would be tried. The lock is held.
func (l *lane) takes(call *call) bool {
	if l.away == nil {
		return true
	}
	idle := l.sending == nil && len(l.queue) == l.dead
	return l.ajar && (idle || call != nil && l.trial == call)
}

// spreadAfter is how long a lane that is away is not tried again with messages
// that can go to any partition.
const spreadAfter = 5 * time.Second
