package ingest

import (
	"errors"
	"fmt"
	"slices"

	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/hub/share"
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
	// ErrSchemaUnavailable means that the schema of the stream is not known yet, and so
	// that nothing is stored.
	ErrSchemaUnavailable = fmt.Errorf("the schema of the stream is not known yet: %w", upstream.ErrPublishUnavailable)
	// ErrNotAllowed means that the principal has no right to publish the record.
	ErrNotAllowed = errors.New("the principal is not allowed to publish the record")
)

// Errors of message ids.
var (
	// ErrNoMessageIDs means that the record has a message id, and its stream takes none.
	ErrNoMessageIDs = errors.New("the stream takes no message ids")
	// ErrMessageIDRequired means that the record has no message id, and its stream requires
	// one.
	ErrMessageIDRequired = errors.New("the stream requires a message id")
	// ErrMessageIDConflict means that the principal has used the message id for another
	// record. This one is not stored.
	ErrMessageIDConflict = errors.New("the message id was used for another record")
	// ErrMessageIDsUnavailable is upstream.ErrPublishUnavailable because message ids cannot be
	// looked up.
	ErrMessageIDsUnavailable = fmt.Errorf("%w: message ids are unavailable", upstream.ErrPublishUnavailable)
)

// Publisher is the principal that publishes.
type Publisher struct {
	// Principal is the key of the principal, and Tenant the tenant that it belongs to,
	// "" for none.
	Principal, Tenant string
	// Subject is the subject of the principal's credential, "" for an anonymous one, and
	// Address the network address that the request came from.
	Subject, Address string
	// TraceParent is the trace context of the request as the client has sent it (W3C Trace
	// Context, traceparent), "" for none. It need not be valid.
	TraceParent string
	// Claims are the attributes of the principal's credential as a JSON object, nil
	// for none. They must not be changed.
	Claims []byte
	// Correlation is what the reply to the record will have in common with it, "" if none
	// is expected.
	Correlation string
	// Quota names the quota of the principal that the right to publish comes with, "" for
	// none.
	Quota string
	// Allowed passes the records that the principal has a right to publish.
	Allowed filter.Filter
}

// Message is a record as it came from a client.
type Message struct {
	Key     []byte // nil for null
	Headers []record.Header
	Value   []byte // nil for a tombstone
	// Timestamp is the one that the client has set, in Unix milliseconds, 0 for none.
	Timestamp int64
	// ID is the message id that the client has given the record, "" for none. Within the
	// window of the stream, the principal stores one record under it.
	ID string
	// Implied means that the ID is not the client's own wish, but part of what it sends. A
	// stream that takes no message ids ignores it.
	Implied bool
	// Token marks the record in the log, as the value of the header HeaderMessageID, so that
	// it can be found there. It is set for a record with an ID, and is not the ID.
	Token string
	// JSON is set if the value is JSON that the transport has checked; any other value
	// is bytes of which nothing is known. A tombstone is neither.
	JSON bool
	// Encoded is what is stored instead of Value, nil for Value itself. Steps still check
	// Value.
	Encoded []byte
}

// stored returns the message as it is passed to the store.
func (m *Message) stored() upstream.Message {
	value := m.Value
	if m.Encoded != nil {
		value = m.Encoded
	}
	return upstream.Message{Key: m.Key, Headers: m.marked(m.Headers), Value: value, Timestamp: m.Timestamp}
}

// marked returns headers with the one that marks the message, which is the last.
func (m *Message) marked(headers []record.Header) []record.Header {
	if m.Token == "" {
		return headers
	}
	return append(slices.Clip(headers), record.Header{Name: []byte(HeaderMessageID), Value: []byte(m.Token)})
}

// Batch holds the records that one request publishes to one stream. Each is
// pending until it has a verdict. A Batch is not safe for concurrent use.
type Batch struct {
	// Stream is the stream's public name.
	Stream string
	Publisher

	messages []Message
	verdicts []Verdict
	settled  []bool
	pending  int
	kept     []kept
}

// kept is what a step keeps of a batch.
type kept struct {
	by   Step
	what any
}

func newBatch(stream string, by Publisher, messages []Message) *Batch {
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
func (b *Batch) Message(i int) *Message { return &b.messages[i] }

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

// Explain replaces the verdict for record i, which must not be pending, by one that says more
// about the same outcome. Steps call it in Settled.
func (b *Batch) Explain(i int, v Verdict) { b.verdicts[i] = v }

// Keep keeps something for a step from Check until Settled. The step must be comparable.
func (b *Batch) Keep(by Step, what any) { b.kept = append(b.kept, kept{by, what}) }

// Kept returns what a step has kept, nil if it has kept nothing.
func (b *Batch) Kept(by Step) any {
	for _, k := range b.kept {
		if k.by == by {
			return k.what
		}
	}
	return nil
}

// client returns whom the memory of the records is accounted to.
func (b *Batch) client() share.Client {
	return share.Client{Tenant: b.Tenant, Principal: b.Principal}
}

// remaining returns the records without a verdict, and their indexes.
func (b *Batch) remaining() (messages []upstream.Message, index []int) {
	messages, index = make([]upstream.Message, 0, b.pending), make([]int, 0, b.pending)
	for i := range b.messages {
		if !b.settled[i] {
			messages, index = append(messages, b.messages[i].stored()), append(index, i)
			messages[len(messages)-1].By = b.client()
		}
	}
	return messages, index
}

// settleRest records the results of the remaining records.
func (b *Batch) settleRest(index []int, stored []upstream.Stored) {
	for n, v := range stored {
		b.Settle(index[n], v)
	}
}
