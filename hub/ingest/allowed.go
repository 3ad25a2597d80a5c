package ingest

import (
	"context"
	"fmt"

	"sluice/hub/event"
	"sluice/hub/filter"
	"sluice/hub/record"
)

// Allowed is a step that refuses records that the publisher has no right to publish,
// with ErrNotAllowed: those that Publisher.Allowed does not pass, or cannot decide
// about. It must come after all steps that change records, so that what is judged is
// what is stored. A record is judged as an event would show it, without partition
// and offset, which it does not have yet (-1), and without a timestamp unless the client
// has set one.
type Allowed struct{}

// unstored is the encoder for records that have no stream yet.
var unstored = event.NewEncoder("", event.ContentAny)

// Check implements Step. It does not block.
func (Allowed) Check(_ context.Context, b *Batch) {
	if b.Allowed.All() {
		return
	}
	var text []byte
	for i := range b.Len() {
		if !b.Pending(i) {
			continue
		}
		var passes bool
		var err error
		if text, err = appendUnstored(text[:0], b.Message(i)); err == nil {
			var r filter.Record
			r.Set(text, -1, -1, timestamp(b.Message(i)))
			passes, err = b.Allowed.Passes(&r)
		}
		switch {
		case err != nil:
			b.Settle(i, Rejected(fmt.Errorf("%w: %w", ErrNotAllowed, err)))
		case !passes:
			b.Settle(i, Rejected(ErrNotAllowed))
		}
	}
}

// Settled implements Step.
func (Allowed) Settled(*Batch) {}

// appendUnstored appends the event of a message.
func appendUnstored(dst []byte, m *Message) ([]byte, error) {
	text, _, err := unstored.Append(dst, &record.Record{Timestamp: timestamp(m), Key: m.Key, Headers: m.Headers, Value: m.Value})
	return text, err
}

// timestamp returns what the client has set, -1 for none.
func timestamp(m *Message) int64 {
	if m.Timestamp > 0 {
		return m.Timestamp
	}
	return -1
}
