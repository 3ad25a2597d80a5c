package upstream

import (
	"context"
	"errors"

	"sluice/hub/record"
)

// Message is what a client asks to be stored. A nil Key is a null key and a
// nil Value a tombstone.
type Message struct {
	Key     []byte
	Headers []record.Header
	Value   []byte
}

// Stored says where a message is, or why it is not.
type Stored struct {
	Partition int32
	Offset    int64
	// Timestamp is in Unix milliseconds: the broker's where the topic uses
	// log append time, else the producer's.
	Timestamp int64
	// Err is nil once the message is stored on all in-sync replicas. Any
	// error but ErrPublishUnknown means that it certainly is not stored.
	Err error
}

// Producer stores messages in the topics of one Kafka cluster, acks=all and
// idempotent: a retry never stores a message twice.
type Producer interface {
	// Produce takes the messages over and returns at once; the order of calls
	// is kept within each partition, and messages with equal keys go to the
	// partition that Kafka's Java client would choose. done is called exactly
	// once, from another goroutine, with one result a message in their order.
	// It must not block. The messages must not be changed afterwards. The
	// context bounds the attempt: when it ends before an answer, messages
	// that were never sent fail with ErrPublishUnavailable and the others
	// with ErrPublishUnknown.
	Produce(ctx context.Context, topic string, messages []Message, done func([]Stored))
}

// Errors of a Producer.
var (
	// ErrPublishUnavailable: certainly not stored; it can be tried again.
	ErrPublishUnavailable = errors.New("kafka did not take the record")
	// ErrPublishUnknown: it may be stored or not.
	ErrPublishUnknown = errors.New("it is not known whether kafka stored the record")
	// ErrPublishOverloaded: too much is in flight; certainly not stored.
	ErrPublishOverloaded = errors.New("too many publishes are in flight")
	// ErrRecordTooLarge: the topic does not take a record of this size.
	ErrRecordTooLarge = errors.New("the record is larger than the topic allows")
	// ErrPublishRejected: Kafka refuses the record for a reason that will not
	// pass by itself (a missing ACL, a compacted topic and no key).
	ErrPublishRejected = errors.New("kafka rejects the record")
)
