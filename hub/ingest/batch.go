package ingest

import (
	"errors"

	"sluice/hub/upstream"
)

// Verdict is what became of a record. Without an error it is stored at the
// partition and offset, in all in-sync replicas. With ErrPublishUnknown it may be
// stored or not. With any other error it certainly is not stored.
type Verdict = upstream.Stored

// Rejected is the verdict on a record that is not stored, for a reason.
func Rejected(reason error) Verdict {
	return Verdict{Partition: -1, Offset: -1, Err: reason}
}

// Errors of steps.
var (
	// ErrInvalid: the record breaks a rule of its stream. It will not be stored
	// later either. Steps wrap it with what is wrong.
	ErrInvalid = errors.New("the record is not valid")
	// ErrReservedHeader: a header has a name that the server keeps for itself.
	ErrReservedHeader = errors.New("a header has a reserved name")
)

// Batch is what one request publishes to one stream: records, each of them
// pending until it has a verdict. It is for one goroutine at a time.
type Batch struct {
	// Stream is the stream's public name, Principal the key of who publishes.
	Stream, Principal string

	messages []upstream.Message
	verdicts []Verdict
	settled  []bool
	pending  int
}

func newBatch(stream, principal string, messages []upstream.Message) *Batch {
	return &Batch{
		Stream: stream, Principal: principal,
		messages: messages,
		verdicts: make([]Verdict, len(messages)),
		settled:  make([]bool, len(messages)),
		pending:  len(messages),
	}
}

// Len is how many records the batch has, with a verdict or without.
func (b *Batch) Len() int { return len(b.messages) }

// Pending reports whether record i has no verdict yet.
func (b *Batch) Pending(i int) bool { return !b.settled[i] }

// Message is record i. Where Check may change it, what its slices refer to stays
// as it is: other bytes are other slices.
func (b *Batch) Message(i int) *upstream.Message { return &b.messages[i] }

// Verdict is that on record i, once it is not pending.
func (b *Batch) Verdict(i int) Verdict { return b.verdicts[i] }

// Settle gives record i its verdict, with which no later step is asked about it
// and Kafka does not get it. A verdict is final: Settle reports false, and does
// nothing, where the record has one.
func (b *Batch) Settle(i int, v Verdict) bool {
	if b.settled[i] {
		return false
	}
	b.verdicts[i], b.settled[i] = v, true
	b.pending--
	return true
}

// remaining are the records without a verdict, and which these are; nil for all.
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

// settleRest takes the verdicts on what remained.
func (b *Batch) settleRest(index []int, stored []upstream.Stored) {
	for n, v := range stored {
		if index != nil {
			n = index[n]
		}
		b.Settle(n, v)
	}
}
