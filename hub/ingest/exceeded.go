package ingest

import (
	"errors"
	"fmt"
	"time"
)

// ErrQuota means that a quota is used up. Errors that wrap it are *QuotaError.
var ErrQuota = errors.New("a quota is used up")

// QuotaError is the error of all records of a batch that a quota does not admit. A batch
// is admitted as a whole or not at all, and all its records have the same QuotaError.
type QuotaError struct {
	// Scope is whose quota it is: principal, address or stream.
	Scope string
	// Unit is what it counts: records, bytes or publishes.
	Unit string
	// Most is how much of it can be used at once.
	Most int64
	// RetryAfter is when the batch would be admitted if nobody used the quota before.
	// 0 if that cannot be known, or never happens.
	RetryAfter time.Duration
	// Never is set if the batch is larger than the quota ever admits at once. Part is
	// set if it has several records, so that fewer of them may be admitted.
	Never, Part bool
}

// Error says which quota it is.
func (e *QuotaError) Error() string {
	if e.Never {
		return fmt.Sprintf("more %s than the quota of the %s ever admits at once", e.Unit, e.Scope)
	}
	return fmt.Sprintf("the quota of %s of the %s is used up", e.Unit, e.Scope)
}

// Unwrap returns ErrQuota.
func (*QuotaError) Unwrap() error { return ErrQuota }

// Allowance is what a publisher has left of a quota of records or bytes.
type Allowance struct {
	// Scope and Unit are those of a QuotaError.
	Scope, Unit string
	// Most is how much can be used at once, after Window without any use.
	Most   int64
	Window time.Duration
	// Left is how much can be used now, and Full when Most will be again.
	Left int64
	Full time.Duration
}
