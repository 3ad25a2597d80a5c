package ingest

import (
	"time"

	"sluice/hub/upstream"
)

// UnsettledError is upstream.ErrPublishUnknown for a record with a message id: publishing the
// record again, under the same id, tells what became of it, and stores it at most once.
type UnsettledError struct {
	// RetryAfter is when the next publish is likely to know more.
	RetryAfter time.Duration
	// Cause says why it is not known. It may be nil.
	Cause error
}

// Error implements error.
func (e *UnsettledError) Error() string {
	text := "the message id is not settled"
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns upstream.ErrPublishUnknown. What the cause is must not be taken for what became
// of the record.
func (*UnsettledError) Unwrap() error { return upstream.ErrPublishUnknown }
