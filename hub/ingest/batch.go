package ingest

import (
	"errors"

	"sluice/hub/filter"
	"sluice/hub/upstream"
)

// Verdict is the result for a record. Without an error the record is stored at
// the partition and offset, on all in-sync replicas. With ErrPublishUnknown it
// may be stored or not. With any other error it certainly is not stored.
type Verdict = upstream.Stored

// Rejected returns the verdict for a record that is not stored, with the reason.
func Rejected(reason error) Verdict {
	return Verdict{Partition: -1, Offset: -1, Err: reason}
}

// Errors of steps.
var (
	// ErrInvalid means that the record breaks a rule of its stream. It will not
	// be stored later either. Steps wrap it with the details.
	ErrInvalid = errors.New("the record is not valid")
	// ErrReservedHeader means that a header has a name that is reserved for the
	// server.
	ErrReservedHeader = errors.New("a header has a reserved name")
	// ErrNotAllowed means that the principal has no right to publish the record.
	ErrNotAllowed = errors.New("the principal is not allowed to publish the record")
)

// Publisher is the principal that publishes.
type Publisher struct {
	// Principal is the key of the principal, and Tenant the tenant that it belongs to,
	// "" for none.
	Principal, Tenant string
	// Allowed passes the records that the principal has a right to publish.
	Allowed filter.Filter
}

// Batch holds the records that one request publishes to one stream. Each is
// pending until it has a verdict. A Batch is not safe for concurrent use.
type Batch struct {
	// Stream is the stream's public name.
	Stream string
	Publisher

	messages []upstream.Message
	verdicts []Verdict
	settled  []bool
	pending  int
}

func newBatch(stream string, by Publisher, messages []upstream.Message) *Batch {
	return &Batch{
		Stream: stream, Publisher: by,
		messages: messages,
		verdicts: make([]Verdict, len(messages)),
		settled:  make([]bool, len(messages)),
		pending:  len(messages),
	}
}

// Len returns the number of records in the batch, with a verdict or without.
func (b *Batch) Len() int { return len(b.messages) }

// Pending reports whether record i has no verdict yet.
func (b *Batch) Pending(i int) bool { return !b.settled[i] }

// Message returns record i. Check may change it, but not the bytes that its
// slices refer to: it must replace the slices.
func (b *Batch) Message(i int) *upstream.Message { return &b.messages[i] }

// Verdict returns the verdict for record i, which must not be pending.
func (b *Batch) Verdict(i int) Verdict { return b.verdicts[i] }

// Settle gives record i its verdict. Later steps should then ignore the record,
// and it is not sent to Kafka. A verdict is final: if the record already has one,
// Settle does nothing and reports false.
func (b *Batch) Settle(i int, v Verdict) bool {
	if b.settled[i] {
		return false
	}
	b.verdicts[i], b.settled[i] = v, true
	b.pending--
	return true
}

// remaining returns the records without a verdict, and their indexes; the indexes
// are nil if these are all records.
func (b *Batch) remaining() (messages []upstream.Message, index []int) {
	if b.pending == len(b.messages) {
		return b.messages, nil
	}
	for i := range b.messages {
		if !b.settled[i] {
			messages, index = append(messages, b.messages[i]), append(index, i)
		}
	}
	return messages, index
}

// settleRest records the results of the remaining records.
func (b *Batch) settleRest(index []int, stored []upstream.Stored) {
	for n, v := range stored {
		if index != nil {
			n = index[n]
		}
		b.Settle(n, v)
	}
}
