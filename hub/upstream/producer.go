package upstream

import (
	"context"
	"errors"
	"time"

	"sluice/hub/record"
	"sluice/hub/share"
)

// Message is a message that a client asks to store. A nil Key is a null key and a
// nil Value a tombstone.
type Message struct {
	Key     []byte
	Headers []record.Header
	Value   []byte
	// Timestamp is in Unix milliseconds, 0 for the time of the call.
	Timestamp int64
	// By is the client whose message it is. A Producer shares its memory out by that of the
	// first message of a call.
	By share.Client
}

// Stored tells where a message is stored, or why it is not.
type Stored struct {
	Partition int32
	Offset    int64
	// Timestamp is in Unix milliseconds: the broker's if the topic uses log
	// append time, else the producer's.
	Timestamp int64
	// Duplicate means that the message was not stored again, because it was stored there
	// before, under the same message id. A Producer never sets it.
	Duplicate bool
	// Correlation is what the reply to the message has in common with it, and Since is before
	// that reply, if its publisher expects one and the message has a message id: then both are
	// those of the first publish. A Producer never sets them.
	Correlation string
	Since       time.Time
	// Err is nil once the message is stored on all in-sync replicas. Any error
	// except ErrPublishUnknown means that the message certainly is not stored.
	Err error
}

// Producer stores messages in the topics of one Kafka cluster, with acks=all and
// idempotently: a retry never stores a message twice.
type Producer interface {
	// Produce takes ownership of the messages and returns at once. The order of
	// calls is kept within each partition, and messages with equal keys go to the
	// partition that Kafka's Java client would choose. done is called exactly
	// once, from another goroutine, with one result per message in their order.
	// It must not block. The messages must not be changed afterwards. The context
	// bounds the attempt: when it ends before an answer, messages that were never
	// sent fail with ErrPublishUnavailable and the others with ErrPublishUnknown.
	Produce(ctx context.Context, topic string, messages []Message, done func([]Stored))
}

// Errors of a Producer.
var (
	// ErrPublishUnavailable: the record is certainly not stored; it can be tried
	// again.
	ErrPublishUnavailable = errors.New("kafka did not accept the record")
	// ErrPublishUnknown: the record may be stored or not.
	ErrPublishUnknown = errors.New("unknown whether kafka stored the record")
	// ErrPublishOverloaded: too much is in flight; the record is certainly not
	// stored.
	ErrPublishOverloaded = errors.New("too many publishes are in flight")
	// ErrPublishLate: what is queued before the record would take longer than the record
	// may wait; it is certainly not stored. Errors that wrap it are *LateError.
	ErrPublishLate = errors.New("the record would not be stored in time")
	// ErrRecordTooLarge: the topic does not accept a record of this size.
	ErrRecordTooLarge = errors.New("the record is larger than the topic allows")
	// ErrPublishRejected: Kafka refuses the record for a permanent reason (a
	// missing ACL, a compacted topic and no key).
	ErrPublishRejected = errors.New("kafka rejected the record")
)

// LateError is the error of a record that would not be stored in time.
type LateError struct {
	// RetryAfter is when so little is likely to be queued that the record would be.
	RetryAfter time.Duration
}

// Error implements error.
func (*LateError) Error() string { return ErrPublishLate.Error() }

// Unwrap returns ErrPublishLate.
func (*LateError) Unwrap() error { return ErrPublishLate }
